// SPDX-License-Identifier: Apache-2.0
// BufferPool: the memory requests are read into, one pool a loop. A buffer holds the largest
// request; its pages cost memory only once touched. A WRITE hands its buffer down as Bytes, so the
// payload is never copied; it comes back to the pool when the last slice goes (on whichever
// thread).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "client/base/bytes.h"

namespace threefs::fuse {

class BufferPool : public std::enable_shared_from_this<BufferPool> {
 public:
  /// One request: 1 MiB of payload (max_write) and its headers in front.
  static constexpr size_t kSize = (1U << 20) + 8192;

  static std::shared_ptr<BufferPool> Create() { return std::make_shared<BufferPool>(); }
  BufferPool() = default;
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  ~BufferPool();

  class Buffer {
   public:
    Buffer() = default;
    Buffer(Buffer&& o) noexcept;
    Buffer& operator=(Buffer&& o) noexcept;
    ~Buffer();
    [[nodiscard]] uint8_t* data() const { return data_; }
    [[nodiscard]] bool held() const { return data_ != nullptr; }
    /// Gives the memory to the result and its copies and slices. REQUIRES: offset + size <= kSize
    Bytes Share(size_t offset, size_t size) &&;

   private:
    friend class BufferPool;
    Buffer(std::shared_ptr<BufferPool> pool, uint8_t* data) : pool_(std::move(pool)), data_(data) {}
    std::shared_ptr<BufferPool> pool_;
    uint8_t* data_ = nullptr;
  };

  /// Never fails: memory that cannot be had ends the process.
  Buffer Take();
  /// Gives touched pages of unused buffers back to the system.
  void Trim();

 private:
  void Give(uint8_t* data);
  std::mutex mutex_;
  std::vector<uint8_t*> free_;
};

}  // namespace threefs::fuse

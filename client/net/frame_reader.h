// SPDX-License-Identifier: Apache-2.0
// FrameReader: cuts a byte stream into frames (3fs/wire.md §2.1). It says where the next bytes are
// to be read to, so that small frames are slices of one shared buffer and a large body is read
// straight into its own memory. Not thread-safe.
//   while ((n = readv(fd, r.Space(), ...)) > 0) TRY(r.Filled(n)); while (auto f = r.Next()) ...
// Memory: an announced size costs nothing before bytes come; a body's buffer grows with what has
// arrived.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "client/base/status.h"
#include "client/net/transport.h"

namespace threefs::net {

class FrameReader {
 public:
  /// Bodies of at least this size get a buffer of their own.
  static constexpr size_t kLargeBody = 64U << 10;

  FrameReader();
  FrameReader(const FrameReader&) = delete;
  FrameReader& operator=(const FrameReader&) = delete;
  ~FrameReader();

  /// Where to read next: one or two non-empty pieces (in `count`), valid until Filled.
  std::array<iovec, 2> Space(int* count);
  /// `n` bytes were read into Space(). An error (bad magic, size ≥ kMaxFrameBody) ends the
  /// connection.
  Status Filled(size_t n);
  std::optional<InFrame> Next();
  /// Bytes of memory held for the frame under way.
  [[nodiscard]] size_t held_bytes() const { return large_capacity_ + kChunk; }

 private:
  static constexpr size_t kChunk = 2 * kLargeBody;
  static constexpr size_t kFirstLarge =
      8U << 20;  // more than any body of an honest server at its default settings

  Status Parse();
  void Compact();
  void GrowLarge();
  void FinishLarge();

  // The shared buffer: [begin_, end_) holds bytes not yet cut into frames.
  std::shared_ptr<uint8_t> chunk_;
  size_t begin_ = 0;
  size_t end_ = 0;
  // The large body under way; large_size_ == 0: none.
  uint8_t* large_ = nullptr;
  size_t large_size_ = 0;
  size_t large_capacity_ = 0;
  size_t large_filled_ = 0;
  uint32_t large_word_ = 0;
  std::deque<InFrame> ready_;
};

}  // namespace threefs::net

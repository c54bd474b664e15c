// SPDX-License-Identifier: Apache-2.0
// DevQueue: one /dev/fuse descriptor, its libfuse session and its requests under way. Lives on its
// loop. It owns the receive buffers (so a WRITE's payload goes down uncopied) and both ways of
// libfuse's I/O: answers leave through WriteOut, which also edits the INIT answer (flags newer than
// libfuse 3.14) and swallows it when a recorded INIT is replayed.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "client/base/bytes.h"
#include "client/runtime/loop.h"
#include "mounter/fs/file_system.h"
#include "mounter/fuse/buffer_pool.h"
#include "mounter/fuse/request.h"
#include "mounter/metrics/counters.h"

struct fuse_session;

namespace threefs::fuse {

struct QueueOptions {
  Loop* loop = nullptr;
  int fd = -1;
  uint32_t index = 0;
  fs::FileSystem fs;
  metrics::Counters* counters = nullptr;
  Duration io_timeout = 60s;
  uint32_t max_background = 64;
  bool explicit_invalidation = false;
  /// The kernel's INIT came by (with its bytes) and was answered.
  std::function<void(std::vector<uint8_t>)> on_init;
  /// An INTERRUPT came: the request may be with any queue.
  std::function<void(uint64_t unique)> on_interrupt;
  /// The connection is gone.
  std::function<void()> on_gone;
  /// Tests and fuzzers: stands in for writev on `fd`.
  std::function<ssize_t(const iovec*, int)> write_out;
};

class DevQueue {
 public:
  explicit DevQueue(QueueOptions options);
  DevQueue(const DevQueue&) = delete;
  DevQueue& operator=(const DevQueue&) = delete;
  /// REQUIRES: no request is under way.
  ~DevQueue();

  /// Makes the session serve as if it had received this INIT. False: libfuse refused it.
  bool Prime(const std::vector<uint8_t>& init);
  /// Begins reading requests.
  void Start();
  /// Reads no more.
  void Halt();
  [[nodiscard]] size_t under_way() const { return under_way_; }
  /// Cancels the request with this number once it has run for a while, if it is ours.
  void Interrupt(uint64_t unique);
  /// One request's bytes, as read from the device. For Start's pump, tests and fuzzers.
  void Dispatch(BufferPool::Buffer buffer, size_t size);

  // --- for the operations (ops*.cc) and Request
  static DevQueue* From(fuse_req* req);
  Request Begin(fuse_req* req, uint64_t node);
  fuse_req* End(RequestState* state, int error);
  [[nodiscard]] const QueueOptions& options() const { return options_; }
  [[nodiscard]] metrics::Counters::Slot& counters() const { return *slot_; }
  /// The request being dispatched, header first; valid until the operation's first suspension.
  [[nodiscard]] ByteSpan current() const { return {buffer_.data(), current_size_}; }
  /// Takes the receive buffer away as the bytes at `payload`, which points into it.
  Bytes TakePayload(const char* payload, size_t size);
  ssize_t WriteOut(iovec* pieces, int count);
  /// Open flags libfuse 3.14 has no word for, put into the answer being made.
  void PatchOpenFlags(uint32_t flags) { patch_open_flags_ = flags; }

 private:
  void Pump();
  void Arm();
  void EditInit(uint8_t* out, size_t size) const;

  const QueueOptions options_;
  metrics::Counters::Slot* slot_;
  fuse_session* session_ = nullptr;
  std::unique_ptr<FdWatch> watch_;
  std::shared_ptr<BufferPool> pool_;
  BufferPool::Buffer buffer_;
  size_t current_size_ = 0;
  std::vector<std::unique_ptr<RequestState>> spare_;
  RequestState* first_ = nullptr;
  size_t under_way_ = 0;
  uint32_t patch_open_flags_ = 0;
  bool swallow_ = false;
  bool primed_ = false;
  bool halted_ = false;
};

}  // namespace threefs::fuse

// SPDX-License-Identifier: Apache-2.0
// Server: the FUSE front of one mount. One queue a loop, each with its own /dev/fuse descriptor
// (the first and its clones) and its own libfuse session; a request is read, run and answered on
// one loop. The first session takes the kernel's INIT, the others (and every session of a successor
// process) are primed by replaying the recorded one, its answer swallowed. Made and ended on the
// main thread; everything between runs on the loops.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/base/clock.h"
#include "client/base/status.h"
#include "client/runtime/loop.h"
#include "mounter/fs/file_system.h"
#include "mounter/fs/kernel_cache.h"
#include "mounter/fuse/device.h"
#include "mounter/metrics/counters.h"

namespace threefs::fuse {

struct ServerOptions {
  std::vector<Loop*> loops;
  /// fds[i] serves loops[i]; not closed by the server. As many as loops.
  std::vector<int> fds;
  metrics::Counters* counters = nullptr;
  BlockingPool* blocking = nullptr;  ///< for notifications that may wait for the kernel's locks
  Duration io_timeout = 60s;
  uint32_t max_background = 64;
  /// The kernel drops its pages at each open unless told otherwise, and is told of changes; false:
  /// it also watches mtime.
  bool explicit_invalidation = false;
  /// The INIT request of a predecessor; empty: the kernel's is still to come.
  std::vector<uint8_t> recorded_init;
  /// Called once on loop 0 with the kernel's INIT, before it is answered.
  std::function<void(const std::vector<uint8_t>&)> save_init;
  /// Any loop, once: every session is primed; for a successor the kernel was asked to resend.
  std::function<void()> on_ready;
  /// Any loop, once: the kernel closed the connection (unmounted, aborted).
  std::function<void()> on_gone;
};

class Server : public fs::KernelCache {
 public:
  /// `fs` and all that `options` points to outlive the server.
  static std::unique_ptr<Server> Create(fs::FileSystem fs, ServerOptions options);
  /// After Stop, or once the connection is gone.
  ~Server() override = default;

  virtual void Start() = 0;
  /// Main thread. Reads no more requests, waits up to `patience` for those under way, leaves the
  /// descriptors open. True when none was left.
  virtual bool Stop(Duration patience) = 0;
};

}  // namespace threefs::fuse

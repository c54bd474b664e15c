// SPDX-License-Identifier: Apache-2.0
// Loop: one thread's event loop, and the seam to time, readiness and scheduling. Production: epoll
// (epoll_loop.cc). Tests: virtual time (tests/support/sim_loop.h). Everything on a loop runs to
// completion; nothing may block. Methods are called on the loop's own thread unless marked "any
// thread".
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "client/base/clock.h"

namespace threefs {

/// Readiness of one descriptor (one watch a descriptor and loop). Destroying it stops the watch and
/// drops pending callbacks; it does not close the fd.
class FdWatch {
 public:
  virtual ~FdWatch() = default;
  /// Calls `ready` once when the fd becomes readable / writable (or has an error). Re-arm for the
  /// next time.
  virtual void OnReadable(std::function<void()> ready) = 0;
  virtual void OnWritable(std::function<void()> ready) = 0;
};

class Loop : public Clock {
 public:
  using TimerId = uint64_t;  ///< 0 is never a timer

  /// The loop whose callback is running on this thread, or null.
  static Loop* Current();

  /// Any thread. Runs `fn` on this loop soon, in order of posting.
  virtual void Post(std::function<void()> fn) = 0;
  /// Runs `fn` once at or after `when`. Cancel of a timer that ran or is unknown does nothing.
  virtual TimerId At(TimePoint when, std::function<void()> fn) = 0;
  virtual void Cancel(TimerId id) = 0;
  /// `fd` must be non-blocking and stay open while the watch lives.
  virtual std::unique_ptr<FdWatch> Watch(int fd) = 0;
  /// Work to do once at the end of each turn of the loop (flush batched sends). Kept until the
  /// token is destroyed.
  virtual std::shared_ptr<void> AtTurnEnd(std::function<void()> fn) = 0;

 protected:
  static void SetCurrent(Loop* loop);
};

/// A production loop running on its own thread.
class LoopThread {
 public:
  virtual ~LoopThread() = default;  ///< stops and joins
  virtual Loop& loop() = 0;
  /// Any thread. Ends the loop after the callback under way; pending work is dropped.
  virtual void Stop() = 0;
  static std::unique_ptr<LoopThread> Start(const char* name);
};

/// Blocking work (disk, DNS, RocksDB) runs here and its awaiter resumes on its own loop. `threads`
/// == 0: runs inline, which is what simulation uses.
class BlockingPool {
 public:
  virtual ~BlockingPool() = default;
  virtual void Submit(std::function<void()> work) = 0;
  [[nodiscard]] virtual bool inlined() const = 0;
  static std::unique_ptr<BlockingPool> Create(int threads, const char* name);
};

}  // namespace threefs

// SPDX-License-Identifier: Apache-2.0
// OpCounter: counts the coroutines at work in a service, so that Stop can wait until none refers to
// it any more. Loop-confined.
#pragma once

#include <cstddef>

#include "client/runtime/sync.h"
#include "client/runtime/task.h"

namespace threefs::standalone {

class OpCounter {
 public:
  class Guard {
   public:
    explicit Guard(OpCounter* counter) : counter_(counter) { ++counter_->running_; }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard() {
      if (--counter_->running_ == 0) counter_->idle_.Set();
    }

   private:
    OpCounter* counter_;
  };

  [[nodiscard]] Guard Enter() { return Guard(this); }
  [[nodiscard]] size_t running() const { return running_; }
  Task<void> Drain() {
    while (running_ != 0) {
      idle_.Reset();
      co_await idle_.Wait();
    }
  }

 private:
  size_t running_ = 0;
  Event idle_;
};

}  // namespace threefs::standalone

// SPDX-License-Identifier: Apache-2.0
// Backoff: the pauses between attempts of one operation, within its CallContext. Exponential with
// jitter, so that clients that failed together do not come back together.
//   for (Backoff backoff(ctx, {}, &rng);;) {
//     auto r = co_await Attempt(...);
//     if (r.ok() || !IsRetryable(r.status()) || !co_await backoff.Wait()) co_return r;
//   }
#pragma once

#include <algorithm>

#include "client/base/clock.h"
#include "client/base/rng.h"
#include "client/runtime/loop.h"
#include "client/runtime/sync.h"
#include "client/runtime/task.h"

namespace threefs::rpc {

struct BackoffOptions {
  Duration first = 10ms;
  Duration longest = 1s;
  double jitter = 0.5;  ///< a pause is shortened by up to this share of it
};

class Backoff {
 public:
  /// `rng` outlives it.
  Backoff(CallContext ctx, BackoffOptions options, Rng* rng)
      : ctx_(ctx), options_(options), rng_(rng), pause_(options.first) {}

  /// Waits the next pause. False, at once, when the deadline would come first, or as soon as the
  /// operation is cancelled.
  Task<bool> Wait() {
    const double share = 1.0 - options_.jitter * rng_->Unit();
    const Duration pause(static_cast<int64_t>(static_cast<double>(pause_.count()) * share));
    pause_ = std::min(2 * pause_, options_.longest);
    ++waits_;
    const TimePoint until = Loop::Current()->Now() + pause;
    if (ctx_.cancelled() || until >= ctx_.deadline) co_return false;
    Event never;
    co_await never.WaitUntil(until, ctx_.cancel);
    co_return !ctx_.cancelled();
  }
  /// The next pause is the first one again: after progress.
  void Reset() { pause_ = options_.first; }
  [[nodiscard]] int waits() const { return waits_; }

 private:
  CallContext ctx_;
  BackoffOptions options_;
  Rng* rng_;
  Duration pause_;
  int waits_ = 0;
};

}  // namespace threefs::rpc

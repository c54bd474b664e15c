// SPDX-License-Identifier: Apache-2.0
#include "client/standalone/fault_gate.h"

#include <cstdint>

namespace threefs::standalone {

void FaultGate::SetStalled(bool stalled) {
  stalled_ = stalled;
  if (!stalled_) moving_.Set();
}

void FaultGate::Close() {
  closed_ = true;
  moving_.Set();
}

Task<void> FaultGate::Drain() {
  while (inside_ != 0) {
    empty_.Reset();
    co_await empty_.Wait();
  }
}

// The server asks once for each request, and once more for its answer when the request was let in.
Task<bool> FaultGate::Pass(uint16_t service, uint16_t method, bool is_answer) {
  const bool go_on = co_await Judge(service, method, is_answer);
  if (is_answer) {
    if (--inside_ == 0) empty_.Set();
  } else if (go_on) {
    ++inside_;
  }
  co_return go_on;
}

Task<bool> FaultGate::Judge(uint16_t service, uint16_t method, bool is_answer) {
  while (stalled_ && !closed_) {
    moving_.Reset();
    co_await moving_.Wait();
  }
  if (closed_) co_return false;
  Duration delay{0};
  for (FrameRule& rule : rules_) {
    const bool side =
        rule.side == FrameRule::Side::kBoth || (rule.side == FrameRule::Side::kAnswer) == is_answer;
    if (!side || rule.remaining == 0 || (rule.service != 0 && rule.service != service) ||
        (rule.method != 0 && rule.method != method)) {
      continue;
    }
    if (rule.probability < 1.0 && rng_.Unit() >= rule.probability) continue;
    if (rule.remaining > 0) --rule.remaining;
    if (rule.drop) co_return false;
    delay += rule.delay;
  }
  if (delay > Duration{0}) co_await SleepFor(delay);
  co_return !closed_;
}

}  // namespace threefs::standalone

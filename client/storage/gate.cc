// SPDX-License-Identifier: Apache-2.0
#include "client/storage/gate.h"

#include <algorithm>

namespace threefs::storage {

Task<Gate::Permit> Gate::Enter(CallContext ctx) {
  if (free_ > 0) {
    --free_;
    co_return Permit(this);
  }
  auto turn = std::make_shared<Event>();
  waiters_.push_back(turn);
  co_await turn->WaitUntil(ctx.deadline, ctx.cancel);
  // Set means the permit was handed over, even when the deadline fired in the same turn of the
  // loop.
  if (turn->is_set()) co_return Permit(this);
  waiters_.erase(std::find(waiters_.begin(), waiters_.end(), turn));
  co_return Permit();
}

void Gate::Put() {
  if (waiters_.empty()) {
    ++free_;
    return;
  }
  const auto next = std::move(waiters_.front());
  waiters_.pop_front();
  next->Set();
}

}  // namespace threefs::storage

// SPDX-License-Identifier: Apache-2.0
#include "client/base/fault.h"

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace threefs {

std::atomic<bool> FaultPoints::armed_{false};

FaultPoints& FaultPoints::Instance() {
  static FaultPoints points;
  return points;
}

void FaultPoints::Set(std::string point, FaultAction action) {
  const std::lock_guard lock(mutex_);
  actions_.insert_or_assign(std::move(point), std::move(action));
  armed_ = true;
}

void FaultPoints::Clear(std::string_view point) {
  const std::lock_guard lock(mutex_);
  if (const auto it = actions_.find(point); it != actions_.end()) actions_.erase(it);
  armed_ = !actions_.empty();
}

void FaultPoints::ClearAll() {
  const std::lock_guard lock(mutex_);
  actions_.clear();
  hits_.clear();
  armed_ = false;
}

std::optional<FaultAction> FaultPoints::Hit(std::string_view point, double dice) {
  const std::lock_guard lock(mutex_);
  const auto it = actions_.find(point);
  if (it == actions_.end()) return std::nullopt;
  FaultAction& action = it->second;
  if (action.remaining == 0 || dice >= action.probability) return std::nullopt;
  if (action.remaining > 0) --action.remaining;
  ++hits_[std::string(point)];
  return action;
}

std::map<std::string, uint64_t> FaultPoints::Hits() const {
  const std::lock_guard lock(mutex_);
  return {hits_.begin(), hits_.end()};
}

}  // namespace threefs

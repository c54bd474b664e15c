// SPDX-License-Identifier: Apache-2.0
#include "client/standalone/chunk_space.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace threefs::standalone {
namespace {
// How many free ranges are looked at for a long run before the file is grown instead: keeps
// allocation O(1) on a fragmented file.
constexpr int kMaxProbes = 32;
}  // namespace

Extent::~Extent() { map_->Free(start_, units_); }

void SpaceMap::Add(Set* set, uint64_t start, uint64_t units) {
  auto next = set->lower_bound(start);
  if (next != set->begin()) {
    const auto before = std::prev(next);
    if (before->first + before->second == start) {
      start = before->first;
      units += before->second;
      set->erase(before);
    }
  }
  if (next != set->end() && start + units == next->first) {
    units += next->second;
    set->erase(next);
  }
  set->emplace(start, units);
}

bool SpaceMap::TakeRun(Set* set, uint64_t units, uint64_t* start) {
  int probes = 0;
  for (auto it = set->begin(); it != set->end() && probes < kMaxProbes; ++it, ++probes) {
    if (it->second < units) continue;
    *start = it->first;
    const uint64_t rest = it->second - units;
    const uint64_t rest_start = it->first + units;
    set->erase(it);
    if (rest != 0) set->emplace(rest_start, rest);
    return true;
  }
  return false;
}

bool SpaceMap::TakeLocked(uint64_t units, uint64_t* start) {
  if (capacity_units_ != 0 && used_ + units > capacity_units_) return false;
  if (!TakeRun(&dirty_, units, start) && !TakeRun(&clean_, units, start)) {
    *start = frontier_;
    frontier_ += units;
  }
  used_ += units;
  return true;
}

Result<std::vector<ExtentPtr>> SpaceMap::Allocate(size_t count, uint64_t units) {
  std::vector<ExtentPtr> out;
  out.reserve(count);
  bool full = false;
  {
    const std::lock_guard lock(mutex_);
    const auto self = shared_from_this();
    uint64_t start = 0;
    if (count > 1 && TakeLocked(count * units, &start)) {
      for (size_t i = 0; i < count; ++i) {
        out.push_back(std::make_shared<Extent>(self, start + i * units, units));
      }
    }
    while (out.size() < count && !full) {
      if (TakeLocked(units, &start)) {
        out.push_back(std::make_shared<Extent>(self, start, units));
      } else {
        full = true;
      }
    }
  }
  // The extents are dropped after the lock: their destructors take it.
  if (full) return Status(Code::kStorageClientNoSpace, "the storage target is full");
  return out;
}

Result<ExtentPtr> SpaceMap::Claim(uint64_t start, uint64_t units) {
  const std::lock_guard lock(mutex_);
  const auto next = claimed_.lower_bound(start);
  const bool after_clear = next == claimed_.end() || start + units <= next->first;
  const bool before_clear =
      next == claimed_.begin() || std::prev(next)->first + std::prev(next)->second <= start;
  if (units == 0 || start + units < start || !after_clear || !before_clear) {
    return Status(Code::kStorageChunkMetadataUnpackError, "two chunks claim the same place");
  }
  claimed_.emplace(start, units);
  used_ += units;
  frontier_ = std::max(frontier_, start + units);
  return ExtentPtr(std::make_shared<Extent>(shared_from_this(), start, units));
}

void SpaceMap::EndLoading() {
  const std::lock_guard lock(mutex_);
  uint64_t at = 0;
  for (const auto& [start, units] : claimed_) {
    if (start > at) Add(&dirty_, at, start - at);
    at = start + units;
  }
  claimed_.clear();
}

void SpaceMap::Free(uint64_t start, uint64_t units) {
  const std::lock_guard lock(mutex_);
  if (quarantining_) {
    quarantine_.emplace_back(start, units);
  } else {
    used_ -= units;
    Add(&dirty_, start, units);
  }
}

std::vector<SpaceMap::Range> SpaceMap::TakeQuarantine() {
  const std::lock_guard lock(mutex_);
  return std::exchange(quarantine_, {});
}

void SpaceMap::EndQuarantine(const std::vector<Range>& ranges) {
  const std::lock_guard lock(mutex_);
  for (const auto& [start, units] : ranges) {
    used_ -= units;
    Add(&dirty_, start, units);
  }
}

std::vector<SpaceMap::Range> SpaceMap::TakePunchable(uint64_t threshold_bytes) {
  const std::lock_guard lock(mutex_);
  uint64_t total = 0;
  for (const auto& [start, units] : dirty_) total += units;
  if (total * kUnit <= threshold_bytes) return {};
  std::vector<Range> out(dirty_.begin(), dirty_.end());
  dirty_.clear();
  return out;
}

void SpaceMap::PunchDone(const std::vector<Range>& ranges) {
  const std::lock_guard lock(mutex_);
  for (const auto& [start, units] : ranges) Add(&clean_, start, units);
}

uint64_t SpaceMap::used_bytes() const {
  const std::lock_guard lock(mutex_);
  return used_ * kUnit;
}

}  // namespace threefs::standalone

// SPDX-License-Identifier: Apache-2.0
// SpaceMap: which units of a data file are free. Space is handed out as Extents, which give it back
// when the last image that uses them is gone, so a reader is never overtaken by the reuse of what
// it reads. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "client/base/status.h"

namespace threefs::standalone {

/// The grain of allocation.
inline constexpr uint64_t kUnit = 16U << 10;

class SpaceMap;

/// `units` units from `start` on, owned.
class Extent {
 public:
  Extent(std::shared_ptr<SpaceMap> map, uint64_t start, uint64_t units)
      : map_(std::move(map)), start_(start), units_(units) {}
  Extent(const Extent&) = delete;
  Extent& operator=(const Extent&) = delete;
  ~Extent();
  [[nodiscard]] uint64_t start() const { return start_; }
  [[nodiscard]] uint64_t units() const { return units_; }
  [[nodiscard]] uint64_t offset() const { return start_ * kUnit; }

 private:
  std::shared_ptr<SpaceMap> map_;
  uint64_t start_;
  uint64_t units_;
};
using ExtentPtr = std::shared_ptr<const Extent>;

class SpaceMap : public std::enable_shared_from_this<SpaceMap> {
 public:
  /// `capacity` in bytes, 0 = no limit. `quarantine`: freed space waits for EndQuarantine before it
  /// is used again, so that records which come back after a loss of power do not point at other
  /// data.
  SpaceMap(uint64_t capacity, bool quarantine)
      : capacity_units_(capacity / kUnit), quarantining_(quarantine) {}

  /// `count` extents of `units` each, next to each other as far as possible. kStorageClientNoSpace.
  Result<std::vector<ExtentPtr>> Allocate(size_t count, uint64_t units);
  /// Claims a known place (loading). kStorageChunkMetadataUnpackError when any of it is taken.
  Result<ExtentPtr> Claim(uint64_t start, uint64_t units);
  /// After the last Claim: everything between the claimed places becomes free.
  void EndLoading();

  using Range = std::pair<uint64_t, uint64_t>;  ///< start, units
  std::vector<Range> TakeQuarantine();
  void EndQuarantine(const std::vector<Range>& ranges);
  /// Takes ranges out of use for punching when there is enough of them to be worth it; PunchDone
  /// gives them back.
  std::vector<Range> TakePunchable(uint64_t threshold_bytes);
  void PunchDone(const std::vector<Range>& ranges);

  [[nodiscard]] uint64_t used_bytes() const;

 private:
  friend class Extent;
  using Set = std::map<uint64_t, uint64_t>;  // start → units, never adjacent
  static void Add(Set* set, uint64_t start, uint64_t units);
  static bool TakeRun(Set* set, uint64_t units, uint64_t* start);
  bool TakeLocked(uint64_t units, uint64_t* start);
  void Free(uint64_t start, uint64_t units);

  const uint64_t capacity_units_;
  const bool quarantining_;
  mutable std::mutex mutex_;
  Set dirty_;    // free, may hold disk blocks
  Set clean_;    // free, punched
  Set claimed_;  // while loading
  std::vector<Range> quarantine_;
  uint64_t frontier_ = 0;  // first unit never handed out
  uint64_t used_ = 0;
};

}  // namespace threefs::standalone

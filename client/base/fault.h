// SPDX-License-Identifier: Apache-2.0
// Named fault points: a place in production code where a test (or --fault of threefs-standalone) may inject an error,
// a delay or a hold. One relaxed load and a branch when nothing is armed. Any thread.
//   if (FaultPoints::Armed()) CO_TRY(co_await faults.Hit("storage.write.before_commit"));
// The registry only counts and answers what to do; delays are carried out by the caller on its own loop.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/base/clock.h"
#include "client/base/status.h"

namespace threefs {

struct FaultAction {
  Status error{};               ///< answered when not OK
  Duration delay{0};            ///< waited first
  bool drop = false;            ///< act as if the message never came / was never sent
  bool abort_process = false;   ///< _exit at once, as SIGKILL would
  int64_t remaining = -1;       ///< how many hits it applies to; -1 = for ever
  double probability = 1.0;     ///< chance a hit
};

class FaultPoints {
 public:
  static FaultPoints& Instance();
  [[nodiscard]] static bool Armed() { return armed_.load(std::memory_order_relaxed); }

  void Set(std::string point, FaultAction action);
  void Clear(std::string_view point);
  void ClearAll();
  /// What to do at `point` now (counts the hit); nullopt: go on.
  std::optional<FaultAction> Hit(std::string_view point, double dice = 0.0);
  /// Names hit so far with counts: for the test that fails when a point is never reached.
  [[nodiscard]] std::map<std::string, uint64_t> Hits() const;

 private:
  static std::atomic<bool> armed_;
  mutable std::mutex mutex_;
  std::map<std::string, FaultAction, std::less<>> actions_;
  std::map<std::string, uint64_t, std::less<>> hits_;
};

}  // namespace threefs

// SPDX-License-Identifier: Apache-2.0
// TargetPicker: which replica a read goes to. Leaves out replicas that failed in this call and
// nodes that failed lately (unless that leaves none), nodes much slower than the fastest, then
// takes the one with the fewest bytes under way, then the one that has been given the fewest bytes
// so far: idle or busy, replicas get equal shares. Pure; one per loop.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "client/base/clock.h"
#include "client/base/rng.h"
#include "client/mgmtd/routing_table.h"

namespace threefs::storage {

class TargetPicker {
 public:
  explicit TargetPicker(uint64_t seed) : rng_(seed) {}

  /// One of chain.serving. REQUIRES: it is not empty. `failed`: target ids to avoid.
  const mgmtd::ServingTarget& Pick(const mgmtd::Chain& chain, std::span<const uint64_t> failed,
                                   uint32_t bytes, TimePoint now);
  /// A request of `bytes` goes to the node / came back. A lower figure of `latency` makes the node
  /// preferred.
  void OnStart(uint32_t node_id, uint64_t bytes);
  void OnSuccess(uint32_t node_id, uint64_t bytes, Duration latency, TimePoint now);
  void OnFailure(uint32_t node_id, uint64_t bytes, TimePoint now);

 private:
  struct Node {
    uint64_t bytes_under_way = 0;
    uint64_t bytes_given = 0;
    double latency_us = 0;  // moving average; 0: unknown
    TimePoint measured{};
    TimePoint bad_until{};
    Duration penalty{};
  };
  /// Old measurements fade, so a node that was slow is tried again.
  static double LatencyOf(const Node& node, TimePoint now);

  Rng rng_;
  std::unordered_map<uint32_t, Node> nodes_;
  uint64_t given_ = 0;
};

}  // namespace threefs::storage

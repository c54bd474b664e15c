// SPDX-License-Identifier: Apache-2.0
#include "client/storage/target_picker.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "client/base/check.h"

namespace threefs::storage {
namespace {

constexpr double kSmoothing = 0.2;        // weight of the newest latency
constexpr double kSlowFactor = 3.0;       // this much slower than the fastest is avoided …
constexpr double kSlowMarginUs = 2000.0;  // … when it also is this much slower
constexpr double kHalfLifeSeconds = 5.0;  // of a measurement
constexpr Duration kFirstPenalty = 500ms;
constexpr Duration kMaxPenalty = 10s;
constexpr size_t kMaxReplicas = 64;
constexpr uint64_t kForgetBytes = 64U << 20;

}  // namespace

double TargetPicker::LatencyOf(const Node& node, TimePoint now) {
  const double age = std::chrono::duration<double>(now - node.measured).count();
  return node.latency_us * std::exp2(-age / kHalfLifeSeconds);
}

const mgmtd::ServingTarget& TargetPicker::Pick(const mgmtd::Chain& chain,
                                               std::span<const uint64_t> failed, uint32_t bytes,
                                               TimePoint now) {
  CHECK(!chain.serving.empty());
  struct Candidate {
    const mgmtd::ServingTarget* target;
    Node* node;
    int rank;  // 0 good, 1 its node failed lately, 2 failed in this call
    double latency;
  };
  std::array<Candidate, kMaxReplicas> all;
  size_t n = 0;
  int best_rank = 2;
  for (const mgmtd::ServingTarget& t : chain.serving) {
    if (n == kMaxReplicas) break;
    Node& node = nodes_[t.node_id];
    const bool tried = std::find(failed.begin(), failed.end(), t.target_id) != failed.end();
    const int rank = tried ? 2 : node.bad_until > now ? 1 : 0;
    best_rank = std::min(best_rank, rank);
    all[n++] = {&t, &node, rank, LatencyOf(node, now)};
  }
  double fastest = HUGE_VAL;
  for (size_t i = 0; i < n; ++i) {
    if (all[i].rank == best_rank) fastest = std::min(fastest, all[i].latency);
  }
  const double limit = std::max(fastest * kSlowFactor, fastest + kSlowMarginUs);
  const Candidate* best = nullptr;
  uint64_t ties = 0;
  for (size_t i = 0; i < n; ++i) {
    const Candidate& c = all[i];
    if (c.rank != best_rank || c.latency > limit) continue;
    const auto key = [](const Candidate& x) {
      return std::pair(x.node->bytes_under_way, x.node->bytes_given);
    };
    if (best == nullptr || key(c) < key(*best)) {
      best = &c;
      ties = 1;
    } else if (key(c) == key(*best) && rng_.Below(++ties) == 0) {
      best = &c;
    }
  }
  best->node->bytes_given += bytes;
  given_ += bytes;
  // Forget slowly: a replica that comes back must not be given everything until it caught up.
  if (given_ > kForgetBytes) {
    for (auto& [id, node] : nodes_) node.bytes_given /= 2;
    given_ /= 2;
  }
  return *best->target;
}

void TargetPicker::OnStart(uint32_t node_id, uint64_t bytes) {
  nodes_[node_id].bytes_under_way += bytes;
}

void TargetPicker::OnSuccess(uint32_t node_id, uint64_t bytes, Duration latency, TimePoint now) {
  Node& node = nodes_[node_id];
  node.bytes_under_way -= std::min(node.bytes_under_way, bytes);
  const double us = std::chrono::duration<double, std::micro>(latency).count();
  const double old = LatencyOf(node, now);
  node.latency_us = old == 0 ? us : old + kSmoothing * (us - old);
  node.measured = now;
  node.penalty = {};
  node.bad_until = {};
}

void TargetPicker::OnFailure(uint32_t node_id, uint64_t bytes, TimePoint now) {
  Node& node = nodes_[node_id];
  node.bytes_under_way -= std::min(node.bytes_under_way, bytes);
  node.penalty =
      node.penalty == Duration{} ? kFirstPenalty : std::min(node.penalty * 2, kMaxPenalty);
  node.bad_until = now + node.penalty;
}

}  // namespace threefs::storage

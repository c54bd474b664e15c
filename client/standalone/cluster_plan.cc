// SPDX-License-Identifier: Apache-2.0
#include "client/standalone/cluster_plan.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

namespace threefs::standalone {
namespace {

constexpr int kMaxNodes = 64;
constexpr int kMaxTargets = 64;
constexpr uint32_t kMinChunk = 4U << 10;
constexpr uint32_t kMaxChunk = 64U << 20;

// "1", node id in 6 digits, disk 001, number of the target in 2 digits: how 3FS's deployment names
// targets.
uint64_t TargetId(int node, int number) {
  const uint64_t node_id = kFirstStorageNodeId + static_cast<uint64_t>(node);
  return ((1'000'000 + node_id) * 1000 + 1) * 100 + static_cast<uint64_t>(number) + 1;
}

struct Seat {
  int node;
  int number;  // of the target on its node
  uint32_t chain;
};

std::vector<Seat> Seats(const ClusterShape& shape) {
  std::vector<Seat> seats;
  std::vector<int> used(static_cast<size_t>(shape.nodes));
  for (int chain = 0; chain < ChainCount(shape); ++chain) {
    for (int r = 0; r < shape.replicas; ++r) {
      const int node =
          (chain * (shape.replicas == shape.nodes ? 1 : shape.replicas) + r) % shape.nodes;
      seats.push_back(
          {node, used[static_cast<size_t>(node)]++, kFirstChainId + static_cast<uint32_t>(chain)});
    }
  }
  return seats;
}

}  // namespace

int ChainCount(const ClusterShape& shape) { return shape.nodes * shape.targets / shape.replicas; }

Status CheckShape(const ClusterShape& shape) {
  const auto wrong = [](const char* why) { return Status(Code::kInvalidArg, why); };
  if (shape.nodes < 1 || shape.nodes > kMaxNodes) return wrong("nodes must be 1 to 64");
  if (shape.targets < 1 || shape.targets > kMaxTargets) return wrong("targets must be 1 to 64");
  if (shape.replicas < 1 || shape.replicas > shape.nodes) {
    return wrong("replicas must be 1 to the number of nodes: a node holds one copy at most");
  }
  if (shape.nodes * shape.targets % shape.replicas != 0) {
    return wrong("nodes * targets must be a multiple of replicas");
  }
  if (!std::has_single_bit(shape.chunk_size) || shape.chunk_size < kMinChunk ||
      shape.chunk_size > kMaxChunk) {
    return wrong("chunk-size must be a power of two from 4K to 64M");
  }
  return {};
}

MgmtdPlan PlanCluster(const ClusterShape& shape) {
  MgmtdPlan plan;
  const auto add_node = [&](uint32_t id, schema::mgmtd::NodeType type) {
    plan.nodes.push_back(
        {.node_id = id, .type = type, .service_groups = {}, .tags = {}, .hostname = "localhost"});
  };
  add_node(kMetaNodeId, schema::mgmtd::NodeType::kMeta);
  for (int n = 0; n < shape.nodes; ++n) {
    add_node(kFirstStorageNodeId + static_cast<uint32_t>(n), schema::mgmtd::NodeType::kStorage);
  }
  for (const Seat& seat : Seats(shape)) {
    if (plan.chains.empty() || plan.chains.back().chain_id != seat.chain) {
      plan.chains.push_back(
          {.chain_id = seat.chain, .targets = {}, .set_preferred_target_order = false});
    }
    const uint64_t id = TargetId(seat.node, seat.number);
    plan.chains.back().targets.push_back({.target_id = id});
    plan.target_nodes[id] = kFirstStorageNodeId + static_cast<uint32_t>(seat.node);
  }
  return plan;
}

std::vector<TargetRecord> TargetsOf(const ClusterShape& shape, int node) {
  std::vector<uint64_t> sizes = {512U << 10, 1U << 20,  2U << 20,
                                 4U << 20,   16U << 20, 64U << 20};  // 3FS's own
  if (std::find(sizes.begin(), sizes.end(), shape.chunk_size) == sizes.end()) {
    sizes.insert(sizes.begin(), shape.chunk_size);
  }
  std::vector<TargetRecord> out;
  for (const Seat& seat : Seats(shape)) {
    if (seat.node == node) {
      out.push_back({TargetId(seat.node, seat.number), seat.chain, sizes});
    }
  }
  return out;
}

}  // namespace threefs::standalone

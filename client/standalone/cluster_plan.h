// SPDX-License-Identifier: Apache-2.0
// The numbers of a standalone cluster: which nodes there are and which target of which node belongs
// to which chain. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "client/base/status.h"
#include "client/standalone/chunk_device.h"
#include "client/standalone/mgmtd_service.h"

namespace threefs::standalone {

inline constexpr uint32_t kMgmtdNodeId = 1;
inline constexpr uint32_t kMetaNodeId = 101;
inline constexpr uint32_t kFirstStorageNodeId = 10001;
inline constexpr uint32_t kFirstChainId = 900100001;

struct ClusterShape {
  int nodes = 3;
  int targets = 2;
  int replicas = 3;
  uint32_t chunk_size = 1U << 20;
};

/// kInvalidArg with a sentence when the numbers do not go together.
Status CheckShape(const ClusterShape& shape);
[[nodiscard]] int ChainCount(const ClusterShape& shape);
/// Chains go round the nodes, so that heads and tails are spread.
MgmtdPlan PlanCluster(const ClusterShape& shape);
/// The targets of storage node `node` (from 0).
std::vector<TargetRecord> TargetsOf(const ClusterShape& shape, int node);

}  // namespace threefs::standalone

// SPDX-License-Identifier: Apache-2.0
// RoutingTable: one validated, immutable snapshot of the cluster (3fs/mgmtd.md §3, §6). Built from
// mgmtd's foreign bytes and shared as shared_ptr<const RoutingTable>; any thread reads it without a
// lock. Odd entries (a chain naming an unknown target, a node without address) never make a build
// fail: they are what a cluster looks like after a takeover. They yield an empty `serving` list
// with the reason, and the storage client waits for a newer snapshot.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "client/base/status.h"
#include "client/net/address.h"
#include "client/schema/mgmtd.h"

namespace threefs::mgmtd {

/// A replica that serves reads; the first of a chain's list is its head, the only one that takes
/// updates.
struct ServingTarget {
  uint64_t target_id = 0;
  uint32_t node_id = 0;
  net::Address address;
};

struct Chain {
  uint32_t id = 0;
  uint32_t version = 0;
  /// Head first. Empty: `why_none` says why nobody serves (3fs/storage.md §3.1).
  std::vector<ServingTarget> serving;
  Status why_none;
};

struct ServerNode {
  uint32_t node_id = 0;
  net::Address address;
};

class RoutingTable {
 public:
  /// kInvalidFormat only for data that contradicts itself so that no sense can be made of it (key ≠
  /// id inside).
  static Result<std::shared_ptr<const RoutingTable>> Build(schema::mgmtd::RoutingInfo info);

  [[nodiscard]] uint64_t version() const { return info_.routing_info_version; }
  /// Null when the chain is not in this snapshot. Valid as long as the table.
  [[nodiscard]] const Chain* FindChain(uint32_t chain_id) const;
  /// Chain of (table, table version, 1-based index); (0, 0, index) names the chain itself
  /// (3fs/meta.md §5). kMgmtdClientRoutingInfoNotReady when this snapshot has no such table.
  [[nodiscard]] Result<uint32_t> ResolveChain(uint32_t table_id, uint32_t table_version,
                                              uint32_t index) const;
  /// Newest version of a chain table, nullopt when unknown.
  [[nodiscard]] std::optional<uint32_t> NewestTableVersion(uint32_t table_id) const;
  /// Active meta servers with an address that lists "MetaSerde", in node id order.
  [[nodiscard]] const std::vector<ServerNode>& meta_servers() const { return meta_servers_; }
  /// Storage nodes with an address, in node id order.
  [[nodiscard]] const std::vector<ServerNode>& storage_servers() const { return storage_servers_; }
  /// Addresses of every mgmtd in the snapshot.
  [[nodiscard]] const std::vector<ServerNode>& mgmtd_servers() const { return mgmtd_servers_; }
  /// Everything, as it came (for tools).
  [[nodiscard]] const schema::mgmtd::RoutingInfo& info() const { return info_; }

 private:
  explicit RoutingTable(schema::mgmtd::RoutingInfo info) : info_(std::move(info)) {}
  Status Check() const;
  void BuildServers();
  void BuildChains();

  schema::mgmtd::RoutingInfo info_;
  std::unordered_map<uint32_t, net::Address> storage_address_;
  std::unordered_map<uint32_t, Chain> chains_;
  std::vector<ServerNode> meta_servers_;
  std::vector<ServerNode> storage_servers_;
  std::vector<ServerNode> mgmtd_servers_;
};

using RoutingRef = std::shared_ptr<const RoutingTable>;

}  // namespace threefs::mgmtd

// SPDX-License-Identifier: Apache-2.0
#include "client/mgmtd/routing_table.h"

#include <fmt/core.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace threefs::mgmtd {
namespace {

using schema::mgmtd::ChainInfo;
using schema::mgmtd::NodeInfo;
using schema::mgmtd::NodeStatus;
using schema::mgmtd::NodeType;
using schema::mgmtd::PublicTargetState;
using schema::mgmtd::RoutingInfo;
using schema::mgmtd::TargetInfo;

bool Usable(const net::Address& a) {
  return a.ip != 0 && a.port != 0 &&
         (a.type == net::AddressType::kRdma || a.type == net::AddressType::kTcp);
}

// RDMA before TCP as 3FS's own client has it; the first group that lists the service, first address
// of a kind.
std::optional<net::Address> AddressOf(const NodeInfo& node, std::string_view service) {
  std::optional<net::Address> tcp;
  for (const auto& group : node.app.service_groups) {
    if (!group.services.contains(std::string(service))) continue;
    for (const net::Address& a : group.endpoints) {
      if (!Usable(a)) continue;
      if (a.type == net::AddressType::kRdma) return a;
      if (!tcp) tcp = a;
    }
  }
  return tcp;
}

bool Active(const NodeInfo& node) {
  return node.status == NodeStatus::kHeartbeatConnected || node.status == NodeStatus::kPrimaryMgmtd;
}

template <class Map>
Status CheckKeys(const Map& map, auto id_of, std::string_view what) {
  for (const auto& [key, value] : map) {
    if (key != id_of(value)) {
      return {Code::kInvalidFormat, fmt::format("routing information names {} {} but describes {}",
                                                what, key, id_of(value))};
    }
  }
  return {};
}

void SortById(std::vector<ServerNode>* nodes) {
  std::sort(nodes->begin(), nodes->end(),
            [](const ServerNode& a, const ServerNode& b) { return a.node_id < b.node_id; });
}

}  // namespace

Result<std::shared_ptr<const RoutingTable>> RoutingTable::Build(RoutingInfo info) {
  std::shared_ptr<RoutingTable> table(new RoutingTable(std::move(info)));
  TRY(table->Check());
  table->BuildServers();
  table->BuildChains();
  return std::shared_ptr<const RoutingTable>(std::move(table));
}

Status RoutingTable::Check() const {
  if (info_.routing_info_version == 0) {
    return {Code::kInvalidFormat, "routing information has version 0"};
  }
  TRY(CheckKeys(info_.nodes, [](const auto& n) { return n.app.node_id; }, "node"));
  TRY(CheckKeys(info_.chains, [](const auto& c) { return c.chain_id; }, "chain"));
  TRY(CheckKeys(info_.targets, [](const auto& t) { return t.target_id; }, "target"));
  for (const auto& [id, versions] : info_.chain_tables) {
    TRY(CheckKeys(
        versions, [](const auto& t) { return t.chain_table_version; }, "chain table version"));
    for (const auto& [version, table] : versions) {
      if (table.chain_table_id != id) {
        return {Code::kInvalidFormat,
                fmt::format("routing information names chain table {} but describes {}", id,
                            table.chain_table_id)};
      }
    }
  }
  return {};
}

void RoutingTable::BuildServers() {
  for (const auto& [id, node] : info_.nodes) {
    switch (node.type) {
      case NodeType::kMeta:
        if (auto a = AddressOf(node, "MetaSerde"); a && Active(node)) {
          meta_servers_.push_back({id, *a});
        }
        break;
      case NodeType::kStorage:
        if (auto a = AddressOf(node, "StorageSerde")) {
          storage_servers_.push_back({id, *a});
          storage_address_.emplace(id, *a);
        }
        break;
      case NodeType::kMgmtd:
        if (auto a = AddressOf(node, "Mgmtd")) mgmtd_servers_.push_back({id, *a});
        break;
      case NodeType::kClient:
      case NodeType::kFuse:
        break;
    }
  }
  SortById(&meta_servers_);
  SortById(&storage_servers_);
  SortById(&mgmtd_servers_);
}

// 3fs/storage.md §3.1: the leading run of serving targets, each confirmed by its own record and on
// a known node.
void RoutingTable::BuildChains() {
  std::unordered_map<uint64_t, const TargetInfo*> targets;
  targets.reserve(info_.targets.size());
  for (const auto& [id, target] : info_.targets) targets.emplace(id, &target);
  chains_.reserve(info_.chains.size());
  for (const auto& [id, from] : info_.chains) {
    Chain chain{.id = id, .version = from.chain_version, .serving = {}, .why_none = {}};
    for (const auto& member : from.targets) {
      if (member.public_state != PublicTargetState::kServing) break;
      const auto target = targets.find(member.target_id);
      if (target == targets.end()) {
        chain.why_none = {Code::kStorageClientRoutingError,
                          fmt::format("target {} of chain {} is unknown", member.target_id, id)};
        break;
      }
      const TargetInfo& t = *target->second;
      if (t.public_state != PublicTargetState::kServing) {
        chain.why_none = {Code::kStorageClientNotAvailable,
                          fmt::format("target {} of chain {} is not serving", t.target_id, id)};
        break;
      }
      if (!t.node_id.has_value()) break;
      const auto address = storage_address_.find(*t.node_id);
      if (address == storage_address_.end()) {
        chain.why_none = {
            Code::kStorageClientRoutingError,
            fmt::format("storage node {} of chain {} has no address", *t.node_id, id)};
        break;
      }
      chain.serving.push_back({t.target_id, *t.node_id, address->second});
    }
    if (chain.serving.empty() && chain.why_none.ok()) {
      chain.why_none = {Code::kStorageClientNotAvailable,
                        fmt::format("chain {} has no serving target", id)};
    }
    chains_.emplace(id, std::move(chain));
  }
}

const Chain* RoutingTable::FindChain(uint32_t chain_id) const {
  const auto it = chains_.find(chain_id);
  return it == chains_.end() ? nullptr : &it->second;
}

std::optional<uint32_t> RoutingTable::NewestTableVersion(uint32_t table_id) const {
  for (const auto& [id, versions] : info_.chain_tables) {
    if (id != table_id) continue;
    std::optional<uint32_t> newest;
    for (const auto& [version, table] : versions) {
      if (!newest || version > *newest) newest = version;
    }
    return newest;
  }
  return std::nullopt;
}

Result<uint32_t> RoutingTable::ResolveChain(uint32_t table_id, uint32_t table_version,
                                            uint32_t index) const {
  if (index == 0) return Status(Code::kMetaInvalidFileLayout, "chain index 0 in a file's layout");
  if (table_id == 0 && table_version == 0) return index;
  const auto newest = NewestTableVersion(table_id);
  const uint32_t wanted = table_version == 0 ? newest.value_or(0) : table_version;
  for (const auto& [id, versions] : info_.chain_tables) {
    if (id != table_id) continue;
    for (const auto& [version, table] : versions) {
      if (version == wanted && !table.chains.empty()) {
        return table.chains[(index - 1) % table.chains.size()];
      }
    }
  }
  return Status(Code::kMgmtdClientRoutingInfoNotReady,
                fmt::format("chain table {} version {} is not in the routing information (version "
                            "{}) yet",
                            table_id, wanted, version()));
}

}  // namespace threefs::mgmtd

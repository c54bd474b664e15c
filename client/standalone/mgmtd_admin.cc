// SPDX-License-Identifier: Apache-2.0
// MgmtdService's administration: each method changes a copy of the record and saves it.
#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "client/standalone/mgmtd_service.h"

namespace threefs::standalone {

namespace mg = schema::mgmtd;

namespace {

constexpr const char* kDisableTag = "Disable";

Status MergeTags(std::vector<schema::TagPair>* tags, const std::vector<schema::TagPair>& update,
                 mg::SetTagMode mode) {
  std::set<std::string> seen;
  for (const schema::TagPair& t : update) {
    if (t.key.empty() || !seen.insert(t.key).second) {
      return Status(Code::kMgmtdInvalidTag, "tag keys must be non-empty and different");
    }
  }
  if (mode > mg::SetTagMode::kRemove) return Status(Code::kInvalidArg, "unknown tag mode");
  if (mode == mg::SetTagMode::kReplace) {
    *tags = update;
    return {};
  }
  std::erase_if(*tags, [&](const schema::TagPair& t) { return seen.contains(t.key); });
  if (mode == mg::SetTagMode::kUpsert) tags->insert(tags->end(), update.begin(), update.end());
  return {};
}

bool HasDisableTag(const std::vector<schema::TagPair>& tags) {
  return std::any_of(tags.begin(), tags.end(), [](const auto& t) { return t.key == kDisableTag; });
}

Status AddNewChain(MgmtdRecord* record, const mg::ChainSetting& setting) {
  mg::ChainInfo chain{.chain_id = setting.chain_id,
                      .chain_version = 1,
                      .targets = {},
                      .preferred_target_order = {}};
  for (const auto& t : setting.targets) {
    for (const auto& [id, other] : record->chains) {
      for (const auto& member : other.targets) {
        if (member.target_id == t.target_id) {
          return Status(Code::kMgmtdTargetExisted, "a target belongs to another chain already");
        }
      }
    }
    chain.targets.push_back({t.target_id, mg::PublicTargetState::kServing});
    if (setting.set_preferred_target_order) chain.preferred_target_order.push_back(t.target_id);
  }
  record->chains[setting.chain_id] = std::move(chain);
  return {};
}

Status ApplyChainSetting(MgmtdRecord* record, const mg::ChainSetting& setting) {
  std::set<uint64_t> ids;
  for (const auto& t : setting.targets) ids.insert(t.target_id);
  if (setting.chain_id == 0 || ids.empty() || ids.size() != setting.targets.size() ||
      ids.contains(0)) {
    return Status(Code::kInvalidArg, "a chain needs an id and different targets");
  }
  const auto it = record->chains.find(setting.chain_id);
  if (it == record->chains.end()) return AddNewChain(record, setting);
  mg::ChainInfo& chain = it->second;
  std::set<uint64_t> have;
  for (const auto& t : chain.targets) have.insert(t.target_id);
  if (have != ids) {
    return Status(Code::kInvalidArg, "the chain exists with other targets: use updateChain");
  }
  if (setting.set_preferred_target_order) {
    chain.preferred_target_order.clear();
    for (const auto& t : setting.targets) chain.preferred_target_order.push_back(t.target_id);
  }
  return {};
}

}  // namespace

Task<Result<mg::RegisterNodeRsp>> MgmtdService::RegisterNode(mg::RegisterNodeReq req) {
  const auto guard = co_await changing_.Lock();
  if (req.node_id == 0 || nodes_.contains(req.node_id)) {
    co_return Status(Code::kMgmtdRegisterFail, "the node id is 0 or taken");
  }
  MgmtdRecord next = record_;
  next.nodes[req.node_id].info = {
      .node_id = req.node_id, .type = req.type, .service_groups = {}, .tags = {}, .hostname = ""};
  Node& node = nodes_[req.node_id];
  node.info.app.node_id = req.node_id;
  node.info.type = req.type;
  node.heard = loop_.Now();
  const Status saved = co_await Save(std::move(next));
  if (!saved.ok()) {
    nodes_.erase(req.node_id);
    co_return saved;
  }
  co_return mg::RegisterNodeRsp{};
}

Task<Result<mg::UnregisterNodeRsp>> MgmtdService::UnregisterNode(mg::UnregisterNodeReq req) {
  const auto guard = co_await changing_.Lock();
  const auto it = nodes_.find(req.node_id);
  if (it == nodes_.end() || req.node_id == options_.node_id) {
    co_return Code::kMgmtdNodeNotFound;
  }
  if (it->second.info.status == mg::NodeStatus::kHeartbeatConnected) {
    co_return Status(Code::kInvalidArg, "the node is alive: stop or disable it first");
  }
  MgmtdRecord next = record_;
  next.nodes.erase(req.node_id);
  nodes_.erase(it);
  CO_TRY(co_await Save(std::move(next)));
  co_return mg::UnregisterNodeRsp{};
}

Task<Result<mg::EnableNodeRsp>> MgmtdService::EnableNode(mg::EnableNodeReq req) {
  const auto guard = co_await changing_.Lock();
  const auto it = nodes_.find(req.node_id);
  if (it == nodes_.end() || req.node_id == options_.node_id) {
    co_return Code::kMgmtdNodeNotFound;
  }
  MgmtdRecord next = record_;
  next.nodes[req.node_id].disabled = false;
  auto& tags = next.nodes[req.node_id].info.tags;
  std::erase_if(tags, [](const auto& t) { return t.key == kDisableTag; });
  it->second.info.tags = tags;
  if (it->second.info.status == mg::NodeStatus::kDisabled) {
    it->second.info.status = mg::NodeStatus::kHeartbeatConnecting;
    it->second.heard = loop_.Now();
  }
  CO_TRY(co_await Save(std::move(next)));
  co_return mg::EnableNodeRsp{};
}

Task<Result<mg::DisableNodeRsp>> MgmtdService::DisableNode(mg::DisableNodeReq req) {
  const auto guard = co_await changing_.Lock();
  const auto it = nodes_.find(req.node_id);
  if (it == nodes_.end() || req.node_id == options_.node_id) {
    co_return Code::kMgmtdNodeNotFound;
  }
  MgmtdRecord next = record_;
  next.nodes[req.node_id].disabled = true;
  auto& tags = next.nodes[req.node_id].info.tags;
  if (!HasDisableTag(tags)) tags.push_back({kDisableTag, ""});
  it->second.info.tags = tags;
  it->second.info.status = mg::NodeStatus::kDisabled;
  CO_TRY(co_await Save(std::move(next)));
  kick_.Set();
  co_return mg::DisableNodeRsp{};
}

Task<Result<mg::SetNodeTagsRsp>> MgmtdService::SetNodeTags(mg::SetNodeTagsReq req) {
  const auto guard = co_await changing_.Lock();
  const auto it = nodes_.find(req.node_id);
  if (it == nodes_.end()) co_return Code::kMgmtdNodeNotFound;
  MgmtdRecord next = record_;
  std::vector<schema::TagPair> tags = it->second.info.tags;
  CO_TRY(MergeTags(&tags, req.tags, req.mode));
  if (req.node_id != options_.node_id) {
    next.nodes[req.node_id].info.tags = tags;
    next.nodes[req.node_id].disabled = HasDisableTag(tags);
  }
  CO_TRY(co_await Save(std::move(next)));
  mg::NodeInfo& info = nodes_[req.node_id].info;
  info.tags = tags;
  if (HasDisableTag(tags)) {
    info.status = mg::NodeStatus::kDisabled;
  } else if (info.status == mg::NodeStatus::kDisabled) {
    info.status = mg::NodeStatus::kHeartbeatConnecting;
    nodes_[req.node_id].heard = loop_.Now();
  }
  soft_changed_ = true;
  kick_.Set();
  co_return mg::SetNodeTagsRsp{.info = info};
}

Task<Result<mg::SetUniversalTagsRsp>> MgmtdService::SetTags(mg::SetUniversalTagsReq req) {
  const auto guard = co_await changing_.Lock();
  if (req.universal_id.empty()) co_return Status(Code::kInvalidArg, "universalId is empty");
  MgmtdRecord next = record_;
  std::vector<schema::TagPair> tags = next.universal_tags[req.universal_id];
  CO_TRY(MergeTags(&tags, req.tags, req.mode));
  if (tags.empty()) {
    next.universal_tags.erase(req.universal_id);
  } else {
    next.universal_tags[req.universal_id] = tags;
  }
  CO_TRY(co_await Save(std::move(next)));
  co_return mg::SetUniversalTagsRsp{.tags = std::move(tags)};
}

Task<Result<mg::SetConfigRsp>> MgmtdService::SetConfig(mg::SetConfigReq req) {
  const auto guard = co_await changing_.Lock();
  if (req.node_type > mg::NodeType::kFuse) co_return Status(Code::kInvalidArg, "unknown node type");
  const uint64_t version = ConfigVersion(req.node_type) + 1;
  MgmtdRecord next = record_;
  next.configs[static_cast<uint8_t>(req.node_type)].push_back(
      {.config_version = version, .content = req.content, .desc = req.desc});
  CO_TRY(co_await Save(std::move(next)));
  co_return mg::SetConfigRsp{.config_version = version};
}

Task<Result<mg::SetChainsRsp>> MgmtdService::SetChains(mg::SetChainsReq req) {
  const auto guard = co_await changing_.Lock();
  MgmtdRecord next = record_;
  for (const mg::ChainSetting& setting : req.chains) CO_TRY(ApplyChainSetting(&next, setting));
  CO_TRY(co_await Save(std::move(next)));
  co_return mg::SetChainsRsp{};
}

Task<Result<mg::SetChainTableRsp>> MgmtdService::SetChainTable(mg::SetChainTableReq req) {
  const auto guard = co_await changing_.Lock();
  if (req.chain_table_id == 0 || req.chains.empty()) {
    co_return Status(Code::kMgmtdInvalidChainTable, "a chain table needs an id and chains");
  }
  for (const uint32_t chain : req.chains) {
    if (!record_.chains.contains(chain)) {
      co_return Status(Code::kMgmtdChainNotFound, "chain " + std::to_string(chain));
    }
  }
  MgmtdRecord next = record_;
  auto& versions = next.chain_tables[req.chain_table_id];
  const uint32_t latest = versions.empty() ? 0 : versions.rbegin()->first;
  if (latest != 0 && versions[latest].chains == req.chains && versions[latest].desc == req.desc) {
    co_return mg::SetChainTableRsp{.chain_table_version = latest};
  }
  versions[latest + 1] = {.chain_table_id = req.chain_table_id,
                          .chain_table_version = latest + 1,
                          .chains = req.chains,
                          .desc = req.desc};
  CO_TRY(co_await Save(std::move(next)));
  co_return mg::SetChainTableRsp{.chain_table_version = latest + 1};
}

Task<Result<mg::UpdateChainRsp>> MgmtdService::UpdateChain(mg::UpdateChainReq req) {
  const auto guard = co_await changing_.Lock();
  MgmtdRecord next = record_;
  const auto it = next.chains.find(req.chain_id);
  if (it == next.chains.end()) co_return Code::kMgmtdChainNotFound;
  auto& targets = it->second.targets;
  const auto member = std::find_if(targets.begin(), targets.end(),
                                   [&](const auto& t) { return t.target_id == req.target_id; });
  if (req.mode == mg::UpdateChainReq::Mode::kAdd) {
    for (const auto& [id, chain] : next.chains) {
      for (const auto& t : chain.targets) {
        if (t.target_id == req.target_id) co_return Code::kMgmtdTargetExisted;
      }
    }
    targets.push_back({req.target_id, mg::PublicTargetState::kOffline});
  } else {
    if (member == targets.end()) co_return Code::kMgmtdTargetNotFound;
    if (member->public_state != mg::PublicTargetState::kOffline) {
      co_return Status(Code::kInvalidArg, "only an OFFLINE target can leave a chain");
    }
    targets.erase(member);
    std::erase(it->second.preferred_target_order, req.target_id);
  }
  ++it->second.chain_version;
  const mg::ChainInfo chain = it->second;
  CO_TRY(co_await Save(std::move(next)));
  kick_.Set();
  co_return mg::UpdateChainRsp{.chain = chain};
}

Task<Result<mg::RotateLastSrvRsp>> MgmtdService::RotateLastSrv(mg::RotateLastSrvReq req) {
  const auto guard = co_await changing_.Lock();
  MgmtdRecord next = record_;
  const auto it = next.chains.find(req.chain_id);
  if (it == next.chains.end()) co_return Code::kMgmtdChainNotFound;
  CO_TRY(RotateLastServing(&it->second));
  const mg::ChainInfo chain = it->second;
  CO_TRY(co_await Save(std::move(next)));
  kick_.Set();
  co_return mg::RotateLastSrvRsp{.chain = chain};
}

Task<Result<mg::SetPreferredTargetOrderRsp>> MgmtdService::SetPreferredOrder(
    mg::SetPreferredTargetOrderReq req) {
  const auto guard = co_await changing_.Lock();
  MgmtdRecord next = record_;
  const auto it = next.chains.find(req.chain_id);
  if (it == next.chains.end()) co_return Code::kMgmtdChainNotFound;
  std::multiset<uint64_t> have;
  for (const auto& t : it->second.targets) have.insert(t.target_id);
  if (have != std::multiset<uint64_t>(req.preferred_target_order.begin(),
                                      req.preferred_target_order.end())) {
    co_return Status(Code::kInvalidArg, "the order must name every target of the chain once");
  }
  it->second.preferred_target_order = req.preferred_target_order;
  const mg::ChainInfo chain = it->second;
  CO_TRY(co_await Save(std::move(next)));
  co_return mg::SetPreferredTargetOrderRsp{.chain = chain};
}

Task<Result<mg::RotateAsPreferredOrderRsp>> MgmtdService::RotateAsPreferred(
    mg::RotateAsPreferredOrderReq req) {
  const auto guard = co_await changing_.Lock();
  MgmtdRecord next = record_;
  const auto it = next.chains.find(req.chain_id);
  if (it == next.chains.end()) co_return Code::kMgmtdChainNotFound;
  const mg::ChainInfo before = it->second;
  const bool changed = RotateTowardsPreferred(&it->second);
  const mg::ChainInfo after = it->second;
  if (changed) {
    CO_TRY(co_await Save(std::move(next)));
    ForgetReports(before, after);
    kick_.Set();
  }
  co_return mg::RotateAsPreferredOrderRsp{.chain = after};
}

}  // namespace threefs::standalone

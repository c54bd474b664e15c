// SPDX-License-Identifier: Apache-2.0
// MgmtdService's state: what is known, when it changes, how it is told.
#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "client/base/log.h"
#include "client/standalone/mgmtd_service.h"

namespace threefs::standalone {

using schema::mgmtd::ChainInfo;
using schema::mgmtd::ConfigInfo;
using schema::mgmtd::HeartbeatReq;
using schema::mgmtd::LocalTargetInfo;
using schema::mgmtd::LocalTargetState;
using schema::mgmtd::NodeInfo;
using schema::mgmtd::NodeStatus;
using schema::mgmtd::NodeType;
using schema::mgmtd::PublicTargetState;
using schema::mgmtd::RoutingInfo;
using schema::mgmtd::TargetInfo;

namespace {

MgmtdRecord RecordOf(const std::string& cluster_id, const MgmtdPlan& plan) {
  MgmtdRecord record;
  record.cluster_id = cluster_id;
  for (const auto& node : plan.nodes) record.nodes[node.node_id] = {node, false};
  record.target_nodes = plan.target_nodes;
  schema::mgmtd::ChainTable table{
      .chain_table_id = plan.chain_table_id, .chain_table_version = 1, .chains = {}, .desc = ""};
  for (const auto& setting : plan.chains) {
    ChainInfo chain{.chain_id = setting.chain_id,
                    .chain_version = 1,
                    .targets = {},
                    .preferred_target_order = {}};
    for (const auto& t : setting.targets) {
      chain.targets.push_back({t.target_id, PublicTargetState::kServing});
      if (setting.set_preferred_target_order) {
        chain.preferred_target_order.push_back(t.target_id);
      }
    }
    table.chains.push_back(chain.chain_id);
    record.chains[chain.chain_id] = std::move(chain);
  }
  if (!table.chains.empty()) record.chain_tables[plan.chain_table_id][1] = std::move(table);
  return record;
}

}  // namespace

MgmtdService::MgmtdService(Loop& loop, BlockingPool& pool, MgmtdOptions options)
    : loop_(loop),
      pool_(pool),
      options_(std::move(options)),
      file_(options_.file, options_.memory),
      routing_(std::make_shared<RoutingInfo>()),
      shared_sessions_(std::make_shared<std::vector<schema::mgmtd::ClientSession>>()) {}

MgmtdService::~MgmtdService() = default;

Task<Status> MgmtdService::Open(MgmtdPlan plan, std::vector<schema::ServiceGroupInfo> endpoints,
                                bool cold) {
  auto loaded = co_await RunBlocking(pool_, [this] { return file_.Load(); });
  if (!loaded.ok() && loaded.code() != Code::kMgmtdNodeNotFound) co_return loaded.status();
  fresh_ = !loaded.ok();
  MgmtdRecord record = fresh_ ? RecordOf(options_.cluster_id, plan) : *std::move(loaded);
  if (record.cluster_id != options_.cluster_id) {
    co_return Status(Code::kMgmtdClusterIdMismatch, "the data directory belongs to cluster \"" +
                                                        record.cluster_id +
                                                        "\": start it with that cluster id");
  }
  if (cold && !fresh_) {
    // Everybody died at once: nobody has reported anything yet, so all serving targets but the last
    // go offline.
    for (auto& [id, chain] : record.chains) StepChain(&chain, {});
  }
  for (const auto& [id, stored] : record.nodes) {
    Node& node = nodes_[id];
    node.info.app.node_id = id;
    node.info.app.hostname = stored.info.hostname;
    node.info.app.service_groups = stored.info.service_groups;
    node.info.type = stored.info.type;
    node.info.tags = stored.info.tags;
    node.info.status = stored.disabled ? NodeStatus::kDisabled : NodeStatus::kHeartbeatConnecting;
    node.heard = loop_.Now();
  }
  Node& self = nodes_[options_.node_id];
  self.info.app.node_id = options_.node_id;
  self.info.app.hostname = "localhost";
  self.info.app.service_groups = std::move(endpoints);
  self.info.type = NodeType::kMgmtd;
  self.info.status = NodeStatus::kPrimaryMgmtd;
  self.info.last_heartbeat_ts = loop_.WallMicros();
  CO_TRY(co_await Save(std::move(record)));
  open_ = true;
  co_return Status();
}

void MgmtdService::Start() { Spawn(Watch()); }

Task<void> MgmtdService::Stop() {
  stopping_ = true;
  kick_.Set();
  co_await ops_.Drain();
}

// Every change of what clients see raises the routing version, on disk first.
Task<Status> MgmtdService::Save(MgmtdRecord next) {
  ++next.routing_version;
  CO_TRY(co_await RunBlocking(pool_, [this, &next] { return file_.Save(next); }));
  record_ = std::move(next);
  Publish();
  co_return Status();
}

void MgmtdService::Publish() {
  auto routing = std::make_shared<const RoutingInfo>(BuildRouting());
  const std::lock_guard lock(shared_mutex_);
  routing_ = std::move(routing);
}

void MgmtdService::PublishSessions() {
  auto list =
      std::make_shared<const std::vector<schema::mgmtd::ClientSession>>(client_sessions_.List());
  const std::lock_guard lock(shared_mutex_);
  shared_sessions_ = std::move(list);
}

std::shared_ptr<const RoutingInfo> MgmtdService::routing() const {
  const std::lock_guard lock(shared_mutex_);
  return routing_;
}

std::vector<schema::mgmtd::ClientSession> MgmtdService::sessions() const {
  const std::lock_guard lock(shared_mutex_);
  return *shared_sessions_;
}

RoutingInfo MgmtdService::BuildRouting() const {
  RoutingInfo out;
  out.routing_info_version = record_.routing_version;
  for (const auto& [id, node] : nodes_) out.nodes.emplace_back(id, node.info);
  for (const auto& [id, versions] : record_.chain_tables) {
    out.chain_tables.emplace_back(id, versions);
  }
  for (const auto& [id, chain] : record_.chains) {
    out.chains.emplace_back(id, chain);
    for (const auto& member : chain.targets) {
      TargetInfo info{.target_id = member.target_id,
                      .public_state = member.public_state,
                      .local_state = LocalTargetState::kOffline,
                      .chain_id = id,
                      .node_id = std::nullopt,
                      .disk_index = 0,
                      .used_size = 0};
      if (const auto it = targets_.find(member.target_id); it != targets_.end()) {
        info.local_state = it->second.info.local_state;
        info.node_id = it->second.node_id;
        info.disk_index = it->second.info.disk_index;
        info.used_size = it->second.info.used_size;
      } else if (const auto n = record_.target_nodes.find(member.target_id);
                 n != record_.target_nodes.end()) {
        info.node_id = n->second;
      }
      out.targets.emplace_back(member.target_id, std::move(info));
    }
  }
  return out;
}

LocalStates MgmtdService::AliveTargets() const {
  LocalStates states;
  for (const auto& [id, target] : targets_) {
    const auto node = nodes_.find(target.node_id);
    if (node != nodes_.end() && node->second.info.status == NodeStatus::kHeartbeatConnected) {
      states[id] = target.info.local_state;
    }
  }
  return states;
}

// True while a node of the chain may still tell about its targets: after a restart of mgmtd nobody
// is known to be dead.
bool MgmtdService::Undecided(const ChainInfo& chain) const {
  return std::any_of(chain.targets.begin(), chain.targets.end(), [this](const auto& member) {
    const auto at = record_.target_nodes.find(member.target_id);
    if (at == record_.target_nodes.end()) return false;
    const auto node = nodes_.find(at->second);
    return node != nodes_.end() && node->second.info.status == NodeStatus::kHeartbeatConnecting;
  });
}

// A target that has left a state must report anew before it can enter the next: what it said before
// is about the past.
void MgmtdService::ForgetReports(const ChainInfo& before, const ChainInfo& after) {
  for (const auto& now : after.targets) {
    const auto was = std::find_if(before.targets.begin(), before.targets.end(),
                                  [&](const auto& t) { return t.target_id == now.target_id; });
    const auto report = targets_.find(now.target_id);
    if (report == targets_.end() ||
        (was != before.targets.end() && was->public_state == now.public_state)) {
      continue;
    }
    LocalTargetState& local = report->second.info.local_state;
    if (now.public_state == PublicTargetState::kOffline) {
      local = LocalTargetState::kOffline;
    } else if (now.public_state != PublicTargetState::kServing &&
               local == LocalTargetState::kUptodate) {
      local = LocalTargetState::kOnline;
    }
  }
}

Task<void> MgmtdService::Watch() {
  const auto op = ops_.Enter();
  while (!stopping_) {
    const TimePoint due = loop_.Now() + options_.check_interval;
    co_await kick_.WaitUntil(due);
    kick_.Reset();
    // Waking up late means that we were not running (a starved machine): heartbeats were not heard
    // because nobody listened, so nobody is blamed for that time. Safe: a lease does not wait.
    const Duration late = loop_.Now() - due;
    if (late > options_.check_interval) {
      for (auto& [id, node] : nodes_) node.heard += late;
    }
    if (!stopping_) co_await CheckOnce();
  }
}

Task<void> MgmtdService::CheckOnce() {
  const auto guard = co_await changing_.Lock();
  const TimePoint now = loop_.Now();
  for (auto& [id, node] : nodes_) {
    if ((node.info.status == NodeStatus::kHeartbeatConnected ||
         node.info.status == NodeStatus::kHeartbeatConnecting) &&
        now - node.heard > options_.heartbeat_fail) {
      LOG_WARN("node {} is silent: failed", id);
      node.info.status = NodeStatus::kHeartbeatFailed;
      soft_changed_ = true;
    }
  }
  for (auto& [id, target] : targets_) {  // what a failed node said is void
    const auto node = nodes_.find(target.node_id);
    if (node == nodes_.end() || node->second.info.status == NodeStatus::kHeartbeatFailed) {
      target.info.local_state = LocalTargetState::kOffline;
    }
  }
  client_sessions_.Expire(loop_.WallMicros(), options_.session_timeout);
  MgmtdRecord next = record_;
  bool changed = std::exchange(soft_changed_, false);
  const LocalStates alive = AliveTargets();
  for (auto& [id, chain] : next.chains) {
    if (Undecided(chain) || !StepChain(&chain, alive)) continue;
    changed = true;
    LOG_DEBUG("chain {} is at version {}", id, chain.chain_version);
  }
  for (const auto& [id, target] : targets_) next.target_nodes[id] = target.node_id;
  if (!changed) co_return;
  std::vector<std::pair<ChainInfo, ChainInfo>> moves;
  for (const auto& [id, chain] : next.chains) moves.emplace_back(record_.chains[id], chain);
  const Status saved = co_await Save(std::move(next));
  if (!saved.ok()) {
    LOG_ERROR("mgmtd cannot save its state: {}", saved.ToString());
    soft_changed_ = true;
    co_return;
  }
  for (const auto& [before, after] : moves) ForgetReports(before, after);
}

Status MgmtdService::AcceptHeartbeat(const HeartbeatReq& req) {
  const auto refuse = [](std::string why) {
    return Status(Code::kMgmtdHeartbeatFail, std::move(why));
  };
  const uint32_t id = req.info.app.node_id;
  if (id == 0 || id == options_.node_id) return refuse("this node id cannot heartbeat");
  const int64_t skew = loop_.WallMicros() - req.timestamp;
  const auto window =
      std::chrono::duration_cast<std::chrono::microseconds>(options_.timestamp_window).count();
  if (skew > window || -skew > window) return refuse("the node's clock is off by more than 30 s");
  const auto it = nodes_.find(id);
  if (it == nodes_.end()) return refuse("the node is not registered");
  Node& node = it->second;
  const NodeType type = std::holds_alternative<schema::mgmtd::StorageHeartbeatInfo>(req.info.info)
                            ? NodeType::kStorage
                        : std::holds_alternative<schema::mgmtd::MetaHeartbeatInfo>(req.info.info)
                            ? NodeType::kMeta
                            : NodeType::kMgmtd;
  if (node.info.type != type) return refuse("the node is registered as another type");
  if (node.info.status == NodeStatus::kDisabled) return refuse("the node is disabled");
  if (const auto* s = std::get_if<schema::mgmtd::StorageHeartbeatInfo>(&req.info.info)) {
    std::set<uint64_t> seen;
    for (const LocalTargetInfo& t : s->targets) {
      if (!seen.insert(t.target_id).second) return refuse("a target is reported twice");
      if (t.local_state == LocalTargetState::kInvalid) return refuse("a target's state is INVALID");
    }
  }
  if (req.info.config_version > ConfigVersion(type)) {
    return Status(Code::kMgmtdInvalidConfigVersion, "the node's config version is unknown here");
  }
  if (req.info.hb_version <= node.hb_version) {
    return Status(Code::kMgmtdHeartbeatVersionStale, std::to_string(node.hb_version));
  }
  return {};
}

Task<Result<schema::mgmtd::HeartbeatRsp>> MgmtdService::Heartbeat(HeartbeatReq req) {
  CO_TRY(AcceptHeartbeat(req));
  Node& node = nodes_[req.info.app.node_id];
  node.heard = loop_.Now();
  node.hb_version = req.info.hb_version;
  const bool same_app =
      serde::Encode(node.info.app).Flatten() == serde::Encode(req.info.app).Flatten();
  if (!same_app || node.info.status != NodeStatus::kHeartbeatConnected ||
      node.info.config_version != req.info.config_version) {
    soft_changed_ = true;
  }
  node.info.app = req.info.app;
  node.info.status = NodeStatus::kHeartbeatConnected;
  node.info.last_heartbeat_ts = loop_.WallMicros();
  node.info.config_version = req.info.config_version;
  node.info.config_status = req.info.config_status;
  bool kick = soft_changed_;
  if (const auto* s = std::get_if<schema::mgmtd::StorageHeartbeatInfo>(&req.info.info)) {
    const auto routing = this->routing();
    for (const LocalTargetInfo& t : s->targets) {
      Target& known = targets_[t.target_id];
      if (known.node_id != req.info.app.node_id) kick = soft_changed_ = true;
      known.node_id = req.info.app.node_id;
      known.info.used_size = t.used_size;
      known.info.disk_index = t.disk_index;
      known.info.low_space = t.low_space;
      const TargetInfo* published = routing->targets.Find(t.target_id);
      const auto chain =
          published == nullptr ? record_.chains.end() : record_.chains.find(published->chain_id);
      const bool stale = t.chain_version != 0 && chain != record_.chains.end() &&
                         t.chain_version < chain->second.chain_version;
      if (stale || known.info.local_state == t.local_state) continue;
      known.info.local_state = t.local_state;
      known.info.target_id = t.target_id;
      known.info.chain_version = t.chain_version;
      kick = soft_changed_ = true;
    }
  }
  if (kick) kick_.Set();
  co_return schema::mgmtd::HeartbeatRsp{.config =
                                            NewerConfig(node.info.type, req.info.config_version)};
}

uint64_t MgmtdService::ConfigVersion(NodeType type) const {
  const auto it = record_.configs.find(static_cast<uint8_t>(type));
  return it == record_.configs.end() || it->second.empty() ? 0 : it->second.back().config_version;
}

std::optional<ConfigInfo> MgmtdService::NewerConfig(NodeType type, uint64_t than) const {
  if (ConfigVersion(type) <= than) return std::nullopt;
  return record_.configs.at(static_cast<uint8_t>(type)).back();
}

Task<Status> MgmtdService::BumpChain(uint32_t chain_id) {
  const auto op = ops_.Enter();
  const auto guard = co_await changing_.Lock();
  MgmtdRecord next = record_;
  const auto it = next.chains.find(chain_id);
  if (it == next.chains.end()) co_return Code::kMgmtdChainNotFound;
  ++it->second.chain_version;
  co_return co_await Save(std::move(next));
}

}  // namespace threefs::standalone

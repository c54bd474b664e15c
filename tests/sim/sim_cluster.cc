// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_cluster.h"

#include <fmt/core.h>

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "client/runtime/sync.h"

namespace threefs::sim {

using schema::mgmtd::NodeType;
using schema::mgmtd::PublicTargetState;
namespace sa = standalone;

struct SimCluster::Process {
  size_t number = 0;
  NodeType type = NodeType::kStorage;
  uint32_t node_id = 0;
  uint32_t ip = 0;
  bool up = false;
  int lives = 0;
  std::shared_ptr<sa::MemoryPlatter> platter;  // storage: its disk
  // Of the present life. A killed life's objects are leaked on purpose: its coroutines refer to
  // them and never end.
  Loop* loop = nullptr;
  std::unique_ptr<rpc::Server> server;
  std::unique_ptr<rpc::Client> client;
  std::unique_ptr<sa::NodeAgent> agent;
  std::unique_ptr<sa::MgmtdService> mgmtd;
  std::unique_ptr<sa::MetaService> meta;
  std::unique_ptr<sa::StorageService> storage;
};

SimCluster::SimCluster(SimWorld& world, SimNetwork& network, ClusterShape shape)
    : world_(world), network_(network), shape_(shape) {
  for (size_t i = 0; i < 2 + shape.storage_nodes; ++i) {
    auto p = std::make_unique<Process>();
    p->number = i;
    p->type = i == 0 ? NodeType::kMgmtd : i == 1 ? NodeType::kMeta : NodeType::kStorage;
    p->node_id = i < 2 ? static_cast<uint32_t>(1 + 49 * i) : static_cast<uint32_t>(10000 + i - 1);
    p->ip = kMgmtdIp + (static_cast<uint32_t>(i) << 24);
    if (IsStorage(i)) p->platter = std::make_shared<sa::MemoryPlatter>();
    processes_.push_back(std::move(p));
  }
}

// The processes of a finished run are killed, not stopped: see Process.
SimCluster::~SimCluster() {
  for (size_t i = 0; i < processes_.size(); ++i) Crash(i);
}

uint32_t SimCluster::ip(size_t process) const { return processes_.at(process)->ip; }
bool SimCluster::up(size_t process) const { return processes_.at(process)->up; }

std::vector<schema::ServiceGroupInfo> SimCluster::Groups(const Process& p) const {
  const char* service = p.type == NodeType::kMgmtd  ? "Mgmtd"
                        : p.type == NodeType::kMeta ? "MetaSerde"
                                                    : "StorageSerde";
  return {{.services = {service}, .endpoints = {{p.ip, kPort, net::AddressType::kRdma}}}};
}

sa::MgmtdPlan SimCluster::Plan() const {
  sa::MgmtdPlan plan;
  for (const auto& p : processes_) {
    plan.nodes.push_back({.node_id = p->node_id, .type = p->type, .service_groups = Groups(*p)});
  }
  for (uint32_t c = 0; c < shape_.chains; ++c) {
    schema::mgmtd::ChainSetting chain{.chain_id = chain_id(c)};
    for (uint32_t r = 0; r < shape_.replicas; ++r) {
      const uint64_t target = uint64_t{chain_id(c)} * 10 + r + 1;
      chain.targets.push_back({.target_id = target});
      plan.target_nodes[target] = processes_.at(2 + (c + r) % shape_.storage_nodes)->node_id;
    }
    plan.chains.push_back(chain);
  }
  return plan;
}

Task<Status> SimCluster::Start(size_t process) {
  Process* p = processes_.at(process).get();
  CHECK(!p->up);
  Loop* home = Loop::Current();
  p->loop = &world_.NewLoop();
  p->up = true;
  ++p->lives;
  network_.Revive(p->ip);
  co_await SwitchTo(*p->loop);
  Status started = co_await StartHere(p);
  co_await SwitchTo(*home);
  co_return started;
}

Task<Status> SimCluster::StartHere(Process* p) {
  p->server = rpc::Server::Create(*p->loop, network_.Node(p->ip));
  p->client = rpc::Client::Create(*p->loop, network_.Node(p->ip), {});
  if (p->type == NodeType::kMgmtd) {
    CO_TRY(co_await StartMgmtd(p));
  } else if (p->type == NodeType::kMeta) {
    CO_TRY(co_await StartMeta(p));
  } else {
    CO_TRY(co_await StartStorage(p));
  }
  CO_TRY(p->server->Listen({p->ip, kPort, net::AddressType::kTcp}));
  if (p->mgmtd) p->mgmtd->Start();
  if (p->storage) p->storage->Start();
  if (p->agent) p->agent->Start();
  if (p->meta) p->meta->Start();
  co_return Status();
}

Task<Status> SimCluster::StartMgmtd(Process* p) {
  sa::MgmtdOptions options;
  options.cluster_id = kClusterId;
  options.node_id = p->node_id;
  options.memory = mgmtd_disk_;
  p->mgmtd = std::make_unique<sa::MgmtdService>(*p->loop, *pool_, options);
  CO_TRY(co_await p->mgmtd->Open(Plan(), Groups(*p), false));
  p->mgmtd->RegisterMethods(*p->server);
  co_return Status();
}

std::unique_ptr<sa::NodeAgent> SimCluster::MakeAgent(Process* p,
                                                     sa::NodeAgent::Callbacks callbacks) {
  sa::NodeAgentOptions options;
  options.cluster_id = kClusterId;
  options.mgmtd = {{kMgmtdIp, kPort, net::AddressType::kTcp}};
  options.app.node_id = p->node_id;
  options.app.hostname = fmt::format("node{}", p->node_id);
  options.app.service_groups = Groups(*p);
  return std::make_unique<sa::NodeAgent>(*p->loop, *p->client, options, std::move(callbacks));
}

Task<Status> SimCluster::StartMeta(Process* p) {
  sa::NodeAgent::Callbacks callbacks;
  callbacks.report = [] {
    return decltype(schema::mgmtd::HeartbeatInfo::info)(schema::mgmtd::MetaHeartbeatInfo{});
  };
  callbacks.on_routing = [](const sa::NodeAgent::RoutingPtr&) {};
  p->agent = MakeAgent(p, std::move(callbacks));
  sa::MetaServiceDeps deps;
  deps.loop = p->loop;
  deps.pool = pool_.get();
  deps.server = p->server.get();
  deps.client = p->client.get();
  deps.routing = [agent = p->agent.get()] { return agent->routing(); };
  deps.seed = world_.rng().Next() | 1;
  sa::MetaOptions options;
  options.db.memory = meta_disk_;
  options.root_chunk_size = shape_.chunk_size;
  options.root_stripe_size = shape_.stripe;
  options.gc_file_delay = 2s;
  // 3FS keeps no record of renames unless told to: a delayed duplicate of one would rename what has
  // the name by then.
  options.idempotent_rename = true;
  auto meta = sa::MetaService::Create(std::move(deps), options);
  CO_TRY(meta.status());
  p->meta = *std::move(meta);
  co_return Status();
}

Task<Status> SimCluster::StartStorage(Process* p) {
  sa::StorageOptions options;
  options.node_id = p->node_id;
  sa::StorageService::Deps deps;
  deps.loop = p->loop;
  deps.pool = pool_.get();
  deps.client = p->client.get();
  p->storage = std::make_unique<sa::StorageService>(deps, sa::OpenMemoryDisk(p->platter), options,
                                                    Rng(world_.rng().Next()));
  std::vector<sa::TargetRecord> wanted;
  const sa::MgmtdPlan plan = Plan();
  for (const auto& chain : plan.chains) {
    for (const auto& t : chain.targets) {
      if (plan.target_nodes.at(t.target_id) != p->node_id) continue;
      wanted.push_back({.target_id = t.target_id,
                        .chain_id = chain.chain_id,
                        .chunk_sizes = {shape_.chunk_size}});
    }
  }
  CO_TRY(co_await p->storage->Open(std::move(wanted), p->lives == 1));
  sa::NodeAgent::Callbacks callbacks;
  callbacks.report = [storage = p->storage.get()] {
    schema::mgmtd::StorageHeartbeatInfo info;
    info.targets = storage->Report();
    return decltype(schema::mgmtd::HeartbeatInfo::info)(std::move(info));
  };
  callbacks.on_routing = [storage = p->storage.get()](const sa::NodeAgent::RoutingPtr& r) {
    storage->OnRouting(r);
  };
  p->agent = MakeAgent(p, std::move(callbacks));
  p->storage->SetAgent(p->agent.get());
  p->storage->RegisterMethods(*p->server);
  co_return Status();
}

void SimCluster::Crash(size_t process) {
  Process* p = processes_.at(process).get();
  if (!p->up) return;
  p->up = false;
  world_.Freeze(*p->loop);
  network_.KillAndForget(p->ip);
  // Leaked: see Process. A run is a process of its own (sim_test.cc), so this ends with it.
  (void)p->server.release();
  (void)p->client.release();
  (void)p->agent.release();
  (void)p->mgmtd.release();
  (void)p->meta.release();
  (void)p->storage.release();
}

sa::StorageFaults* SimCluster::faults(size_t process) {
  Process* p = processes_.at(process).get();
  return p->storage ? &p->storage->faults() : nullptr;
}

Task<void> SimCluster::BumpChain(uint32_t chain) {
  Process* p = processes_.front().get();
  if (!p->mgmtd) co_return;
  // On a task of mgmtd's own: the caller must not hang when mgmtd is killed meanwhile.
  auto bump = [](sa::MgmtdService* m, uint32_t id) -> Task<void> {
    (void)co_await m->BumpChain(id);
  };
  p->loop->Post([bump, m = p->mgmtd.get(), chain] { Spawn(bump(m, chain)); });
}

bool SimCluster::AllServing() const {
  const Process& p = *processes_.front();
  if (!p.mgmtd) return false;
  for (const auto& [id, chain] : p.mgmtd->routing()->chains) {
    for (const auto& t : chain.targets) {
      if (t.public_state != PublicTargetState::kServing) return false;
    }
  }
  return true;
}

std::string SimCluster::Describe() const {
  std::string text;
  const Process& p = *processes_.front();
  for (const auto& q : processes_) text += fmt::format("{}:{} ", q->node_id, q->up ? "up" : "down");
  if (!p.mgmtd) return text;
  for (const auto& [id, chain] : p.mgmtd->routing()->chains) {
    text += fmt::format("\n  chain {} v{}:", id, chain.chain_version);
    for (const auto& t : chain.targets)
      text += fmt::format(" {}={}", t.target_id, static_cast<int>(t.public_state));
  }
  return text;
}

}  // namespace threefs::sim

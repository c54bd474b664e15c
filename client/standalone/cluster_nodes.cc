// SPDX-License-Identifier: Apache-2.0
#include "client/standalone/cluster_nodes.h"

#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/base/log.h"

namespace threefs::standalone {

namespace mg = schema::mgmtd;

namespace {

constexpr Duration kSessionPoll = 5s;

mg::FbsAppInfo AppOf(uint32_t node_id, const NodePlace& place, const std::string& service) {
  return {.node_id = node_id,
          .hostname = "localhost",
          .pid = static_cast<uint32_t>(::getpid()),
          .service_groups = NodeHost::Endpoints(place, service),
          .release_version = {},
          .podname = ""};
}

NodeAgentOptions AgentOptions(const NodeCommon& common, mg::FbsAppInfo app) {
  return {.cluster_id = common.cluster_id,
          .mgmtd = common.mgmtd,
          .app = std::move(app),
          .heartbeat_interval = common.heartbeat_interval,
          .routing_interval = common.routing_interval,
          .lease = common.lease,
          .call_timeout = common.lease / 3};
}

std::vector<ConfigItem> BaseConfig(const NodeCommon& common, uint32_t node_id) {
  return {{"server.cluster_id", "'" + common.cluster_id + "'", nullptr},
          {"server.node_id", std::to_string(node_id), nullptr}};
}

}  // namespace

Task<Status> MgmtdNode::Start(NodePlace* place, const NodeCommon* common, MgmtdOptions options,
                              MgmtdPlan plan, bool cold) {
  const uint32_t id = options.node_id;
  host_ = std::make_unique<NodeHost>(*place, common->seed + id);
  service_ = std::make_unique<MgmtdService>(*place->loop, *place->pool, std::move(options));
  service_->RegisterMethods(host_->server());
  CO_TRY(host_->Listen(place, BaseConfig(*common, id), common->shutdown));
  CO_TRY(co_await service_->Open(std::move(plan), NodeHost::Endpoints(*place, "Mgmtd"), cold));
  service_->Start();
  co_return Status();
}

Task<void> MgmtdNode::Stop() {
  if (host_ == nullptr) co_return;
  host_->gate().Close();
  co_await service_->Stop();
  co_await host_->gate().Drain();
  host_.reset();
  service_.reset();
}

Task<Status> StorageNode::Start(NodePlace* place, const NodeCommon* common, Parts parts) {
  const uint32_t id = parts.options.node_id;
  host_ = std::make_unique<NodeHost>(*place, common->seed + id);
  service_ = std::make_unique<StorageService>(
      StorageService::Deps{
          .loop = place->loop, .pool = place->pool, .client = &host_->client(), .agent = nullptr},
      std::move(parts.disk), parts.options, Rng(common->seed + id * 7919ULL));
  CO_TRY(co_await service_->Open(std::move(parts.targets), parts.fresh_chains));
  service_->RegisterMethods(host_->server());
  std::vector<ConfigItem> config = BaseConfig(*common, id);
  config.push_back({"storage.read_only", parts.options.read_only ? "true" : "false",
                    [service = service_.get()](std::string_view value) -> Status {
                      if (value != "true" && value != "false") {
                        return Status(Code::kConfigUpdateFailed, "read_only is true or false");
                      }
                      service->options().read_only = value == "true";
                      return {};
                    }});
  CO_TRY(host_->Listen(place, std::move(config), common->shutdown));
  agent_ = std::make_unique<NodeAgent>(
      *place->loop, host_->client(), AgentOptions(*common, AppOf(id, *place, "StorageSerde")),
      NodeAgent::Callbacks{
          .report = [service = service_.get()]() -> decltype(mg::HeartbeatInfo::info) {
            return mg::StorageHeartbeatInfo{.targets = service->Report()};
          },
          .on_routing = [service = service_.get()](
                            const NodeAgent::RoutingPtr& r) { service->OnRouting(r); }});
  service_->SetAgent(agent_.get());
  agent_->Start();
  service_->Start();
  co_return Status();
}

Task<void> StorageNode::Stop(bool kill) {
  if (host_ == nullptr) co_return;
  if (kill) host_->gate().Close();
  host_->gate().SetStalled(false);
  if (agent_ != nullptr) agent_->SetPaused(true);
  co_await service_->Stop();
  host_->gate().Close();
  if (agent_ != nullptr) co_await agent_->Stop();
  co_await host_->gate().Drain();
  host_.reset();
  agent_.reset();
  service_.reset();
}

void StorageNode::Stall(bool stalled) {
  host_->gate().SetStalled(stalled);
  agent_->SetPaused(stalled);
}

Task<Status> MetaNode::Start(NodePlace* place, const NodeCommon* common, Parts parts) {
  host_ = std::make_unique<NodeHost>(*place, common->seed + parts.node_id);
  stopping_ = false;
  MetaServiceDeps deps;
  deps.loop = place->loop;
  deps.pool = place->pool;
  deps.server = &host_->server();
  deps.client = &host_->client();
  deps.users = parts.users;
  deps.routing = [this] { return agent_ == nullptr ? nullptr : agent_->routing(); };
  deps.client_sessions = [this] { return sessions_; };
  deps.flush_storage = std::move(parts.flush_storage);
  deps.seed = common->seed + 1;
  CO_TRY(service_, MetaService::Create(std::move(deps), parts.options));
  CO_TRY(host_->Listen(place, BaseConfig(*common, parts.node_id), common->shutdown));
  agent_ = std::make_unique<NodeAgent>(
      *place->loop, host_->client(),
      AgentOptions(*common, AppOf(parts.node_id, *place, "MetaSerde")),
      NodeAgent::Callbacks{
          .report = []() -> decltype(mg::HeartbeatInfo::info) { return mg::MetaHeartbeatInfo{}; },
          .on_routing = nullptr});
  agent_->Start();
  service_->Start();
  Spawn(PollSessions(common));
  co_return Status();
}

// Which clients live is mgmtd's knowledge; meta asks for it as any tool would.
Task<void> MetaNode::PollSessions(const NodeCommon* common) {
  const auto op = ops_.Enter();
  const mg::ListClientSessionsReq req{.cluster_id = common->cluster_id, .user = {}};
  while (!stopping_) {
    const rpc::CallOptions options{.ctx = {.deadline = kNever, .cancel = &cancel_, .trace = 0},
                                   .timeout = 1s};
    auto rsp = co_await host_->client().Call<mg::method::ListClientSessions>(common->mgmtd[0], req,
                                                                             options);
    if (rsp.ok() && !rsp->bootstrapping) {
      sessions_ = std::move(rsp->sessions);
    } else {
      sessions_.reset();
    }
    co_await stop_.WaitUntil(Loop::Current()->Now() + kSessionPoll);
  }
}

Task<void> MetaNode::Stop() {
  if (host_ == nullptr) co_return;
  stopping_ = true;
  stop_.Set();
  cancel_.Cancel();
  host_->gate().Close();
  if (service_ != nullptr) co_await service_->Stop();
  co_await ops_.Drain();
  if (agent_ != nullptr) co_await agent_->Stop();
  co_await host_->gate().Drain();
  host_.reset();
  service_.reset();
  agent_.reset();
}

}  // namespace threefs::standalone

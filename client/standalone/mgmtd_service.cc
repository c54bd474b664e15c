// SPDX-License-Identifier: Apache-2.0
// MgmtdService's dispatch and queries.
#include "client/standalone/mgmtd_service.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace threefs::standalone {

namespace mg = schema::mgmtd;

Status CheckMgmtdCaller(const MgmtdOptions& options, const std::string& cluster_id,
                        const schema::UserInfo& user, bool admin) {
  if (cluster_id != options.cluster_id) {
    return Status(Code::kMgmtdClusterIdMismatch, "Cluster id mismatch");
  }
  if (admin && options.check_admin) return options.check_admin(user);
  return {};
}

// Not a lambda: the coroutine's frame owns everything it needs.
struct MgmtdMethods {
  template <class M>
  using Member = Task<Result<typename M::Rsp>> (MgmtdService::*)(typename M::Req);

  template <class M>
  static Task<Result<typename M::Rsp>> Run(MgmtdService* self, Member<M> member, bool admin,
                                           typename M::Req req) {
    if (self->stopping_) co_return Code::kRPCRequestRefused;
    if (!self->open_) co_return Code::kMgmtdNotPrimary;
    const auto op = self->ops_.Enter();
    CO_TRY(CheckMgmtdCaller(self->options_, req.cluster_id, req.user, admin));
    co_return co_await (self->*member)(std::move(req));
  }
  template <class M>
  static void Add(rpc::Server& server, MgmtdService* self, Member<M> member, bool admin = false) {
    server.Handle<M>([self, member, admin](const rpc::CallInfo&, typename M::Req req) {
      return Run<M>(self, member, admin, std::move(req));
    });
  }
};

void MgmtdService::RegisterMethods(rpc::Server& server) {
  using M = MgmtdMethods;
  M::Add<mg::method::GetPrimaryMgmtd>(server, this, &MgmtdService::GetPrimary);
  M::Add<mg::method::Heartbeat>(server, this, &MgmtdService::Heartbeat);
  M::Add<mg::method::GetRoutingInfo>(server, this, &MgmtdService::GetRouting);
  M::Add<mg::method::GetConfig>(server, this, &MgmtdService::GetConfig);
  M::Add<mg::method::ExtendClientSession>(server, this, &MgmtdService::Extend);
  M::Add<mg::method::ListClientSessions>(server, this, &MgmtdService::ListSessions);
  M::Add<mg::method::GetClientSession>(server, this, &MgmtdService::GetSession);
  M::Add<mg::method::GetUniversalTags>(server, this, &MgmtdService::GetTags);
  M::Add<mg::method::GetConfigVersions>(server, this, &MgmtdService::GetConfigVersions);
  M::Add<mg::method::ListOrphanTargets>(server, this, &MgmtdService::ListOrphans);
  constexpr bool kAdmin = true;
  M::Add<mg::method::RegisterNode>(server, this, &MgmtdService::RegisterNode, kAdmin);
  M::Add<mg::method::UnregisterNode>(server, this, &MgmtdService::UnregisterNode, kAdmin);
  M::Add<mg::method::EnableNode>(server, this, &MgmtdService::EnableNode, kAdmin);
  M::Add<mg::method::DisableNode>(server, this, &MgmtdService::DisableNode, kAdmin);
  M::Add<mg::method::SetNodeTags>(server, this, &MgmtdService::SetNodeTags, kAdmin);
  M::Add<mg::method::SetUniversalTags>(server, this, &MgmtdService::SetTags, kAdmin);
  M::Add<mg::method::SetConfig>(server, this, &MgmtdService::SetConfig, kAdmin);
  M::Add<mg::method::SetChains>(server, this, &MgmtdService::SetChains, kAdmin);
  M::Add<mg::method::SetChainTable>(server, this, &MgmtdService::SetChainTable, kAdmin);
  M::Add<mg::method::UpdateChain>(server, this, &MgmtdService::UpdateChain, kAdmin);
  M::Add<mg::method::RotateLastSrv>(server, this, &MgmtdService::RotateLastSrv, kAdmin);
  M::Add<mg::method::SetPreferredTargetOrder>(server, this, &MgmtdService::SetPreferredOrder,
                                              kAdmin);
  M::Add<mg::method::RotateAsPreferredOrder>(server, this, &MgmtdService::RotateAsPreferred,
                                             kAdmin);
}

Task<Result<mg::GetPrimaryMgmtdRsp>> MgmtdService::GetPrimary(mg::GetPrimaryMgmtdReq /*req*/) {
  const mg::NodeInfo& self = nodes_[options_.node_id].info;
  co_return mg::GetPrimaryMgmtdRsp{
      .primary = mg::PersistentNodeInfo{.node_id = options_.node_id,
                                        .type = mg::NodeType::kMgmtd,
                                        .service_groups = self.app.service_groups,
                                        .tags = self.tags,
                                        .hostname = self.app.hostname}};
}

Task<Result<mg::GetRoutingInfoRsp>> MgmtdService::GetRouting(mg::GetRoutingInfoReq req) {
  const uint64_t ours = record_.routing_version;
  if (req.routing_info_version > ours) {
    co_return Status(
        Code::kMgmtdInvalidRoutingInfoVersion,
        "RoutingInfoVersion RoutingInfoVersion(" + std::to_string(req.routing_info_version) +
            ") is newer than server's (RoutingInfoVersion(" + std::to_string(ours) + "))");
  }
  mg::GetRoutingInfoRsp rsp;
  if (req.routing_info_version == 0) {
    rsp.info = BuildRouting();  // heartbeat times and sizes as of now
  } else if (req.routing_info_version != ours) {
    rsp.info = *routing();
  }
  co_return rsp;
}

Task<Result<mg::ExtendClientSessionRsp>> MgmtdService::Extend(mg::ExtendClientSessionReq req) {
  if ((req.type == mg::NodeType::kClient || req.type == mg::NodeType::kFuse) &&
      req.config_version > ConfigVersion(req.type)) {
    co_return Status(Code::kMgmtdInvalidConfigVersion, "the client's config version is unknown");
  }
  CO_TRY(client_sessions_.Extend(req, loop_.WallMicros()));
  PublishSessions();
  mg::ExtendClientSessionRsp rsp;
  rsp.config = NewerConfig(req.type, req.config_version);
  if (const auto it = record_.universal_tags.find(req.data.universal_id);
      it != record_.universal_tags.end()) {
    rsp.tags = it->second;
  }
  co_return rsp;
}

Task<Result<mg::ListClientSessionsRsp>> MgmtdService::ListSessions(
    mg::ListClientSessionsReq /*req*/) {
  mg::ListClientSessionsRsp rsp;
  rsp.sessions = client_sessions_.List();
  for (const mg::ClientSession& session : rsp.sessions) {
    const auto it = record_.universal_tags.find(session.universal_id);
    if (it != record_.universal_tags.end()) {
      rsp.referenced_tags.At(session.universal_id) = it->second;
    }
  }
  co_return rsp;
}

Task<Result<mg::GetClientSessionRsp>> MgmtdService::GetSession(mg::GetClientSessionReq req) {
  mg::GetClientSessionRsp rsp;
  if (const mg::ClientSession* session = client_sessions_.Find(req.client_id)) {
    rsp.session = *session;
    const auto it = record_.universal_tags.find(session->universal_id);
    if (it != record_.universal_tags.end()) rsp.referenced_tags = it->second;
  }
  co_return rsp;
}

Task<Result<mg::GetConfigRsp>> MgmtdService::GetConfig(mg::GetConfigReq req) {
  if (req.node_type > mg::NodeType::kFuse) co_return Status(Code::kInvalidArg, "unknown node type");
  const uint64_t latest = ConfigVersion(req.node_type);
  mg::GetConfigRsp rsp;
  if (!req.exact_version) {
    // 3FS's mgmtd dies of this one (3fs/mgmtd.md §9).
    if (req.config_version > latest) co_return Code::kMgmtdInvalidConfigVersion;
    rsp.info = NewerConfig(req.node_type, req.config_version);
    if (req.config_version == 0 && latest == 0) rsp.info = std::nullopt;
    co_return rsp;
  }
  if (req.config_version == 0) {
    rsp.info = mg::ConfigInfo{};
  } else if (const auto it = record_.configs.find(static_cast<uint8_t>(req.node_type));
             it != record_.configs.end()) {
    for (const mg::ConfigInfo& info : it->second) {
      if (info.config_version == req.config_version) rsp.info = info;
    }
  }
  co_return rsp;
}

Task<Result<mg::GetConfigVersionsRsp>> MgmtdService::GetConfigVersions(
    mg::GetConfigVersionsReq /*req*/) {
  mg::GetConfigVersionsRsp rsp;
  constexpr const char* kNames[] = {"MGMTD", "META", "STORAGE", "CLIENT", "FUSE"};
  for (uint8_t type = 0; type < 5; ++type) {
    rsp.versions.At(kNames[type]) = ConfigVersion(static_cast<mg::NodeType>(type));
  }
  co_return rsp;
}

Task<Result<mg::GetUniversalTagsRsp>> MgmtdService::GetTags(mg::GetUniversalTagsReq req) {
  const auto it = record_.universal_tags.find(req.universal_id);
  if (it == record_.universal_tags.end()) co_return mg::GetUniversalTagsRsp{};
  co_return mg::GetUniversalTagsRsp{.tags = it->second};
}

Task<Result<mg::ListOrphanTargetsRsp>> MgmtdService::ListOrphans(mg::ListOrphanTargetsReq) {
  mg::ListOrphanTargetsRsp rsp;
  const auto known = routing();
  for (const auto& [id, target] : targets_) {
    if (known->targets.Find(id) != nullptr) continue;
    rsp.targets.push_back({.target_id = id,
                           .public_state = mg::PublicTargetState::kOffline,
                           .local_state = target.info.local_state,
                           .chain_id = 0,
                           .node_id = target.node_id,
                           .disk_index = target.info.disk_index,
                           .used_size = target.info.used_size});
  }
  co_return rsp;
}

}  // namespace threefs::standalone

// SPDX-License-Identifier: Apache-2.0
// MgmtdService: mgmtd (service 217) of a cluster with one mgmtd, which is always primary
// (3fs/mgmtd.md). It knows nodes by their heartbeats, moves chains through their states
// (mgmtd_chain.h) and tells everybody by routing information whose version only grows. Lives on one
// loop; what it must remember is saved before anybody is told.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "client/base/status.h"
#include "client/rpc/server.h"
#include "client/runtime/loop.h"
#include "client/runtime/sync.h"
#include "client/runtime/task.h"
#include "client/schema/mgmtd_rpc.h"
#include "client/standalone/mgmtd_chain.h"
#include "client/standalone/mgmtd_record.h"
#include "client/standalone/mgmtd_sessions.h"
#include "client/standalone/op_counter.h"

namespace threefs::standalone {

struct MgmtdOptions {
  std::string cluster_id;
  uint32_t node_id = 1;
  std::string file;                     ///< of the record; empty: `memory`
  std::shared_ptr<std::string> memory;  ///< survives a restart in a test
  /// A node silent for longer is failed and its targets go offline.
  Duration heartbeat_fail = 5s;
  Duration check_interval = 200ms;
  Duration session_timeout = 20min;
  Duration timestamp_window = 30s;
  /// Judges the user of an admin method; null: everybody is admin.
  std::function<Status(const schema::UserInfo&)> check_admin;
};

/// What a new cluster starts as. Ignored once there is a record.
struct MgmtdPlan {
  std::vector<schema::mgmtd::PersistentNodeInfo> nodes;
  std::vector<schema::mgmtd::ChainSetting> chains;
  std::map<uint64_t, uint32_t> target_nodes;
  uint32_t chain_table_id = 1;
};

class MgmtdService {
 public:
  MgmtdService(Loop& loop, BlockingPool& pool, MgmtdOptions options);
  ~MgmtdService();

  /// Loads the record or makes one from `plan`. `endpoints` are what mgmtd advertises for itself.
  /// `cold`: every storage node starts together with mgmtd, so of each chain only the last serving
  /// target keeps its state (mgmtd_chain.h says why that one) and the others resync from it.
  Task<Status> Open(MgmtdPlan plan, std::vector<schema::ServiceGroupInfo> endpoints, bool cold);
  /// Open found no record: the cluster is new.
  [[nodiscard]] bool fresh() const { return fresh_; }
  /// Methods answer kMgmtdNotPrimary until Open is done.
  void RegisterMethods(rpc::Server& server);
  /// Starts watching heartbeats.
  void Start();
  Task<void> Stop();

  /// Any thread.
  [[nodiscard]] std::shared_ptr<const schema::mgmtd::RoutingInfo> routing() const;
  /// Any thread. Client sessions as of the last change.
  [[nodiscard]] std::vector<schema::mgmtd::ClientSession> sessions() const;
  /// Raises a chain's version without changing its targets (fault injection).
  Task<Status> BumpChain(uint32_t chain_id);

 private:
  friend struct MgmtdMethods;  // dispatch, in mgmtd_service.cc
  struct Node {
    schema::mgmtd::NodeInfo info;
    TimePoint heard{};
    uint64_t hb_version = 0;
  };
  struct Target {
    schema::mgmtd::LocalTargetInfo info;
    uint32_t node_id = 0;
  };

  // Queries and soft state (mgmtd_service.cc).
  Task<Result<schema::mgmtd::GetPrimaryMgmtdRsp>> GetPrimary(schema::mgmtd::GetPrimaryMgmtdReq req);
  Task<Result<schema::mgmtd::GetRoutingInfoRsp>> GetRouting(schema::mgmtd::GetRoutingInfoReq req);
  Task<Result<schema::mgmtd::HeartbeatRsp>> Heartbeat(schema::mgmtd::HeartbeatReq req);
  Task<Result<schema::mgmtd::ExtendClientSessionRsp>> Extend(
      schema::mgmtd::ExtendClientSessionReq req);
  Task<Result<schema::mgmtd::ListClientSessionsRsp>> ListSessions(
      schema::mgmtd::ListClientSessionsReq req);
  Task<Result<schema::mgmtd::GetClientSessionRsp>> GetSession(
      schema::mgmtd::GetClientSessionReq req);
  Task<Result<schema::mgmtd::GetConfigRsp>> GetConfig(schema::mgmtd::GetConfigReq req);
  Task<Result<schema::mgmtd::GetConfigVersionsRsp>> GetConfigVersions(
      schema::mgmtd::GetConfigVersionsReq req);
  Task<Result<schema::mgmtd::GetUniversalTagsRsp>> GetTags(schema::mgmtd::GetUniversalTagsReq req);
  Task<Result<schema::mgmtd::ListOrphanTargetsRsp>> ListOrphans(
      schema::mgmtd::ListOrphanTargetsReq req);
  // Administration (mgmtd_admin.cc).
  Task<Result<schema::mgmtd::RegisterNodeRsp>> RegisterNode(schema::mgmtd::RegisterNodeReq req);
  Task<Result<schema::mgmtd::UnregisterNodeRsp>> UnregisterNode(
      schema::mgmtd::UnregisterNodeReq req);
  Task<Result<schema::mgmtd::EnableNodeRsp>> EnableNode(schema::mgmtd::EnableNodeReq req);
  Task<Result<schema::mgmtd::DisableNodeRsp>> DisableNode(schema::mgmtd::DisableNodeReq req);
  Task<Result<schema::mgmtd::SetNodeTagsRsp>> SetNodeTags(schema::mgmtd::SetNodeTagsReq req);
  Task<Result<schema::mgmtd::SetUniversalTagsRsp>> SetTags(schema::mgmtd::SetUniversalTagsReq req);
  Task<Result<schema::mgmtd::SetConfigRsp>> SetConfig(schema::mgmtd::SetConfigReq req);
  Task<Result<schema::mgmtd::SetChainsRsp>> SetChains(schema::mgmtd::SetChainsReq req);
  Task<Result<schema::mgmtd::SetChainTableRsp>> SetChainTable(schema::mgmtd::SetChainTableReq req);
  Task<Result<schema::mgmtd::UpdateChainRsp>> UpdateChain(schema::mgmtd::UpdateChainReq req);
  Task<Result<schema::mgmtd::RotateLastSrvRsp>> RotateLastSrv(schema::mgmtd::RotateLastSrvReq req);
  Task<Result<schema::mgmtd::SetPreferredTargetOrderRsp>> SetPreferredOrder(
      schema::mgmtd::SetPreferredTargetOrderReq req);
  Task<Result<schema::mgmtd::RotateAsPreferredOrderRsp>> RotateAsPreferred(
      schema::mgmtd::RotateAsPreferredOrderReq req);

  // State (mgmtd_state.cc).
  Task<Status> Save(MgmtdRecord next);
  void Publish();
  [[nodiscard]] schema::mgmtd::RoutingInfo BuildRouting() const;
  [[nodiscard]] LocalStates AliveTargets() const;
  [[nodiscard]] bool Undecided(const schema::mgmtd::ChainInfo& chain) const;
  void ForgetReports(const schema::mgmtd::ChainInfo& before, const schema::mgmtd::ChainInfo& after);
  Task<void> Watch();
  Task<void> CheckOnce();
  Status AcceptHeartbeat(const schema::mgmtd::HeartbeatReq& req);
  [[nodiscard]] std::optional<schema::mgmtd::ConfigInfo> NewerConfig(schema::mgmtd::NodeType type,
                                                                     uint64_t than) const;
  [[nodiscard]] uint64_t ConfigVersion(schema::mgmtd::NodeType type) const;
  void PublishSessions();

  Loop& loop_;
  BlockingPool& pool_;
  const MgmtdOptions options_;
  const MgmtdFile file_;
  AsyncMutex
      changing_;  ///< held by who changes record_; the record is replaced only after it was saved
  MgmtdRecord record_;
  std::map<uint32_t, Node> nodes_;
  std::map<uint64_t, Target> targets_;
  ClientSessions client_sessions_;
  Event kick_;
  bool fresh_ = false;
  bool open_ = false;
  bool stopping_ = false;
  bool soft_changed_ = false;  ///< a node's status, address or configuration version changed
  OpCounter ops_;
  mutable std::mutex shared_mutex_;
  std::shared_ptr<const schema::mgmtd::RoutingInfo> routing_;
  std::shared_ptr<const std::vector<schema::mgmtd::ClientSession>> shared_sessions_;
};

/// Why a request is refused before its method is looked at: cluster id first, then admin.
Status CheckMgmtdCaller(const MgmtdOptions& options, const std::string& cluster_id,
                        const schema::UserInfo& user, bool admin);

}  // namespace threefs::standalone

// SPDX-License-Identifier: Apache-2.0
// StorageService: StorageSerde (service 3) of one node, over the targets on its disk
// (3fs/storage.md). Lives on one loop. Updates follow CRAQ: the head numbers and prepares an
// update, passes it on, and commits when its successor has; so an update is answered when every
// serving replica has it, and anything any replica serves is at the tail. Reads are served from the
// committed image by any replica. What a real server refuses is refused with its code and in its
// order.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client/base/rng.h"
#include "client/base/status.h"
#include "client/rpc/client.h"
#include "client/rpc/server.h"
#include "client/runtime/loop.h"
#include "client/runtime/sync.h"
#include "client/runtime/task.h"
#include "client/schema/storage_rpc.h"
#include "client/standalone/chunk_device.h"
#include "client/standalone/node_agent.h"
#include "client/standalone/op_counter.h"
#include "client/standalone/storage_target.h"

namespace threefs::standalone {

struct StorageOptions {
  uint32_t node_id = 0;
  ChunkStoreOptions store;
  bool read_only = false;
  Duration forward_timeout = 3s;  ///< of one attempt
  Duration retry_pause = 20ms;    ///< doubling to 1 s
  Duration sync_interval = 5s;    ///< of the background sync
  int resync_parallel = 8;
};

/// Misbehaviour on demand; written on the service's loop.
struct StorageFaults {
  Duration slow{0};  ///< before each request
  std::map<uint64_t, Duration> slow_target;
  int64_t corrupt_reads = 0;  ///< next so many batchReads flip a byte; -1 = all
  bool disk_full = false;
};

class StorageService {
 public:
  struct Deps {
    Loop* loop = nullptr;
    BlockingPool* pool = nullptr;
    rpc::Client* client = nullptr;
    NodeAgent* agent = nullptr;  ///< set by SetAgent: agent and service know each other
  };

  StorageService(Deps deps, std::unique_ptr<ChunkDisk> disk, StorageOptions options, Rng rng);

  /// Opens the targets on the disk. `wanted`: those that a new chain expects here, made when
  /// missing; `fresh_chains`: the chains were made together with them, so an empty target is
  /// complete.
  Task<Status> Open(std::vector<TargetRecord> wanted, bool fresh_chains);
  void SetAgent(NodeAgent* agent) { deps_.agent = agent; }
  void RegisterMethods(rpc::Server& server);
  void Start();
  /// Refuses new work, drops what is under way, waits for it, syncs.
  Task<void> Stop();

  // For the agent.
  std::vector<schema::mgmtd::LocalTargetInfo> Report() const;
  void OnRouting(const NodeAgent::RoutingPtr& routing);

  /// All acknowledged data survives loss of power.
  Task<Status> Sync();
  StorageFaults& faults() { return faults_; }
  StorageOptions& options() { return options_; }

 private:
  friend struct StorageMethods;
  friend class StorageUpdate;
  friend class StorageResync;

  // Lookup (3fs/storage.md §9.1): kStorageClientRoutingError, kStorageClientRoutingVersionMismatch,
  // kStorageTargetOffline.
  Result<TargetPtr> FindTarget(const schema::storage::VersionedChainId& chain) const;
  TargetPtr FindTargetById(uint64_t target_id) const;

  // storage_read.cc
  Task<Result<schema::storage::BatchReadRsp>> BatchRead(schema::storage::BatchReadReq req);
  Task<Result<schema::storage::QueryLastChunkRsp>> QueryLastChunk(
      schema::storage::QueryLastChunkReq req);
  Task<Result<schema::storage::QueryChunkRsp>> QueryChunk(schema::storage::QueryChunkReq req);
  Task<Result<schema::storage::GetAllChunkMetadataRsp>> GetAllMetadata(
      schema::storage::GetAllChunkMetadataReq req);
  schema::storage::QueryLastChunkResult QueryOne(const schema::storage::QueryLastChunkOp& op);
  // storage_service.cc
  Task<Result<schema::storage::WriteRsp>> Write(schema::storage::WriteReq req);
  Task<Result<schema::storage::UpdateRsp>> Update(schema::storage::UpdateReq req);
  Task<Result<schema::storage::TruncateChunksRsp>> TruncateChunks(
      schema::storage::TruncateChunksReq req);
  Task<Result<schema::storage::RemoveChunksRsp>> RemoveChunks(schema::storage::RemoveChunksReq req);
  Task<schema::storage::RemoveChunksResult> RemoveRange(const schema::storage::RemoveChunksOp* op,
                                                        uint32_t feature_flags);
  Task<Result<schema::storage::TargetSyncInfo>> SyncStart(schema::storage::SyncStartReq req);
  Task<Result<schema::storage::SyncDoneRsp>> SyncDone(schema::storage::SyncDoneReq req);
  // storage_admin.cc
  Task<Result<schema::storage::SpaceInfoRsp>> SpaceInfo(schema::storage::SpaceInfoReq req);
  Task<Result<schema::storage::CreateTargetRsp>> CreateTarget(schema::storage::CreateTargetReq req);
  Task<Result<schema::storage::OfflineTargetRsp>> OfflineTarget(
      schema::storage::OfflineTargetReq req);
  Task<Result<schema::storage::RemoveTargetRsp>> RemoveTarget(schema::storage::RemoveTargetReq req);
  Task<Status> OpenTarget(TargetRecord record, bool fresh);
  Task<void> Housekeep();
  Task<Status> RefreshSpace();
  void ApplyRouting(const TargetPtr& target);

  Deps deps_;
  std::unique_ptr<ChunkDisk> disk_;
  StorageOptions options_;
  StorageFaults faults_;
  Rng rng_;
  std::map<uint32_t, TargetPtr> by_chain_;
  DiskSpace space_{};
  TimePoint space_at_{};
  bool reject_create_ = false;  ///< the disk is all but full
  bool stopping_ = false;
  CancelSource stop_calls_;
  Event stop_;
  OpCounter ops_;
};

/// A fault point "<name>" or "<name>@<node id>" (base/fault.h): waits, fails, or ends the process
/// as armed.
Task<Status> HitFaultPoint(std::string name, uint32_t node_id);

}  // namespace threefs::standalone

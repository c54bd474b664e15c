// SPDX-License-Identifier: Apache-2.0
// NodeService: the CSI Node service. Synchronous; gRPC calls it on many threads, a lock a volume
// lets one call in, another one is ABORTED. Every step is idempotent: a call repeated after any
// crash finishes what the first one began.
//   Stage    check → lock → record the intent (fsync) → keeper mounts and waits for its mounter →
//   record it as staged Publish  check → lock → the staged mount is alive? → record the target →
//   bind it there in one step
#pragma once

#include <grpcpp/server_context.h>

#include <functional>
#include <string>

#include "csi/keeper_client.h"
#include "csi/mount_ops.h"
#include "csi/volume_locks.h"
#include "csi/volume_store.h"
#include "proto/csi/v1/csi.grpc.pb.h"

namespace threefs::csi {

class NodeService final : public ::csi::v1::Node::Service {
 public:
  struct Options {
    std::string node_id;
    int64_t max_volumes = 0;  ///< 0: no limit is reported
    Duration statfs_limit =
        40ms;  ///< so that NodeGetVolumeStats answers within 50 ms whatever the mounter does
  };
  /// All pointers outlive the service.
  NodeService(KeeperApi* keeper, MountOps* mounts, VolumeStore* store, Options options);

  /// Brings the records in line with the mount table: call once at start, before serving.
  void Reconcile();

  grpc::Status NodeStageVolume(grpc::ServerContext* context,
                               const ::csi::v1::NodeStageVolumeRequest* request,
                               ::csi::v1::NodeStageVolumeResponse* response) override;
  grpc::Status NodeUnstageVolume(grpc::ServerContext* context,
                                 const ::csi::v1::NodeUnstageVolumeRequest* request,
                                 ::csi::v1::NodeUnstageVolumeResponse* response) override;
  grpc::Status NodePublishVolume(grpc::ServerContext* context,
                                 const ::csi::v1::NodePublishVolumeRequest* request,
                                 ::csi::v1::NodePublishVolumeResponse* response) override;
  grpc::Status NodeUnpublishVolume(grpc::ServerContext* context,
                                   const ::csi::v1::NodeUnpublishVolumeRequest* request,
                                   ::csi::v1::NodeUnpublishVolumeResponse* response) override;
  grpc::Status NodeGetVolumeStats(grpc::ServerContext* context,
                                  const ::csi::v1::NodeGetVolumeStatsRequest* request,
                                  ::csi::v1::NodeGetVolumeStatsResponse* response) override;
  grpc::Status NodeExpandVolume(grpc::ServerContext* context,
                                const ::csi::v1::NodeExpandVolumeRequest* request,
                                ::csi::v1::NodeExpandVolumeResponse* response) override;
  grpc::Status NodeGetCapabilities(grpc::ServerContext* context,
                                   const ::csi::v1::NodeGetCapabilitiesRequest* request,
                                   ::csi::v1::NodeGetCapabilitiesResponse* response) override;
  grpc::Status NodeGetInfo(grpc::ServerContext* context,
                           const ::csi::v1::NodeGetInfoRequest* request,
                           ::csi::v1::NodeGetInfoResponse* response) override;

 private:
  struct StagePlan {
    mounter::MountSpec spec;
    std::string token;
    int access_mode = 0;
  };
  grpc::Status PlanStage(const ::csi::v1::NodeStageVolumeRequest& request, StagePlan* plan) const;
  grpc::Status Stage(const ::csi::v1::NodeStageVolumeRequest& request);
  grpc::Status ClearStagingPath(const StagePlan& plan);
  grpc::Status Unstage(const ::csi::v1::NodeUnstageVolumeRequest& request);
  grpc::Status Publish(const ::csi::v1::NodePublishVolumeRequest& request);
  grpc::Status FindStaged(const ::csi::v1::NodePublishVolumeRequest& request, VolumeRecord* record);
  grpc::Status CheckServed(const VolumeRecord& record, const std::string& token);
  grpc::Status BindTarget(VolumeRecord record, const std::string& target,
                          const PublishRecord& wanted);
  grpc::Status Unpublish(const ::csi::v1::NodeUnpublishVolumeRequest& request);
  grpc::Status Stats(const ::csi::v1::NodeGetVolumeStatsRequest& request,
                     ::csi::v1::NodeGetVolumeStatsResponse* response);

  KeeperApi* const keeper_;
  MountOps* const mounts_;
  VolumeStore* const store_;
  const Options options_;
  VolumeLocks locks_;
};

}  // namespace threefs::csi

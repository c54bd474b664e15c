// SPDX-License-Identifier: Apache-2.0
// The asking half of NodeService: stats, expansion, capabilities, identity of the node.
#include <fmt/core.h>

#include <string>
#include <vector>

#include "csi/call.h"
#include "csi/errors.h"
#include "csi/keeper/mount_table.h"
#include "csi/node_service.h"

namespace threefs::csi {
namespace {

namespace v1 = ::csi::v1;
using grpc::StatusCode;
using Rpc = v1::NodeServiceCapability::RPC;

void AddUsage(uint64_t total, uint64_t free, uint64_t available, v1::VolumeUsage::Unit unit,
              v1::NodeGetVolumeStatsResponse* response) {
  v1::VolumeUsage* usage = response->add_usage();
  usage->set_total(static_cast<int64_t>(total));
  usage->set_available(static_cast<int64_t>(available));
  usage->set_used(static_cast<int64_t>(total - free));
  usage->set_unit(unit);
}

}  // namespace

// Answers within the statfs limit and the keeper's (local) answer: a mounter that hangs makes the
// condition abnormal, not the call slow.
grpc::Status NodeService::Stats(const v1::NodeGetVolumeStatsRequest& request,
                                v1::NodeGetVolumeStatsResponse* response) {
  const std::string& id = request.volume_id();
  const std::string& path = request.volume_path();
  if (const Status s = CheckVolumeId(id); !s.ok()) return ToGrpc(s);
  if (const Status s = CheckHostPath("volume_path", path); !s.ok()) return ToGrpc(s);
  const auto table = mounts_->Table();
  if (!table.ok()) return ToGrpc(table.status());
  const auto record = store_->Find(id);
  const bool known = record && (record->staging_path == path || record->targets.count(path) != 0);
  const keeper::MountEntry* mounted = keeper::FindMount(*table, path);
  if (!known || mounted == nullptr || mounted->type != "fuse.hf3fs") {
    return Error(StatusCode::NOT_FOUND, "the volume is not mounted at volume_path on this node");
  }
  v1::VolumeCondition* condition = response->mutable_volume_condition();
  condition->set_message("the volume is served");
  const auto usage = mounts_->Statfs(path, options_.statfs_limit);
  if (usage.ok()) {
    AddUsage(usage->total_bytes, usage->free_bytes, usage->available_bytes, v1::VolumeUsage::BYTES,
             response);
    AddUsage(usage->total_files, usage->free_files, usage->free_files, v1::VolumeUsage::INODES,
             response);
    return grpc::Status::OK;
  }
  condition->set_abnormal(true);
  condition->set_message(usage.code() == Code::kRPCTimeout
                             ? "the volume's mounter or its 3FS servers do not answer: see "
                               "threefsctl status on the node"
                             : fmt::format("the mount is dead ({}): restart the pods that use it",
                                           usage.status().message()));
  return grpc::Status::OK;
}

grpc::Status NodeService::NodeGetVolumeStats(grpc::ServerContext* /*context*/,
                                             const v1::NodeGetVolumeStatsRequest* request,
                                             v1::NodeGetVolumeStatsResponse* response) {
  return Serve("NodeGetVolumeStats", request->volume_id(),
               [&] { return Stats(*request, response); });
}

grpc::Status NodeService::NodeExpandVolume(grpc::ServerContext* /*context*/,
                                           const v1::NodeExpandVolumeRequest* request,
                                           v1::NodeExpandVolumeResponse* response) {
  return Serve("NodeExpandVolume", request->volume_id(), [&]() -> grpc::Status {
    if (const Status s = CheckVolumeId(request->volume_id()); !s.ok()) return ToGrpc(s);
    if (const Status s = CheckHostPath("volume_path", request->volume_path()); !s.ok()) {
      return ToGrpc(s);
    }
    if (!store_->Find(request->volume_id())) {
      return Error(StatusCode::NOT_FOUND, "the volume is not staged on this node");
    }
    // Size is a record of the controller's; a directory needs no growing here.
    response->set_capacity_bytes(request->capacity_range().required_bytes());
    return grpc::Status::OK;
  });
}

grpc::Status NodeService::NodeGetCapabilities(grpc::ServerContext* /*context*/,
                                              const v1::NodeGetCapabilitiesRequest* /*request*/,
                                              v1::NodeGetCapabilitiesResponse* response) {
  for (const auto type : {Rpc::STAGE_UNSTAGE_VOLUME, Rpc::GET_VOLUME_STATS, Rpc::EXPAND_VOLUME,
                          Rpc::VOLUME_CONDITION, Rpc::SINGLE_NODE_MULTI_WRITER}) {
    response->add_capabilities()->mutable_rpc()->set_type(type);
  }
  return grpc::Status::OK;
}

grpc::Status NodeService::NodeGetInfo(grpc::ServerContext* /*context*/,
                                      const v1::NodeGetInfoRequest* /*request*/,
                                      v1::NodeGetInfoResponse* response) {
  response->set_node_id(options_.node_id);
  response->set_max_volumes_per_node(options_.max_volumes);
  return grpc::Status::OK;
}

}  // namespace threefs::csi

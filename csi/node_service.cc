// SPDX-License-Identifier: Apache-2.0
#include "csi/node_service.h"

#include <fmt/core.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/base/log.h"
#include "csi/call.h"
#include "csi/errors.h"
#include "csi/keeper/mount_table.h"
#include "csi/keeper/spec_check.h"
#include "csi/parameters.h"

namespace threefs::csi {
namespace {

namespace v1 = ::csi::v1;
using grpc::StatusCode;
using keeper::CanonicalSpec;
using keeper::FindMount;
using keeper::MountEntry;
using Mode = v1::VolumeCapability::AccessMode;

constexpr const char* kFsType = "fuse.hf3fs";

std::string SourceOf(const std::string& cluster_id) { return "hf3fs." + cluster_id; }

bool SamePublish(const PublishRecord& a, const PublishRecord& b) {
  return a.read_only == b.read_only && a.no_exec == b.no_exec && a.access_mode == b.access_mode;
}

void Wipe(std::string* secret) { explicit_bzero(secret->data(), secret->capacity()); }

}  // namespace

NodeService::NodeService(KeeperApi* keeper, MountOps* mounts, VolumeStore* store, Options options)
    : keeper_(keeper), mounts_(mounts), store_(store), options_(std::move(options)) {}

void NodeService::Reconcile() {
  const auto table = mounts_->Table();
  if (!table.ok()) return;
  for (VolumeRecord record : store_->All()) {
    const size_t before = record.targets.size();
    std::erase_if(record.targets,
                  [&](const auto& target) { return FindMount(*table, target.first) == nullptr; });
    const bool staged = FindMount(*table, record.staging_path) != nullptr;
    const Status status = !staged && record.targets.empty() ? store_->Remove(record.volume_id)
                          : record.targets.size() != before ? store_->Save(record)
                                                            : Status();
    LOG_INFO("volume '{}': {}, {} of {} targets are still mounted", record.volume_id,
             staged ? "staged" : "not mounted any more", record.targets.size(), before);
    if (!status.ok()) LOG_ERROR("{}", status.message());
  }
}

// ------------------------------------------------------------------------------------------- stage

grpc::Status NodeService::PlanStage(const v1::NodeStageVolumeRequest& request,
                                    StagePlan* plan) const {
  const auto make = [&]() -> Status {
    TRY(CheckVolumeId(request.volume_id()));
    TRY(CheckHostPath("staging_target_path", request.staging_target_path()));
    if (!request.has_volume_capability()) {
      return {Code::kInvalidArg, "volume_capability is missing"};
    }
    TRY(const CapabilityPlan usage, CheckCapability(request.volume_capability()));
    TRY(const VolumeContext volume, ParseVolumeContext(ToMap(request.volume_context())));
    TRY(plan->token, TokenOf(ToMap(request.secrets())));
    mounter::MountSpec& spec = plan->spec;
    spec.set_volume_id(request.volume_id());
    spec.set_cluster_id(volume.mount.cluster_id);
    for (const std::string& address : volume.mount.mgmtd_addresses) {
      spec.add_mgmtd_addresses(address);
    }
    spec.set_path(volume.path);
    spec.set_read_only(usage.reader_only || usage.options.read_only);
    spec.set_transport(volume.mount.transport);
    spec.set_consistency(volume.mount.consistency);
    spec.set_identity(volume.mount.identity);
    spec.set_io_timeout_ms(volume.mount.io_timeout_ms);
    spec.set_mount_path(request.staging_target_path());
    for (const auto& [name, value] : usage.options.knobs) (*spec.mutable_options())[name] = value;
    plan->access_mode = usage.access_mode;
    return {};
  };
  return ToGrpc(make());
}

/// Makes the staging path fit for the keeper's mount: there, and nothing dead or foreign on it.
grpc::Status NodeService::ClearStagingPath(const StagePlan& plan) {
  const std::string& path = plan.spec.mount_path();
  const auto table = mounts_->Table();
  if (!table.ok()) return ToGrpc(table.status());
  const MountEntry* mounted = FindMount(*table, path);
  if (mounted != nullptr && mounted->type != kFsType) {
    return Error(
        StatusCode::FAILED_PRECONDITION,
        fmt::format("a {} file system is mounted at '{}': unmount it", mounted->type, path));
  }
  const KeeperAnswer known = keeper_->GetStatus(plan.spec.volume_id());
  if (known.away) return ToGrpc(known);
  if (known.ok && mounted != nullptr) return grpc::Status::OK;
  if (known.ok && known.reply.mount().spec().mount_path() == path) {
    // The keeper serves a mount that is not there any more: somebody took it away. Start anew.
    const KeeperAnswer ended = keeper_->Unmount(plan.spec.volume_id(), path);
    if (!ended.ok) return ToGrpc(ended);
  }
  if (mounted != nullptr) {
    LOG_WARN("volume '{}': a dead mount at '{}' is taken away", plan.spec.volume_id(), path);
    if (const Status gone = mounts_->Unmount(path); !gone.ok()) return ToGrpc(gone);
  }
  Status ready = mounts_->OpenGuard(path);
  if (ready.ok()) ready = mounts_->EnsureDirectory(path);
  return ToGrpc(ready);
}

grpc::Status NodeService::Stage(const v1::NodeStageVolumeRequest& request) {
  StagePlan plan;
  if (grpc::Status checked = PlanStage(request, &plan); !checked.ok()) return checked;
  const std::string& id = request.volume_id();
  const auto lock = locks_.TryLock(id);
  if (!lock) return Busy(id);

  const std::string spec = CanonicalSpec(plan.spec);
  const std::optional<VolumeRecord> known = store_->Find(id);
  if (known && known->staged && known->spec != spec) {
    return Error(StatusCode::ALREADY_EXISTS,
                 known->staging_path == plan.spec.mount_path()
                     ? "the volume is staged with other parameters: unstage it first"
                     : fmt::format("the volume is staged at '{}': unstage it there first",
                                   known->staging_path));
  }
  if (grpc::Status cleared = ClearStagingPath(plan); !cleared.ok()) return cleared;
  VolumeRecord record = known.value_or(VolumeRecord{});
  record.volume_id = id;
  record.cluster_id = plan.spec.cluster_id();
  record.staging_path = plan.spec.mount_path();
  record.spec = spec;
  record.access_mode = plan.access_mode;
  if (const Status saved = store_->Save(record); !saved.ok()) return ToGrpc(saved);
  const KeeperAnswer answer = keeper_->Mount(plan.spec, plan.token);
  Wipe(&plan.token);
  if (!answer.ok) {
    // Away: it may have mounted; the record stays so that a repeat or an unstage finds it.
    if (!known && !answer.away) (void)store_->Remove(id).ok();
    return ToGrpc(answer);
  }
  record.staged = true;
  return ToGrpc(store_->Save(record));
}

grpc::Status NodeService::NodeStageVolume(grpc::ServerContext* /*context*/,
                                          const v1::NodeStageVolumeRequest* request,
                                          v1::NodeStageVolumeResponse* /*response*/) {
  return Serve("NodeStageVolume", request->volume_id(), [&] { return Stage(*request); });
}

// Idempotent: whatever of volume, mount and directory is left is taken away, and nothing left is
// fine.
grpc::Status NodeService::Unstage(const v1::NodeUnstageVolumeRequest& request) {
  const std::string& id = request.volume_id();
  const std::string& path = request.staging_target_path();
  if (const Status s = CheckVolumeId(id); !s.ok()) return ToGrpc(s);
  if (const Status s = CheckHostPath("staging_target_path", path); !s.ok()) return ToGrpc(s);
  const auto lock = locks_.TryLock(id);
  if (!lock) return Busy(id);
  const auto table = mounts_->Table();
  if (!table.ok()) return ToGrpc(table.status());
  const std::optional<VolumeRecord> record = store_->Find(id);
  if (record && record->staging_path == path) {
    for (const auto& [target, publish] : record->targets) {
      if (FindMount(*table, target) == nullptr) continue;
      return Error(
          StatusCode::FAILED_PRECONDITION,
          fmt::format("the volume is still published at '{}': unpublish it first", target));
    }
  }
  const KeeperAnswer ended = keeper_->Unmount(id, path);
  if (!ended.ok) return ToGrpc(ended);
  const auto after = mounts_->Table();
  const MountEntry* left = after.ok() ? FindMount(*after, path) : nullptr;
  if (left != nullptr && left->type == kFsType) {
    if (const Status gone = mounts_->Unmount(path); !gone.ok()) return ToGrpc(gone);
  }
  if (const Status opened = mounts_->OpenGuard(path); !opened.ok()) return ToGrpc(opened);
  if (record && record->staging_path == path) return ToGrpc(store_->Remove(id));
  return grpc::Status::OK;
}

grpc::Status NodeService::NodeUnstageVolume(grpc::ServerContext* /*context*/,
                                            const v1::NodeUnstageVolumeRequest* request,
                                            v1::NodeUnstageVolumeResponse* /*response*/) {
  return Serve("NodeUnstageVolume", request->volume_id(), [&] { return Unstage(*request); });
}

// ----------------------------------------------------------------------------------------- publish

/// The record of the staged volume; rebuilt from the keeper's when this service lost its own.
grpc::Status NodeService::FindStaged(const v1::NodePublishVolumeRequest& request,
                                     VolumeRecord* record) {
  const std::string& id = request.volume_id();
  const std::string& path = request.staging_target_path();
  if (std::optional<VolumeRecord> known = store_->Find(id);
      known && known->staged && known->staging_path == path) {
    *record = std::move(*known);
    return grpc::Status::OK;
  }
  const KeeperAnswer answer = keeper_->GetStatus(id);
  if (answer.away) return ToGrpc(answer);
  if (!answer.ok || answer.reply.mount().spec().mount_path() != path) {
    return Error(StatusCode::FAILED_PRECONDITION,
                 "the volume is not staged at staging_target_path: stage it first");
  }
  mounter::MountSpec spec = answer.reply.mount().spec();
  spec.clear_loops();  // the keeper's choice, not the stager's
  record->volume_id = id;
  record->cluster_id = spec.cluster_id();
  record->staging_path = path;
  record->spec = CanonicalSpec(spec);
  record->staged = true;
  return grpc::Status::OK;
}

/// The keeper has a mounter for it, or is about to have one. A token that came with the call
/// reaches the next mounter.
grpc::Status NodeService::CheckServed(const VolumeRecord& record, const std::string& token) {
  const KeeperAnswer answer = keeper_->GetStatus(record.volume_id);
  if (answer.away) return ToGrpc(answer);
  if (!answer.ok) {
    return Error(StatusCode::FAILED_PRECONDITION,
                 "the volume is not mounted on this node any more: stage it again");
  }
  const mounter::MountInfo& info = answer.reply.mount();
  if (info.state() == mounter::MOUNT_CRASH_LOOP) {
    return Error(StatusCode::UNAVAILABLE,
                 fmt::format("the volume's mounter does not stay up: {}", info.last_error()));
  }
  if (info.state() == mounter::MOUNT_STOPPING) return Busy(record.volume_id);
  mounter::MountSpec spec;
  if (token.empty() || !spec.ParseFromString(record.spec)) return grpc::Status::OK;
  return ToGrpc(keeper_->Mount(spec, token));
}

grpc::Status NodeService::BindTarget(VolumeRecord record, const std::string& target,
                                     const PublishRecord& wanted) {
  const auto table = mounts_->Table();
  if (!table.ok()) return ToGrpc(table.status());
  const MountEntry* staged = FindMount(*table, record.staging_path);
  if (staged == nullptr || staged->type != kFsType ||
      staged->source != SourceOf(record.cluster_id)) {
    return Error(
        StatusCode::FAILED_PRECONDITION,
        fmt::format("'{}' is not a live 3FS mount: stage the volume again", record.staging_path));
  }
  const MountEntry* there = FindMount(*table, target);
  const bool ours = there != nullptr && there->type == kFsType &&
                    there->device_major == staged->device_major &&
                    there->device_minor == staged->device_minor;
  const auto recorded = record.targets.find(target);
  if (ours) {
    const bool same = recorded != record.targets.end() ? SamePublish(recorded->second, wanted)
                                                       : there->read_only == wanted.read_only;
    if (!same) {
      return Error(StatusCode::ALREADY_EXISTS,
                   "the volume is published there in another way: unpublish it first");
    }
    record.targets[target] = wanted;
    return ToGrpc(store_->Save(record));
  }
  if (there != nullptr && there->type != kFsType) {
    return Error(
        StatusCode::FAILED_PRECONDITION,
        fmt::format("a {} file system is mounted at '{}': unmount it", there->type, target));
  }
  if (there != nullptr) {
    for (const VolumeRecord& other : store_->All()) {
      if (other.volume_id == record.volume_id || other.targets.count(target) == 0) continue;
      return Error(StatusCode::ALREADY_EXISTS,
                   fmt::format("volume '{}' is published at '{}': unpublish it there first",
                               other.volume_id, target));
    }
    // In no record: what an earlier mount left behind.
    if (const Status gone = mounts_->Unmount(target); !gone.ok()) return ToGrpc(gone);
  }
  record.targets[target] = wanted;
  if (const Status saved = store_->Save(record); !saved.ok()) return ToGrpc(saved);
  const Status bound = mounts_->Bind(record.staging_path, target,
                                     {.read_only = wanted.read_only,
                                      .no_exec = wanted.no_exec,
                                      .source_device = SourceOf(record.cluster_id)});
  if (bound.ok()) return grpc::Status::OK;
  (void)mounts_->RemoveDirectory(target).ok();
  record.targets.erase(target);
  if (const Status saved = store_->Save(record); !saved.ok()) return ToGrpc(saved);
  if (bound.code() == Code::kMetaNotFound) {
    return Error(StatusCode::FAILED_PRECONDITION, bound.message());
  }
  return ToGrpc(bound);
}

grpc::Status NodeService::Publish(const v1::NodePublishVolumeRequest& request) {
  const std::string& id = request.volume_id();
  const std::string& target = request.target_path();
  PublishRecord wanted;
  std::string token;
  const auto check = [&]() -> Status {
    TRY(CheckVolumeId(id));
    TRY(CheckHostPath("target_path", target));
    if (!request.has_volume_capability()) {
      return {Code::kInvalidArg, "volume_capability is missing"};
    }
    TRY(const CapabilityPlan usage, CheckCapability(request.volume_capability()));
    if (request.volume_context_size() > 0) {
      TRY(ParseVolumeContext(ToMap(request.volume_context())));
    }
    TRY(token, TokenOf(ToMap(request.secrets())));
    wanted = {.read_only = request.readonly() || usage.reader_only || usage.options.read_only,
              .no_exec = usage.options.no_exec,
              .access_mode = usage.access_mode};
    return {};
  };
  if (const Status checked = check(); !checked.ok()) return ToGrpc(checked);
  if (request.staging_target_path().empty()) {
    return Error(StatusCode::FAILED_PRECONDITION,
                 "staging_target_path is missing: stage the volume first");
  }
  if (const Status s = CheckHostPath("staging_target_path", request.staging_target_path());
      !s.ok()) {
    return ToGrpc(s);
  }
  const auto lock = locks_.TryLock(id);
  if (!lock) return Busy(id);
  VolumeRecord record;
  if (grpc::Status found = FindStaged(request, &record); !found.ok()) return found;
  mounter::MountSpec spec;
  if (spec.ParseFromString(record.spec) && spec.read_only()) wanted.read_only = true;
  for (const auto& [other, publish] : record.targets) {
    if (other != target && (wanted.access_mode == Mode::SINGLE_NODE_SINGLE_WRITER ||
                            publish.access_mode == Mode::SINGLE_NODE_SINGLE_WRITER)) {
      return Error(StatusCode::FAILED_PRECONDITION,
                   fmt::format("the volume is for a single pod (ReadWriteOncePod) and is published "
                               "at '{}': unpublish it there first",
                               other));
    }
  }
  grpc::Status served = CheckServed(record, token);
  Wipe(&token);
  if (!served.ok()) return served;
  return BindTarget(std::move(record), target, wanted);
}

grpc::Status NodeService::NodePublishVolume(grpc::ServerContext* /*context*/,
                                            const v1::NodePublishVolumeRequest* request,
                                            v1::NodePublishVolumeResponse* /*response*/) {
  return Serve("NodePublishVolume", request->volume_id(), [&] { return Publish(*request); });
}

grpc::Status NodeService::Unpublish(const v1::NodeUnpublishVolumeRequest& request) {
  const std::string& id = request.volume_id();
  const std::string& target = request.target_path();
  if (const Status s = CheckVolumeId(id); !s.ok()) return ToGrpc(s);
  if (const Status s = CheckHostPath("target_path", target); !s.ok()) return ToGrpc(s);
  const auto lock = locks_.TryLock(id);
  if (!lock) return Busy(id);
  const auto table = mounts_->Table();
  if (!table.ok()) return ToGrpc(table.status());
  std::optional<VolumeRecord> record = store_->Find(id);
  const bool recorded = record && record->targets.count(target) != 0;
  const MountEntry* there = FindMount(*table, target);
  if (there != nullptr && there->type != kFsType && !recorded) {
    return Error(
        StatusCode::FAILED_PRECONDITION,
        fmt::format("a {} file system is mounted at '{}', not this volume", there->type, target));
  }
  Status gone = mounts_->Unmount(target);
  if (gone.ok()) gone = mounts_->RemoveDirectory(target);
  if (!gone.ok()) return ToGrpc(gone);
  if (!recorded) return grpc::Status::OK;
  record->targets.erase(target);
  return ToGrpc(store_->Save(*record));
}

grpc::Status NodeService::NodeUnpublishVolume(grpc::ServerContext* /*context*/,
                                              const v1::NodeUnpublishVolumeRequest* request,
                                              v1::NodeUnpublishVolumeResponse* /*response*/) {
  return Serve("NodeUnpublishVolume", request->volume_id(), [&] { return Unpublish(*request); });
}

}  // namespace threefs::csi

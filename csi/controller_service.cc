// SPDX-License-Identifier: Apache-2.0
#include "csi/controller_service.h"

#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "csi/call.h"
#include "csi/errors.h"
#include "csi/grammar.h"
#include "csi/parameters.h"

namespace threefs::csi {
namespace {

namespace v1 = ::csi::v1;
using grpc::StatusCode;
using Rpc = v1::ControllerServiceCapability::RPC;

constexpr size_t kLongestName = 256;

Status Bad(std::string sentence) { return {Code::kInvalidArg, std::move(sentence)}; }

struct Range {
  uint64_t required = 0;
  uint64_t limit = 0;
};

Result<Range> CheckRange(const v1::CapacityRange& range) {
  if (range.required_bytes() < 0 || range.limit_bytes() < 0) {
    return Bad("capacity_range holds a negative size");
  }
  Range checked{.required = static_cast<uint64_t>(range.required_bytes()),
                .limit = static_cast<uint64_t>(range.limit_bytes())};
  if (checked.limit != 0 && checked.required > checked.limit) {
    return Bad("capacity_range requires more than its limit");
  }
  return checked;
}

Status CheckCapabilities(
    const google::protobuf::RepeatedPtrField<v1::VolumeCapability>& capabilities) {
  if (capabilities.empty()) return Bad("volume_capabilities is missing");
  for (const v1::VolumeCapability& capability : capabilities) TRY(CheckCapability(capability));
  return {};
}

CtlTarget TargetOf(const StorageClass& storage_class, std::string token) {
  return {.cluster_id = storage_class.mount.cluster_id,
          .mgmtd_addresses = storage_class.mount.mgmtd_addresses,
          .transport = storage_class.mount.transport,
          .base_path = storage_class.base_path,
          .token = std::move(token)};
}

/// What of a StorageClass makes a volume what it is; kept in its record to tell a repeat from
/// another wish.
StringMap LayoutOf(const StorageClass& storage_class) {
  return {{"chunkSize", std::to_string(storage_class.chunk_size)},
          {"stripeSize", std::to_string(storage_class.stripe_size)},
          {"chainTableId", std::to_string(storage_class.chain_table_id)}};
}

struct CreatePlan {
  StorageClass storage_class;
  CtlTarget target;
  CtlCreate create;
  Range range;
};

Result<CreatePlan> PlanCreate(const v1::CreateVolumeRequest& request) {
  CreatePlan plan;
  if (request.name().empty()) return Bad("name is missing");
  if (request.name().size() > kLongestName || HasControlCharacter(request.name())) {
    return Bad("name has more than 256 bytes or control characters");
  }
  TRY(CheckCapabilities(request.volume_capabilities()));
  TRY(plan.range, CheckRange(request.capacity_range()));
  if (request.has_volume_content_source()) {
    return Bad("volume_content_source is not offered: 3FS clones no volumes and has no snapshots");
  }
  if (request.mutable_parameters_size() > 0) {
    return Bad("mutable parameters are not offered: leave VolumeAttributesClass away");
  }
  TRY(plan.storage_class, ParseStorageClass(ToMap(request.parameters()), request.name()));
  TRY(std::string token, TokenOf(ToMap(request.secrets())));
  plan.target = TargetOf(plan.storage_class, std::move(token));
  CtlVolume& volume = plan.create.volume;
  volume.id = VolumeIdFromName(request.name());
  volume.name = request.name();
  const std::string& relative = plan.storage_class.relative_path;
  volume.path = JoinPath(plan.storage_class.base_path, relative.empty() ? volume.id : relative);
  TRY(CheckTreePath("the volume's path", volume.path));
  volume.capacity_bytes = plan.range.required != 0 ? plan.range.required : plan.range.limit;
  volume.parameters = LayoutOf(plan.storage_class);
  plan.create.chunk_size = plan.storage_class.chunk_size;
  plan.create.stripe_size = plan.storage_class.stripe_size;
  plan.create.chain_table_id = plan.storage_class.chain_table_id;
  return plan;
}

/// A position in the list of all volumes: `<cluster>:<base path>:<volume id>`, "page after this
/// one".
struct Position {
  std::string cluster_id;
  std::string base_path;
  std::string volume_id;
};

bool ParsePosition(const std::string& token, Position* position) {
  const size_t first = token.find(':');
  const size_t last = token.rfind(':');
  if (first == std::string::npos || first == last) return false;
  *position = {.cluster_id = token.substr(0, first),
               .base_path = token.substr(first + 1, last - first - 1),
               .volume_id = token.substr(last + 1)};
  return true;
}

grpc::Status NotThere() {
  return Error(StatusCode::NOT_FOUND, "no volume has this handle: it may have been deleted");
}

grpc::Status UnknownCluster(const std::string& cluster_id) {
  return Error(StatusCode::FAILED_PRECONDITION,
               fmt::format("this controller does not know cluster '{}': list it in the file of "
                           "--clusters",
                           cluster_id));
}

}  // namespace

// ------------------------------------------------------------------------------------------ create

grpc::Status ControllerService::Create(const v1::CreateVolumeRequest& request,
                                       v1::CreateVolumeResponse* response) {
  auto plan = PlanCreate(request);
  if (!plan.ok()) return ToGrpc(plan.status());
  const CtlVolume& wish = plan->create.volume;
  const std::string handle = fmt::format("{}/{}", plan->target.cluster_id, wish.id);
  const auto lock = locks_.TryLock(handle);
  if (!lock) return Busy(handle);
  // Known before it is made: a crash in between leaves a volume that can be deleted.
  if (const Status learned = book_->Learn(plan->target); !learned.ok()) return ToGrpc(learned);
  const CtlAnswer answer = ctl_->Create(plan->target, plan->create);
  if (!answer.ok) return ToGrpc(answer);
  if (answer.volumes.empty()) return Error(StatusCode::INTERNAL, "threefsctl named no volume");
  const CtlVolume& made = answer.volumes.front();
  if (!answer.created) {
    const bool fits = made.capacity_bytes >= plan->range.required &&
                      (plan->range.limit == 0 || made.capacity_bytes <= plan->range.limit);
    if (!fits || made.path != wish.path || made.parameters != wish.parameters) {
      return Error(StatusCode::ALREADY_EXISTS,
                   fmt::format("volume '{}' exists with another size, path or layout: choose "
                               "another name or delete it",
                               request.name()));
    }
  }
  v1::Volume* volume = response->mutable_volume();
  volume->set_volume_id(handle);
  volume->set_capacity_bytes(static_cast<int64_t>(made.capacity_bytes));
  for (const auto& [key, value] : MakeVolumeContext(plan->storage_class, made.path)) {
    (*volume->mutable_volume_context())[key] = value;
  }
  return grpc::Status::OK;
}

grpc::Status ControllerService::CreateVolume(grpc::ServerContext* /*context*/,
                                             const v1::CreateVolumeRequest* request,
                                             v1::CreateVolumeResponse* response) {
  return Serve("CreateVolume", request->name(), [&] { return Create(*request, response); });
}

// ------------------------------------------------------------------------------------------ delete

grpc::Status ControllerService::Delete(const v1::DeleteVolumeRequest& request) {
  const std::string& handle = request.volume_id();
  if (handle.empty()) return ToGrpc(Bad("volume_id is missing"));
  auto token = TokenOf(ToMap(request.secrets()));
  if (!token.ok()) return ToGrpc(token.status());
  const auto parsed = ParseHandle(handle);
  if (!parsed.ok()) return grpc::Status::OK;  // never one of ours, so it is not there
  const auto lock = locks_.TryLock(handle);
  if (!lock) return Busy(handle);
  const std::vector<CtlTarget> targets = book_->Find(parsed->cluster_id, *token);
  if (targets.empty()) return UnknownCluster(parsed->cluster_id);
  for (const CtlTarget& target : targets) {
    const CtlAnswer answer = ctl_->Delete(target, parsed->volume_id);
    if (!answer.ok && answer.kind != "not-found") return ToGrpc(answer);
    if (answer.deleted) break;
  }
  return grpc::Status::OK;
}

grpc::Status ControllerService::DeleteVolume(grpc::ServerContext* /*context*/,
                                             const v1::DeleteVolumeRequest* request,
                                             v1::DeleteVolumeResponse* /*response*/) {
  return Serve("DeleteVolume", request->volume_id(), [&] { return Delete(*request); });
}

// ---------------------------------------------------------------------------------- find and check

grpc::Status ControllerService::FindVolume(const std::string& handle, const std::string& token,
                                           Found* found) {
  const auto parsed = ParseHandle(handle);
  if (!parsed.ok()) return NotThere();
  const std::vector<CtlTarget> targets = book_->Find(parsed->cluster_id, token);
  if (targets.empty()) return NotThere();
  for (const CtlTarget& target : targets) {
    const CtlAnswer answer = ctl_->Get(target, parsed->volume_id);
    if (answer.ok && !answer.volumes.empty()) {
      *found = {.target = target, .volume = answer.volumes.front()};
      return grpc::Status::OK;
    }
    if (!answer.ok && answer.kind != "not-found") return ToGrpc(answer);
  }
  return NotThere();
}

grpc::Status ControllerService::ValidateVolumeCapabilities(
    grpc::ServerContext* /*context*/, const v1::ValidateVolumeCapabilitiesRequest* request,
    v1::ValidateVolumeCapabilitiesResponse* response) {
  return Serve("ValidateVolumeCapabilities", request->volume_id(), [&]() -> grpc::Status {
    if (request->volume_id().empty()) return ToGrpc(Bad("volume_id is missing"));
    if (request->volume_capabilities().empty()) {
      return ToGrpc(Bad("volume_capabilities is missing"));
    }
    auto token = TokenOf(ToMap(request->secrets()));
    if (!token.ok()) return ToGrpc(token.status());
    Found found;
    if (grpc::Status status = FindVolume(request->volume_id(), *token, &found); !status.ok()) {
      return status;
    }
    const Status usable = CheckCapabilities(request->volume_capabilities());
    if (!usable.ok()) {
      response->set_message(usable.message());
      return grpc::Status::OK;
    }
    auto* confirmed = response->mutable_confirmed();
    *confirmed->mutable_volume_capabilities() = request->volume_capabilities();
    *confirmed->mutable_volume_context() = request->volume_context();
    *confirmed->mutable_parameters() = request->parameters();
    return grpc::Status::OK;
  });
}

// ------------------------------------------------------------------------------------ list,
// capacity

grpc::Status ControllerService::List(const v1::ListVolumesRequest& request,
                                     v1::ListVolumesResponse* response) {
  if (request.max_entries() < 0) return ToGrpc(Bad("max_entries is negative"));
  const std::vector<CtlTarget> targets = book_->All();
  auto at = targets.begin();
  Position start;
  if (!request.starting_token().empty()) {
    const bool good = ParsePosition(request.starting_token(), &start);
    at = std::find_if(targets.begin(), targets.end(), [&](const CtlTarget& t) {
      return good && t.cluster_id == start.cluster_id && t.base_path == start.base_path;
    });
    if (at == targets.end()) {
      return Error(StatusCode::ABORTED, "starting_token is not one of ours: list from the start");
    }
  }
  const auto wanted = static_cast<uint32_t>(request.max_entries());
  for (; at != targets.end(); ++at, start.volume_id.clear()) {
    const auto have = static_cast<uint32_t>(response->entries_size());
    const CtlAnswer page = ctl_->List(*at, wanted == 0 ? 0 : wanted - have, start.volume_id);
    if (!page.ok) return ToGrpc(page);
    for (const CtlVolume& volume : page.volumes) {
      v1::Volume* entry = response->add_entries()->mutable_volume();
      entry->set_volume_id(fmt::format("{}/{}", at->cluster_id, volume.id));
      entry->set_capacity_bytes(static_cast<int64_t>(volume.capacity_bytes));
    }
    const bool full = wanted != 0 && static_cast<uint32_t>(response->entries_size()) >= wanted;
    if (!page.next.empty()) {
      response->set_next_token(fmt::format("{}:{}:{}", at->cluster_id, at->base_path, page.next));
      return grpc::Status::OK;
    }
    if (full && at + 1 != targets.end()) {
      response->set_next_token(fmt::format("{}:{}:", (at + 1)->cluster_id, (at + 1)->base_path));
      return grpc::Status::OK;
    }
  }
  return grpc::Status::OK;
}

grpc::Status ControllerService::ListVolumes(grpc::ServerContext* /*context*/,
                                            const v1::ListVolumesRequest* request,
                                            v1::ListVolumesResponse* response) {
  return Serve("ListVolumes", request->starting_token(), [&] { return List(*request, response); });
}

grpc::Status ControllerService::GetCapacity(grpc::ServerContext* /*context*/,
                                            const v1::GetCapacityRequest* request,
                                            v1::GetCapacityResponse* response) {
  return Serve("GetCapacity", "", [&]() -> grpc::Status {
    for (const v1::VolumeCapability& capability : request->volume_capabilities()) {
      const auto checked = CheckCapability(capability);
      if (!checked.ok()) return ToGrpc(checked.status());
    }
    std::vector<CtlTarget> targets = book_->All();
    if (request->parameters_size() > 0) {
      const auto parsed = ParseStorageClass(ToMap(request->parameters()), "");
      if (!parsed.ok()) return ToGrpc(parsed.status());
      CtlTarget wanted = TargetOf(*parsed, "");
      for (const CtlTarget& known : targets) {
        if (known.cluster_id == wanted.cluster_id) wanted.token = known.token;
      }
      targets = {std::move(wanted)};
    }
    uint64_t total = 0;
    std::string
        counted;  // one answer a cluster: its base paths share the space (targets are sorted)
    for (const CtlTarget& target : targets) {
      if (target.cluster_id == counted) continue;
      const CtlAnswer answer = ctl_->Capacity(target);
      if (!answer.ok) return ToGrpc(answer);
      total += answer.available;
      counted = target.cluster_id;
    }
    response->set_available_capacity(static_cast<int64_t>(total));
    return grpc::Status::OK;
  });
}

// ------------------------------------------------------------------------------------------ expand

grpc::Status ControllerService::Expand(const v1::ControllerExpandVolumeRequest& request,
                                       v1::ControllerExpandVolumeResponse* response) {
  const std::string& handle = request.volume_id();
  if (handle.empty()) return ToGrpc(Bad("volume_id is missing"));
  if (!request.has_capacity_range()) return ToGrpc(Bad("capacity_range is missing"));
  const auto range = CheckRange(request.capacity_range());
  if (!range.ok()) return ToGrpc(range.status());
  if (request.has_volume_capability()) {
    const auto checked = CheckCapability(request.volume_capability());
    if (!checked.ok()) return ToGrpc(checked.status());
  }
  auto token = TokenOf(ToMap(request.secrets()));
  if (!token.ok()) return ToGrpc(token.status());
  const auto lock = locks_.TryLock(handle);
  if (!lock) return Busy(handle);
  Found found;
  if (grpc::Status status = FindVolume(handle, *token, &found); !status.ok()) return status;
  uint64_t now = found.volume.capacity_bytes;
  if (range->required > now) {
    const CtlAnswer answer = ctl_->Expand(found.target, found.volume.id, range->required);
    if (!answer.ok) return ToGrpc(answer);
    now = range->required;
  } else if (range->limit != 0 && now > range->limit) {
    return Error(StatusCode::OUT_OF_RANGE, "the volume is larger than the limit: it never shrinks");
  }
  response->set_capacity_bytes(static_cast<int64_t>(now));
  response->set_node_expansion_required(false);
  return grpc::Status::OK;
}

grpc::Status ControllerService::ControllerExpandVolume(
    grpc::ServerContext* /*context*/, const v1::ControllerExpandVolumeRequest* request,
    v1::ControllerExpandVolumeResponse* response) {
  return Serve("ControllerExpandVolume", request->volume_id(),
               [&] { return Expand(*request, response); });
}

grpc::Status ControllerService::ControllerGetCapabilities(
    grpc::ServerContext* /*context*/, const v1::ControllerGetCapabilitiesRequest* /*request*/,
    v1::ControllerGetCapabilitiesResponse* response) {
  for (const auto type : {Rpc::CREATE_DELETE_VOLUME, Rpc::LIST_VOLUMES, Rpc::GET_CAPACITY,
                          Rpc::EXPAND_VOLUME, Rpc::SINGLE_NODE_MULTI_WRITER}) {
    response->add_capabilities()->mutable_rpc()->set_type(type);
  }
  return grpc::Status::OK;
}

}  // namespace threefs::csi

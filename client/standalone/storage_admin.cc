// SPDX-License-Identifier: Apache-2.0
// StorageService: its targets and its disk.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/base/log.h"
#include "client/standalone/storage_service.h"

namespace threefs::standalone {

namespace st = schema::storage;

namespace {

constexpr Duration kSpaceAge = 5s;  // 3fs/storage.md §9.2
// New chunks are refused when the disk is 98 % full (3fs/storage.md §6); on large disks a GiB is
// margin enough.
bool AlmostFull(const DiskSpace& space) {
  return space.free < std::min<uint64_t>(space.capacity / 50, uint64_t{1} << 30);
}

}  // namespace

Task<Status> StorageService::OpenTarget(TargetRecord record, bool fresh) {
  auto device = co_await RunBlocking(
      *deps_.pool, [this, &record] { return disk_->OpenTarget(record.target_id); });
  CO_TRY(device);
  CO_TRY(auto store, co_await ChunkStore::Open(*deps_.pool, *std::move(device), options_.store));
  const uint32_t chain = record.chain_id;
  by_chain_[chain] = std::make_shared<StorageTarget>(std::move(record), std::move(store),
                                                     Uuid::Random(rng_), fresh);
  co_return Status();
}

Task<Status> StorageService::Open(std::vector<TargetRecord> wanted, bool fresh_chains) {
  CO_TRY(auto present, co_await RunBlocking(*deps_.pool, [this] { return disk_->Targets(); }));
  for (const TargetRecord& target : wanted) {
    const bool there = std::any_of(present.begin(), present.end(),
                                   [&](const auto& t) { return t.target_id == target.target_id; });
    if (there) continue;
    CO_TRY(co_await RunBlocking(*deps_.pool, [this, &target] { return disk_->AddTarget(target); }));
    CO_TRY(co_await OpenTarget(target, fresh_chains));
  }
  for (TargetRecord& target : present) CO_TRY(co_await OpenTarget(std::move(target), false));
  co_return co_await RefreshSpace();
}

void StorageService::Start() { Spawn(Housekeep()); }

Task<void> StorageService::Stop() {
  stopping_ = true;
  stop_.Set();
  stop_calls_.Cancel();
  // Calls to successors end: their outcome does not matter any more, nothing is committed after
  // this.
  for (const auto& [chain, target] : by_chain_) target->view_cancel()->Cancel();
  co_await ops_.Drain();
  const Status synced = co_await Sync();
  if (!synced.ok()) LOG_ERROR("storage node {}: {}", options_.node_id, synced.ToString());
}

namespace {
Task<void> SyncTarget(TargetPtr target, Status* first_error) {
  const Status status = co_await target->store().Sync();
  if (!status.ok() && first_error->ok()) *first_error = status;
}
}  // namespace

Task<Status> StorageService::Sync() {
  const auto op = ops_.Enter();
  Status first_error;
  TaskScope scope;
  for (const auto& [chain, target] : by_chain_) scope.Start(SyncTarget(target, &first_error));
  co_await scope.Join();
  co_return first_error;
}

Task<Status> StorageService::RefreshSpace() {
  CO_TRY(const auto space, co_await RunBlocking(*deps_.pool, [this] { return disk_->Space(); }));
  space_ = space;
  space_at_ = deps_.loop->Now();
  reject_create_ = AlmostFull(space_);
  co_return Status();
}

Task<void> StorageService::Housekeep() {
  const auto op = ops_.Enter();
  while (!stopping_) {
    co_await stop_.WaitUntil(deps_.loop->Now() + options_.sync_interval);
    if (stopping_) co_return;
    const Status space = co_await RefreshSpace();
    if (!space.ok()) LOG_ERROR("storage node {}: {}", options_.node_id, space.ToString());
    const Status synced = co_await Sync();
    if (!synced.ok()) LOG_ERROR("storage node {}: {}", options_.node_id, synced.ToString());
  }
}

Task<Result<st::SpaceInfoRsp>> StorageService::SpaceInfo(st::SpaceInfoReq req) {
  if (req.force || deps_.loop->Now() - space_at_ > kSpaceAge) CO_TRY(co_await RefreshSpace());
  st::SpaceInfo info{.path = disk_->path(),
                     .capacity = space_.capacity,
                     .free = space_.free,
                     .available = space_.free,
                     .target_ids = {},
                     .manufacturer = ""};
  uint64_t used = 0;
  for (const auto& [chain, target] : by_chain_) {
    info.target_ids.push_back(target->record().target_id);
    used += target->store().used_bytes();
  }
  if (options_.store.capacity != 0) {
    info.capacity = options_.store.capacity * by_chain_.size();
    info.free = info.available = info.capacity - std::min(used, info.capacity);
  }
  if (faults_.disk_full) info.free = info.available = 0;
  st::SpaceInfoRsp rsp;
  rsp.space_infos.push_back(std::move(info));
  co_return rsp;
}

Task<Result<st::CreateTargetRsp>> StorageService::CreateTarget(st::CreateTargetReq req) {
  if (req.target_id == 0 || req.chain_id == 0 || req.disk_index != 0 ||
      req.chunk_size_list.empty()) {
    co_return Status(Code::kInvalidArg, "createTarget needs ids, disk 0 and chunk sizes");
  }
  if (const TargetPtr existing = FindTargetById(req.target_id)) {
    if (!req.allow_existing_target) co_return Status(Code::kInvalidArg, "the target exists");
    if (existing->record().chain_id != req.chain_id) {
      co_return Status(Code::kInvalidArg, "the target belongs to another chain");
    }
    if (req.add_chunk_size) {
      TargetRecord record = existing->record();
      for (const uint64_t size : req.chunk_size_list) {
        auto& sizes = record.chunk_sizes;
        if (std::find(sizes.begin(), sizes.end(), size) == sizes.end()) sizes.push_back(size);
      }
      CO_TRY(
          co_await RunBlocking(*deps_.pool, [this, &record] { return disk_->AddTarget(record); }));
      existing->record() = std::move(record);
    }
    co_return st::CreateTargetRsp{};
  }
  if (by_chain_.contains(req.chain_id)) {
    co_return Status(Code::kInvalidArg, "the node has a target of this chain already");
  }
  const TargetRecord record{req.target_id, req.chain_id, req.chunk_size_list};
  CO_TRY(co_await RunBlocking(*deps_.pool, [this, &record] { return disk_->AddTarget(record); }));
  CO_TRY(co_await OpenTarget(record, false));
  ApplyRouting(by_chain_[req.chain_id]);
  deps_.agent->Kick();
  co_return st::CreateTargetRsp{};
}

Task<Result<st::OfflineTargetRsp>> StorageService::OfflineTarget(st::OfflineTargetReq req) {
  const TargetPtr target = FindTargetById(req.target_id);
  if (target == nullptr) co_return Code::kStorageTargetNotFound;
  const bool last = target->view()->state == schema::mgmtd::PublicTargetState::kServing &&
                    target->view()->is_head && !target->view()->successor.has_value();
  if (last && !req.force) {
    co_return Status(Code::kStorageTargetStateInvalid,
                     "it is the chain's last serving target: use force");
  }
  target->Fail("asked to");
  deps_.agent->Kick();
  co_return st::OfflineTargetRsp{};
}

Task<Result<st::RemoveTargetRsp>> StorageService::RemoveTarget(st::RemoveTargetReq req) {
  const TargetPtr target = FindTargetById(req.target_id);
  if (target == nullptr) co_return Code::kStorageTargetNotFound;
  using schema::mgmtd::LocalTargetState;
  using schema::mgmtd::PublicTargetState;
  const PublicTargetState state = target->view()->state;
  const bool idle =
      state == PublicTargetState::kInvalid ||
      (state == PublicTargetState::kOffline && target->local_state() == LocalTargetState::kOffline);
  if (!idle && !req.force) {
    co_return Status(Code::kStorageTargetStateInvalid, "take the target offline first");
  }
  by_chain_.erase(target->record().chain_id);
  const uint64_t id = req.target_id;
  CO_TRY(co_await RunBlocking(*deps_.pool, [this, id] { return disk_->RemoveTarget(id); }));
  deps_.agent->Kick();
  co_return st::RemoveTargetRsp{};
}

}  // namespace threefs::standalone

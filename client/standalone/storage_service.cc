// SPDX-License-Identifier: Apache-2.0
// StorageService: dispatch, lookup, updates.
#include "client/standalone/storage_service.h"

#include <fmt/core.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/base/fault.h"
#include "client/standalone/storage_resync.h"
#include "client/standalone/storage_update.h"

#include <unistd.h>

namespace threefs::standalone {

namespace st = schema::storage;
using schema::mgmtd::LocalTargetState;
using schema::mgmtd::PublicTargetState;

Task<Status> HitFaultPoint(std::string name, uint32_t node_id) {
  if (!FaultPoints::Armed()) co_return Status();
  auto action = FaultPoints::Instance().Hit(name);
  if (!action.has_value()) {
    action = FaultPoints::Instance().Hit(fmt::format("{}@{}", name, node_id));
  }
  if (!action.has_value()) co_return Status();
  if (action->delay > Duration{0}) co_await SleepFor(action->delay);
  if (action->abort_process) ::_exit(137);
  co_return action->error;
}

// Not a lambda: the coroutine's frame owns everything it needs.
struct StorageMethods {
  template <class M>
  using Member = Task<Result<typename M::Rsp>> (StorageService::*)(typename M::Req);

  template <class M>
  static Task<Result<typename M::Rsp>> Run(StorageService* self, Member<M> member,
                                           typename M::Req req) {
    if (self->stopping_) co_return Code::kRPCRequestRefused;
    const auto op = self->ops_.Enter();
    if (self->faults_.slow > Duration{0}) co_await SleepFor(self->faults_.slow);
    co_return co_await (self->*member)(std::move(req));
  }
  template <class M>
  static void Add(rpc::Server& server, StorageService* self, Member<M> member) {
    server.Handle<M>([self, member](const rpc::CallInfo&, typename M::Req req) {
      return Run<M>(self, member, std::move(req));
    });
  }
};

StorageService::StorageService(Deps deps, std::unique_ptr<ChunkDisk> disk, StorageOptions options,
                               Rng rng)
    : deps_(deps), disk_(std::move(disk)), options_(options), rng_(rng) {}

void StorageService::RegisterMethods(rpc::Server& server) {
  using M = StorageMethods;
  M::Add<st::method::BatchRead>(server, this, &StorageService::BatchRead);
  M::Add<st::method::Write>(server, this, &StorageService::Write);
  M::Add<st::method::Update>(server, this, &StorageService::Update);
  M::Add<st::method::QueryLastChunk>(server, this, &StorageService::QueryLastChunk);
  M::Add<st::method::TruncateChunks>(server, this, &StorageService::TruncateChunks);
  M::Add<st::method::RemoveChunks>(server, this, &StorageService::RemoveChunks);
  M::Add<st::method::SyncStart>(server, this, &StorageService::SyncStart);
  M::Add<st::method::SyncDone>(server, this, &StorageService::SyncDone);
  M::Add<st::method::SpaceInfo>(server, this, &StorageService::SpaceInfo);
  M::Add<st::method::CreateTarget>(server, this, &StorageService::CreateTarget);
  M::Add<st::method::QueryChunk>(server, this, &StorageService::QueryChunk);
  M::Add<st::method::GetAllChunkMetadata>(server, this, &StorageService::GetAllMetadata);
  M::Add<st::method::OfflineTarget>(server, this, &StorageService::OfflineTarget);
  M::Add<st::method::RemoveTarget>(server, this, &StorageService::RemoveTarget);
}

Result<TargetPtr> StorageService::FindTarget(const st::VersionedChainId& chain) const {
  const auto it = by_chain_.find(chain.chain_id);
  if (it == by_chain_.end()) {
    return Status(Code::kStorageClientRoutingError,
                  fmt::format("chain ChainId({}) not found", chain.chain_id));
  }
  const uint32_t ours = it->second->view()->chain_version;
  if (chain.chain_ver != ours) {
    return Status(Code::kStorageClientRoutingVersionMismatch,
                  fmt::format("chain ChainId({}) version mismatch request ChainVersion({}) != "
                              "local ChainVersion({})",
                              chain.chain_id, chain.chain_ver, ours));
  }
  if (it->second->local_state() == LocalTargetState::kOffline) {
    return Status(Code::kStorageTargetOffline, "the target is offline");
  }
  if (deps_.agent != nullptr && !deps_.agent->LeaseValid()) {
    return Status(Code::kStorageTargetOffline, "the node has lost touch with mgmtd");
  }
  return it->second;
}

TargetPtr StorageService::FindTargetById(uint64_t target_id) const {
  for (const auto& [chain, target] : by_chain_) {
    if (target->record().target_id == target_id) return target;
  }
  return nullptr;
}

Task<Result<st::WriteRsp>> StorageService::Write(st::WriteReq req) {
  st::UpdateReq update{.payload = std::move(req.payload),
                       .options = {.is_syncing = false, .from_client = true, .commit_chain_ver = 0},
                       .tag = req.tag,
                       .retry_count = req.retry_count,
                       .user_info = {},
                       .feature_flags = req.feature_flags,
                       .debug_flags = {}};
  if (update.payload.update_type != st::UpdateType::kWrite) {
    co_return Status(Code::kInvalidArg, "write carries another update type");
  }
  StorageUpdate run(this, &update);
  st::WriteRsp rsp{.tag = req.tag, .result = {}};
  rsp.result = co_await run.Run();
  co_return rsp;
}

Task<Result<st::UpdateRsp>> StorageService::Update(st::UpdateReq req) {
  req.options.from_client = false;
  StorageUpdate run(this, &req);
  st::UpdateRsp rsp{.tag = req.tag, .result = {}};
  rsp.result = co_await run.Run();
  co_return rsp;
}

Task<Result<st::TruncateChunksRsp>> StorageService::TruncateChunks(st::TruncateChunksReq req) {
  st::TruncateChunksRsp rsp;
  for (const st::TruncateChunkOp& op : req.payloads) {
    st::UpdateReq update;
    update.payload.key = {op.v_chain_id, op.chunk_id};
    update.payload.length = op.chunk_len;
    update.payload.chunk_size = op.chunk_size;
    update.payload.update_type =
        op.only_extend_chunk ? st::UpdateType::kExtend : st::UpdateType::kTruncate;
    update.options.from_client = true;
    update.tag = op.tag;
    update.retry_count = op.retry_count;
    update.feature_flags = req.feature_flags;
    StorageUpdate run(this, &update);
    rsp.results.push_back(co_await run.Run());
  }
  co_return rsp;
}

Task<Result<st::RemoveChunksRsp>> StorageService::RemoveChunks(st::RemoveChunksReq req) {
  st::RemoveChunksRsp rsp;
  for (const st::RemoveChunksOp& op : req.payloads) {
    rsp.results.push_back(co_await RemoveRange(&op, req.feature_flags));
  }
  co_return rsp;
}

// From the highest id down, each as an update of its own with the next sequence number.
Task<st::RemoveChunksResult> StorageService::RemoveRange(const st::RemoveChunksOp* op,
                                                         uint32_t feature_flags) {
  st::RemoveChunksResult result;
  const auto found = FindTarget(op->v_chain_id);
  if (!found.ok()) {
    result.status_code = found.status();
    co_return result;
  }
  if (!(*found)->view()->is_head) {
    result.status_code =
        Status(Code::kStorageClientRoutingError, "non-head node receive a client update request");
    co_return result;
  }
  result.status_code = serde::Void{};
  const ChunkStore::Index& index = (*found)->store().index();
  const uint32_t limit = op->chunk_id_range.max_num_chunk_ids_to_process;
  std::vector<std::string> victims;
  if (op->chunk_id_range.begin < op->chunk_id_range.end) {
    const auto first = index.lower_bound(op->chunk_id_range.begin);
    auto at = index.lower_bound(op->chunk_id_range.end);
    while (at != first && (limit == 0 || victims.size() < limit)) victims.push_back((--at)->first);
    result.more_chunks_in_range = at != first;
  }
  uint64_t seqnum = op->tag.channel.seqnum;
  for (const std::string& id : victims) {
    st::UpdateReq update;
    update.payload.key = {op->v_chain_id, id};
    update.payload.update_type = st::UpdateType::kRemove;
    update.options.from_client = true;
    update.tag = op->tag;
    update.tag.channel.seqnum = seqnum++;
    update.retry_count = op->retry_count;
    update.feature_flags = feature_flags & ~uint32_t{st::kFeatureSendDataInline};
    StorageUpdate run(this, &update);
    const st::IOResult one = co_await run.Run();
    if (!one.length_info.ok()) {
      result.status_code = one.length_info.status();
      result.more_chunks_in_range = true;
      break;
    }
    ++result.num_chunks_removed;
  }
  co_return result;
}

Task<Result<st::SyncDoneRsp>> StorageService::SyncDone(st::SyncDoneReq req) {
  CO_TRY(const TargetPtr target, FindTarget(req.v_chain_id));
  if (target->view()->state != PublicTargetState::kSyncing) {
    co_return Status(Code::kStorageTargetStateInvalid, "the target is not syncing");
  }
  target->SyncDone();
  deps_.agent->Kick();
  st::SyncDoneRsp rsp;
  rsp.result.length_info = 0U;
  co_return rsp;
}

namespace {
Task<void> RunResync(StorageService* service, TargetPtr target, OpCounter* ops) {
  const auto op = ops->Enter();
  const auto view = target->view();
  StorageResync resync(service, std::move(target), view);
  co_await resync.Run();
}
}  // namespace

void StorageService::ApplyRouting(const TargetPtr& target) {
  const auto routing = deps_.agent->routing();
  if (!target->ApplyRouting(*routing)) return;
  const auto& view = target->view();
  if (view->successor.has_value() && view->successor->syncing && !stopping_) {
    Spawn(RunResync(this, target, &ops_));
  }
}

void StorageService::OnRouting(const NodeAgent::RoutingPtr& /*routing*/) {
  for (const auto& [chain, target] : by_chain_) ApplyRouting(target);
}

std::vector<schema::mgmtd::LocalTargetInfo> StorageService::Report() const {
  std::vector<schema::mgmtd::LocalTargetInfo> all;
  for (const auto& [chain, target] : by_chain_) all.push_back(target->Report());
  return all;
}

}  // namespace threefs::standalone

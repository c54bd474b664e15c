// SPDX-License-Identifier: Apache-2.0
#include "client/standalone/meta_service.h"

#include <algorithm>
#include <utility>

#include "client/base/log.h"
#include "client/standalone/meta_access.h"
#include "client/standalone/meta_validate.h"

namespace threefs::standalone {

namespace wire = schema::meta;
namespace method = schema::meta::method;

namespace {

int64_t Micros(Duration d) {
  return std::chrono::duration_cast<std::chrono::microseconds>(d).count();
}

}  // namespace

MetaService::MetaService(MetaServiceDeps deps, const MetaOptions& options,
                         std::unique_ptr<MetaStore> store)
    : deps_(std::move(deps)), options_(options), store_(std::move(store)) {
  storage_ = std::move(deps_.storage);
  if (storage_ == nullptr) {
    storage_ = MakeRpcMetaStorage(*deps_.loop, *deps_.client, deps_.routing, options_,
                                  Rng(deps_.seed + 1));
  }
}

MetaService::~MetaService() = default;

Result<std::unique_ptr<MetaService>> MetaService::Create(MetaServiceDeps deps,
                                                         const MetaOptions& options) {
  CHECK(deps.loop != nullptr && deps.pool != nullptr && deps.server != nullptr);
  CHECK(deps.client != nullptr || deps.storage != nullptr);
  TRY(std::unique_ptr<MetaStore> store,
      MetaStore::Open(
          options,
          {.clock = deps.loop, .users = deps.users, .routing = deps.routing, .seed = deps.seed}));
  std::unique_ptr<MetaService> service(new MetaService(std::move(deps), options, std::move(store)));
  service->Register();
  return service;
}

template <class M>
void MetaService::RegisterStored() {
  deps_.server->Handle<M>(
      [this](const rpc::CallInfo&, typename M::Req req) { return Serve<M>(std::move(req)); });
}

void MetaService::Register() {
  RegisterStored<method::Stat>();
  RegisterStored<method::Create>();
  RegisterStored<method::Mkdirs>();
  RegisterStored<method::Symlink>();
  RegisterStored<method::HardLink>();
  RegisterStored<method::Remove>();
  RegisterStored<method::Open>();
  RegisterStored<method::Rename>();
  RegisterStored<method::List>();
  RegisterStored<method::Truncate>();
  RegisterStored<method::GetRealPath>();
  RegisterStored<method::SetAttr>();
  RegisterStored<method::PruneSession>();
  RegisterStored<method::DropUserCache>();
  RegisterStored<method::Authenticate>();
  RegisterStored<method::LockDirectory>();
  RegisterStored<method::BatchStat>();
  RegisterStored<method::BatchStatByPath>();
  RegisterStored<method::TestRpc>();
  deps_.server->Handle<method::StatFs>(
      [this](const rpc::CallInfo&, wire::StatFsReq req) { return StatFs(std::move(req)); });
  deps_.server->Handle<method::Sync>(
      [this](const rpc::CallInfo&, wire::SyncReq req) { return Sync(std::move(req)); });
  deps_.server->Handle<method::Close>(
      [this](const rpc::CallInfo&, wire::CloseReq req) { return Close(std::move(req)); });
}

template <class M>
Task<Result<typename M::Rsp>> MetaService::Serve(typename M::Req req) {
  co_return co_await RunBlocking(*deps_.pool,
                                 [this, &req] { return store_->Run<M>(std::move(req)); });
}

Task<Result<wire::SyncRsp>> MetaService::Sync(wire::SyncReq req) {
  CO_TRY(Validate(req));
  ops::SyncWork work{.inode = req.inode};
  work.update_length = req.update_length;
  work.truncated = req.truncated;
  work.atime = req.atime;
  work.mtime = req.mtime;
  work.hint = req.length_hint;
  CO_TRY(wire::Inode inode, co_await SyncInode(std::move(work)));
  co_return wire::SyncRsp{.stat = std::move(inode)};
}

Task<Result<wire::CloseRsp>> MetaService::Close(wire::CloseReq req) {
  CO_TRY(Validate(req));
  ops::SyncWork work{.inode = req.inode, .session = std::move(req.session), .is_close = true};
  work.update_length = req.update_length;
  work.atime = req.atime;
  work.mtime = req.mtime;
  work.hint = req.length_hint;
  CO_TRY(wire::Inode inode, co_await SyncInode(std::move(work)));
  co_return wire::CloseRsp{.stat = std::move(inode)};
}

// The syncs of one inode run one after the other: a length that was fetched is stored before the
// next is asked for, so a later answer of storage never gives way to an older one.
Task<Result<wire::Inode>> MetaService::SyncInode(ops::SyncWork work) {
  const uint64_t inode = work.inode;
  std::shared_ptr<InodeLock>& slot = inode_locks_[inode];
  if (slot == nullptr) slot = std::make_shared<InodeLock>();
  const std::shared_ptr<InodeLock> lock = slot;
  ++lock->users;
  AsyncMutex::Guard guard = co_await lock->mutex.Lock();
  Result<wire::Inode> result = co_await SyncLocked(std::move(work));
  guard.Release();
  if (--lock->users == 0) inode_locks_.erase(inode);
  co_return result;
}

Task<Result<wire::Inode>> MetaService::SyncLocked(ops::SyncWork work) {
  const bool exact = work.update_length && !work.hint;
  if (exact && deps_.flush_storage) CO_TRY(co_await deps_.flush_storage());
  std::optional<uint64_t> found;
  while (true) {
    CO_TRY(ops::SyncOutcome out, co_await RunBlocking(*deps_.pool, [this, &work, found] {
             return store_->Sync(work, found);
           }));
    if (!out.needs_length) {
      if (exact) {
        CO_TRY(co_await RunBlocking(*deps_.pool, [this] { return store_->Flush(); }));
      }
      co_return std::move(out.inode);
    }
    CallContext ctx;
    ctx.deadline = deps_.loop->Now() + options_.storage_total_timeout;
    ctx.cancel = &cancel_;
    CO_TRY(found, co_await storage_->QueryLength(out.inode, ctx));
  }
}

Task<Result<Space>> MetaService::CurrentSpace() {
  const AsyncMutex::Guard guard = co_await space_mutex_.Lock();
  if (space_ && deps_.loop->Now() - space_at_ < options_.space_cache) co_return *space_;
  CallContext ctx;
  ctx.deadline = deps_.loop->Now() + options_.storage_rpc_timeout;
  ctx.cancel = &cancel_;
  const Result<Space> fresh = co_await storage_->QuerySpace(ctx);
  if (fresh.ok()) {
    space_ = *fresh;
    space_at_ = deps_.loop->Now();
    co_return *space_;
  }
  if (space_ && deps_.loop->Now() - space_at_ < options_.space_cache_max_age) co_return *space_;
  co_return Status(Code::kStorageClientResourceBusy,
                   "no storage node tells its space: " + fresh.status().ToString());
}

Task<Result<wire::StatFsRsp>> MetaService::StatFs(wire::StatFsReq req) {
  CO_TRY(
      co_await RunBlocking(*deps_.pool, [this, &req] { return store_->Authenticate(&req.base); }));
  CO_TRY(const Space space, co_await CurrentSpace());
  co_return wire::StatFsRsp{
      .capacity = space.capacity, .used = space.capacity - space.free, .free = space.free};
}

void MetaService::Start() {
  CHECK(!started_);
  started_ = true;
  background_.Start(GcLoop());
  background_.Start(SessionLoop());
  if (options_.db.sync && !options_.sync_each_operation) background_.Start(FlushLoop());
}

Task<void> MetaService::Stop() {
  stopping_ = true;
  cancel_.Cancel();
  stop_.Set();
  co_await background_.Join();
}

Task<void> MetaService::GcLoop() {
  while (!stopping_) {
    const Duration delay = co_await GcDelay();
    const Result<size_t> collected = co_await CollectGarbage(delay);
    if (!collected.ok()) LOG_WARN("gc: {}", collected.status().ToString());
    co_await stop_.WaitUntil(deps_.loop->Now() + options_.gc_interval);
  }
}

// The usual delay, or none while space is low (asked only when something waits).
Task<Duration> MetaService::GcDelay() {
  if (!gc_pending_) co_return options_.gc_file_delay;
  const Result<Space> space = co_await CurrentSpace();
  const bool low =
      space.ok() && space->free < space->capacity / 100 * options_.gc_low_space_percent;
  co_return low ? Duration(0) : options_.gc_file_delay;
}

Task<Result<size_t>> MetaService::CollectGarbage(Duration delay) {
  const int64_t before = deps_.loop->WallMicros() - Micros(delay);
  std::string after;
  size_t collected = 0;
  while (!stopping_) {
    CO_TRY(const std::vector<wire::DirEntry> due,
           co_await RunBlocking(*deps_.pool, [&] { return store_->GcDue(before, after); }));
    if (due.empty()) break;
    TaskScope scope;
    for (const wire::DirEntry& entry : due) {
      if (entry.type == wire::InodeType::kDirectory) {
        scope.Start(CollectDirectory(entry));
      } else {
        scope.Start(CollectFile(entry, &collected));
      }
    }
    co_await scope.Join();
    after = due.back().name;
  }
  CO_TRY(const std::vector<wire::DirEntry> left,
         co_await RunBlocking(*deps_.pool, [this] { return store_->GcDue(INT64_MAX, ""); }));
  gc_pending_ = !left.empty();
  co_return collected;
}

Task<void> MetaService::CollectDirectory(wire::DirEntry entry) {
  while (!stopping_) {
    const Result<bool> gone =
        co_await RunBlocking(*deps_.pool, [this, &entry] { return store_->GcDirectory(entry); });
    if (!gone.ok()) LOG_WARN("gc: directory {:x}: {}", entry.id, gone.status().ToString());
    if (!gone.ok() || *gone) co_return;
    co_await Yield();
  }
}

Task<void> MetaService::CollectFile(wire::DirEntry entry, size_t* collected) {
  const Result<std::optional<wire::Inode>> inode =
      co_await RunBlocking(*deps_.pool, [this, &entry] { return store_->GcReadyFile(entry); });
  if (!inode.ok() || !*inode) co_return;  // unreadable now, or open for writing: a later round's
  if (AsFile(**inode) != nullptr) {
    CallContext ctx;
    ctx.deadline = deps_.loop->Now() + options_.storage_total_timeout;
    ctx.cancel = &cancel_;
    const Status removed = co_await storage_->RemoveChunks(**inode, ctx);
    if (!removed.ok()) {
      // A node that is down fails every round for every file: one line a minute tells enough.
      if (deps_.loop->Now() >= gc_complain_at_) {
        LOG_WARN("gc: chunks of {:x} stay for now: {}", entry.id, removed.ToString());
        gc_complain_at_ = deps_.loop->Now() + 60s;
      }
      co_return;
    }
  }
  const Status finished =
      co_await RunBlocking(*deps_.pool, [this, &entry] { return store_->GcFinishFile(entry); });
  if (finished.ok()) ++*collected;
}

Task<void> MetaService::SessionLoop() {
  while (!stopping_) {
    co_await stop_.WaitUntil(deps_.loop->Now() + options_.session_scan_interval);
    if (stopping_) co_return;
    const Result<size_t> pruned = co_await PruneSessions();
    if (!pruned.ok()) LOG_WARN("sessions: {}", pruned.status().ToString());
    if (pruned.ok() && *pruned > 0) LOG_INFO("sessions: dropped {} of dead clients", *pruned);
  }
}

Task<void> MetaService::FlushLoop() {
  while (!stopping_) {
    co_await stop_.WaitUntil(deps_.loop->Now() + options_.db_flush_interval);
    const Status flushed = co_await RunBlocking(*deps_.pool, [this] { return store_->Flush(); });
    if (!flushed.ok()) LOG_ERROR("metadata is not durable: {}", flushed.ToString());
  }
}

Task<Result<size_t>> MetaService::PruneSessions() {
  std::optional<std::vector<schema::mgmtd::ClientSession>> sessions;
  if (deps_.client_sessions) sessions = deps_.client_sessions();
  co_return co_await RunBlocking(*deps_.pool, [this, &sessions] {
    return store_->PruneSessions(sessions ? &*sessions : nullptr);
  });
}

}  // namespace threefs::standalone

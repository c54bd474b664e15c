// SPDX-License-Identifier: Apache-2.0
#include "client/standalone/meta_store.h"

#include <type_traits>
#include <utility>

#include "client/layout/layout.h"
#include "client/standalone/meta_validate.h"

namespace threefs::standalone {

namespace wire = schema::meta;
namespace method = schema::meta::method;

namespace {

enum class Kind : uint8_t { kRead, kChange, kPlain };

// How a method is served: on a snapshot, as a change, or without the store.
template <class M>
struct Served;
template <class Req, class Rsp, Kind kKindOf, Result<Rsp> (*kOp)(MetaContext&, const Req&),
          bool kAuth = true>
struct ServedBy {
  static constexpr Kind kKind = kKindOf;
  static constexpr bool kAuthenticated = kAuth;
  static Result<Rsp> Call(MetaContext& ctx, const Req& req) { return kOp(ctx, req); }
};

#define SERVED(Name, kind)    \
  template <>                 \
  struct Served<method::Name> \
      : ServedBy<method::Name::Req, method::Name::Rsp, Kind::kind, &ops::Name> {};
SERVED(Stat, kRead)
SERVED(BatchStat, kRead)
SERVED(BatchStatByPath, kRead)
SERVED(List, kRead)
SERVED(GetRealPath, kRead)
SERVED(Open, kChange)
SERVED(Create, kChange)
SERVED(Mkdirs, kChange)
SERVED(Symlink, kChange)
SERVED(HardLink, kChange)
SERVED(Remove, kChange)
SERVED(Rename, kChange)
SERVED(SetAttr, kChange)
SERVED(LockDirectory, kChange)
#undef SERVED
template <>
struct Served<method::PruneSession>
    : ServedBy<wire::PruneSessionReq, wire::PruneSessionRsp, Kind::kChange, &ops::PruneSession,
               /*kAuth=*/false> {};

Result<wire::TruncateRsp> Truncate(const wire::TruncateReq& /*req*/) {
  return Status(Code::kNotImplemented, "truncate is the client's: remove chunks, then sync");
}
Result<wire::DropUserCacheRsp> DropUserCache(const wire::DropUserCacheReq& /*req*/) {
  return wire::DropUserCacheRsp{};  // nothing is cached: the user store is asked each time
}
Result<wire::AuthRsp> WhoAmI(const wire::AuthReq& req) {
  return wire::AuthRsp{.user = req.base.user};
}
Result<wire::TestRpcRsp> TestRpc(const wire::TestRpcReq& /*req*/) { return wire::TestRpcRsp{}; }

template <class Req, class Rsp, Result<Rsp> (*kOp)(const Req&), bool kAuth>
struct ServedPlain {
  static constexpr Kind kKind = Kind::kPlain;
  static constexpr bool kAuthenticated = kAuth;
  static Result<Rsp> Call(const Req& req) { return kOp(req); }
};
template <>
struct Served<method::Truncate>
    : ServedPlain<wire::TruncateReq, wire::TruncateRsp, &Truncate, false> {};
template <>
struct Served<method::DropUserCache>
    : ServedPlain<wire::DropUserCacheReq, wire::DropUserCacheRsp, &DropUserCache, false> {};
template <>
struct Served<method::Authenticate> : ServedPlain<wire::AuthReq, wire::AuthRsp, &WhoAmI, true> {};
template <>
struct Served<method::TestRpc> : ServedPlain<wire::TestRpcReq, wire::TestRpcRsp, &TestRpc, false> {
};

bool Failed(const Status& status) { return !status.ok(); }
template <class T>
bool Failed(const Result<T>& result) {
  return !result.ok();
}

}  // namespace

MetaStore::MetaStore(const MetaOptions& options, Deps deps, std::unique_ptr<MetaDb> db)
    : options_(options),
      deps_(std::move(deps)),
      db_(std::move(db)),
      rng_(deps_.seed),
      chains_(deps_.routing, &rng_) {}

Result<std::unique_ptr<MetaStore>> MetaStore::Open(const MetaOptions& options, Deps deps) {
  CHECK(deps.clock != nullptr && deps.routing && (deps.users != nullptr || !options.authenticate));
  TRY(std::unique_ptr<MetaDb> db, MetaDb::Open(options.db));
  std::unique_ptr<MetaStore> store(new MetaStore(options, std::move(deps), std::move(db)));
  TRY(store->MakeRoots());
  return store;
}

MetaContext MetaStore::Context(MetaTxn& txn, const wire::ReqBase& who) {
  MetaContext ctx{.txn = txn, .options = options_, .chains = chains_, .who = who};
  ctx.now_us = deps_.clock->WallMicros();
  ctx.stamp_us = ctx.Cut(ctx.now_us);
  return ctx;
}

template <class F>
auto MetaStore::Read(const wire::ReqBase& who, F op) {
  const std::unique_ptr<MetaTxn> txn = db_->BeginRead();
  MetaContext ctx = Context(*txn, who);
  return op(ctx);
}

template <class F>
auto MetaStore::Write(const wire::ReqBase& who, F op) {
  std::unique_ptr<MetaTxn> txn = db_->BeginWrite();
  MetaContext ctx = Context(*txn, who);
  auto result = op(ctx);
  if ((Failed(result) && !ctx.commit_on_error) || !txn->dirty()) return result;
  const Result<uint64_t> ticket = txn->Commit();
  txn.reset();
  Status durable = ticket.status();
  if (ticket.ok() && options_.sync_each_operation) durable = db_->WaitDurable(*ticket);
  if (!durable.ok()) return decltype(result)(std::move(durable));
  return result;
}

// The two directories every cluster has (§16), made once.
Status MetaStore::MakeRoots() {
  const wire::ReqBase nobody;
  return Write(nobody, [this](MetaContext& ctx) -> Status {
    TRY(const std::optional<wire::Inode> found, records::FindInode(ctx.txn, wire::kRootInodeId));
    if (found) return {};
    wire::Directory dir;
    dir.layout.table_id = options_.root_table_id;
    dir.layout.chunk_size = options_.root_chunk_size;
    dir.layout.stripe_size = options_.root_stripe_size;
    TRY(layout::ValidateLayout(dir.layout, /*allow_empty=*/true));
    dir.name = "/";
    wire::Inode root;
    root.type = dir;
    root.acl = {0, 0, 0755, wire::kIflagImmutable};
    root.atime = root.ctime = root.mtime = ctx.now_us;
    records::StoreInode(ctx.txn, root);
    root.id = wire::kGcRootInodeId;
    root.acl.perm = 0700;
    records::StoreInode(ctx.txn, root);
    return {};
  });
}

Status MetaStore::Authenticate(wire::ReqBase* who) const {
  if (!options_.authenticate) return {};
  schema::UserInfo& user = who->user;
  TRY(Identity identity, deps_.users->Authenticate(user.uid, user.gid, user.token));
  user.groups = std::move(identity.groups);
  return {};
}

template <class M>
Result<typename M::Rsp> MetaStore::Run(typename M::Req req) {
  using S = Served<M>;
  TRY(Validate(req));
  if constexpr (S::kAuthenticated) TRY(Authenticate(&req.base));
  if constexpr (S::kKind == Kind::kPlain) {
    return S::Call(req);
  } else if constexpr (S::kKind == Kind::kRead) {
    return Read(req.base, [&req](MetaContext& ctx) { return S::Call(ctx, req); });
  } else {
    if (options_.read_only) return Status(Code::kReadOnlyMode, "the meta server is read-only");
    return Write(req.base, [&req](MetaContext& ctx) { return S::Call(ctx, req); });
  }
}

#define INSTANTIATE(Name) \
  template Result<wire::Name##Rsp> MetaStore::Run<method::Name>(wire::Name##Req);
INSTANTIATE(Stat)
INSTANTIATE(BatchStat)
INSTANTIATE(BatchStatByPath)
INSTANTIATE(List)
INSTANTIATE(GetRealPath)
INSTANTIATE(Open)
INSTANTIATE(Create)
INSTANTIATE(Mkdirs)
INSTANTIATE(Symlink)
INSTANTIATE(HardLink)
INSTANTIATE(Remove)
INSTANTIATE(Rename)
INSTANTIATE(SetAttr)
INSTANTIATE(LockDirectory)
INSTANTIATE(PruneSession)
INSTANTIATE(Truncate)
INSTANTIATE(DropUserCache)
INSTANTIATE(TestRpc)
#undef INSTANTIATE
template Result<wire::AuthRsp> MetaStore::Run<method::Authenticate>(wire::AuthReq);

Status MetaStore::Flush() { return db_->WaitDurable(db_->LastTicket()); }

Result<ops::SyncOutcome> MetaStore::Sync(const ops::SyncWork& work, std::optional<uint64_t> found) {
  const wire::ReqBase nobody;  // sync and close are not authenticated (§14)
  if (options_.read_only) return Status(Code::kReadOnlyMode, "the meta server is read-only");
  if (!found) {
    // Most syncs have to ask storage first: find out without the writer lock.
    TRY(ops::SyncOutcome seen, Read(nobody, [&](MetaContext& ctx) -> Result<ops::SyncOutcome> {
          TRY(const wire::Inode inode, records::LoadInode(ctx.txn, work.inode));
          return ops::SyncOutcome{.inode = inode,
                                  .needs_length = ops::NeedsLength(ctx, inode, work)};
        }));
    if (seen.needs_length) return seen;
  }
  return Write(nobody, [&](MetaContext& ctx) { return ops::ApplySync(ctx, work, found); });
}

Result<std::vector<wire::DirEntry>> MetaStore::GcDue(int64_t file_before_us,
                                                     const std::string& after) {
  return Read(
      {}, [&](MetaContext& ctx) { return gc::Due(ctx, file_before_us, after, options_.gc_batch); });
}

Result<bool> MetaStore::GcDirectory(const wire::DirEntry& entry) {
  return Write(
      {}, [&](MetaContext& ctx) { return gc::CollectDirectory(ctx, entry, options_.gc_batch); });
}

Result<std::optional<wire::Inode>> MetaStore::GcReadyFile(const wire::DirEntry& entry) {
  return Read({}, [&](MetaContext& ctx) { return gc::ReadyFile(ctx, entry); });
}

Status MetaStore::GcFinishFile(const wire::DirEntry& entry) {
  return Write({}, [&](MetaContext& ctx) { return gc::FinishFile(ctx, entry); });
}

Result<size_t> MetaStore::PruneSessions(const std::vector<schema::mgmtd::ClientSession>* sessions) {
  std::map<Uuid, int64_t> alive;
  if (sessions != nullptr) {
    for (const schema::mgmtd::ClientSession& session : *sessions) {
      const Result<Uuid> client = Uuid::Parse(session.client_id);
      if (client.ok()) alive.insert_or_assign(*client, session.last_extend);
    }
  }
  const auto micros = [](Duration d) {
    return std::chrono::duration_cast<std::chrono::microseconds>(d).count();
  };
  return Write({}, [&](MetaContext& ctx) -> Result<size_t> {
    TRY(records::ExpireOutcomes(ctx.txn, ctx.now_us - micros(options_.idempotent_record_ttl)));
    return gc::PruneSessions(ctx, sessions != nullptr ? &alive : nullptr,
                             ctx.now_us - micros(options_.session_timeout),
                             ctx.now_us - micros(options_.session_min_age));
  });
}

}  // namespace threefs::standalone

// SPDX-License-Identifier: Apache-2.0
// MetaStore: the namespace of a cluster on a MetaDb; every call is one transaction, durable when it
// returns. It checks the request, authenticates it, runs the operation (meta_ops.h) and commits.
// Blocking: called through RunBlocking, inline in simulation. Any thread, any number at once:
// changes are serialized by the database's writer lock.
//   Result<StatRsp> rsp = store.Run<schema::meta::method::Stat>(std::move(req));
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/base/clock.h"
#include "client/base/rng.h"
#include "client/base/status.h"
#include "client/schema/meta_rpc.h"
#include "client/schema/mgmtd.h"
#include "client/standalone/meta_context.h"
#include "client/standalone/meta_db.h"
#include "client/standalone/meta_gc.h"
#include "client/standalone/meta_ops.h"
#include "client/standalone/meta_options.h"
#include "client/standalone/user_store.h"

namespace threefs::standalone {

class MetaStore {
 public:
  struct Deps {
    const Clock* clock = nullptr;  ///< only WallMicros, from any thread
    UserStore* users = nullptr;    ///< may be null while authentication is off
    RoutingSource routing;         ///< any thread; null result = not known yet
    uint64_t seed = 0;             ///< of the generator that spreads files over chains
  };

  /// Opens or makes the store. Errors: MetaDb::Open's.
  static Result<std::unique_ptr<MetaStore>> Open(const MetaOptions& options, Deps deps);

  /// Any of: Stat, Create, Mkdirs, Symlink, HardLink, Remove, Open, Rename, List, GetRealPath,
  /// SetAttr, PruneSession, LockDirectory, BatchStat, BatchStatByPath, Truncate, DropUserCache,
  /// Authenticate, TestRpc. The others need storage.
  template <class M>
  Result<typename M::Rsp> Run(typename M::Req req);

  /// Replaces `who.user`'s groups by the store's, or kAuthenticationFail; nothing while
  /// authentication is off.
  Status Authenticate(schema::meta::ReqBase* who) const;

  /// Returns when everything answered so far would survive a power cut.
  Status Flush();

  /// One step of sync or close; see ops::ApplySync.
  Result<ops::SyncOutcome> Sync(const ops::SyncWork& work, std::optional<uint64_t> found);

  // Background steps; see meta_gc.h.
  Result<std::vector<schema::meta::DirEntry>> GcDue(int64_t file_before_us,
                                                    const std::string& after);
  Result<bool> GcDirectory(const schema::meta::DirEntry& entry);
  Result<std::optional<schema::meta::Inode>> GcReadyFile(const schema::meta::DirEntry& entry);
  Status GcFinishFile(const schema::meta::DirEntry& entry);
  /// `sessions` null: who is alive is unknown, only marked sessions are dropped. Expires request
  /// records too.
  Result<size_t> PruneSessions(const std::vector<schema::mgmtd::ClientSession>* sessions);

  [[nodiscard]] const MetaOptions& options() const { return options_; }

 private:
  MetaStore(const MetaOptions& options, Deps deps, std::unique_ptr<MetaDb> db);
  Status MakeRoots();
  template <class F>
  auto Read(const schema::meta::ReqBase& who, F op);
  template <class F>
  auto Write(const schema::meta::ReqBase& who, F op);
  MetaContext Context(MetaTxn& txn, const schema::meta::ReqBase& who);

  const MetaOptions options_;
  const Deps deps_;
  std::unique_ptr<MetaDb> db_;
  Rng rng_;                ///< under the writer lock
  ChainAllocator chains_;  ///< under the writer lock, but for Check
};

}  // namespace threefs::standalone

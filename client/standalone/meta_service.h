// SPDX-License-Identifier: Apache-2.0
// MetaService: MetaSerde (service 4) on one loop. It joins the store, storage and time: answers
// requests, keeps the lengths of one file in order, removes the chunks of unlinked files, drops the
// sessions of dead clients. All methods on the loop; what it is given outlives it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "client/base/status.h"
#include "client/rpc/client.h"
#include "client/rpc/server.h"
#include "client/runtime/loop.h"
#include "client/runtime/sync.h"
#include "client/runtime/task.h"
#include "client/schema/meta_rpc.h"
#include "client/schema/mgmtd.h"
#include "client/standalone/meta_options.h"
#include "client/standalone/meta_storage.h"
#include "client/standalone/meta_store.h"
#include "client/standalone/user_store.h"

namespace threefs::standalone {

struct MetaServiceDeps {
  Loop* loop = nullptr;
  BlockingPool* pool = nullptr;   ///< runs the store's transactions
  rpc::Server* server = nullptr;  ///< handlers are registered by Create: before Listen
  rpc::Client* client = nullptr;  ///< to storage nodes; unused when `storage` is given
  UserStore* users = nullptr;     ///< may be null while authentication is off
  RoutingSource routing;          ///< any thread
  /// Sessions known to mgmtd; nullopt: not known now. Empty function: never pruned but on request.
  std::function<std::optional<std::vector<schema::mgmtd::ClientSession>>()> client_sessions;
  /// Awaited before a sync or close that asks for the exact length is answered; makes acknowledged
  /// writes durable.
  std::function<Task<Status>()> flush_storage;
  std::unique_ptr<MetaStorage> storage;  ///< for tests; null: over `client`
  uint64_t seed = 0;
};

class MetaService {
 public:
  /// Opens the store (blocking) and registers the handlers.
  static Result<std::unique_ptr<MetaService>> Create(MetaServiceDeps deps,
                                                     const MetaOptions& options);
  ~MetaService();
  MetaService(const MetaService&) = delete;
  MetaService& operator=(const MetaService&) = delete;

  /// Starts the background work.
  void Start();
  /// Ends it; returns when the last step is over. No request may be under way when the service is
  /// destroyed.
  Task<void> Stop();

  /// One round of collection, at once: directories, and files unlinked at least `delay` ago.
  /// Returns how many files went.
  Task<Result<size_t>> CollectGarbage(Duration delay);
  Task<Result<size_t>> PruneSessions();
  [[nodiscard]] MetaStore& store() { return *store_; }

 private:
  struct InodeLock {
    AsyncMutex mutex;
    size_t users = 0;
  };

  MetaService(MetaServiceDeps deps, const MetaOptions& options, std::unique_ptr<MetaStore> store);
  void Register();
  template <class M>
  void RegisterStored();
  template <class M>
  Task<Result<typename M::Rsp>> Serve(typename M::Req req);
  Task<Result<schema::meta::SyncRsp>> Sync(schema::meta::SyncReq req);
  Task<Result<schema::meta::CloseRsp>> Close(schema::meta::CloseReq req);
  Task<Result<schema::meta::StatFsRsp>> StatFs(schema::meta::StatFsReq req);
  Task<Result<schema::meta::Inode>> SyncInode(ops::SyncWork work);
  Task<Result<schema::meta::Inode>> SyncLocked(ops::SyncWork work);
  Task<Result<Space>> CurrentSpace();
  Task<void> GcLoop();
  Task<void> SessionLoop();
  Task<void> FlushLoop();
  Task<Duration> GcDelay();
  Task<void> CollectDirectory(schema::meta::DirEntry entry);
  Task<void> CollectFile(schema::meta::DirEntry entry, size_t* collected);

  MetaServiceDeps deps_;
  const MetaOptions options_;
  std::unique_ptr<MetaStore> store_;
  std::unique_ptr<MetaStorage> storage_;
  std::map<uint64_t, std::shared_ptr<InodeLock>> inode_locks_;
  AsyncMutex space_mutex_;
  std::optional<Space> space_;
  TimePoint space_at_{};
  bool gc_pending_ = false;  ///< the last round left something
  TimePoint gc_complain_at_{};
  bool stopping_ = false;
  bool started_ = false;
  CancelSource cancel_;
  Event stop_;
  TaskScope background_;
};

}  // namespace threefs::standalone

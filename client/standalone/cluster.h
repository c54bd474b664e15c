// SPDX-License-Identifier: Apache-2.0
// StandaloneCluster: mgmtd, meta and N storage nodes in one process, speaking 3FS's wire to each
// other and to clients. The program threefs-standalone runs one on TCP; tests and simulation run
// one on any Network, in memory or on disk.
//   auto cluster = co_await StandaloneCluster::Start(env, options);      on env.loops[0]
//   ... (*cluster)->addresses(), root_token() ...
//   co_await (*cluster)->Stop();
// Methods are called on env.loops[0] unless said otherwise; nodes live on the loops in turn.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client/base/clock.h"
#include "client/base/status.h"
#include "client/net/address.h"
#include "client/net/transport.h"
#include "client/runtime/loop.h"
#include "client/runtime/task.h"
#include "client/standalone/chunk_device.h"
#include "client/standalone/cluster_nodes.h"
#include "client/standalone/meta_options.h"
#include "client/standalone/mgmtd_service.h"
#include "client/standalone/user_store.h"

namespace threefs::standalone {

/// What a cluster runs on; outlives it.
struct ClusterEnv {
  std::vector<Loop*> loops;
  BlockingPool* pool = nullptr;
  /// The network as the host `ip` sees it (Address::ip).
  std::function<net::Network&(uint32_t ip)> network;
  uint64_t seed = 0;
};

struct ClusterRoles {
  bool mgmtd = true;
  bool meta = true;
  bool all_storage = true;
  std::vector<int> storage;  ///< when not all: node numbers, from 0
};

struct ClusterOptions {
  std::string cluster_id = "standalone";
  /// Folder of everything durable; empty: in memory (kept over KillNode and RestartNode, not over
  /// Stop).
  std::string data;
  int nodes = 3;
  int targets = 2;   ///< a node
  int replicas = 3;  ///< nodes * targets must be a multiple
  net::Address listen{.ip = 0x0100007f, .port = 0, .type = net::AddressType::kTcp};
  /// Each node listens on its own ip, counting up from `listen` (mgmtd, meta, storage 0, 1, ...):
  /// for simulation.
  bool ip_per_node = false;
  ClusterRoles roles;
  std::vector<net::Address> mgmtd;  ///< when another process has that role
  bool authenticate = true;
  uint32_t chunk_size = 1U << 20;  ///< of new directories' files, and added to what targets store
  uint32_t stripe = 0;             ///< 0: all chains
  SyncMode sync = SyncMode::kOnFsync;
  uint64_t target_capacity = 0;  ///< bytes, 0: the disk's
  Duration heartbeat_fail = 5s;
  Duration heartbeat_interval = 500ms;
  Duration routing_interval = 250ms;
  std::function<void(MetaOptions*)> tune_meta;        ///< last word on the meta service's options
  std::function<void(StorageOptions*)> tune_storage;  ///< and on the storage nodes'
  std::function<void(bool graceful)> on_shutdown;  ///< Core.shutdown was called; any of the loops
};

struct ClusterAddresses {
  std::vector<net::Address> mgmtd;
  std::vector<net::Address> meta;
  std::vector<net::Address> storage;  ///< by node number
};

class StandaloneCluster {
 public:
  /// Returns when every node has its port; Ready tells when chains serve. Errors say what to
  /// change.
  static Task<Result<std::unique_ptr<StandaloneCluster>>> Start(ClusterEnv env,
                                                                ClusterOptions options);
  ~StandaloneCluster();  ///< after Stop
  Task<void> Stop();

  /// True when every node is connected and every target of every chain serves, before `deadline`.
  Task<bool> Ready(TimePoint deadline);
  [[nodiscard]] ClusterAddresses addresses() const;
  /// Of the user root; empty without authentication.
  [[nodiscard]] const std::string& root_token() const { return root_token_; }
  /// Users and tokens; null without authentication.
  UserStore* users() { return users_.get(); }

  // Faults; `node` is a storage node's number.
  Task<Status> KillNode(int node);
  Task<Status> RestartNode(int node);
  Task<Status> StallNode(int node, bool stalled);
  /// Runs `change` on the node's loop. `change` outlives the task.
  Task<Status> WithNode(int node, const std::function<void(StorageNode&)>* change);
  /// The mgmtd of this process, or null.
  MgmtdService* mgmtd() { return mgmtd_ == nullptr ? nullptr : &mgmtd_->service(); }
  MetaNode* meta() { return meta_.get(); }

 private:
  struct Slot;  // one storage node
  StandaloneCluster(ClusterEnv env, ClusterOptions options);
  Status CheckOptions() const;
  Status LoadPorts();
  Status SavePorts() const;
  Status OpenUsers();
  Task<Status> StartAll();
  Task<Status> StartMgmtd();
  Task<Status> StartMeta();
  Task<Status> StartStorage(Slot* slot, bool fresh_chains);
  Task<Status> FlushStorage();
  NodePlace PlaceOf(const std::string& name, int index);
  Slot* SlotOf(int node);

  const ClusterEnv env_;
  const ClusterOptions options_;
  NodeCommon common_;
  MgmtdPlan plan_;
  std::map<std::string, uint16_t> ports_;
  std::unique_ptr<UserStore> users_;
  std::string root_token_;
  std::shared_ptr<std::string> mgmtd_memory_ = std::make_shared<std::string>();
  std::shared_ptr<MemoryDisk> meta_memory_ = std::make_shared<MemoryDisk>();
  NodePlace mgmtd_place_;
  NodePlace meta_place_;
  std::unique_ptr<MgmtdNode> mgmtd_;
  std::unique_ptr<MetaNode> meta_;
  std::vector<std::unique_ptr<Slot>> slots_;
};

}  // namespace threefs::standalone

// SPDX-License-Identifier: Apache-2.0
// The three kinds of node of a standalone cluster, each a NodeHost with its service on it. All
// methods are called on the node's own loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/base/status.h"
#include "client/standalone/meta_service.h"
#include "client/standalone/mgmtd_service.h"
#include "client/standalone/node_agent.h"
#include "client/standalone/node_host.h"
#include "client/standalone/storage_service.h"

namespace threefs::standalone {

/// The same for all nodes of a cluster.
struct NodeCommon {
  std::string cluster_id;
  std::vector<net::Address> mgmtd;
  Duration heartbeat_interval = 500ms;
  Duration routing_interval = 250ms;
  Duration lease = 4s;
  std::function<void(bool graceful)> shutdown;
  uint64_t seed = 0;
};

class MgmtdNode {
 public:
  Task<Status> Start(NodePlace* place, const NodeCommon* common, MgmtdOptions options,
                     MgmtdPlan plan, bool cold);
  Task<void> Stop();
  MgmtdService& service() { return *service_; }
  NodeHost& host() { return *host_; }
  /// True when Start made a new cluster.
  [[nodiscard]] bool fresh() const { return service_->fresh(); }

 private:
  std::unique_ptr<NodeHost> host_;
  std::unique_ptr<MgmtdService> service_;
};

class StorageNode {
 public:
  struct Parts {
    std::unique_ptr<ChunkDisk> disk;
    StorageOptions options;
    std::vector<TargetRecord> targets;
    bool fresh_chains = false;
  };
  Task<Status> Start(NodePlace* place, const NodeCommon* common, Parts parts);
  /// `kill`: without a word to anybody, as far as a process can do that to a part of itself.
  Task<void> Stop(bool kill);
  void Stall(bool stalled);
  StorageService& service() { return *service_; }
  NodeHost& host() { return *host_; }
  [[nodiscard]] bool running() const { return host_ != nullptr; }

 private:
  std::unique_ptr<NodeHost> host_;
  std::unique_ptr<StorageService> service_;
  std::unique_ptr<NodeAgent> agent_;
};

class MetaNode {
 public:
  struct Parts {
    uint32_t node_id = 0;
    MetaOptions options;
    UserStore* users = nullptr;
    std::function<Task<Status>()> flush_storage;
  };
  Task<Status> Start(NodePlace* place, const NodeCommon* common, Parts parts);
  Task<void> Stop();
  MetaService& service() { return *service_; }
  NodeHost& host() { return *host_; }

 private:
  Task<void> PollSessions(const NodeCommon* common);
  std::unique_ptr<NodeHost> host_;
  std::unique_ptr<NodeAgent> agent_;
  std::unique_ptr<MetaService> service_;
  std::optional<std::vector<schema::mgmtd::ClientSession>> sessions_;
  bool stopping_ = false;
  Event stop_;
  CancelSource cancel_;
  OpCounter ops_;
};

}  // namespace threefs::standalone

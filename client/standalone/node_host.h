// SPDX-License-Identifier: Apache-2.0
// NodeHost: what every node of a standalone cluster stands on: a server for its service, another
// for Core, a client to the other nodes, the gate for faults. On one loop; made before its
// services, destroyed after them.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "client/base/status.h"
#include "client/net/address.h"
#include "client/net/transport.h"
#include "client/rpc/client.h"
#include "client/rpc/server.h"
#include "client/runtime/loop.h"
#include "client/runtime/task.h"
#include "client/schema/common.h"
#include "client/standalone/core_service.h"
#include "client/standalone/fault_gate.h"
#include "client/standalone/fault_network.h"

namespace threefs::standalone {

/// Where a node lives. Ports 0 are picked by Listen and stay the same over restarts.
struct NodePlace {
  Loop* loop = nullptr;
  BlockingPool* pool = nullptr;
  net::Network* network = nullptr;  ///< outlives the node
  net::Address service;
  net::Address core;
};

class NodeHost {
 public:
  NodeHost(const NodePlace& place, uint64_t seed);
  ~NodeHost();
  NodeHost(const NodeHost&) = delete;
  NodeHost& operator=(const NodeHost&) = delete;

  rpc::Server& server() { return *server_; }
  rpc::Client& client() { return *client_; }
  FaultGate& gate() { return gate_; }
  WireFaults& wire() { return *network_.faults(); }

  /// After all handlers are registered. Fills the ports into `place`.
  Status Listen(NodePlace* place, std::vector<ConfigItem> config,
                std::function<void(bool graceful)> shutdown);
  /// Endpoints to advertise: `service` as RDMA (3FS's clients look for those and speak TCP there
  /// when told to), Core as TCP.
  static std::vector<schema::ServiceGroupInfo> Endpoints(const NodePlace& place,
                                                         const std::string& service);

 private:
  Loop& loop_;
  FaultNetwork network_;
  FaultGate gate_;
  std::unique_ptr<CoreService> core_;
  std::unique_ptr<rpc::Client> client_;
  std::unique_ptr<rpc::Server> core_server_;
  std::unique_ptr<rpc::Server> server_;
};

}  // namespace threefs::standalone

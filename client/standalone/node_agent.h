// SPDX-License-Identifier: Apache-2.0
// NodeAgent: a server's tie to mgmtd. Sends its heartbeats, keeps its copy of the routing
// information fresh and says whether it may still act on it: a node whose heartbeats do not get
// through stops serving (the lease) before mgmtd gives its targets to others. Lives on one loop;
// everything goes over the wire, also inside one process.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "client/base/clock.h"
#include "client/base/status.h"
#include "client/net/address.h"
#include "client/rpc/client.h"
#include "client/runtime/loop.h"
#include "client/runtime/sync.h"
#include "client/runtime/task.h"
#include "client/schema/mgmtd_rpc.h"
#include "client/standalone/op_counter.h"

namespace threefs::standalone {

struct NodeAgentOptions {
  std::string cluster_id;
  std::vector<net::Address> mgmtd;  ///< tried in order
  schema::mgmtd::FbsAppInfo app;    ///< node id, endpoints
  Duration heartbeat_interval = 500ms;
  Duration routing_interval = 250ms;
  /// Shorter than mgmtd's heartbeat_fail.
  Duration lease = 4s;
  Duration call_timeout = 1s;
};

class NodeAgent {
 public:
  using RoutingPtr = std::shared_ptr<const schema::mgmtd::RoutingInfo>;
  struct Callbacks {
    /// The variant of the heartbeat (targets of a storage node).
    std::function<decltype(schema::mgmtd::HeartbeatInfo::info)()> report;
    /// A newer routing information has come.
    std::function<void(const RoutingPtr&)> on_routing;
  };

  NodeAgent(Loop& loop, rpc::Client& client, NodeAgentOptions options, Callbacks callbacks);

  void Start();
  Task<void> Stop();

  /// Any thread; never null (version 0 before the first answer).
  [[nodiscard]] RoutingPtr routing() const;
  /// True while mgmtd surely believes that we are alive.
  [[nodiscard]] bool LeaseValid() const { return loop_.Now() < lease_until_; }
  /// Asks for newer routing information now.
  Task<void> Refresh();
  /// Heartbeat soon: something to report.
  void Kick() { kick_.Set(); }
  /// A stalled node (fault injection) neither sends nor learns.
  void SetPaused(bool paused) { paused_ = paused; }

 private:
  Task<void> HeartbeatLoop();
  Task<void> RoutingLoop();
  Task<void> HeartbeatOnce();
  Task<Result<schema::mgmtd::GetRoutingInfoRsp>> Fetch(uint64_t version);

  Loop& loop_;
  rpc::Client& client_;
  const NodeAgentOptions options_;
  const Callbacks callbacks_;
  uint64_t hb_version_ = 1;
  TimePoint lease_until_{};
  size_t current_ = 0;  // of options_.mgmtd
  bool paused_ = false;
  bool stopping_ = false;
  bool fetching_ = false;
  Event kick_;
  Event stop_;
  CancelSource cancel_;
  OpCounter ops_;
  mutable std::mutex shared_mutex_;
  RoutingPtr routing_;
};

}  // namespace threefs::standalone

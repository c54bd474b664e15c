// SPDX-License-Identifier: Apache-2.0
// MgmtdClient: the cluster manager seen from a client. Finds the primary among several addresses
// (host names are looked up again on every round), keeps the routing snapshot fresh (every 10 s,
// and at once when asked), and keeps the client session alive (3fs/mgmtd.md §5–§7). One per
// cluster; lives on its home loop. With no mgmtd reachable the last snapshot stays in force for
// ever. Nothing a server sends can end the process: odd data is logged and asked for again.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "client/base/status.h"
#include "client/base/uuid.h"
#include "client/mgmtd/routing_table.h"
#include "client/net/address.h"
#include "client/rpc/client.h"
#include "client/runtime/loop.h"
#include "client/runtime/sync.h"
#include "client/runtime/task.h"
#include "client/schema/mgmtd_rpc.h"

namespace threefs::mgmtd {

struct MgmtdOptions {
  std::string cluster_id;
  /// "RDMA://ip:port", "TCP://host:port", "host:port"; an RDMA:// one also answers plain TCP
  /// (3fs/wire.md §4).
  std::vector<std::string> addresses;
  Duration call_timeout = 1s;
  Duration refresh_interval = 10s;
  /// What the session says about this client; constant for one client_id (3fs/mgmtd.md §7, else
  /// 5014).
  Uuid client_id;
  std::string universal_id;
  std::string description;
  schema::mgmtd::NodeType node_type = schema::mgmtd::NodeType::kClient;
  int64_t client_start = 0;  ///< wall microseconds
  bool keep_session = true;  ///< false: read-only tools that need no session
};

class MgmtdClient {
 public:
  /// `rpc` belongs to `home` and outlives this.
  static std::unique_ptr<MgmtdClient> Create(Loop& home, rpc::Client& rpc, BlockingPool& pool,
                                             MgmtdOptions options);
  virtual ~MgmtdClient() = default;

  /// Home loop. Primary, first routing snapshot and (keep_session) the first session extension,
  /// then starts the background work. kMgmtdClusterIdMismatch, kMgmtdClientPrimaryMgmtdNotFound
  /// with a sentence saying what to do.
  virtual Task<Status> Start(CallContext ctx) = 0;
  /// Home loop. Ends the background work; after it returns nothing of this object runs.
  virtual Task<void> Stop() = 0;

  /// Any thread. Never null after Start succeeded.
  [[nodiscard]] virtual RoutingRef routing() const = 0;
  /// Any loop. Asks for a refresh now and returns when a snapshot newer than `version` is in force,
  /// or at `until` with whatever is in force then. Many callers share one refresh; at least 100 ms
  /// lie between two.
  virtual Task<RoutingRef> NewerThan(uint64_t version, TimePoint until) = 0;

  /// Home loop. One call to the primary with the failover rules of 3fs/mgmtd.md §5 until
  /// ctx.deadline.
  template <class M>
  Task<Result<typename M::Rsp>> Call(CallContext ctx, typename M::Req req) {
    req.cluster_id = cluster_id();
    serde::Encoded payload = serde::Encode(req);
    auto raw = co_await CallPrimary(ctx, M::kServiceId, M::kMethodId, std::move(payload));
    if (!raw.ok()) co_return raw.status();
    auto decoded = serde::Decode<Result<typename M::Rsp>>(*raw);
    if (!decoded.ok()) co_return decoded.status().WithContext("mgmtd's answer does not decode");
    co_return *std::move(decoded);
  }

  [[nodiscard]] virtual const std::string& cluster_id() const = 0;
  /// The primary's address as last known; port 0 when none is.
  [[nodiscard]] virtual net::Address primary() const = 0;

 protected:
  /// Payload of the first answer that is neither a network error nor kMgmtdNotPrimary.
  virtual Task<Result<Bytes>> CallPrimary(CallContext ctx, uint16_t service, uint16_t method,
                                          serde::Encoded payload) = 0;
};

}  // namespace threefs::mgmtd

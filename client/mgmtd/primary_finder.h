// SPDX-License-Identifier: Apache-2.0
// PrimaryFinder: which mgmtd is the primary (3fs/mgmtd.md §5). Asks the given addresses (names are
// looked up on every round), those that answers and routing information named, until one names
// itself or another as primary. One per cluster, on the home loop.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "client/base/status.h"
#include "client/mgmtd/routing_table.h"
#include "client/net/address.h"
#include "client/rpc/client.h"
#include "client/runtime/loop.h"
#include "client/runtime/sync.h"
#include "client/runtime/task.h"
#include "client/schema/mgmtd_rpc.h"

namespace threefs::mgmtd {

class PrimaryFinder {
 public:
  struct Options {
    std::string cluster_id;
    std::vector<std::string> addresses;
    Duration call_timeout = 1s;
  };
  PrimaryFinder(rpc::Client& rpc, BlockingPool& pool, Options options)
      : rpc_(rpc), pool_(pool), options_(std::move(options)) {}

  /// One round over everybody known. `hint`: node id a kMgmtdNotPrimary answer named (0: none).
  /// kMgmtdClientPrimaryMgmtdNotFound, or kMgmtdClusterIdMismatch when that is what was answered.
  Task<Result<net::Address>> Find(CallContext ctx, uint32_t hint);
  /// What routing information says about mgmtds.
  void Learn(std::vector<ServerNode> nodes) { learned_ = std::move(nodes); }
  /// The first decimal number of a kMgmtdNotPrimary message when it starts with one, else 0 (§5: it
  /// may be any text).
  static uint32_t HintOf(const std::string& message);

 private:
  struct Probe {
    std::optional<schema::mgmtd::PersistentNodeInfo> primary;
  };
  Task<Result<Probe>> Ask(CallContext ctx, net::Address at);
  Task<Status> Resolve(std::deque<net::Address>* queue);

  rpc::Client& rpc_;
  BlockingPool& pool_;
  Options options_;
  std::vector<ServerNode> learned_;
};

}  // namespace threefs::mgmtd

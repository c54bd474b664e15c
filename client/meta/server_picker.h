// SPDX-License-Identifier: Apache-2.0
// ServerPicker: which meta server the next try goes to (3fs/meta.md §12.1). Servers are ranked once
// by a hash of their id and this client's own random bytes, so clients spread evenly and each stays
// with one server; one that failed is left alone for a while, longer each time, then tried again
// with a short timeout. Pure; one per MetaClient.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "client/base/clock.h"
#include "client/base/rng.h"
#include "client/mgmtd/routing_table.h"

namespace threefs::meta {

class ServerPicker {
 public:
  explicit ServerPicker(uint64_t salt) : salt_(salt) {}

  struct Choice {
    mgmtd::ServerNode server;
    bool on_probation = false;  ///< failed before: give it little time
    bool known_bad = false;     ///< every server is: this one's turn is the nearest
  };
  /// nullopt: no meta server has ever been in a routing snapshot. An empty list never replaces a
  /// filled one.
  std::optional<Choice> Pick(const mgmtd::RoutingTable& routing, TimePoint now);
  void OnSuccess(uint32_t node_id) { bad_.erase(node_id); }
  void OnServerError(uint32_t node_id, TimePoint now);

 private:
  struct Bad {
    TimePoint until{};
    Duration penalty{};
  };
  uint64_t salt_;
  uint64_t version_ = 0;
  std::vector<mgmtd::ServerNode> ranked_;
  std::unordered_map<uint32_t, Bad> bad_;
};

}  // namespace threefs::meta

// SPDX-License-Identifier: Apache-2.0
#include "client/meta/server_picker.h"

#include <algorithm>
#include <utility>

namespace threefs::meta {
namespace {

constexpr Duration kFirstPenalty = 5s;  // 3FS probes its error set every 5 s
constexpr Duration kMaxPenalty = 60s;

// splitmix64's finisher: spreads consecutive node ids.
uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

}  // namespace

std::optional<ServerPicker::Choice> ServerPicker::Pick(const mgmtd::RoutingTable& routing,
                                                       TimePoint now) {
  if (routing.version() != version_ && !routing.meta_servers().empty()) {
    version_ = routing.version();
    ranked_ = routing.meta_servers();
    std::sort(ranked_.begin(), ranked_.end(), [this](const auto& a, const auto& b) {
      return std::pair(Mix(salt_ ^ a.node_id), a.node_id) >
             std::pair(Mix(salt_ ^ b.node_id), b.node_id);
    });
  }
  if (ranked_.empty()) return std::nullopt;
  const mgmtd::ServerNode* nearest = nullptr;
  TimePoint nearest_until = kNever;
  for (const mgmtd::ServerNode& server : ranked_) {
    const auto bad = bad_.find(server.node_id);
    if (bad == bad_.end()) return Choice{.server = server};
    if (bad->second.until <= now) return Choice{.server = server, .on_probation = true};
    if (bad->second.until < nearest_until) {
      nearest = &server;
      nearest_until = bad->second.until;
    }
  }
  return Choice{.server = *nearest, .known_bad = true};
}

void ServerPicker::OnServerError(uint32_t node_id, TimePoint now) {
  Bad& bad = bad_[node_id];
  bad.penalty = bad.penalty == Duration{} ? kFirstPenalty : std::min(bad.penalty * 2, kMaxPenalty);
  bad.until = now + bad.penalty;
}

}  // namespace threefs::meta

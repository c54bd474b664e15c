// SPDX-License-Identifier: Apache-2.0
// SimNetwork: net::Network on a SimWorld. Nodes are ip addresses; each has its own view of the
// network (Node(ip)), all connections go through links that have latency, jitter and bandwidth and
// can lose, delay, cut and reset. As with TCP, frames of one connection and direction arrive in
// order and unchanged or not at all: a "lost" frame stalls its direction until it is retransmitted
// or the connection ends.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "client/base/clock.h"
#include "client/net/transport.h"
#include "tests/support/sim_loop.h"

namespace threefs::sim {

struct LinkOptions {
  Duration latency = 50us;
  Duration jitter = 30us;  ///< added, uniform
  uint64_t bytes_per_second = 5'000'000'000;
  // Chance a frame:
  double lose = 0;  ///< the direction stalls for up to `stall`
  Duration stall = 3s;
  double reset = 0;  ///< both ends see the connection fail
  double delay = 0;  ///< comes up to `delay_max` later (and all behind it)
  Duration delay_max = 500ms;
  double refuse = 0;  ///< chance a dial fails
};

struct SimNetStats {
  uint64_t frames = 0;
  uint64_t bytes = 0;
  uint64_t lost = 0;
  uint64_t resets = 0;
  uint64_t delayed = 0;
  uint64_t dials = 0;
  uint64_t refused = 0;
};

class SimNetwork {
 public:
  explicit SimNetwork(SimWorld& world, LinkOptions links = {});
  SimNetwork(const SimNetwork&) = delete;
  SimNetwork& operator=(const SimNetwork&) = delete;
  ~SimNetwork();

  /// The network as the node `ip` sees it; lives as long as this. Listens only on its own ip.
  net::Network& Node(uint32_t ip);

  void SetLinks(LinkOptions links) { links_ = links; }
  [[nodiscard]] const LinkOptions& links() const { return links_; }
  /// Frames between the two wait, dials get no answer, until Heal. The order of the ips does not
  /// matter.
  void Partition(uint32_t a, uint32_t b);
  void Heal(uint32_t a, uint32_t b);
  void HealAll();

  enum class Death : uint8_t {
    kProcess,  ///< the host lives: peers see the connection close, dials are refused
    kHost,     ///< nothing answers: peers see silence
  };
  /// Ends all connections of `ip`; its listeners stay and serve again after Revive.
  void Kill(uint32_t ip, Death death);
  /// Kill(kProcess) for good: its listeners are forgotten, so that another process may listen there
  /// after Revive. For a loop that is frozen (SimWorld::Freeze) and whose objects are never
  /// destroyed.
  void KillAndForget(uint32_t ip);
  void Revive(uint32_t ip);
  [[nodiscard]] bool dead(uint32_t ip) const { return dead_.contains(ip); }

  /// True: what a closing end has sent and the other has not got yet is lost (TCP's reset instead
  /// of its orderly end).
  void SetAbortOnClose(bool abort) { abort_on_close_ = abort; }

  [[nodiscard]] const SimNetStats& stats() const { return stats_; }
  [[nodiscard]] size_t connections() const { return endpoints_.size() / 2; }

 private:
  struct Endpoint;
  class SimTransport;
  class SimListener;
  class NodeView;
  using Pair = std::pair<uint32_t, uint32_t>;
  static Pair Ordered(uint32_t a, uint32_t b) { return a < b ? Pair{a, b} : Pair{b, a}; }

  Task<Result<std::unique_ptr<net::Transport>>> Dial(uint32_t from, Loop& loop, net::Address to,
                                                     CallContext ctx);
  void Push(Endpoint& to, TimePoint due, std::function<void(Endpoint&)> deliver);
  void Pump(const std::shared_ptr<Endpoint>& endpoint);
  void Transmit(Endpoint& from, net::OutFrame frame);
  /// Tells `endpoint` that its connection ended, after what is on its way, or at once when `drop`.
  void End(Endpoint& endpoint, Status why, bool drop);
  void Leave(const std::shared_ptr<Endpoint>& endpoint);
  [[nodiscard]] bool Blocked(uint32_t a, uint32_t b) const;
  Duration Latency();
  bool Chance(double p) { return p > 0 && world_.rng().Unit() < p; }

  SimWorld& world_;
  LinkOptions links_;
  SimNetStats stats_;
  std::map<uint32_t, std::unique_ptr<NodeView>> nodes_;
  std::map<uint64_t, SimListener*> listeners_;
  std::map<uint64_t, std::shared_ptr<Endpoint>> endpoints_;
  uint64_t next_endpoint_ = 1;
  std::set<Pair> cut_;
  std::map<uint32_t, Death> dead_;
  uint16_t next_port_ = 40000;
  bool abort_on_close_ = false;
};

}  // namespace threefs::sim

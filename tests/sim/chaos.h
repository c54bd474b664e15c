// SPDX-License-Identifier: Apache-2.0
// Chaos: what befalls a cluster: bad links, partitions, killed and silent processes, chain versions
// that change, slow nodes, damaged reads. All of it is undone by Calm.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "client/base/rng.h"
#include "client/runtime/sync.h"
#include "client/runtime/task.h"
#include "tests/sim/sim_cluster.h"

namespace threefs::sim {

class Chaos {
 public:
  Chaos(SimNetwork* network, SimCluster* cluster, std::vector<uint32_t> client_ips, uint64_t seed,
        bool verbose)
      : network_(network),
        cluster_(cluster),
        client_ips_(std::move(client_ips)),
        rng_(seed),
        verbose_(verbose) {}

  /// Does harm until `stop` is set, on the current loop.
  Task<void> Run(Event* stop);
  /// Mends everything and waits until every replica serves again. An error says what does not
  /// recover.
  Task<Status> Calm();
  [[nodiscard]] const std::map<std::string, uint64_t>& counts() const { return counts_; }

 private:
  Task<void> Harm();
  Task<void> CrashFor(size_t process, Duration time);
  Task<void> SilenceFor(size_t process, Duration time);
  Task<void> PartitionFor(uint32_t a, uint32_t b, Duration time);
  Task<void> SlowFor(size_t process, Duration slow, Duration time);
  void BadLinks();
  Duration Upto(Duration d) { return Duration(rng_.Below(static_cast<uint64_t>(d.count()))); }
  size_t RandomStorage() { return 2 + rng_.Below(cluster_->processes() - 2); }
  uint32_t RandomIp();
  void Note(std::string what);

  SimNetwork* network_;
  SimCluster* cluster_;
  std::vector<uint32_t> client_ips_;
  Rng rng_;
  bool verbose_;
  TaskScope running_;
  Event* stop_ = nullptr;
  Status failed_;
  std::map<std::string, uint64_t> counts_;
};

}  // namespace threefs::sim

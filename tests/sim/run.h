// SPDX-License-Identifier: Apache-2.0
// One simulated run: a cluster, clients at work on it, chaos, and in between moments of calm in
// which everything is compared with the model. All of it follows from the seed.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace threefs::sim {

struct RunOptions {
  uint64_t seed = 1;
  int rounds = 3;
  int ops_per_client = 60;  ///< a round
  bool chaos = true;
  bool verbose = false;
};

struct RunReport {
  std::string failure;  ///< empty: all is well
  uint64_t events = 0;
  std::map<std::string, uint64_t> counts;
};

RunReport RunSeed(const RunOptions& options);

}  // namespace threefs::sim

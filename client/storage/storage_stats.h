// SPDX-License-Identifier: Apache-2.0
// Counters of one StorageClient: written on its loop, read by anybody (relaxed). They only grow.
#pragma once

#include <atomic>
#include <cstdint>

namespace threefs::storage {

class Counter {
 public:
  void Add(uint64_t n = 1) {
    // One writer: no atomic addition needed.
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  [[nodiscard]] uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

struct StorageStats {
  Counter read_rpcs;
  Counter read_bytes;
  Counter read_ops;
  Counter update_rpcs;
  Counter write_bytes;
  Counter retries;              ///< tries after the first
  Counter failovers;            ///< reads that moved to another replica
  Counter routing_waits;        ///< waits for fresh routing
  Counter checksum_mismatches;  ///< data that did not match its checksum
  Counter bad_answers;          ///< answers that contradict themselves
  Counter payload_copies;       ///< bytes copied on their way (gathered writes)
};

}  // namespace threefs::storage

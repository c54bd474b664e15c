// SPDX-License-Identifier: Apache-2.0
// Counters: what a mounter counts about itself. One set a process, shared by all loops; each loop
// adds to a slot of its own cache line, readers sum. Any thread reads at any time; the sums are
// racy by an operation, never torn.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace threefs::metrics {

struct Totals {
  uint64_t operations = 0;
  uint64_t errors =
      0;  ///< answered with an errno other than ENOENT and the like a healthy mount gives
  uint64_t read_bytes = 0;
  uint64_t written_bytes = 0;
  uint64_t resent = 0;      ///< requests the kernel gave us again after a predecessor's death
  uint64_t unanswered = 0;  ///< requests answered only by their destructor: each is a bug
};

class Counters {
 public:
  static constexpr size_t kSlots = 64;
  struct alignas(64) Slot {
    std::atomic<uint64_t> operations{0}, errors{0}, read_bytes{0}, written_bytes{0}, resent{0},
        unanswered{0};
    /// One writer a slot: a plain load and store, no locked instruction.
    static void Add(std::atomic<uint64_t>& c, uint64_t n) {
      c.store(c.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
  };

  Slot& slot(size_t loop) { return slots_[loop % kSlots]; }
  [[nodiscard]] Totals Sum() const;
  /// Resident memory of this process now.
  [[nodiscard]] static uint64_t RssBytes();

 private:
  std::array<Slot, kSlots> slots_;
};

}  // namespace threefs::metrics

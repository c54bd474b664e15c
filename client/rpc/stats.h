// SPDX-License-Identifier: Apache-2.0
// ClientStats: what an rpc::Client counts. Written by its loop only, read by any thread at any
// time: each number is exact, numbers are not of one instant. No locks, no allocation.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "client/base/clock.h"
#include "client/base/status_code.h"

namespace threefs::rpc {

/// A number with one writer: plain load and store instead of a locked instruction.
class Counter {
 public:
  void Add(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void Sub(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) - n, std::memory_order_relaxed);
  }
  [[nodiscard]] uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

/// One method of one service.
struct MethodStats {
  /// Bucket i counts calls that took less than 2^i µs (and not less than 2^(i-1)); the last one all
  /// longer.
  static constexpr size_t kBuckets = 27;
  std::atomic<uint32_t> key{0};  ///< service << 16 | method; 0: slot unused
  Counter calls;
  Counter errors;
  Counter micros;  ///< sum
  std::array<Counter, kBuckets> latency;

  void Record(Duration took, bool ok) {
    const auto us = static_cast<uint64_t>(took.count() < 0 ? 0 : took.count() / 1000);
    calls.Add();
    if (!ok) errors.Add();
    micros.Add(us);
    const auto width = static_cast<size_t>(std::bit_width(us));
    latency[width < kBuckets ? width : kBuckets - 1].Add();
  }
};

struct ErrorStats {
  std::atomic<uint32_t> code{0};  ///< 0: slot unused
  Counter count;
};

struct ClientStats {
  Counter bytes_out;
  Counter bytes_in;
  Counter dials;
  Counter dial_failures;
  Counter connections;   ///< open now
  Counter in_flight;     ///< calls under way now
  Counter retries;       ///< counted by the callers that retry
  Counter late_answers;  ///< came after their call had ended
  std::array<MethodStats, 64> methods;
  std::array<ErrorStats, 64> errors;  ///< calls that ended with this code, ours or the transport's

  /// The slot of a method; the last slot takes what finds none.
  MethodStats& Method(uint16_t service, uint16_t method) {
    const uint32_t key = uint32_t{service} << 16 | method;
    for (MethodStats& m : methods) {
      const uint32_t k = m.key.load(std::memory_order_relaxed);
      if (k == 0) m.key.store(key, std::memory_order_release);
      if (k == 0 || k == key) return m;
    }
    return methods.back();
  }
  void Error(Code code) {
    const auto key = static_cast<uint32_t>(Raw(code));
    for (ErrorStats& e : errors) {
      const uint32_t k = e.code.load(std::memory_order_relaxed);
      if (k == 0) e.code.store(key, std::memory_order_release);
      if (k == 0 || k == key) {
        e.count.Add();
        return;
      }
    }
    errors.back().count.Add();
  }
};

}  // namespace threefs::rpc

// SPDX-License-Identifier: Apache-2.0
// Time types. Monotonic time decides deadlines and timers (Loop::Now gives it, real or virtual); wall time is only for
// what the wire and files carry (microseconds since 1970 UTC, 3fs/wire.md §1.2).
#pragma once

#include <chrono>
#include <cstdint>

namespace threefs {

using Duration = std::chrono::nanoseconds;
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;
using namespace std::chrono_literals;  // NOLINT(google-global-names-in-headers): 5s, 100ms read as units everywhere

inline constexpr TimePoint kNever = TimePoint::max();

/// Where "now" comes from. Given by constructor: production uses the system's clocks, simulation its own.
class Clock {
 public:
  virtual ~Clock() = default;
  /// Monotonic.
  [[nodiscard]] virtual TimePoint Now() const = 0;
  /// Microseconds since 1970-01-01 UTC.
  [[nodiscard]] virtual int64_t WallMicros() const = 0;
};

}  // namespace threefs

// SPDX-License-Identifier: Apache-2.0
// Supervisor: what the main thread does while loops serve: waits for signals, for the keeper's
// messages and for the end of the connection, and reports. One a process, on the main thread; Wake
// may be called from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "client/base/status.h"
#include "mounter/metrics/counters.h"
#include "proto/channel/channel.h"

namespace threefs::control {

class Supervisor {
 public:
  /// Blocks SIGTERM, SIGINT, SIGHUP for this thread and those it starts later: make it before any
  /// loop.
  Supervisor();
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  /// Any thread: the kernel closed the connection.
  void NotifyGone();
  /// Any thread: the sessions are primed.
  void NotifyReady();

  enum class Event : uint8_t { kReady, kGone, kSignal, kStop, kTimeout };
  /// Waits for the next event; answers Ping and sends Stats on `control` (null: none) meanwhile.
  /// kStop: the keeper said so; `stop_timeout_ms` then holds its patience. A keeper that goes away
  /// is no event: the mount lives on.
  Event Wait(Channel* control, const metrics::Counters& counters, int timeout_ms);
  [[nodiscard]] uint32_t stop_timeout_ms() const { return stop_timeout_ms_; }

 private:
  bool HandleMessage(const Channel& control);
  static void SendStats(const Channel& control, const metrics::Counters& counters);
  int signals_ = -1;
  int events_ = -1;
  bool ready_told_ = false;
  uint32_t stop_timeout_ms_ = 0;
  int64_t next_stats_ms_ = 0;
};

}  // namespace threefs::control

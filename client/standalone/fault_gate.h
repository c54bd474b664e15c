// SPDX-License-Identifier: Apache-2.0
// FaultGate: stands before a server's handlers (rpc::Server::FrameHook). Counts the requests that
// are inside, so that a node can be taken down without anybody still running in it, and drops,
// delays or stalls frames on demand. Loop-confined.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "client/base/clock.h"
#include "client/base/rng.h"
#include "client/rpc/server.h"
#include "client/runtime/sync.h"
#include "client/runtime/task.h"

namespace threefs::standalone {

struct FrameRule {
  enum class Side : uint8_t { kRequest, kAnswer, kBoth };
  uint16_t service = 0;  ///< 0: any
  uint16_t method = 0;   ///< 0: any
  Side side = Side::kBoth;
  bool drop = false;
  Duration delay{0};
  double probability = 1.0;
  int64_t remaining = -1;  ///< frames it applies to, -1 = all
};

class FaultGate {
 public:
  explicit FaultGate(Rng rng) : rng_(rng) {}

  /// For Server::SetFrameHook; the gate outlives the server.
  rpc::FrameHook Hook() {
    return [this](uint16_t service, uint16_t method, bool is_answer) {
      return Pass(service, method, is_answer);
    };
  }
  void AddRule(FrameRule rule) { rules_.push_back(rule); }
  void ClearRules() { rules_.clear(); }
  /// While stalled, frames wait.
  void SetStalled(bool stalled);
  /// Nothing comes in or goes out any more.
  void Close();
  /// Waits until no request is inside.
  Task<void> Drain();
  [[nodiscard]] size_t inside() const { return inside_; }

 private:
  Task<bool> Pass(uint16_t service, uint16_t method, bool is_answer);
  Task<bool> Judge(uint16_t service, uint16_t method, bool is_answer);

  Rng rng_;
  std::vector<FrameRule> rules_;
  bool stalled_ = false;
  bool closed_ = false;
  Event moving_;
  size_t inside_ = 0;
  Event empty_;
};

}  // namespace threefs::standalone

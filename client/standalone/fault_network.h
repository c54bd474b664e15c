// SPDX-License-Identifier: Apache-2.0
// FaultNetwork: a net::Network whose accepted connections can be made to break the frame format:
// close in the middle of an answer, or announce another length than follows. For TCP: a transport
// that carries whole frames cannot be cut.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "client/net/transport.h"

namespace threefs::standalone {

/// How many of the next frames are damaged; shared with the connections. Any thread.
struct WireFaults {
  std::atomic<int64_t> cut{0};  ///< half of the frame, then the connection ends
  std::atomic<int64_t> lie{0};  ///< the header announces more than follows
};

class FaultNetwork final : public net::Network {
 public:
  /// `inner` outlives it.
  explicit FaultNetwork(net::Network& inner) : inner_(inner) {}
  Task<Result<std::unique_ptr<net::Transport>>> Dial(Loop& loop, net::Address to,
                                                     CallContext ctx) override {
    return inner_.Dial(loop, to, ctx);
  }
  Result<std::unique_ptr<net::Listener>> Listen(
      Loop& loop, net::Address at,
      std::function<void(std::unique_ptr<net::Transport>)> accept) override;
  [[nodiscard]] const std::shared_ptr<WireFaults>& faults() const { return faults_; }

 private:
  net::Network& inner_;
  std::shared_ptr<WireFaults> faults_ = std::make_shared<WireFaults>();
};

}  // namespace threefs::standalone

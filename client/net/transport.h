// SPDX-License-Identifier: Apache-2.0
// Transport: one connection that carries whole frames (3fs/wire.md §2.1) both ways. TCP, RDMA and the simulated wire are
// tenants of this seam and pass the same contract test (tests/client/net/transport_contract.h).
// Lifetime rule: Send takes the frame's Bytes by value and drops them when written or failed; a received frame's Bytes
// own their memory. All methods and callbacks run on the loop the transport was made on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "client/base/bytes.h"
#include "client/base/status.h"
#include "client/net/address.h"
#include "client/runtime/loop.h"
#include "client/runtime/sync.h"
#include "client/runtime/task.h"

namespace threefs::net {

inline constexpr size_t kFrameHeaderSize = 8;
/// A header with a size at or above this closes the connection.
inline constexpr uint32_t kMaxFrameBody = 512U << 20;

/// A frame to send: header and body as pieces that are written back to back.
struct OutFrame {
  std::vector<Bytes> pieces;
  [[nodiscard]] size_t size() const {
    size_t n = 0;
    for (const Bytes& b : pieces) n += b.size();
    return n;
  }
};

/// A received frame: the header's checksum word as it came, and the body (one contiguous piece, 64-byte aligned start is
/// not promised). Only size < kMaxFrameBody and the magic byte were checked; checksum and content are rpc's.
struct InFrame {
  uint32_t checksum_word = 0;
  Bytes body;
};

class TransportHandler {
 public:
  virtual ~TransportHandler() = default;
  virtual void OnFrame(InFrame frame) = 0;
  /// Once, last callback. `why` is never OK (kRPCSocketClosed when the peer closed in order).
  virtual void OnClosed(Status why) = 0;
};

enum class TransportKind : uint8_t { kTcp, kRdma, kSim };

class Transport {
 public:
  virtual ~Transport() = default;  ///< closes; no callback runs any more
  /// Once, before anything else. `handler` outlives the transport.
  virtual void Start(TransportHandler* handler) = 0;
  /// Never blocks. Frames go out in order. After a failure they are dropped: OnClosed tells.
  virtual void Send(OutFrame frame) = 0;
  /// Bytes accepted by Send and not yet handed to the network.
  [[nodiscard]] virtual size_t unsent_bytes() const = 0;
  /// Drops the connection; OnClosed(why) follows from the loop, not from inside this call.
  virtual void Close(Status why) = 0;
  [[nodiscard]] virtual TransportKind kind() const = 0;
  [[nodiscard]] virtual Address peer() const = 0;
};

class Listener {
 public:
  virtual ~Listener() = default;  ///< stops accepting; accepted transports live on
  /// The bound address (port filled in when 0 was asked).
  [[nodiscard]] virtual Address address() const = 0;
};

/// How connections come to be. One Network serves all loops; calls name theirs.
class Network {
 public:
  virtual ~Network() = default;
  /// kRPCConnectFailed / kRPCTimeout with the address and the system's reason in the message.
  virtual Task<Result<std::unique_ptr<Transport>>> Dial(Loop& loop, Address to, CallContext ctx) = 0;
  /// Each accepted connection is handed to `accept` on `loop`.
  virtual Result<std::unique_ptr<Listener>> Listen(
      Loop& loop, Address at, std::function<void(std::unique_ptr<Transport>)> accept) = 0;
};

/// Plain TCP over the loop's readiness.
std::unique_ptr<Network> MakeTcpNetwork();

}  // namespace threefs::net

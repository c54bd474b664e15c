// SPDX-License-Identifier: Apache-2.0
// rpc::Client: calls from one loop to many servers. Owns that loop's connections (one per address,
// dialled on first use, redialled after a failure); matches answers by uuid; every call ends by its
// deadline. Not shared between loops.
//   auto rsp = co_await client.Call<meta::Stat>(address, req, options);
// Errors (3fs/wire.md §5, §8.3): kRPCSendFailed — not delivered, safe to resend; kRPCTimeout —
// outcome unknown (timer, or the connection broke after sending); anything else with Origin::kPeer
// is the server's answer. A response that does not decode closes the connection. kInterrupted — ctx
// was cancelled, outcome unknown. A server that just refused a dial is not dialled again for some
// milliseconds: calls fail at once with kRPCSendFailed. This layer never resends a request. The
// client outlives its calls; the network outlives the loop's work.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "client/base/bytes.h"
#include "client/base/status.h"
#include "client/net/address.h"
#include "client/net/transport.h"
#include "client/rpc/dispatcher.h"
#include "client/rpc/stats.h"
#include "client/runtime/loop.h"
#include "client/runtime/sync.h"
#include "client/runtime/task.h"
#include "client/serde/serde.h"

namespace threefs::rpc {

struct ClientOptions {
  Duration connect_timeout = 1s;
  /// Idle connections beyond this are closed, least recently used first.
  size_t max_connections = 1024;
  /// RDMA:// addresses are dialled as plain TCP (3fs/wire.md §4).
  bool force_tcp = true;
};

struct CallOptions {
  CallContext ctx{};
  /// Bound of this one attempt; the call ends at min(ctx.deadline, now + timeout).
  Duration timeout = 1s;
};

class Client {
 public:
  static std::unique_ptr<Client> Create(Loop& loop, net::Network& network, ClientOptions options);
  virtual ~Client() = default;

  template <class M>
  Task<Result<typename M::Rsp>> Call(net::Address to, const typename M::Req& req,
                                     CallOptions options) {
    // Encoded before the first suspension: `req` need not outlive the co_await expression's start.
    return Decode<typename M::Rsp>(
        this, to, CallRaw(to, M::kServiceId, M::kMethodId, serde::Encode(req), options));
  }

  /// The payload of the answer (a serialized Result<Rsp>), owned.
  virtual Task<Result<Bytes>> CallRaw(net::Address to, uint16_t service, uint16_t method,
                                      serde::Encoded payload, CallOptions options) = 0;
  /// Closes the connection to `to`, failing its calls: after an answer that makes no sense.
  virtual void Drop(net::Address to, Status why) = 0;
  /// Serves requests that servers send on our connections; unserved ones are answered 2009. Before
  /// the first call.
  virtual void HandleRaw(uint16_t service, uint16_t method, RawHandler handler) = 0;
  /// Any thread may read it; shared, so it may outlive the client.
  [[nodiscard]] virtual std::shared_ptr<ClientStats> stats() const = 0;

 private:
  template <class Rsp>
  static Task<Result<Rsp>> Decode(Client* client, net::Address to, Task<Result<Bytes>> raw) {
    CO_TRY(const Bytes payload, co_await std::move(raw));
    auto decoded = serde::Decode<Result<Rsp>>(payload);
    if (!decoded.ok()) {
      const Status why =
          decoded.status().WithContext("answer from " + to.ToString() + " does not decode");
      client->Drop(to, why);
      co_return why;
    }
    co_return *std::move(decoded);
  }
};

}  // namespace threefs::rpc

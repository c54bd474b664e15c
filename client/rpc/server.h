// SPDX-License-Identifier: Apache-2.0
// rpc::Server: the answering side, used by threefs-standalone and by a client's RDMAControl.
// Services register handlers; the server decodes, dispatches and answers as 3FS does (3fs/wire.md
// §2.5, §9): unknown ids → kRPCInvalidMethodID, undecodable payload → kRPCVerifyRequestFailed, bad
// frame → close, no IsReq flag → ignored, timestamps echoed, version echoed, compressed answers
// only when asked (flag UseCompress, ≥ 128 KiB). Lives on one loop; handlers are coroutines on it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "client/base/bytes.h"
#include "client/base/status.h"
#include "client/net/address.h"
#include "client/net/transport.h"
#include "client/rpc/dispatcher.h"
#include "client/rpc/responder.h"
#include "client/runtime/loop.h"
#include "client/runtime/task.h"
#include "client/serde/serde.h"

namespace threefs::rpc {

class Server {
 public:
  static std::unique_ptr<Server> Create(Loop& loop, net::Network& network);
  virtual ~Server() = default;  ///< closes listeners and connections; answers under way are dropped

  /// Serves M with `handler(CallInfo, M::Req) -> Task<Result<M::Rsp>>`. Before Listen.
  template <class M, class F>
  void Handle(F handler) {
    HandleRaw(M::kServiceId, M::kMethodId,
              [handler = std::move(handler)](CallInfo info, Bytes payload) {
                return Invoke<M, F>(&handler, info, std::move(payload));
              });
  }
  virtual void HandleRaw(uint16_t service, uint16_t method, RawHandler handler) = 0;
  virtual Result<net::Address> Listen(net::Address at) = 0;
  /// Fault hook: sees the frame of every request and answer, may wait, false drops it. For --fault
  /// and simulation.
  using FrameHook = rpc::FrameHook;
  virtual void SetFrameHook(FrameHook hook) = 0;

 private:
  // `handler` is owned by the server's table and outlives every call.
  template <class M, class F>
  static Task<serde::Encoded> Invoke(const F* handler, CallInfo info, Bytes payload) {
    auto req = serde::Decode<typename M::Req>(payload);
    if (!req.ok()) {
      co_return serde::Encode(Result<typename M::Rsp>(Status(Code::kRPCVerifyRequestFailed)));
    }
    co_return serde::Encode(co_await (*handler)(info, *std::move(req)));
  }
};

}  // namespace threefs::rpc

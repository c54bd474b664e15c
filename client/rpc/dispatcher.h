// SPDX-License-Identifier: Apache-2.0
// Dispatcher: (service, method) → handler, for requests that come in, to a server or to a client (a
// server may call its clients on their own connection, 3fs/wire.md §7.9). On one loop.
#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>

#include "client/base/bytes.h"
#include "client/net/address.h"
#include "client/net/transport.h"
#include "client/runtime/task.h"
#include "client/serde/serde.h"

namespace threefs::rpc {

/// About the request under way.
struct CallInfo {
  net::TransportKind transport = net::TransportKind::kTcp;
  net::Address peer;
  uint64_t uuid = 0;
};

/// Takes the request's payload, gives the answer's (an encoded Result<Rsp>).
using RawHandler = std::function<Task<serde::Encoded>(CallInfo, Bytes payload)>;

class Dispatcher {
 public:
  /// All before the first request. One handler a method (CHECK).
  void Add(uint16_t service, uint16_t method, RawHandler handler);
  /// The answer of the handler, or error 2009 (kRPCInvalidMethodID) when nobody serves the method.
  /// *this outlives the task.
  Task<serde::Encoded> Run(uint16_t service, uint16_t method, CallInfo info, Bytes payload) const;

 private:
  std::unordered_map<uint32_t, RawHandler> handlers_;
};

/// The payload of an error answer.
serde::Encoded ErrorPayload(Status error);

}  // namespace threefs::rpc

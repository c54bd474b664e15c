// SPDX-License-Identifier: Apache-2.0
// Responder: answers the requests that come in on one connection; both the server's and a client's
// connections have one. Admission (3fs/wire.md §2.5): at most `max_in_flight` requests of all
// connections that share a ResponderHost. On one loop. Shared by the tasks of its requests, so it
// outlives the connection; answers after its end are dropped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "client/net/transport.h"
#include "client/rpc/dispatcher.h"
#include "client/runtime/loop.h"
#include "client/runtime/task.h"
#include "client/schema/packet.h"

namespace threefs::rpc {

/// Called with a frame about to be handled (a request) or sent (an answer); it may wait. False:
/// drop the frame.
using FrameHook = std::function<Task<bool>(uint16_t service, uint16_t method, bool is_answer)>;

/// What the connections of one server (or client) share. Outlives the requests' tasks by
/// shared_ptr.
struct ResponderHost {
  Loop* loop = nullptr;
  Dispatcher dispatcher;
  FrameHook hook;
  size_t max_in_flight = 4096;
  size_t in_flight = 0;
};

class Responder : public std::enable_shared_from_this<Responder> {
 public:
  Responder(std::shared_ptr<ResponderHost> host, net::Transport* transport);
  /// Starts answering `request` (a packet with IsReq).
  void Serve(schema::MessagePacket request);
  /// The transport goes: nothing is sent any more.
  void Disconnect() { transport_ = nullptr; }

 private:
  static Task<void> Answer(std::shared_ptr<Responder> self, schema::MessagePacket request);
  void Send(const schema::OutPacket& packet, bool may_compress);
  std::shared_ptr<ResponderHost> host_;
  net::Transport* transport_;
};

}  // namespace threefs::rpc

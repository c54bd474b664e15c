// SPDX-License-Identifier: Apache-2.0
#include "client/rpc/server.h"

#include <fmt/core.h>

#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "client/base/log.h"
#include "client/rpc/frame.h"
#include "client/rpc/responder.h"

namespace threefs::rpc {
namespace {

class ServerImpl;

class Connection final : public net::TransportHandler {
 public:
  Connection(ServerImpl* server, const std::shared_ptr<ResponderHost>& host,
             std::unique_ptr<net::Transport> transport)
      : server_(server),
        transport_(std::move(transport)),
        responder_(std::make_shared<Responder>(host, transport_.get())) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() override { responder_->Disconnect(); }
  void Start() { transport_->Start(this); }
  void OnFrame(net::InFrame frame) override;
  void OnClosed(Status why) override;

 private:
  ServerImpl* server_;
  std::unique_ptr<net::Transport> transport_;
  std::shared_ptr<Responder> responder_;
};

class ServerImpl final : public Server {
 public:
  ServerImpl(Loop& loop, net::Network& network) : network_(network) { host_->loop = &loop; }

  void HandleRaw(uint16_t service, uint16_t method, RawHandler handler) override {
    host_->dispatcher.Add(service, method, std::move(handler));
  }
  Result<net::Address> Listen(net::Address at) override {
    TRY(auto listener, network_.Listen(*host_->loop, at, [this](auto transport) {
      auto connection = std::make_unique<Connection>(this, host_, std::move(transport));
      Connection* raw = connection.get();
      connections_.emplace(raw, std::move(connection));
      raw->Start();
    }));
    listeners_.push_back(std::move(listener));
    return listeners_.back()->address();
  }
  void SetFrameHook(FrameHook hook) override { host_->hook = std::move(hook); }
  void Forget(Connection* connection) { connections_.erase(connection); }

 private:
  net::Network& network_;
  std::shared_ptr<ResponderHost> host_ = std::make_shared<ResponderHost>();
  std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
  std::vector<std::unique_ptr<net::Listener>>
      listeners_;  // first to go: no connection comes any more
};

void Connection::OnFrame(net::InFrame frame) {
  Result<schema::MessagePacket> packet = DecodeFrame(frame);
  if (!packet.ok()) {
    LOG_WARN("bad frame from {}, closing: {}", transport_->peer().ToString(),
             packet.status().ToString());
    transport_->Close(packet.status());
    return;
  }
  // A server has no requests of its own on this connection, so what is not a request answers
  // nothing.
  if ((packet->flags & schema::kPacketIsReq) == 0) return;
  responder_->Serve(*std::move(packet));
}

void Connection::OnClosed(Status why) {
  LOG_DEBUG("{} left: {}", transport_->peer().ToString(), why.ToString());
  server_->Forget(this);  // destroys *this
}

}  // namespace

std::unique_ptr<Server> Server::Create(Loop& loop, net::Network& network) {
  return std::make_unique<ServerImpl>(loop, network);
}

}  // namespace threefs::rpc

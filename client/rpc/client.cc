// SPDX-License-Identifier: Apache-2.0
// One Peer an address: its channel, or the dial under way that all its callers wait for, or the
// failure of the last dial.
#include "client/rpc/client.h"

#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <unordered_map>
#include <utility>

#include "client/rpc/channel.h"
#include "client/rpc/frame.h"
#include "client/rpc/responder.h"

namespace threefs::rpc {
namespace {

// After a failed dial the address rests: 20 ms, doubling to 500 ms. Long enough not to flood a
// starting server with SYNs, short enough that its return is seen at once by a person.
constexpr Duration kFirstRest = 20ms;
constexpr Duration kLongestRest = 500ms;

struct Peer {
  net::Address address;
  std::shared_ptr<Channel> channel;
  std::shared_ptr<Event> dialling;  // set when the dial ends
  Status failure;                   // of the last dial
  TimePoint rest_until{};
  Duration rest{0};
  TimePoint last_used{};
};

// Shared with dials and calls under way, so that the client may go before them.
struct Core : std::enable_shared_from_this<Core> {
  Core(Loop* l, net::Network* n, ClientOptions o) : loop(l), network(n), options(o) {
    host->loop = l;
  }
  Loop* loop;
  net::Network* network;
  const ClientOptions options;
  std::shared_ptr<ClientStats> stats = std::make_shared<ClientStats>();
  std::shared_ptr<ResponderHost> host = std::make_shared<ResponderHost>();
  std::unordered_map<net::Address, std::shared_ptr<Peer>> peers;
  CancelSource closing;
  uint64_t next_uuid = 1;

  std::shared_ptr<Peer> Find(net::Address to);
  void CloseLeastUsed();
};

std::shared_ptr<Peer> Core::Find(net::Address to) {
  if (options.force_tcp) to = to.As(net::AddressType::kTcp);
  auto& slot = peers[to];
  if (!slot) {
    slot = std::make_shared<Peer>();
    slot->address = to;
  }
  slot->last_used = loop->Now();
  return slot;
}

void Core::CloseLeastUsed() {
  size_t open = 0;
  Peer* oldest = nullptr;
  for (const auto& [address, peer] : peers) {
    if (!peer->channel) continue;
    ++open;
    const bool idle = peer->channel->calls() == 0;
    if (idle && (oldest == nullptr || peer->last_used < oldest->last_used)) oldest = peer.get();
  }
  if (open < options.max_connections || oldest == nullptr) return;
  const std::shared_ptr<Channel> channel = std::move(oldest->channel);
  oldest->channel = nullptr;
  channel->Close({Code::kRPCSocketClosed, "closed to stay below max_connections"});
}

Task<void> DialTask(std::shared_ptr<Core> core, std::shared_ptr<Peer> peer) {
  core->stats->dials.Add();
  const CallContext ctx{.deadline = core->loop->Now() + core->options.connect_timeout,
                        .cancel = &core->closing};
  auto transport = co_await core->network->Dial(*core->loop, peer->address, ctx);
  const auto dialling = std::exchange(peer->dialling, nullptr);
  if (core->closing.cancelled()) {
    peer->failure = {Code::kRPCSendFailed, "the client is closed"};
  } else if (transport.ok()) {
    peer->rest = Duration(0);
    core->CloseLeastUsed();
    peer->channel = std::make_shared<Channel>(
        *std::move(transport), Channel::Deps{core->loop, core->host, core->stats,
                                             [weak = std::weak_ptr(peer)](Channel* gone) {
                                               const auto p = weak.lock();
                                               if (p && p->channel.get() == gone)
                                                 p->channel = nullptr;
                                             }});
    peer->channel->Start();
  } else {
    core->stats->dial_failures.Add();
    peer->failure = transport.status();
    peer->rest = peer->rest == Duration(0) ? kFirstRest : std::min(2 * peer->rest, kLongestRest);
    peer->rest_until = core->loop->Now() + peer->rest;
  }
  dialling->Set();
}

// Gives a usable channel; kRPCSendFailed when there is none, kRPCTimeout when `ctx` ends first.
Task<Result<std::shared_ptr<Channel>>> Connect(std::shared_ptr<Core> core, net::Address to,
                                               CallContext ctx) {
  const std::shared_ptr<Peer> peer = core->Find(to);
  if (!peer->channel && !peer->dialling && core->loop->Now() >= peer->rest_until) {
    peer->dialling = std::make_shared<Event>();
    Spawn(DialTask(core, peer));
  }
  if (const auto dialling = peer->dialling) {
    if (!co_await dialling->WaitUntil(ctx.deadline, ctx.cancel)) {
      if (ctx.cancelled()) co_return Status(Code::kInterrupted, "the call was cancelled");
      co_return Status(Code::kRPCTimeout,
                       fmt::format("no connection to {} in time", to.ToString()));
    }
  }
  if (peer->channel) co_return peer->channel;
  co_return Status(Code::kRPCSendFailed, peer->failure.message());
}

Task<Result<Bytes>> Attempt(std::shared_ptr<Core> core, net::Address to, schema::OutPacket packet,
                            CallOptions options) {
  const TimePoint start = core->loop->Now();
  const Duration left = kNever - start;
  const CallContext ctx =
      options.ctx.Until(options.timeout < left ? start + options.timeout : kNever);
  if (ctx.cancelled()) co_return Status(Code::kInterrupted, "the call was cancelled");
  if (ctx.deadline <= start)
    co_return Status(Code::kRPCTimeout, "the deadline passed before the call");
  CO_TRY(const std::shared_ptr<Channel> channel, co_await Connect(core, to, ctx));
  packet.uuid = core->next_uuid++;
  packet.flags = schema::kPacketIsReq;
  CO_TRY(net::OutFrame frame, EncodeFrame(packet, Compression::kNone));
  co_return co_await Channel::Roundtrip(channel, packet.uuid, std::move(frame), ctx);
}

class ClientImpl final : public Client {
 public:
  ClientImpl(Loop& loop, net::Network& network, ClientOptions options)
      : core_(std::make_shared<Core>(&loop, &network, options)) {}
  ClientImpl(const ClientImpl&) = delete;
  ClientImpl& operator=(const ClientImpl&) = delete;
  ~ClientImpl() override {
    core_->closing.Cancel();
    for (const auto& [address, peer] : std::exchange(core_->peers, {})) {
      if (const auto channel = std::exchange(peer->channel, nullptr)) {
        channel->Close({Code::kRPCSocketClosed, "the client is closed"});
      }
    }
  }

  Task<Result<Bytes>> CallRaw(net::Address to, uint16_t service, uint16_t method,
                              serde::Encoded payload, CallOptions options) override {
    schema::OutPacket packet;
    packet.service_id = service;
    packet.method_id = method;
    packet.payload = std::move(payload);
    return Counted(core_, to, std::move(packet), options);
  }
  void Drop(net::Address to, Status why) override {
    const std::shared_ptr<Channel> channel = core_->Find(to)->channel;
    if (channel) channel->Close(std::move(why));
  }
  void HandleRaw(uint16_t service, uint16_t method, RawHandler handler) override {
    core_->host->dispatcher.Add(service, method, std::move(handler));
  }
  [[nodiscard]] std::shared_ptr<ClientStats> stats() const override { return core_->stats; }

 private:
  static Task<Result<Bytes>> Counted(std::shared_ptr<Core> core, net::Address to,
                                     schema::OutPacket packet, CallOptions options) {
    const std::shared_ptr<ClientStats> stats = core->stats;
    MethodStats& method = stats->Method(packet.service_id, packet.method_id);
    Loop* loop = core->loop;
    const TimePoint start = loop->Now();
    stats->in_flight.Add();
    Result<Bytes> result = co_await Attempt(std::move(core), to, std::move(packet), options);
    stats->in_flight.Sub();
    method.Record(loop->Now() - start, result.ok());
    if (!result.ok()) stats->Error(result.code());
    co_return result;
  }
  std::shared_ptr<Core> core_;
};

}  // namespace

std::unique_ptr<Client> Client::Create(Loop& loop, net::Network& network, ClientOptions options) {
  return std::make_unique<ClientImpl>(loop, network, options);
}

}  // namespace threefs::rpc

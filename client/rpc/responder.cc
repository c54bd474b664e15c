// SPDX-License-Identifier: Apache-2.0
#include "client/rpc/responder.h"

#include <fmt/core.h>

#include <memory>
#include <utility>

#include "client/base/log.h"
#include "client/rpc/frame.h"

namespace threefs::rpc {
namespace {

// A peer that sends requests and never reads the answers is cut off here.
constexpr size_t kMaxUnsent = 1U << 30;

schema::OutPacket AnswerTo(const schema::MessagePacket& request) {
  schema::OutPacket answer;
  answer.uuid = request.uuid;
  answer.service_id = request.service_id;
  answer.method_id = request.method_id;
  answer.version = request.version;
  answer.timestamp = request.timestamp;
  return answer;
}

}  // namespace

Responder::Responder(std::shared_ptr<ResponderHost> host, net::Transport* transport)
    : host_(std::move(host)), transport_(transport) {}

void Responder::Serve(schema::MessagePacket request) {
  if (request.timestamp) request.timestamp->server_received = host_->loop->WallMicros();
  if (host_->in_flight >= host_->max_in_flight) {
    schema::OutPacket refusal = AnswerTo(request);
    refusal.payload = ErrorPayload(
        {Code::kRPCRequestRefused, fmt::format("{} requests are under way", host_->in_flight)});
    Send(refusal, false);
    return;
  }
  Spawn(Answer(shared_from_this(), std::move(request)));
}

Task<void> Responder::Answer(std::shared_ptr<Responder> self, schema::MessagePacket request) {
  const std::shared_ptr<ResponderHost> host = self->host_;
  if (self->transport_ == nullptr) co_return;
  const CallInfo info{self->transport_->kind(), self->transport_->peer(), request.uuid};
  const uint16_t service = request.service_id;
  const uint16_t method = request.method_id;
  schema::OutPacket answer = AnswerTo(request);
  ++host->in_flight;
  if (answer.timestamp) answer.timestamp->server_waked = host->loop->WallMicros();
  bool go_on = true;
  if (host->hook) go_on = co_await host->hook(service, method, false);
  if (go_on) {
    answer.payload =
        co_await host->dispatcher.Run(service, method, info, std::move(request.payload));
    if (answer.timestamp) answer.timestamp->server_processed = host->loop->WallMicros();
    if (host->hook) go_on = co_await host->hook(service, method, true);
  }
  --host->in_flight;
  if (!go_on) co_return;
  if (answer.timestamp) answer.timestamp->server_serialized = host->loop->WallMicros();
  self->Send(answer, (request.flags & schema::kPacketUseCompress) != 0);
}

void Responder::Send(const schema::OutPacket& packet, bool may_compress) {
  if (transport_ == nullptr) return;
  const bool compress = may_compress && packet.payload.size >= kCompressThreshold;
  auto frame = EncodeFrame(packet, compress ? Compression::kZstd : Compression::kNone);
  if (!frame.ok()) {  // an answer too big for a frame
    LOG_ERROR("answer to {}: {}", transport_->peer().ToString(), frame.status().ToString());
    schema::OutPacket refusal = packet;
    refusal.payload = ErrorPayload(frame.status());
    frame = EncodeFrame(refusal, Compression::kNone);
  }
  transport_->Send(*std::move(frame));
  if (transport_->unsent_bytes() > kMaxUnsent) {
    transport_->Close({Code::kRPCSocketError, "the peer does not read its answers"});
  }
}

}  // namespace threefs::rpc

// SPDX-License-Identifier: Apache-2.0
// A call's state lives in its own coroutine (Roundtrip); the channel keeps pointers to it by uuid.
// Whoever finishes a call first takes it out of the map, so it ends once: answer, timer,
// cancellation and the connection's end race safely.
#include "client/rpc/channel.h"

#include <fmt/core.h>

#include <memory>
#include <utility>
#include <vector>

#include "client/base/log.h"
#include "client/rpc/frame.h"

namespace threefs::rpc {

struct Channel::Call {
  uint64_t uuid = 0;
  CallContext ctx;
  std::coroutine_handle<> handle;
  std::optional<Result<Bytes>> result;
  uint64_t begin = 0;  // where its frame begins in the stream of sent bytes
  TimePoint sent_at{};
  Loop::TimerId timer = 0;
  uint64_t cancel_id = 0;
};

struct Channel::Awaiter {
  Channel* channel;
  Call* call;
  net::OutFrame frame;
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> h) {
    call->handle = h;
    channel->Begin(call, std::move(frame));
  }
  void await_resume() const {}
};

Channel::Channel(std::unique_ptr<net::Transport> transport, Deps deps)
    : deps_(std::move(deps)),
      transport_(std::move(transport)),
      responder_(std::make_shared<Responder>(deps_.host, transport_.get())),
      peer_(transport_->peer()) {
  deps_.stats->connections.Add();
}

Channel::~Channel() {
  CHECK(calls_.empty());
  responder_->Disconnect();
  if (open_) deps_.stats->connections.Sub();
}

Task<Result<Bytes>> Channel::Roundtrip(std::shared_ptr<Channel> self, uint64_t uuid,
                                       net::OutFrame frame, CallContext ctx) {
  if (!self->open_)
    co_return Status(Code::kRPCSendFailed, "the connection ended before the request was sent");
  Call call;
  call.uuid = uuid;
  call.ctx = ctx;
  Awaiter awaiter{self.get(), &call, std::move(frame)};
  co_await awaiter;
  co_return *std::move(call.result);
}

void Channel::Begin(Call* call, net::OutFrame frame) {
  CHECK(calls_.emplace(call->uuid, call).second);
  const size_t size = frame.size();
  call->begin = sent_;
  call->sent_at = deps_.loop->Now();
  sent_ += size;
  deps_.stats->bytes_out.Add(size);
  transport_->Send(std::move(frame));
  if (call->ctx.deadline != kNever) {
    call->timer = deps_.loop->At(call->ctx.deadline, [this, uuid = call->uuid] { Expire(uuid); });
  }
  if (call->ctx.cancel != nullptr) {
    // Runs on the canceller's thread, perhaps after this channel: only Post.
    call->cancel_id =
        call->ctx.cancel->Register([weak = weak_from_this(), loop = deps_.loop, uuid = call->uuid] {
          loop->Post([weak, uuid] {
            const auto self = weak.lock();
            if (!self) return;
            const auto found = self->calls_.find(uuid);
            if (found == self->calls_.end()) return;
            self->Finish(found->second, Status(Code::kInterrupted, "the call was cancelled"),
                         Resume::kNow);
          });
        });
  }
}

// The last thing a caller of it does with this channel when `when` is kNow.
void Channel::Finish(Call* call, Result<Bytes> result, Resume when) {
  calls_.erase(call->uuid);
  if (call->timer != 0) deps_.loop->Cancel(call->timer);
  if (call->cancel_id != 0) call->ctx.cancel->Unregister(call->cancel_id);
  call->result = std::move(result);
  const std::coroutine_handle<> handle = call->handle;
  if (!usable_ && open_ && calls_.empty()) Close({Code::kRPCSocketClosed, "not used any more"});
  if (when == Resume::kNow) {
    handle.resume();
  } else {
    deps_.loop->Post([handle] { handle.resume(); });
  }
}

void Channel::Expire(uint64_t uuid) {
  const auto self = shared_from_this();
  Call* call = calls_.at(uuid);
  call->timer = 0;
  const Status late(Code::kRPCTimeout, fmt::format("no answer from {} in time", peer_.ToString()));
  if (transport_->kind() == net::TransportKind::kRdma) {
    // The server may still write into the call's buffers: the queue pair goes first (3fs/wire.md
    // §7.7).
    Close(late);
  } else if (last_received_ <= call->sent_at) {
    // Nothing at all came since it was sent: the path may be dead. New calls get a new connection,
    // the others here keep their chance.
    Retire();
  }
  const auto found = calls_.find(uuid);
  if (found != calls_.end()) Finish(found->second, late, Resume::kNow);
}

void Channel::Retire() {
  if (!std::exchange(usable_, false)) return;
  if (deps_.on_unusable) std::exchange(deps_.on_unusable, nullptr)(this);
}

void Channel::OnFrame(net::InFrame frame) {
  const auto self = shared_from_this();
  deps_.stats->bytes_in.Add(net::kFrameHeaderSize + frame.body.size());
  last_received_ = deps_.loop->Now();
  Result<schema::MessagePacket> packet = DecodeFrame(frame);
  if (!packet.ok()) {
    Close(packet.status().WithContext(fmt::format("bad frame from {}", peer_.ToString())));
    return;
  }
  if ((packet->flags & schema::kPacketIsReq) != 0) {
    responder_->Serve(*std::move(packet));
    return;
  }
  const auto found = calls_.find(packet->uuid);
  if (found == calls_.end()) {
    deps_.stats->late_answers.Add();
    return;
  }
  Finish(found->second, std::move(packet->payload), Resume::kNow);
}

void Channel::OnClosed(Status why) {
  const auto self = shared_from_this();
  FailAll(why);
}

void Channel::Close(Status why) {
  if (!open_) return;
  transport_->Close(why);
  FailAll(why);
}

Status Channel::BrokenStatus(const Call& call, const Status& why) const {
  const uint64_t on_the_way = sent_ - transport_->unsent_bytes();
  if (on_the_way <= call.begin) {
    return {Code::kRPCSendFailed,
            fmt::format("not sent to {}: {}", peer_.ToString(), why.message())};
  }
  return {Code::kRPCTimeout, fmt::format("connection to {} ended before the answer: {}",
                                         peer_.ToString(), why.message())};
}

void Channel::FailAll(const Status& why) {
  if (!std::exchange(open_, false)) return;
  deps_.stats->connections.Sub();
  responder_->Disconnect();
  LOG_DEBUG("connection to {} ended with {} calls: {}", peer_.ToString(), calls_.size(),
            why.ToString());
  std::vector<Call*> calls;
  calls.reserve(calls_.size());
  for (const auto& [uuid, call] : calls_) calls.push_back(call);
  for (Call* call : calls) Finish(call, BrokenStatus(*call, why), Resume::kSoon);
  Retire();
}

}  // namespace threefs::rpc

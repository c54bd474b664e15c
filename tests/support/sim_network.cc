// SPDX-License-Identifier: Apache-2.0
#include "tests/support/sim_network.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "client/base/check.h"
#include "client/runtime/sync.h"

namespace threefs::sim {

using net::Address;
using net::InFrame;
using net::OutFrame;
using net::Transport;
using net::TransportHandler;

// One end of a connection. What is under way to it waits in `inbox`, in order of arrival.
struct SimNetwork::Endpoint : std::enable_shared_from_this<Endpoint> {
  struct Item {
    TimePoint due;
    std::function<void(Endpoint&)> deliver;
  };
  uint64_t id = 0;
  uint32_t ip = 0;
  Loop* loop = nullptr;
  Address peer;
  std::weak_ptr<Endpoint> other;
  TransportHandler* handler = nullptr;
  bool open = true;       // Send works
  bool detached = false;  // the transport was destroyed
  std::deque<Item> inbox;
  bool pumping = false;
  TimePoint last_due{};   // of this end's inbox: nothing overtakes
  TimePoint line_free{};  // when the last frame sent has left this end
  size_t unsent = 0;
};

class SimNetwork::SimTransport final : public Transport {
 public:
  SimTransport(SimNetwork* net, std::shared_ptr<Endpoint> end) : net_(net), end_(std::move(end)) {}
  SimTransport(const SimTransport&) = delete;
  SimTransport& operator=(const SimTransport&) = delete;
  ~SimTransport() override {
    end_->detached = true;
    end_->handler = nullptr;
    if (end_->open) net_->Leave(end_);
  }
  void Start(TransportHandler* handler) override {
    CHECK(end_->handler == nullptr && handler != nullptr);
    end_->handler = handler;
    net_->Pump(end_);
  }
  void Send(OutFrame frame) override {
    if (end_->open) net_->Transmit(*end_, std::move(frame));
  }
  [[nodiscard]] size_t unsent_bytes() const override { return end_->unsent; }
  void Close(Status why) override {
    CHECK(!why.ok());
    if (!end_->open) return;
    net_->Leave(end_);
    net_->End(*end_, std::move(why), true);
  }
  [[nodiscard]] net::TransportKind kind() const override { return net::TransportKind::kSim; }
  [[nodiscard]] Address peer() const override { return end_->peer; }

 private:
  SimNetwork* net_;
  std::shared_ptr<Endpoint> end_;
};

class SimNetwork::SimListener final : public net::Listener {
 public:
  SimListener(SimNetwork* net, Loop* loop, Address at,
              std::function<void(std::unique_ptr<Transport>)> accept)
      : net_(net), loop_(loop), at_(at), accept_(std::move(accept)) {
    CHECK(net_->listeners_.emplace(at_.As(net::AddressType::kTcp).Raw(), this).second);
  }
  SimListener(const SimListener&) = delete;
  SimListener& operator=(const SimListener&) = delete;
  ~SimListener() override { net_->listeners_.erase(at_.As(net::AddressType::kTcp).Raw()); }
  [[nodiscard]] Address address() const override { return at_; }
  [[nodiscard]] Loop* loop() const { return loop_; }
  void Accept(std::unique_ptr<Transport> t) const { accept_(std::move(t)); }

 private:
  SimNetwork* net_;
  Loop* loop_;
  Address at_;
  std::function<void(std::unique_ptr<Transport>)> accept_;
};

class SimNetwork::NodeView final : public net::Network {
 public:
  NodeView(SimNetwork* net, uint32_t ip) : net_(net), ip_(ip) {}
  Task<Result<std::unique_ptr<Transport>>> Dial(Loop& loop, Address to, CallContext ctx) override {
    return net_->Dial(ip_, loop, to, ctx);
  }
  Result<std::unique_ptr<net::Listener>> Listen(
      Loop& loop, Address at, std::function<void(std::unique_ptr<Transport>)> accept) override {
    at.ip = ip_;
    if (at.port == 0) at.port = net_->next_port_++;
    if (net_->listeners_.contains(at.As(net::AddressType::kTcp).Raw())) {
      return Status(Code::kRPCListenFailed, fmt::format("{} is in use", at.ToString()));
    }
    return Result<std::unique_ptr<net::Listener>>(
        std::make_unique<SimListener>(net_, &loop, at, std::move(accept)));
  }

 private:
  SimNetwork* net_;
  uint32_t ip_;
};

SimNetwork::SimNetwork(SimWorld& world, LinkOptions links) : world_(world), links_(links) {}
SimNetwork::~SimNetwork() = default;

net::Network& SimNetwork::Node(uint32_t ip) {
  auto& view = nodes_[ip];
  if (!view) view = std::make_unique<NodeView>(this, ip);
  return *view;
}

bool SimNetwork::Blocked(uint32_t a, uint32_t b) const {
  const auto silent = [this](uint32_t ip) {
    const auto found = dead_.find(ip);
    return found != dead_.end() && found->second == Death::kHost;
  };
  return cut_.contains(Ordered(a, b)) || silent(a) || silent(b);
}

Duration SimNetwork::Latency() {
  const auto jitter = static_cast<uint64_t>(links_.jitter.count());
  return links_.latency + Duration(jitter == 0 ? 0 : world_.rng().Below(jitter));
}

Task<Result<std::unique_ptr<Transport>>> SimNetwork::Dial(uint32_t from, Loop& loop, Address to,
                                                          CallContext ctx) {
  ++stats_.dials;
  Event never;
  const Status silence(Code::kRPCTimeout,
                       fmt::format("no answer from {} while connecting", to.ToString()));
  const TimePoint arrive = world_.Now() + 2 * Latency();
  if (!Blocked(from, to.ip)) {
    if (ctx.deadline < arrive || ctx.cancelled()) co_return silence;
    co_await SleepUntil(arrive);
  }
  while (Blocked(from, to.ip)) {  // SYN retransmission, until the caller gives up
    const TimePoint again = std::min(ctx.deadline, world_.Now() + 1s);
    co_await never.WaitUntil(again, ctx.cancel);
    if (world_.Now() >= ctx.deadline || ctx.cancelled()) co_return silence;
  }
  const auto listener = listeners_.find(to.As(net::AddressType::kTcp).Raw());
  if (listener == listeners_.end() || dead_.contains(to.ip) || dead_.contains(from) ||
      Chance(links_.refuse)) {
    ++stats_.refused;
    co_return Status(Code::kRPCConnectFailed,
                     fmt::format("connect to {}: Connection refused", to.ToString()));
  }
  const auto near = std::make_shared<Endpoint>();
  const auto far = std::make_shared<Endpoint>();
  near->id = next_endpoint_++;
  near->ip = from;
  near->loop = &loop;
  near->peer = to;
  near->other = far;
  far->id = next_endpoint_++;
  far->ip = to.ip;
  far->loop = listener->second->loop();
  far->peer = {from, next_port_++, net::AddressType::kTcp};
  far->other = near;
  endpoints_.emplace(near->id, near);
  endpoints_.emplace(far->id, far);
  // The listener may go before its accept runs: then the far end goes too, and the caller sees a
  // close.
  far->loop->Post([this, far, key = listener->first] {
    auto transport = std::make_unique<SimTransport>(this, far);
    const auto found = listeners_.find(key);
    if (found != listeners_.end()) found->second->Accept(std::move(transport));
  });
  co_return std::unique_ptr<Transport>(std::make_unique<SimTransport>(this, near));
}

void SimNetwork::Push(Endpoint& to, TimePoint due, std::function<void(Endpoint&)> deliver) {
  due = std::max(due, to.last_due);
  to.last_due = due;
  to.inbox.push_back({due, std::move(deliver)});
  Pump(to.shared_from_this());
}

// Delivers the head of the inbox when it is due and the link is open; one callback an event.
void SimNetwork::Pump(const std::shared_ptr<Endpoint>& end) {
  if (end->pumping || end->handler == nullptr || end->inbox.empty()) return;
  if (Blocked(end->ip, end->peer.ip)) return;  // Heal and Revive pump again
  end->pumping = true;
  world_.Schedule(end->loop, end->inbox.front().due, [this, end] {
    end->pumping = false;
    if (end->handler == nullptr || end->inbox.empty()) return;
    if (!Blocked(end->ip, end->peer.ip) && end->inbox.front().due <= world_.Now()) {
      const auto deliver = std::move(end->inbox.front().deliver);
      end->inbox.pop_front();
      deliver(*end);
    }
    Pump(end);
  });
}

void SimNetwork::Transmit(Endpoint& from, OutFrame frame) {
  const auto other = from.other.lock();
  const size_t size = frame.size();
  std::vector<uint8_t> bytes;
  bytes.reserve(size);
  for (const Bytes& b : frame.pieces) bytes.insert(bytes.end(), b.span().begin(), b.span().end());
  CHECK(bytes.size() >= net::kFrameHeaderSize);
  uint32_t word = 0;
  uint32_t body = 0;
  std::memcpy(&word, bytes.data(), 4);
  std::memcpy(&body, bytes.data() + 4, 4);
  ++stats_.frames;
  stats_.bytes += size;
  from.unsent += size;
  const auto wire_time = Duration(size * 1'000'000'000 / links_.bytes_per_second);
  from.line_free = std::max(from.line_free, world_.Now()) + wire_time;
  TimePoint due = from.line_free + Latency();
  if (Chance(links_.lose)) {
    ++stats_.lost;
    due += Duration(world_.rng().Below(static_cast<uint64_t>(links_.stall.count())));
  }
  if (Chance(links_.delay)) {
    ++stats_.delayed;
    due += Duration(world_.rng().Below(static_cast<uint64_t>(links_.delay_max.count())));
  }
  const bool reset = Chance(links_.reset);
  world_.Schedule(
      from.loop, from.line_free,
      [this, end = from.shared_from_this(), other, size, due, word, body, reset,
       bytes = std::move(bytes)]() mutable {
        if (!end->open) return;  // closed before it left
        end->unsent -= size;
        if (reset) {
          ++stats_.resets;
          const Status why(Code::kRPCSocketError, "Connection reset by peer");
          End(*end, why, true);
          if (other) End(*other, why, true);
          return;
        }
        if (!other || !other->open) return;
        const bool lies = (word & 0xfe) != 0x86 || body >= net::kMaxFrameBody ||
                          body != bytes.size() - net::kFrameHeaderSize;
        if (lies) {
          Push(*other, due, [this](Endpoint& e) {
            Leave(e.shared_from_this());
            End(e, {Code::kRPCSocketError, "bad frame header"}, true);
          });
          return;
        }
        const Bytes all = Bytes::Own(std::move(bytes));
        Push(*other, due,
             [frame = InFrame{word, all.Slice(net::kFrameHeaderSize, body)}](Endpoint& e) {
               if (e.open) e.handler->OnFrame(frame);
             });
      });
}

void SimNetwork::End(Endpoint& end, Status why, bool drop) {
  if (drop) {
    end.open = false;
    end.inbox.clear();
    endpoints_.erase(end.id);
    world_.Schedule(end.loop, world_.Now(), [e = end.shared_from_this(), why = std::move(why)] {
      if (e->handler != nullptr) std::exchange(e->handler, nullptr)->OnClosed(why);
    });
    return;
  }
  Push(end, world_.Now() + Latency(), [this, why = std::move(why)](Endpoint& e) {
    if (e.open) End(e, why, true);
  });
}

// This end closes in order: what has left it still arrives, then the peer sees the end.
void SimNetwork::Leave(const std::shared_ptr<Endpoint>& end) {
  end->open = false;
  end->inbox.clear();
  endpoints_.erase(end->id);
  const auto other = end->other.lock();
  if (!other || !other->open) return;
  if (abort_on_close_) {
    other->inbox.clear();
    other->last_due = world_.Now();
  }
  End(*other, {Code::kRPCSocketClosed, "closed by the peer"}, false);
}

void SimNetwork::Partition(uint32_t a, uint32_t b) { cut_.insert(Ordered(a, b)); }

void SimNetwork::Heal(uint32_t a, uint32_t b) {
  cut_.erase(Ordered(a, b));
  for (const auto& [id, end] : std::map(endpoints_)) Pump(end);
}

void SimNetwork::HealAll() {
  cut_.clear();
  for (const auto& [id, end] : std::map(endpoints_)) Pump(end);
}

void SimNetwork::Kill(uint32_t ip, Death death) {
  dead_[ip] = death;
  for (const auto& [id, end] : std::map(endpoints_)) {
    if (end->ip != ip || !end->open) continue;
    const auto other = end->other.lock();
    End(*end, {Code::kRPCSocketClosed, "the node died"}, true);
    // A dead host's peers learn it only when it is back and answers with a reset: their inbox holds
    // the news till then.
    if (other && other->open) End(*other, {Code::kRPCSocketClosed, "closed by the peer"}, false);
  }
}

void SimNetwork::KillAndForget(uint32_t ip) {
  Kill(ip, Death::kProcess);
  std::erase_if(listeners_, [ip](const auto& l) { return static_cast<uint32_t>(l.first) == ip; });
}

void SimNetwork::Revive(uint32_t ip) {
  dead_.erase(ip);
  for (const auto& [id, end] : std::map(endpoints_)) Pump(end);
}

}  // namespace threefs::sim

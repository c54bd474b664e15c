// SPDX-License-Identifier: Apache-2.0
// What every tenant of net/transport.h must do; TCP and the simulated wire run the same tests. A
// tenant gives a World:
//   Loop& loop(); net::Network& client(); net::Network& server(); Address any() (to listen at);
//   Address nobody(); auto Run(F make)   runs a task on the loop to its end
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "client/net/transport.h"
#include "client/runtime/sync.h"

namespace threefs::net {

inline OutFrame MakeFrame(const Bytes& body, size_t piece = 1U << 30) {
  std::vector<uint8_t> header(8);
  const uint32_t word = 0xabcdef86;
  const auto size = static_cast<uint32_t>(body.size());
  std::memcpy(header.data(), &word, 4);
  std::memcpy(header.data() + 4, &size, 4);
  OutFrame frame;
  frame.pieces.push_back(Bytes::Own(std::move(header)));
  for (size_t at = 0; at < body.size(); at += piece) {
    frame.pieces.push_back(body.Slice(at, std::min(piece, body.size() - at)));
  }
  return frame;
}

inline Bytes Pattern(size_t size, uint64_t seed) {
  std::vector<uint8_t> v(size);
  uint64_t x = seed * 2654435761U + 1;
  for (uint8_t& b : v) {
    x = x * 6364136223846793005U + 1442695040888963407U;
    b = static_cast<uint8_t>(x >> 56);
  }
  return Bytes::Own(std::move(v));
}

// Collects what a transport says; the test waits for it.
struct Recorder : TransportHandler {
  std::vector<InFrame> frames;
  std::optional<Status> closed;
  Event changed;
  std::function<void(InFrame&)> on_frame;
  std::function<void()> on_closed;

  void OnFrame(InFrame frame) override {
    EXPECT_FALSE(closed.has_value()) << "a frame after OnClosed";
    if (on_frame) on_frame(frame);
    frames.push_back(std::move(frame));
    changed.Set();
  }
  void OnClosed(Status why) override {
    EXPECT_FALSE(closed.has_value()) << "closed twice";
    EXPECT_FALSE(why.ok());
    closed = std::move(why);
    changed.Set();
    if (on_closed) on_closed();
  }
  Task<void> Frames(size_t n) {
    while (frames.size() < n && !closed) {
      changed.Reset();
      co_await changed.Wait();
    }
    EXPECT_GE(frames.size(), n);
  }
  Task<void> Closed() {
    while (!closed) {
      changed.Reset();
      co_await changed.Wait();
    }
  }
};

// A connected pair.
struct Pair {
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Transport> near;
  std::unique_ptr<Transport> far;
};

template <class World>
Task<void> Connect(World* world, Pair* pair) {
  Event accepted;
  auto listener = world->server().Listen(world->loop(), world->any(), [&](auto transport) {
    pair->far = std::move(transport);
    accepted.Set();
  });
  EXPECT_TRUE(listener.ok());
  pair->listener = *std::move(listener);
  auto dialled =
      co_await world->client().Dial(world->loop(), pair->listener->address(), CallContext{});
  EXPECT_TRUE(dialled.ok()) << dialled.status().ToString();
  pair->near = *std::move(dialled);
  co_await accepted.Wait();
}

template <class World>
class TransportContract : public testing::Test {
 protected:
  World world_;
};
TYPED_TEST_SUITE_P(TransportContract);

TYPED_TEST_P(TransportContract, CarriesFramesInOrderBothWays) {
  this->world_.Run([&]() -> Task<void> {
    Pair pair;
    co_await Connect(&this->world_, &pair);
    Recorder a;
    Recorder b;
    pair.near->Start(&a);
    pair.far->Start(&b);
    const std::vector<size_t> sizes = {0,     1,     7,      8,        100,      4096, 65535,
                                       65536, 65537, 131071, 1U << 20, 9U << 20, 0,    3};
    for (size_t i = 0; i < sizes.size(); ++i) {
      pair.near->Send(MakeFrame(Pattern(sizes[i], i), 60000));
      pair.far->Send(MakeFrame(Pattern(sizes[sizes.size() - 1 - i], i)));
    }
    pair.near->Send(MakeFrame(Pattern(3000, 77), 10));  // 300 pieces: more than one sendmsg takes
    co_await b.Frames(sizes.size() + 1);
    co_await a.Frames(sizes.size());
    for (size_t i = 0; i < sizes.size(); ++i) {
      EXPECT_EQ(b.frames[i].checksum_word, 0xabcdef86U);
      EXPECT_EQ(b.frames[i].body, Pattern(sizes[i], i)) << i;
      EXPECT_EQ(a.frames[i].body, Pattern(sizes[sizes.size() - 1 - i], i)) << i;
    }
    EXPECT_EQ(b.frames.back().body, Pattern(3000, 77));
    EXPECT_EQ(pair.near->unsent_bytes(), 0U);
    EXPECT_TRUE(pair.near->peer().SameEndpoint(pair.listener->address()));
  });
}

TYPED_TEST_P(TransportContract, ManySmallFramesKeptByTheReceiver) {
  this->world_.Run([&]() -> Task<void> {
    Pair pair;
    co_await Connect(&this->world_, &pair);
    Recorder a;
    Recorder b;
    pair.near->Start(&a);
    pair.far->Start(&b);
    for (size_t i = 0; i < 5000; ++i) pair.near->Send(MakeFrame(Pattern(i % 700, i)));
    co_await b.Frames(5000);
    for (size_t i = 0; i < 5000; ++i) EXPECT_EQ(b.frames[i].body, Pattern(i % 700, i));
  });
}

TYPED_TEST_P(TransportContract, FramesSentBeforeACloseStillArrive) {
  this->world_.Run([&]() -> Task<void> {
    Pair pair;
    co_await Connect(&this->world_, &pair);
    Recorder a;
    Recorder b;
    pair.near->Start(&a);
    pair.far->Start(&b);
    pair.near->Send(MakeFrame(Pattern(10, 1)));
    while (pair.near->unsent_bytes() != 0) co_await SleepFor(1ms);
    pair.near.reset();
    co_await b.Closed();
    EXPECT_EQ(b.closed->code(), Code::kRPCSocketClosed);
    EXPECT_EQ(b.frames.size(), 1U);
    EXPECT_FALSE(a.closed.has_value()) << "no callback after destruction";
  });
}

TYPED_TEST_P(TransportContract, CloseTellsBothEndsOnceAndNotFromInside) {
  this->world_.Run([&]() -> Task<void> {
    Pair pair;
    co_await Connect(&this->world_, &pair);
    Recorder a;
    Recorder b;
    pair.near->Start(&a);
    pair.far->Start(&b);
    pair.near->Close({Code::kInvalidArg, "enough"});
    pair.near->Close({Code::kIOError, "too late"});
    EXPECT_FALSE(a.closed.has_value());
    pair.near->Send(MakeFrame(Pattern(5, 5)));  // dropped
    co_await a.Closed();
    EXPECT_EQ(a.closed->code(), Code::kInvalidArg);
    co_await b.Closed();
    EXPECT_TRUE(b.frames.empty());
    pair.far->Send(MakeFrame(Pattern(5, 5)));
    co_await SleepFor(5ms);
  });
}

TYPED_TEST_P(TransportContract, MayBeDestroyedFromItsOwnCallbacks) {
  this->world_.Run([&]() -> Task<void> {
    for (const bool in_frame : {true, false}) {
      Pair pair;
      co_await Connect(&this->world_, &pair);
      Recorder a;
      Recorder b;
      pair.near->Start(&a);
      if (in_frame) {
        b.on_frame = [&](InFrame&) { pair.far.reset(); };
      } else {
        b.on_closed = [&] { pair.far.reset(); };
      }
      pair.far->Start(&b);
      pair.near->Send(MakeFrame(Pattern(10, 1)));
      pair.near->Send(MakeFrame(Pattern(10, 2)));
      if (in_frame) {
        co_await a.Closed();
        EXPECT_EQ(b.frames.size(), 1U);
        EXPECT_FALSE(b.closed.has_value());
      } else {
        co_await b.Frames(2);
        pair.near.reset();
        co_await b.Closed();
      }
      EXPECT_EQ(pair.far, nullptr);
    }
  });
}

TYPED_TEST_P(TransportContract, DialToNobodyFails) {
  this->world_.Run([&]() -> Task<void> {
    const CallContext ctx{.deadline = this->world_.loop().Now() + 5s};
    auto dialled =
        co_await this->world_.client().Dial(this->world_.loop(), this->world_.nobody(), ctx);
    EXPECT_EQ(dialled.code(), Code::kRPCConnectFailed);
    EXPECT_NE(dialled.status().message().find(this->world_.nobody().ToString()), std::string::npos);
  });
}

TYPED_TEST_P(TransportContract, AcceptedConnectionsOutliveTheListener) {
  this->world_.Run([&]() -> Task<void> {
    Pair pair;
    co_await Connect(&this->world_, &pair);
    const Address at = pair.listener->address();
    pair.listener.reset();
    Recorder a;
    Recorder b;
    pair.near->Start(&a);
    pair.far->Start(&b);
    pair.near->Send(MakeFrame(Pattern(10, 1)));
    co_await b.Frames(1);
    auto second = co_await this->world_.client().Dial(this->world_.loop(), at, CallContext{});
    EXPECT_FALSE(second.ok());
  });
}

TYPED_TEST_P(TransportContract, UnsentCountsUntilTheNetworkTookIt) {
  this->world_.Run([&]() -> Task<void> {
    Pair pair;
    co_await Connect(&this->world_, &pair);
    Recorder a;
    pair.near->Start(&a);
    const OutFrame frame = MakeFrame(Pattern(64U << 20, 1));
    pair.near->Send(frame);
    EXPECT_EQ(pair.near->unsent_bytes(), frame.size());
    pair.near->Close({Code::kIOError, "x"});
    EXPECT_GT(pair.near->unsent_bytes(), 0U) << "keeps its value: rpc tells sent from unsent by it";
    co_await a.Closed();
    EXPECT_GT(pair.near->unsent_bytes(), 0U);
  });
}

REGISTER_TYPED_TEST_SUITE_P(TransportContract, CarriesFramesInOrderBothWays,
                            ManySmallFramesKeptByTheReceiver, FramesSentBeforeACloseStillArrive,
                            CloseTellsBothEndsOnceAndNotFromInside,
                            MayBeDestroyedFromItsOwnCallbacks, DialToNobodyFails,
                            AcceptedConnectionsOutliveTheListener,
                            UnsentCountsUntilTheNetworkTookIt);

}  // namespace threefs::net

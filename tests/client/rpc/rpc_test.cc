// SPDX-License-Identifier: Apache-2.0
// rpc::Client against rpc::Server on virtual time: deadlines, connections that break, late answers,
// many callers.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "client/rpc/client.h"
#include "client/rpc/retry.h"
#include "client/rpc/server.h"
#include "client/schema/method.h"
#include "tests/support/sim_loop.h"
#include "tests/support/sim_network.h"

namespace threefs::rpc {
namespace {

struct EchoReq {
  std::string text{};
  uint64_t delay_us = 0;
  Bytes data{};
  SERDE_FIELDS(text, delay_us, data)
};
struct EchoRsp {
  std::string text{};
  Bytes data{};
  SERDE_FIELDS(text, data)
};
using Echo = schema::Method<240, 1, EchoReq, EchoRsp>;
using Missing = schema::Method<240, 9, EchoReq, EchoRsp>;
struct OtherRsp {
  std::vector<uint64_t> numbers{};
  SERDE_FIELDS(numbers)
};
using EchoAsOther = schema::Method<240, 1, EchoReq, OtherRsp>;

constexpr uint32_t kClientIp = 1;
constexpr uint32_t kServerIp = 2;

class RpcTest : public ::testing::Test {
 protected:
  RpcTest() {
    server_ = Server::Create(server_loop_, network_.Node(kServerIp));
    server_->Handle<Echo>([this](CallInfo, EchoReq req) { return HandleEcho(req); });
    address_ = *server_->Listen({kServerIp, 8000});
  }
  Task<Result<EchoRsp>> HandleEcho(EchoReq req) {
    ++served_;
    if (req.delay_us != 0) co_await SleepFor(std::chrono::microseconds(req.delay_us));
    if (req.text == "fail") co_return Status(Code::kMetaNotFound, "no such echo");
    co_return EchoRsp{.text = req.text, .data = req.data};
  }
  Task<Result<EchoRsp>> Call(EchoReq req, CallOptions options = {}) {
    return client_->Call<Echo>(address_, req, options);
  }
  template <class F>
  auto Run(F make) {
    return world_.Run(client_loop_, std::move(make));
  }
  std::shared_ptr<ClientStats> stats() { return client_->stats(); }

  sim::SimWorld world_{1};
  sim::SimNetwork network_{world_};
  Loop& client_loop_ = world_.NewLoop();
  Loop& server_loop_ = world_.NewLoop();
  std::unique_ptr<Server> server_;
  std::unique_ptr<Client> client_ =
      Client::Create(client_loop_, network_.Node(kClientIp), ClientOptions{});
  net::Address address_;
  int served_ = 0;
};

TEST_F(RpcTest, CallsAndErrorsOfTheServer) {
  Run([&]() -> Task<void> {
    auto r = co_await Call({.text = "hi"});
    EXPECT_TRUE(r.ok()) << r.status().ToString();
    EXPECT_EQ(r->text, "hi");
    r = co_await Call({.text = "fail"});
    EXPECT_EQ(r.code(), Code::kMetaNotFound);
    EXPECT_EQ(r.status().origin(), Origin::kPeer);
    EXPECT_EQ(r.status().message(), "no such echo");
    auto missing = co_await client_->Call<Missing>(address_, EchoReq{}, {});
    EXPECT_EQ(missing.code(), Code::kRPCInvalidMethodID);
    EXPECT_EQ(missing.status().origin(), Origin::kPeer);
  });
  EXPECT_EQ(network_.connections(), 1U);
  const MethodStats& m = stats()->Method(240, 1);
  EXPECT_EQ(m.calls.value(), 2U);
  EXPECT_EQ(stats()->dials.value(), 1U);
}

TEST_F(RpcTest, DataTravelsUncopiedInSize) {
  Run([&]() -> Task<void> {
    const Bytes data = Bytes::Own(std::vector<uint8_t>(3U << 20, 0xa5));
    auto r = co_await Call({.text = "big", .data = data});
    EXPECT_TRUE(r.ok());
    EXPECT_EQ(r->data, data);
  });
}

TEST_F(RpcTest, ManyCallersOneDialAnswersOutOfOrder) {
  Run([&]() -> Task<void> {
    TaskScope scope;
    std::vector<int> order;
    auto one = [&](int i) -> Task<void> {
      const auto delay = static_cast<uint64_t>(1000 * (100 - i));
      auto r = co_await Call({.text = std::to_string(i), .delay_us = delay});
      EXPECT_TRUE(r.ok());
      EXPECT_EQ(r->text, std::to_string(i));
      order.push_back(i);
    };
    for (int i = 0; i < 100; ++i) scope.Start(one(i));
    EXPECT_EQ(stats()->in_flight.value(), 100U);
    co_await scope.Join();
    EXPECT_EQ(order.front(), 99);
    EXPECT_EQ(order.back(), 0);
  });
  EXPECT_EQ(stats()->dials.value(), 1U);
  EXPECT_EQ(stats()->in_flight.value(), 0U);
}

TEST_F(RpcTest, DeadlineEndsTheCallAndTheLateAnswerIsDropped) {
  Run([&]() -> Task<void> {
    const TimePoint start = client_loop_.Now();
    auto r = co_await Call({.text = "slow", .delay_us = 3'000'000});
    EXPECT_EQ(r.code(), Code::kRPCTimeout);
    EXPECT_EQ(r.status().origin(), Origin::kLocal);
    EXPECT_GE(client_loop_.Now() - start, 1s);
    EXPECT_LT(client_loop_.Now() - start, 1001ms);
    r = co_await Call({.text = "x", .delay_us = 3'000'000},
                      {.ctx = {.deadline = client_loop_.Now() + 5ms}});
    EXPECT_EQ(r.code(), Code::kRPCTimeout);
    r = co_await Call({}, {.ctx = {.deadline = client_loop_.Now()}});
    EXPECT_EQ(r.code(), Code::kRPCTimeout);
    co_await SleepFor(5s);
  });
  EXPECT_EQ(served_, 2);
}

TEST_F(RpcTest, SilentConnectionIsLeftForANewOneButKeepsItsCalls) {
  Run([&]() -> Task<void> {
    EXPECT_TRUE((co_await Call({.text = "warm"})).ok());
    TaskScope scope;
    bool patient_ok = false;
    auto patient = [&]() -> Task<void> {
      auto r = co_await Call({.text = "patient", .delay_us = 4'000'000}, {.timeout = 10s});
      patient_ok = r.ok();
    };
    scope.Start(patient());
    EXPECT_EQ((co_await Call({.text = "slow", .delay_us = 3'000'000})).code(), Code::kRPCTimeout);
    EXPECT_TRUE((co_await Call({.text = "again"})).ok());
    EXPECT_EQ(stats()->dials.value(), 2U) << "nothing had come on the first one for the whole call";
    co_await scope.Join();
    EXPECT_TRUE(patient_ok);
    co_await SleepFor(1s);
    EXPECT_EQ(network_.connections(), 1U) << "the first one closed when its last call ended";
  });
}

TEST_F(RpcTest, BrokenConnectionMeansUnknownForSentCalls) {
  Run([&]() -> Task<void> {
    client_loop_.At(client_loop_.Now() + 10ms,
                    [&] { network_.Kill(kServerIp, sim::SimNetwork::Death::kProcess); });
    auto r = co_await Call({.text = "x", .delay_us = 500'000});
    EXPECT_EQ(r.code(), Code::kRPCTimeout);
    EXPECT_NE(r.status().message().find("ended before the answer"), std::string::npos)
        << r.status().ToString();
    r = co_await Call({.text = "y"});
    EXPECT_EQ(r.code(), Code::kRPCSendFailed) << "refused: not delivered";
    network_.Revive(kServerIp);
    r = co_await Call({.text = "z"});
    EXPECT_EQ(r.code(), Code::kRPCSendFailed) << "the address rests for 20 ms";
    co_await SleepFor(25ms);
    EXPECT_TRUE((co_await Call({.text = "z"})).ok());
  });
  EXPECT_EQ(served_, 2);
}

TEST_F(RpcTest, UnsentCallsAreKnownNotDelivered) {
  network_.SetLinks({.bytes_per_second = 1'000'000});
  Run([&]() -> Task<void> {
    EXPECT_TRUE((co_await Call({.text = "warm"})).ok());
    TaskScope scope;
    std::vector<Code> codes(3);
    auto one = [&](size_t i) -> Task<void> {
      const Bytes data = Bytes::Own(std::vector<uint8_t>(100'000));  // 0.1 s on the line each
      codes[i] = (co_await Call({.text = "x", .data = data}, {.timeout = 10s})).code();
    };
    for (size_t i = 0; i < 3; ++i) scope.Start(one(i));
    co_await SleepFor(150ms);
    client_->Drop(address_, {Code::kRPCSocketError, "test"});
    co_await scope.Join();
    EXPECT_EQ(codes[0], Code::kRPCTimeout);
    EXPECT_EQ(codes[2], Code::kRPCSendFailed);
  });
}

TEST_F(RpcTest, SilentHostTimesOutInDialling) {
  network_.Kill(kServerIp, sim::SimNetwork::Death::kHost);
  Run([&]() -> Task<void> {
    const TimePoint start = client_loop_.Now();
    auto r = co_await Call({}, {.timeout = 300ms});
    EXPECT_EQ(r.code(), Code::kRPCTimeout);
    EXPECT_EQ(client_loop_.Now() - start, 300ms);
    r = co_await Call({}, {.timeout = 5s});
    EXPECT_EQ(r.code(), Code::kRPCSendFailed) << "connect_timeout is one second";
    EXPECT_EQ(client_loop_.Now() - start, 1s);
  });
}

TEST_F(RpcTest, CancellationEndsCallsAndDials) {
  Run([&]() -> Task<void> {
    for (const bool dialling : {true, false}) {
      if (!dialling) EXPECT_TRUE((co_await Call({})).ok());
      CancelSource cancel;
      const Duration after = dialling ? 1us : 10ms;
      client_loop_.At(client_loop_.Now() + after, [&] { cancel.Cancel(); });
      auto r = co_await Call({.text = "x", .delay_us = 500'000}, {.ctx = {.cancel = &cancel}});
      EXPECT_EQ(r.code(), Code::kInterrupted);
      r = co_await Call({}, {.ctx = {.cancel = &cancel}});
      EXPECT_EQ(r.code(), Code::kInterrupted);
    }
  });
}

TEST_F(RpcTest, AnAnswerThatDoesNotDecodeClosesTheConnection) {
  Run([&]() -> Task<void> {
    auto r =
        co_await client_->Call<EchoAsOther>(address_, EchoReq{.text = "not numbers at all"}, {});
    EXPECT_FALSE(r.ok());
    EXPECT_EQ(r.status().origin(), Origin::kLocal);
    co_await SleepFor(1ms);
    EXPECT_EQ(network_.connections(), 0U);
    EXPECT_TRUE((co_await Call({})).ok());
  });
}

TEST_F(RpcTest, LeastRecentlyUsedIdleConnectionsClose) {
  std::vector<std::unique_ptr<Server>> servers;
  std::vector<net::Address> at;
  for (uint32_t ip = 10; ip < 15; ++ip) {
    servers.push_back(Server::Create(server_loop_, network_.Node(ip)));
    servers.back()->Handle<Echo>([this](CallInfo, EchoReq req) { return HandleEcho(req); });
    at.push_back(*servers.back()->Listen({ip, 1}));
  }
  auto client = Client::Create(client_loop_, network_.Node(kClientIp), {.max_connections = 3});
  Run([&]() -> Task<void> {
    for (const net::Address a : at) {
      EXPECT_TRUE((co_await client->Call<Echo>(a.As(net::AddressType::kRdma), EchoReq{}, {})).ok());
      co_await SleepFor(1ms);
    }
    EXPECT_EQ(network_.connections(), 3U);
    EXPECT_TRUE((co_await client->Call<Echo>(at.back(), EchoReq{}, {})).ok());
    EXPECT_EQ(client->stats()->dials.value(), 5U);
    EXPECT_TRUE((co_await client->Call<Echo>(at.front(), EchoReq{}, {})).ok());
    EXPECT_EQ(client->stats()->dials.value(), 6U);
  });
}

TEST_F(RpcTest, ServerGoneWithCallsUnderWay) {
  Run([&]() -> Task<void> {
    server_loop_.At(server_loop_.Now() + 10ms, [&] { server_.reset(); });
    EXPECT_EQ((co_await Call({.text = "x", .delay_us = 50'000})).code(), Code::kRPCTimeout);
    co_await SleepFor(1s);  // the handler ends after its server; its answer goes nowhere
    EXPECT_EQ((co_await Call({})).code(), Code::kRPCSendFailed);
  });
}

TEST_F(RpcTest, FrameHookDropsAndDelays) {
  int seen = 0;
  server_->SetFrameHook([&](uint16_t service, uint16_t, bool is_answer) -> Task<bool> {
    ++seen;
    EXPECT_EQ(service, 240);
    if (is_answer) co_await SleepFor(100ms);
    co_return seen != 1;
  });
  Run([&]() -> Task<void> {
    EXPECT_EQ((co_await Call({})).code(), Code::kRPCTimeout);
    EXPECT_EQ(served_, 0);
    const TimePoint start = client_loop_.Now();
    EXPECT_TRUE((co_await Call({})).ok());
    EXPECT_GE(client_loop_.Now() - start, 100ms);
  });
}

TEST_F(RpcTest, LossyNetworkEveryCallEnds) {
  network_.SetLinks({.lose = 0.02, .reset = 0.01, .delay = 0.05, .refuse = 0.1});
  int ok = 0;
  int failed = 0;
  Run([&]() -> Task<void> {
    TaskScope scope;
    auto caller = [&](int n) -> Task<void> {
      for (int i = 0; i < 100; ++i) {
        const std::string text = std::to_string(n) + "/" + std::to_string(i);
        auto r = co_await Call({.text = text});
        if (r.ok()) EXPECT_EQ(r->text, text);
        ++(r.ok() ? ok : failed);
        co_await SleepFor(1ms);
      }
    };
    for (int i = 0; i < 20; ++i) scope.Start(caller(i));
    co_await scope.Join();
  });
  EXPECT_EQ(ok + failed, 2000);
  EXPECT_GT(ok, 300);
  EXPECT_GT(failed, 0);
  EXPECT_EQ(stats()->in_flight.value(), 0U);
}

TEST_F(RpcTest, BackoffStaysWithinTheDeadline) {
  Run([&]() -> Task<void> {
    Rng rng(1);
    const TimePoint start = client_loop_.Now();
    Backoff backoff({.deadline = start + 2s}, {}, &rng);
    while (co_await backoff.Wait()) {
    }
    EXPECT_LT(client_loop_.Now(), start + 2s);
    EXPECT_GT(client_loop_.Now(), start + 500ms);
    EXPECT_GT(backoff.waits(), 6);
    CancelSource cancel;
    client_loop_.At(client_loop_.Now() + 1ms, [&] { cancel.Cancel(); });
    Backoff cancelled({.cancel = &cancel}, {.first = 1h}, &rng);
    EXPECT_FALSE(co_await cancelled.Wait());
  });
}

}  // namespace
}  // namespace threefs::rpc

// SPDX-License-Identifier: Apache-2.0
#include "client/mgmtd/mgmtd_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/mgmtd/primary_finder.h"
#include "tests/client/file/with_cluster.h"

namespace threefs::mgmtd {
namespace {

class MgmtdClientTest : public fake::WithCluster {
 protected:
  void RunFor(Duration d) { servers().world.RunFor(d); }
};

TEST_F(MgmtdClientTest, FindsThePrimaryThroughAnother) {
  MakeServers({.mgmtds = 3});
  servers().primary = 2;
  auto options = ClientOptions();
  options.mgmtd_addresses.resize(1);
  ASSERT_TRUE(OpenClient(options).ok());
  EXPECT_TRUE(cluster().mgmtd().primary().SameEndpoint(servers().mgmtds[2]->address));
}

TEST_F(MgmtdClientTest, SkipsDeadAddresses) {
  MakeServers({.mgmtds = 3});
  servers().network.Kill(servers().mgmtds[0]->address.ip, sim::SimNetwork::Death::kHost);
  servers().network.Kill(servers().mgmtds[1]->address.ip, sim::SimNetwork::Death::kProcess);
  servers().primary = 2;
  EXPECT_TRUE(OpenClient().ok());
}

TEST_F(MgmtdClientTest, RefreshesEveryTenSecondsAndKeepsTheSession) {
  cluster();
  servers().Publish();
  RunFor(11s);
  EXPECT_EQ(cluster().routing()->version(), 2U);
  RunFor(60s);
  EXPECT_GE(servers().sessions.size(), 7U);
  // Nothing of a session may change but its version (5014).
  const auto& first = servers().sessions.front();
  const auto& last = servers().sessions.back();
  EXPECT_EQ(first.client_start, last.client_start);
  EXPECT_EQ(first.data.description, last.data.description);
  EXPECT_EQ(last.client_session_version, servers().sessions.size());
}

TEST_F(MgmtdClientTest, FollowsThePrimaryWhenItMoves) {
  MakeServers({.mgmtds = 2});
  cluster();
  servers().primary = 1;
  servers().Publish();
  RunFor(15s);
  EXPECT_EQ(cluster().routing()->version(), 2U);
  EXPECT_TRUE(cluster().mgmtd().primary().SameEndpoint(servers().mgmtds[1]->address));
}

TEST_F(MgmtdClientTest, NoPrimaryForAMinuteIsRiddenOut) {
  MakeServers({.mgmtds = 2});
  cluster();
  servers().primary = 99;
  RunFor(60s);
  EXPECT_EQ(cluster().routing()->version(), 1U) << "the last snapshot stays";
  servers().primary = 1;
  servers().Publish();
  RunFor(15s);
  EXPECT_EQ(cluster().routing()->version(), 2U);
}

TEST_F(MgmtdClientTest, StartsOverWhenMgmtdIsOlder) {
  cluster();
  servers().Publish();
  servers().Publish();
  RunFor(11s);
  EXPECT_EQ(cluster().routing()->version(), 3U);
  servers().routing.routing_info_version = 1;  // restored from a backup: asks with 3 get 5005
  RunFor(11s);
  EXPECT_EQ(cluster().routing()->version(), 1U);
}

TEST_F(MgmtdClientTest, NonsenseIsNotSwappedIn) {
  cluster();
  servers().Publish();
  servers().routing.chains.At(1001).chain_id = 7;
  RunFor(25s);
  EXPECT_EQ(cluster().routing()->version(), 1U);
  servers().Publish();
  RunFor(11s);
  EXPECT_EQ(cluster().routing()->version(), 3U);
}

TEST_F(MgmtdClientTest, StaleSessionVersionIsTakenUp) {
  servers().session_version = 41;
  ASSERT_TRUE(OpenClient().ok());
  EXPECT_EQ(servers().sessions.back().client_session_version, 42U);
}

TEST_F(MgmtdClientTest, SomebodyElsesSessionIsSaid) {
  servers().mgmtds[0]->refuse = [](uint16_t method) -> std::optional<Status> {
    if (method != 11) return std::nullopt;
    return Status(Code::kMgmtdExtendClientSessionMismatch, "clientStart");
  };
  const Status s = OpenClient();
  EXPECT_EQ(s.code(), Code::kMgmtdExtendClientSessionMismatch);
  EXPECT_THAT(s.message(), ::testing::HasSubstr("new client id"));
}

TEST_F(MgmtdClientTest, NewerThanAsksAtOnceAndSharesTheAnswer) {
  cluster();
  RunFor(2s);
  servers().Publish();
  const uint64_t before = servers().mgmtds[0]->requests[5];
  const TimePoint start = servers().world.Now();
  Run([&]() -> Task<void> {
    TaskScope scope;
    for (int i = 0; i < 10; ++i) {
      scope.Start([](MgmtdClient* client, TimePoint until) -> Task<void> {
        RoutingRef r = co_await client->NewerThan(1, until);
        EXPECT_EQ(r->version(), 2U);
      }(&cluster().mgmtd(), start + 5s));
    }
    co_await scope.Join();
  });
  EXPECT_LE(servers().world.Now() - start, 500ms);
  EXPECT_EQ(servers().mgmtds[0]->requests[5], before + 1);
}

TEST_F(MgmtdClientTest, NewerThanEndsInTime) {
  cluster();
  const TimePoint start = servers().world.Now();
  auto r = Run([&] { return cluster().mgmtd().NewerThan(1, start + 3s); });
  EXPECT_EQ(r->version(), 1U);
  EXPECT_EQ(servers().world.Now() - start, 3s);
  EXPECT_LE(servers().mgmtds[0]->requests[5], 8U) << "asking in vain slows down";
}

TEST_F(MgmtdClientTest, CloseDoesNotHangOnADeadMgmtd) {
  cluster();
  servers().network.Kill(servers().mgmtds[0]->address.ip, sim::SimNetwork::Death::kHost);
  RunFor(12s);
  const TimePoint start = servers().world.Now();
  CloseClient();
  EXPECT_LE(servers().world.Now() - start, 100ms);
}

TEST(PrimaryFinderTest, HintOnlyFromLeadingDigits) {
  EXPECT_EQ(PrimaryFinder::HintOf("12"), 12U);
  EXPECT_EQ(PrimaryFinder::HintOf("NodeId(12)"), 0U);
  EXPECT_EQ(PrimaryFinder::HintOf(""), 0U);
  EXPECT_EQ(PrimaryFinder::HintOf("99999999999999"), 0U);
}

}  // namespace
}  // namespace threefs::mgmtd

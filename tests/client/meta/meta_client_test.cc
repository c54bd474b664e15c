// SPDX-License-Identifier: Apache-2.0
#include "client/meta/meta_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "client/meta/meta_ops.h"
#include "client/meta/server_picker.h"
#include "tests/client/file/with_cluster.h"

namespace threefs::meta {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kInode = 0x1000;
constexpr uint16_t kStat = method::Stat::kMethodId;
constexpr uint16_t kMkdirs = method::Mkdirs::kMethodId;
constexpr uint16_t kOpen = method::Open::kMethodId;

class MetaClientTest : public fake::WithCluster {
 protected:
  MetaClient& client() { return session().meta(); }
  auto StatIt(Duration time = 60s) {
    return Run([&] { return Stat(client(), Op(time), At(kInode)); });
  }
  /// Every meta server answers `code` to `method`, `times` times in all.
  void Refuse(uint16_t method, Code code, int times = 1 << 30) {
    auto left = std::make_shared<int>(times);
    for (auto& p : servers().metas) {
      p->refuse = [=](uint16_t m) -> std::optional<Status> {
        if (m != method || *left == 0) return std::nullopt;
        --*left;
        return Status(code, "scripted");
      };
    }
  }
  uint64_t Requests(uint16_t method) {
    uint64_t n = 0;
    for (auto& p : servers().metas) n += p->requests[method];
    return n;
  }
};

TEST_F(MetaClientTest, StaysWithOneServer) {
  servers().MakeFile(kInode, 4096, 1);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(StatIt().ok());
  EXPECT_EQ(std::min(servers().metas[0]->requests[kStat], servers().metas[1]->requests[kStat]), 0U);
}

TEST_F(MetaClientTest, MovesToAnotherServerAtOnceWhenOneIsGone) {
  servers().MakeFile(kInode, 4096, 1);
  ASSERT_TRUE(StatIt().ok());
  const bool first = servers().metas[0]->requests[kStat] != 0;
  auto& mine = *servers().metas[first ? 0 : 1];
  servers().network.Kill(mine.address.ip, sim::SimNetwork::Death::kProcess);
  const TimePoint start = servers().world.Now();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(StatIt().ok());
  EXPECT_LE(servers().world.Now() - start, 100ms);
}

TEST_F(MetaClientTest, SilentServerCostsOneTry) {
  servers().MakeFile(kInode, 4096, 1);
  ASSERT_TRUE(StatIt().ok());
  const bool first = servers().metas[0]->requests[kStat] != 0;
  servers().network.Kill(servers().metas[first ? 0 : 1]->address.ip, sim::SimNetwork::Death::kHost);
  const TimePoint start = servers().world.Now();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(StatIt().ok());
  EXPECT_LE(servers().world.Now() - start, 6s);
}

TEST_F(MetaClientTest, AllServersGoneForAWhileIsRiddenOut) {
  servers().MakeFile(kInode, 4096, 1);
  cluster();
  for (auto& p : servers().metas) {
    servers().network.Kill(p->address.ip, sim::SimNetwork::Death::kProcess);
  }
  servers().client_loop.At(servers().world.Now() + 10s, [this] {
    for (auto& p : servers().metas) servers().network.Revive(p->address.ip);
  });
  const TimePoint start = servers().world.Now();
  EXPECT_TRUE(StatIt().ok());
  EXPECT_LE(servers().world.Now() - start, 15s);
}

TEST_F(MetaClientTest, DeadlineHoldsAndNamesTheCause) {
  cluster();
  for (auto& p : servers().metas) {
    servers().network.Kill(p->address.ip, sim::SimNetwork::Death::kHost);
  }
  const TimePoint start = servers().world.Now();
  const auto r = StatIt(4s);
  EXPECT_LE(servers().world.Now() - start, 4s + 1ms);
  EXPECT_FALSE(r.ok());
  EXPECT_THAT(r.status().message(), HasSubstr("gave up after"));
  EXPECT_THAT(r.status().message(), HasSubstr("10.0.0.3"));
}

TEST_F(MetaClientTest, AnswersAreFinalErrorsAreRepeatedAsTheyShould) {
  EXPECT_EQ(StatIt().code(), Code::kMetaNotFound);
  EXPECT_EQ(Requests(kStat), 2U) << "the opening's and this one";
  servers().MakeFile(kInode, 4096, 1);
  for (const Code code : {Code::kTransactionConflict, Code::kMetaBusy, Code::kMetaForwardFailed,
                          static_cast<Code>(64000)}) {
    Refuse(kStat, code, 3);
    EXPECT_TRUE(StatIt().ok()) << Raw(code);
  }
  for (const Code code : {Code::kMetaNoPermission, Code::kMetaFoundBug, Code::kReadOnlyMode}) {
    Refuse(kStat, code);
    const uint64_t before = Requests(kStat);
    EXPECT_EQ(StatIt().code(), code);
    EXPECT_EQ(Requests(kStat), before + 1);
  }
}

TEST_F(MetaClientTest, RequestIdStaysOverRepeats) {
  // What arrives is looked at through the idempotency ids a raw server would see.
  cluster();
  for (auto& p : servers().metas) p->drop_answers[kMkdirs] = 1;
  auto r = Run([&] { return Mkdirs(client(), Op(), At(0, "d"), {}); });
  ASSERT_TRUE(r.ok()) << r.status().ToString();
  ASSERT_EQ(servers().mkdir_ids.size(), 3U);
  EXPECT_FALSE(servers().mkdir_ids[0].IsZero());
  EXPECT_EQ(std::set<Uuid>(servers().mkdir_ids.begin(), servers().mkdir_ids.end()).size(), 1U);
  Rng rng(1);
  const Uuid given = Uuid::Random(rng);
  ASSERT_TRUE(Run([&] { return Mkdirs(client(), Op(), At(0, "e"), {.request_id = given}); }).ok());
  EXPECT_EQ(servers().mkdir_ids.back(), given);
}

TEST_F(MetaClientTest, OpenOfUnknownOutcomeIsPruned) {
  servers().MakeFile(kInode, 4096, 1);
  cluster();
  const Uuid id = client().NewUuid();
  for (auto& p : servers().metas) p->drop_answers[kOpen] = 1000;
  auto r = Run([&] { return Open(client(), Op(12s), At(kInode), {.flags = 2, .session = id}); });
  EXPECT_FALSE(r.ok());
  EXPECT_TRUE(servers().pruned.contains(id));
}

TEST_F(MetaClientTest, PruningThatFailedIsTriedWithTheNextCall) {
  servers().MakeFile(kInode, 4096, 1);
  cluster();
  const Uuid id = client().NewUuid();
  for (auto& p : servers().metas) p->drop_answers[kOpen] = 1000;
  servers().client_loop.At(servers().world.Now() + 5s, [this] {
    for (auto& p : servers().metas) {
      servers().network.Kill(p->address.ip, sim::SimNetwork::Death::kHost);
    }
  });
  auto r = Run([&] { return Open(client(), Op(12s), At(kInode), {.flags = 2, .session = id}); });
  EXPECT_FALSE(r.ok());
  EXPECT_FALSE(servers().pruned.contains(id));
  for (auto& p : servers().metas) servers().network.Revive(p->address.ip);
  EXPECT_TRUE(StatIt().ok());
  EXPECT_TRUE(servers().pruned.contains(id));
}

TEST_F(MetaClientTest, ReadOnlyOpenCarriesNoSession) {
  servers().MakeFile(kInode, 4096, 1);
  Refuse(kOpen, Code::kMetaNoPermission);
  const Uuid id = client().NewUuid();
  EXPECT_EQ(
      Run([&] { return Open(client(), Op(), At(kInode), {.flags = 0, .session = id}); }).code(),
      Code::kMetaNoPermission);
  EXPECT_TRUE(servers().pruned.empty());
}

TEST_F(MetaClientTest, CancelledEndsAtOnce) {
  cluster();
  for (auto& p : servers().metas) {
    servers().network.Kill(p->address.ip, sim::SimNetwork::Death::kHost);
  }
  CancelSource cancel;
  servers().client_loop.At(servers().world.Now() + 1s, [&] { cancel.Cancel(); });
  const TimePoint start = servers().world.Now();
  auto r = Run([&] {
    OpContext op = Op();
    op.call.cancel = &cancel;
    return Stat(client(), op, At(kInode));
  });
  EXPECT_EQ(r.code(), Code::kMetaRequestCanceled);
  EXPECT_LE(servers().world.Now() - start, 1100ms);
}

TEST(ClassifyTest, AsTheReferenceDoes) {
  for (const int final : {0, 3, 25, 3000, 3001, 3003, 3005, 3006, 3007, 3008, 3010, 3013, 3016,
                          3017, 3100, 3102, 3199}) {
    EXPECT_EQ(Classify(static_cast<Code>(final)), Verdict::kFinal) << final;
  }
  for (const int no :
       {1, 2, 34, 998, 3009, 3011, 3014, 3018, 3300, 3999, 7007, 7015, 7019, 7999, 2009}) {
    EXPECT_EQ(Classify(static_cast<Code>(no)), Verdict::kNotRetryable) << no;
  }
  for (const int yes : {1000, 1006, 2005, 2007, 2014, 3012, 3015, 3019, 3200, 3203, 4001, 5000,
                        6002, 7008, 64000}) {
    EXPECT_EQ(Classify(static_cast<Code>(yes)), Verdict::kRetryable) << yes;
  }
  EXPECT_TRUE(IsOutcomeUnknown(Code::kRPCTimeout));
  EXPECT_TRUE(IsOutcomeUnknown(Code::kInterrupted));
  EXPECT_TRUE(IsOutcomeUnknown(Code::kTransactionMaybeCommitted));
  EXPECT_FALSE(IsOutcomeUnknown(Code::kRPCSendFailed));
  EXPECT_FALSE(IsOutcomeUnknown(Code::kMetaNotFound));
}

TEST(ServerPickerTest, ClientsSpreadAndFailedServersPause) {
  schema::mgmtd::RoutingInfo info;
  info.routing_info_version = 1;
  for (uint32_t id = 1; id <= 4; ++id) {
    auto& node = info.nodes.At(id);
    node.app.node_id = id;
    node.type = schema::mgmtd::NodeType::kMeta;
    node.status = schema::mgmtd::NodeStatus::kHeartbeatConnected;
    node.app.service_groups.push_back(
        {.services = {"MetaSerde"},
         .endpoints = {{.ip = 1, .port = 1, .type = net::AddressType::kRdma}}});
  }
  auto routing = *mgmtd::RoutingTable::Build(std::move(info));
  std::map<uint32_t, int> clients;
  for (uint64_t salt = 0; salt < 4000; ++salt) {
    ++clients[ServerPicker(salt * 77777).Pick(*routing, {})->server.node_id];
  }
  for (const auto& [id, n] : clients) EXPECT_NEAR(n, 1000, 150) << id;

  ServerPicker picker(5);
  TimePoint now{1000s};
  const uint32_t first = picker.Pick(*routing, now)->server.node_id;
  picker.OnServerError(first, now);
  EXPECT_NE(picker.Pick(*routing, now)->server.node_id, first);
  const auto later = picker.Pick(*routing, now + 6s);
  EXPECT_EQ(later->server.node_id, first);
  EXPECT_TRUE(later->on_probation);
  picker.OnServerError(first, now + 6s);
  EXPECT_NE(picker.Pick(*routing, now + 12s)->server.node_id, first) << "twice as long";
  picker.OnSuccess(first);
  EXPECT_FALSE(picker.Pick(*routing, now + 12s)->on_probation);
  for (uint32_t id = 1; id <= 4; ++id) picker.OnServerError(id, now);
  EXPECT_TRUE(picker.Pick(*routing, now)->known_bad);
}

}  // namespace
}  // namespace threefs::meta

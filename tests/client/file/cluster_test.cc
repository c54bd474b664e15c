// SPDX-License-Identifier: Apache-2.0
#include "client/file/cluster.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/meta/meta_ops.h"
#include "tests/client/file/with_cluster.h"

namespace threefs::file {
namespace {

using ::testing::HasSubstr;

class ClusterTest : public fake::WithCluster {};

TEST_F(ClusterTest, OpensAsTheReferenceClientDoes) {
  ASSERT_TRUE(OpenClient().ok());
  auto& mgmtd = *servers().mgmtds[0];
  // getPrimaryMgmtd, getRoutingInfo, extendClientSession, then stat of the root (3fs/measured.md).
  EXPECT_EQ(mgmtd.requests[1], 1U);
  EXPECT_EQ(mgmtd.requests[5], 1U);
  EXPECT_EQ(mgmtd.requests[11], 1U);
  EXPECT_EQ(servers().metas[0]->requests[2] + servers().metas[1]->requests[2], 1U);
  ASSERT_EQ(servers().sessions.size(), 1U);
  EXPECT_EQ(servers().sessions[0].client_id, cluster().client().uuid.ToString());
  EXPECT_EQ(servers().sessions[0].client_session_version, 1U);
  EXPECT_EQ(cluster().routing()->version(), 1U);
}

TEST_F(ClusterTest, RefusesWrongClusterId) {
  auto options = ClientOptions();
  options.cluster_id = "other";
  const Status s = OpenClient(options);
  EXPECT_EQ(s.code(), Code::kMgmtdClusterIdMismatch);
  EXPECT_THAT(s.message(), HasSubstr("set the cluster id"));
}

TEST_F(ClusterTest, RefusesLongClusterId) {
  auto options = ClientOptions();
  options.cluster_id = std::string(32, 'x');
  const Status s = OpenClient(options);
  EXPECT_EQ(s.code(), Code::kInvalidArg);
  EXPECT_THAT(s.message(), HasSubstr("at most 31"));
}

TEST_F(ClusterTest, RefusesAddressOfNoSense) {
  auto options = ClientOptions();
  options.mgmtd_addresses = {"RDMA//10.0.0.1"};
  EXPECT_EQ(OpenClient(options).code(), Code::kInvalidArg);
}

TEST_F(ClusterTest, SaysWhoDoesNotAnswer) {
  servers().network.Kill(servers().mgmtds[0]->address.ip, sim::SimNetwork::Death::kHost);
  const TimePoint before = servers().world.Now();
  const Status s = OpenClient();
  EXPECT_EQ(s.code(), Code::kMgmtdClientPrimaryMgmtdNotFound);
  EXPECT_THAT(s.message(), HasSubstr("10.0.0.11:8000"));
  EXPECT_THAT(s.message(), HasSubstr("check the mgmtd addresses"));
  EXPECT_LE(servers().world.Now() - before, 12s);
}

TEST_F(ClusterTest, SaysThatTheTokenIsRefused) {
  for (auto& p : servers().metas) {
    p->refuse = [](uint16_t) -> std::optional<Status> {
      return Status(Code::kAuthenticationFail, "Token decode failed");
    };
  }
  auto options = ClientOptions();
  options.token = "secret-token";
  const Status s = OpenClient(options);
  EXPECT_EQ(s.code(), Code::kAuthenticationFail);
  EXPECT_THAT(s.message(), HasSubstr("token refused"));
  EXPECT_THAT(s.message(), Not(HasSubstr("secret-token")));
}

TEST_F(ClusterTest, AsksForAMissingToken) {
  for (auto& p : servers().metas) {
    p->refuse = [](uint16_t) -> std::optional<Status> {
      return Status(Code::kAuthenticationFail, "Token decode failed");
    };
  }
  EXPECT_THAT(OpenClient().message(), HasSubstr("asks for a token"));
}

TEST_F(ClusterTest, SaysThatNoMetaServerIsThere) {
  servers().metas.clear();
  servers().Publish();
  const Status s = OpenClient();
  EXPECT_EQ(s.code(), Code::kMgmtdClientMetaServiceNotAvailable);
  EXPECT_THAT(s.message(), HasSubstr("no active meta server"));
}

TEST_F(ClusterTest, NoRdmaInThisBuildIsSaid) {
  auto options = ClientOptions();
  options.transport = TransportChoice::kRdma;
  EXPECT_THAT(OpenClient(options).message(), HasSubstr("auto or tcp"));
}

// Loops share one client uuid, so no two of them may use the same update channel.
TEST_F(ClusterTest, LoopsUseDifferentChannels) {
  auto& servers = this->servers();
  std::vector<Loop*> loops{&servers.client_loop, &servers.world.NewLoop(),
                           &servers.world.NewLoop()};
  auto pool = BlockingPool::Create(0, "test");
  auto opened = Run([&] {
    return Cluster::Open(loops, servers.network.Node(fake::kClientIp), *pool, ClientOptions());
  });
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  auto file = FileState::FromInode(servers.MakeFile(0x1000, 4096, 2));
  ASSERT_TRUE(file.ok());
  for (Loop* loop : loops) {
    auto written = servers.world.Run(*loop, [&] {
      return (*opened)->session(*loop).io().Write(
          (*opened)->MakeOp(*loop, nullptr), *file, 0,
          std::vector<Bytes>{Bytes::CopyOf("hello"), Bytes::CopyOf(" world")});
    });
    ASSERT_TRUE(written.ok()) << written.status().ToString();
  }
  std::set<uint16_t> ids;
  for (const auto& tag : servers.update_tags) ids.insert(tag.channel.id);
  EXPECT_EQ(ids.size(), 3U);
  EXPECT_FALSE(ids.contains(0));
  Run([&] { return (*opened)->Close(); });
}

// A process that takes over a client id counts on, well above its predecessor.
TEST_F(ClusterTest, KeptClientIdStartsHigh) {
  auto options = ClientOptions();
  Rng rng(3);
  options.client_id = Uuid::Random(rng);
  ASSERT_TRUE(OpenClient(options).ok());
  auto file = FileState::FromInode(servers().MakeFile(0x1000, 4096, 1));
  auto written = Run([&] { return session().io().Write(Op(), *file, 0, {Bytes::CopyOf("x")}); });
  ASSERT_TRUE(written.ok());
  ASSERT_EQ(servers().update_tags.size(), 1U);
  EXPECT_GT(servers().update_tags[0].channel.seqnum, 1'000'000U);
}

}  // namespace
}  // namespace threefs::file

// SPDX-License-Identifier: Apache-2.0
// Mgmtd's methods and refusals (3fs/mgmtd.md §4–§9), over the wire.
#include "client/standalone/mgmtd_service.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/client/standalone/cluster_fixture.h"

namespace threefs::standalone {
namespace {

namespace mg = schema::mgmtd;
namespace m = schema::mgmtd::method;

class MgmtdServiceTest : public testing::Test {
 protected:
  template <class Req>
  Req Admin(Req req) {
    req.cluster_id = sim_.cluster_id;
    req.user.token = sim_.cluster->root_token();
    return req;
  }
  mg::ExtendClientSessionReq Session(uint64_t version) {
    mg::ExtendClientSessionReq req;
    req.client_id = "00000000-0000-4000-8000-000000000001";
    req.client_session_version = version;
    req.type = mg::NodeType::kFuse;
    req.data.universal_id = "host";
    req.client_start = 42;
    return req;
  }
  SimCluster sim_;
};

TEST_F(MgmtdServiceTest, ClusterIdComesFirst) {
  mg::GetRoutingInfoReq routing;
  routing.cluster_id = "other";
  const auto refused = sim_.Mgmtd<m::GetRoutingInfo>(routing);
  EXPECT_EQ(refused.code(), Code::kMgmtdClusterIdMismatch);
  EXPECT_EQ(refused.status().message(), "Cluster id mismatch");
  mg::SetConfigReq config;
  config.cluster_id = "other";
  EXPECT_EQ(sim_.Mgmtd<m::SetConfig>(config).code(), Code::kMgmtdClusterIdMismatch);
}

TEST_F(MgmtdServiceTest, PrimaryAndRoutingVersions) {
  const auto primary = sim_.Mgmtd<m::GetPrimaryMgmtd>({});
  ASSERT_TRUE(primary.ok());
  EXPECT_EQ(primary->primary->node_id, 1U);
  EXPECT_EQ(primary->primary->service_groups[0].endpoints[0], sim_.cluster->addresses().mgmtd[0]);
  const auto info = sim_.Routing();
  mg::GetRoutingInfoReq req;
  req.routing_info_version = info.routing_info_version;
  EXPECT_FALSE(sim_.Mgmtd<m::GetRoutingInfo>(req)->info.has_value());
  req.routing_info_version -= 1;
  EXPECT_TRUE(sim_.Mgmtd<m::GetRoutingInfo>(req)->info.has_value());
  req.routing_info_version = 1ULL << 40;
  EXPECT_EQ(sim_.Mgmtd<m::GetRoutingInfo>(req).code(), Code::kMgmtdInvalidRoutingInfoVersion);
  EXPECT_EQ(info.nodes.size(), 5U);
  const auto* storage = info.nodes.Find(kFirstStorageNodeId);
  ASSERT_NE(storage, nullptr);
  EXPECT_EQ(storage->app.service_groups[0].endpoints[0].type, net::AddressType::kRdma);
}

TEST_F(MgmtdServiceTest, SessionsFollowTheVersionRule) {
  EXPECT_TRUE(sim_.Mgmtd<m::ExtendClientSession>(Session(1)).ok());
  EXPECT_TRUE(sim_.Mgmtd<m::ExtendClientSession>(Session(1)).ok());  // as measured
  const auto stale = sim_.Mgmtd<m::ExtendClientSession>(Session(1));
  EXPECT_EQ(stale.code(), Code::kMgmtdClientSessionVersionStale);
  EXPECT_EQ(stale.status().message(), "1");
  auto other = Session(2);
  other.client_start = 43;
  EXPECT_EQ(sim_.Mgmtd<m::ExtendClientSession>(other).code(),
            Code::kMgmtdExtendClientSessionMismatch);
  auto server = Session(1);
  server.client_id += "x";
  server.type = mg::NodeType::kMeta;
  EXPECT_EQ(sim_.Mgmtd<m::ExtendClientSession>(server).code(), Code::kInvalidArg);
  auto ahead = Session(3);
  ahead.config_version = 9;
  EXPECT_EQ(sim_.Mgmtd<m::ExtendClientSession>(ahead).code(), Code::kMgmtdInvalidConfigVersion);
  EXPECT_EQ(sim_.Mgmtd<m::ListClientSessions>({})->sessions.size(), 1U);
  mg::GetClientSessionReq get;
  get.client_id = Session(1).client_id;
  EXPECT_TRUE(sim_.Mgmtd<m::GetClientSession>(get)->session.has_value());
  sim_.world.RunFor(21min);
  EXPECT_TRUE(sim_.Mgmtd<m::ListClientSessions>({})->sessions.empty());
}

TEST_F(MgmtdServiceTest, AdminNeedsAnAdminsToken) {
  mg::SetConfigReq req;
  req.node_type = mg::NodeType::kFuse;
  req.content = "x = 1\n";
  EXPECT_EQ(sim_.Mgmtd<m::SetConfig>(req).code(), Code::kAuthenticationFail);
  Rng rng(3);
  UserRecord plain;
  plain.name = "alice";
  plain.uid = plain.gid = 1000;
  auto token = sim_.cluster->users()->AddUser(plain, rng);
  ASSERT_TRUE(token.ok());
  req.user.token = *token;
  EXPECT_EQ(sim_.Mgmtd<m::SetConfig>(req).code(), Code::kMgmtdNotAdmin);
  EXPECT_EQ(sim_.Mgmtd<m::SetConfig>(Admin(req))->config_version, 1U);
  // A client with the old version is sent the new one.
  const auto extended = sim_.Mgmtd<m::ExtendClientSession>(Session(1));
  ASSERT_TRUE(extended->config.has_value());
  EXPECT_EQ(extended->config->content, "x = 1\n");
  mg::GetConfigReq get;
  get.node_type = mg::NodeType::kFuse;
  EXPECT_EQ(sim_.Mgmtd<m::GetConfig>(get)->info->config_version, 1U);
  get.node_type = mg::NodeType::kMeta;
  EXPECT_FALSE(sim_.Mgmtd<m::GetConfig>(get)->info.has_value());
  EXPECT_EQ(*sim_.Mgmtd<m::GetConfigVersions>({})->versions.Find("FUSE"), 1U);
}

TEST_F(MgmtdServiceTest, TagsChainsAndTables) {
  mg::SetUniversalTagsReq tags;
  tags.universal_id = "host";
  tags.tags = {{"TrafficZone", "a"}};
  EXPECT_EQ(sim_.Mgmtd<m::SetUniversalTags>(Admin(tags))->tags.size(), 1U);
  mg::GetUniversalTagsReq get;
  get.universal_id = "host";
  EXPECT_EQ(sim_.Mgmtd<m::GetUniversalTags>(get)->tags[0].value, "a");
  tags.tags.push_back(tags.tags[0]);
  EXPECT_EQ(sim_.Mgmtd<m::SetUniversalTags>(Admin(tags)).code(), Code::kMgmtdInvalidTag);
  mg::SetChainTableReq table;
  table.chain_table_id = 1;
  table.chains = {kFirstChainId};
  EXPECT_EQ(sim_.Mgmtd<m::SetChainTable>(Admin(table))->chain_table_version, 2U);
  EXPECT_EQ(sim_.Mgmtd<m::SetChainTable>(Admin(table))->chain_table_version, 2U);
  table.chains = {77};
  EXPECT_EQ(sim_.Mgmtd<m::SetChainTable>(Admin(table)).code(), Code::kMgmtdChainNotFound);
  mg::UpdateChainReq update;
  update.chain_id = kFirstChainId;
  update.target_id = sim_.Chain().targets[0].target_id;
  EXPECT_EQ(sim_.Mgmtd<m::UpdateChain>(Admin(update)).code(), Code::kMgmtdTargetExisted);
  update.mode = mg::UpdateChainReq::Mode::kRemove;
  EXPECT_EQ(sim_.Mgmtd<m::UpdateChain>(Admin(update)).code(), Code::kInvalidArg);
  mg::RotateLastSrvReq rotate;
  rotate.chain_id = 5;
  EXPECT_EQ(sim_.Mgmtd<m::RotateLastSrv>(Admin(rotate)).code(), Code::kMgmtdChainNotFound);
  EXPECT_TRUE(sim_.Mgmtd<m::ListOrphanTargets>({})->targets.empty());
}

TEST_F(MgmtdServiceTest, PreferredOrderIsReachedByRotation) {
  const auto before = sim_.Chain();
  mg::SetPreferredTargetOrderReq set;
  set.chain_id = kFirstChainId;
  set.preferred_target_order = {before.targets[1].target_id, before.targets[2].target_id,
                                before.targets[0].target_id};
  ASSERT_TRUE(sim_.Mgmtd<m::SetPreferredTargetOrder>(Admin(set)).ok());
  mg::RotateAsPreferredOrderReq rotate;
  rotate.chain_id = kFirstChainId;
  ASSERT_TRUE(sim_.Mgmtd<m::RotateAsPreferredOrder>(Admin(rotate)).ok());
  ASSERT_TRUE(sim_.Ready());
  const auto after = sim_.Chain();
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(after.targets[i].target_id, set.preferred_target_order[i]);
  }
}

TEST_F(MgmtdServiceTest, HeartbeatsAndNodes) {
  mg::RegisterNodeReq node;
  node.node_id = 500;
  node.type = mg::NodeType::kMeta;
  EXPECT_TRUE(sim_.Mgmtd<m::RegisterNode>(Admin(node)).ok());
  EXPECT_EQ(sim_.Mgmtd<m::RegisterNode>(Admin(node)).code(), Code::kMgmtdRegisterFail);
  mg::HeartbeatReq beat;
  beat.info.app.node_id = 500;
  beat.timestamp = sim_.loop.WallMicros();
  EXPECT_TRUE(sim_.Mgmtd<m::Heartbeat>(beat).ok());
  const auto stale = sim_.Mgmtd<m::Heartbeat>(beat);
  EXPECT_EQ(stale.code(), Code::kMgmtdHeartbeatVersionStale);
  EXPECT_EQ(stale.status().message(), "1");
  beat.info.hb_version = 2;
  beat.timestamp -= 31'000'000;
  EXPECT_EQ(sim_.Mgmtd<m::Heartbeat>(beat).code(), Code::kMgmtdHeartbeatFail);
  beat.info.app.node_id = 501;
  beat.timestamp = sim_.loop.WallMicros();
  EXPECT_EQ(sim_.Mgmtd<m::Heartbeat>(beat).code(), Code::kMgmtdHeartbeatFail);
  mg::DisableNodeReq disable;
  disable.node_id = 500;
  EXPECT_TRUE(sim_.Mgmtd<m::DisableNode>(Admin(disable)).ok());
  EXPECT_EQ(sim_.Routing().nodes.Find(500)->status, mg::NodeStatus::kDisabled);
  beat.info.app.node_id = 500;
  EXPECT_EQ(sim_.Mgmtd<m::Heartbeat>(beat).code(), Code::kMgmtdHeartbeatFail);
  mg::UnregisterNodeReq unregister;
  unregister.node_id = 500;
  EXPECT_TRUE(sim_.Mgmtd<m::UnregisterNode>(Admin(unregister)).ok());
  EXPECT_EQ(sim_.Routing().nodes.Find(500), nullptr);
}

}  // namespace
}  // namespace threefs::standalone

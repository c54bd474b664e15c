// SPDX-License-Identifier: Apache-2.0
#include "client/mgmtd/routing_table.h"

#include <gtest/gtest.h>

namespace threefs::mgmtd {
namespace {

using schema::mgmtd::NodeStatus;
using schema::mgmtd::NodeType;
using schema::mgmtd::PublicTargetState;
using schema::mgmtd::RoutingInfo;

net::Address At(uint16_t port, net::AddressType type = net::AddressType::kRdma) {
  return {.ip = 0x0100007f, .port = port, .type = type};
}

void AddNode(RoutingInfo* info, uint32_t id, NodeType type, const char* service,
             std::vector<net::Address> at) {
  auto& node = info->nodes.At(id);
  node.app.node_id = id;
  node.type = type;
  node.status = NodeStatus::kHeartbeatConnected;
  node.app.service_groups.push_back({.services = {service}, .endpoints = std::move(at)});
}

void AddChain(RoutingInfo* info, uint32_t id,
              std::vector<std::pair<uint32_t, PublicTargetState>> members) {
  auto& chain = info->chains.At(id);
  chain.chain_id = id;
  chain.chain_version = 3;
  for (const auto& [node, state] : members) {
    const uint64_t target = uint64_t{id} * 100 + node;
    chain.targets.push_back({target, state});
    auto& t = info->targets.At(target);
    t.target_id = target;
    t.public_state = state;
    t.node_id = node;
  }
}

RoutingInfo Sample() {
  RoutingInfo info;
  info.routing_info_version = 5;
  AddNode(&info, 1, NodeType::kMgmtd, "Mgmtd", {At(8000)});
  AddNode(&info, 20, NodeType::kMeta, "MetaSerde", {At(8020)});
  AddNode(&info, 10, NodeType::kMeta, "MetaSerde", {At(8010)});
  AddNode(&info, 30, NodeType::kStorage, "StorageSerde", {At(1, net::AddressType::kTcp), At(8030)});
  AddNode(&info, 31, NodeType::kStorage, "StorageSerde", {At(8031, net::AddressType::kTcp)});
  AddChain(&info, 100, {{30, PublicTargetState::kServing}, {31, PublicTargetState::kServing}});
  info.chain_tables.At(1)[1] = {1, 1, {100, 101, 102}, ""};
  info.chain_tables.At(1)[4] = {1, 4, {200, 201}, ""};
  return info;
}

RoutingRef Build(RoutingInfo info) {
  auto table = RoutingTable::Build(std::move(info));
  EXPECT_TRUE(table.ok()) << table.status().ToString();
  return *table;
}

TEST(RoutingTableTest, ServersInOrderRdmaAddressFirst) {
  auto table = Build(Sample());
  ASSERT_EQ(table->meta_servers().size(), 2U);
  EXPECT_EQ(table->meta_servers()[0].node_id, 10U);
  ASSERT_EQ(table->storage_servers().size(), 2U);
  EXPECT_EQ(table->storage_servers()[0].address, At(8030));
  EXPECT_EQ(table->storage_servers()[1].address.port, 8031);
  EXPECT_EQ(table->mgmtd_servers().size(), 1U);
}

TEST(RoutingTableTest, InactiveMetaServersAreLeftOut) {
  auto info = Sample();
  info.nodes.At(10).status = NodeStatus::kHeartbeatFailed;
  EXPECT_EQ(Build(std::move(info))->meta_servers().size(), 1U);
}

TEST(RoutingTableTest, ServingIsTheLeadingRun) {
  auto info = Sample();
  AddChain(&info, 101,
           {{30, PublicTargetState::kServing},
            {31, PublicTargetState::kSyncing},
            {30, PublicTargetState::kServing}});
  auto table = Build(std::move(info));
  EXPECT_EQ(table->FindChain(100)->serving.size(), 2U);
  EXPECT_EQ(table->FindChain(100)->version, 3U);
  EXPECT_EQ(table->FindChain(101)->serving.size(), 1U);
  EXPECT_EQ(table->FindChain(999), nullptr);
}

TEST(RoutingTableTest, OddChainsSayWhyNobodyServes) {
  auto info = Sample();
  AddChain(&info, 101, {{30, PublicTargetState::kLastsrv}});
  AddChain(&info, 102, {{77, PublicTargetState::kServing}});  // no such node
  AddChain(&info, 103, {{30, PublicTargetState::kServing}});
  info.targets.At(10330).public_state = PublicTargetState::kOffline;
  AddChain(&info, 104, {{30, PublicTargetState::kServing}});
  info.targets.At(10430).node_id.reset();
  auto& chain = info.chains.At(105);
  chain.chain_id = 105;
  chain.targets.push_back({424242, PublicTargetState::kServing});  // no such target
  auto table = Build(std::move(info));
  EXPECT_EQ(table->FindChain(101)->why_none.code(), Code::kStorageClientNotAvailable);
  EXPECT_EQ(table->FindChain(102)->why_none.code(), Code::kStorageClientRoutingError);
  EXPECT_EQ(table->FindChain(103)->why_none.code(), Code::kStorageClientNotAvailable);
  EXPECT_EQ(table->FindChain(104)->why_none.code(), Code::kStorageClientNotAvailable);
  EXPECT_EQ(table->FindChain(105)->why_none.code(), Code::kStorageClientRoutingError);
}

TEST(RoutingTableTest, ChainIndexesCountFromOneAndWrap) {
  auto table = Build(Sample());
  EXPECT_EQ(*table->ResolveChain(1, 1, 1), 100U);
  EXPECT_EQ(*table->ResolveChain(1, 1, 3), 102U);
  EXPECT_EQ(*table->ResolveChain(1, 1, 4), 100U);
  EXPECT_EQ(*table->ResolveChain(1, 0, 2), 201U) << "version 0 is the newest";
  EXPECT_EQ(*table->ResolveChain(0, 0, 4711), 4711U);
  EXPECT_EQ(table->ResolveChain(1, 1, 0).code(), Code::kMetaInvalidFileLayout);
  EXPECT_EQ(table->ResolveChain(1, 2, 1).code(), Code::kMgmtdClientRoutingInfoNotReady);
  EXPECT_EQ(table->ResolveChain(2, 0, 1).code(), Code::kMgmtdClientRoutingInfoNotReady);
  EXPECT_EQ(table->NewestTableVersion(1), 4U);
}

TEST(RoutingTableTest, RefusesContradictions) {
  auto info = Sample();
  info.chains.At(100).chain_id = 7;
  EXPECT_EQ(RoutingTable::Build(std::move(info)).code(), Code::kInvalidFormat);
  info = Sample();
  info.routing_info_version = 0;
  EXPECT_EQ(RoutingTable::Build(std::move(info)).code(), Code::kInvalidFormat);
  info = Sample();
  info.chain_tables.At(1)[4].chain_table_id = 2;
  EXPECT_EQ(RoutingTable::Build(std::move(info)).code(), Code::kInvalidFormat);
}

TEST(RoutingTableTest, EmptyTableDoesNotDivideByZero) {
  auto info = Sample();
  info.chain_tables.At(3)[1] = {3, 1, {}, ""};
  EXPECT_FALSE(Build(std::move(info))->ResolveChain(3, 1, 1).ok());
}

}  // namespace
}  // namespace threefs::mgmtd

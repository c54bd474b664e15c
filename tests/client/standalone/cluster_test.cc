// SPDX-License-Identifier: Apache-2.0
// A standalone cluster under faults, on virtual time: nothing acknowledged is lost, exactly once,
// replicas agree.
#include "client/standalone/cluster.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/client/standalone/cluster_fixture.h"

namespace threefs::standalone {
namespace {

namespace st = schema::storage;
namespace mg = schema::mgmtd;

// A writer that never gives up: as a client does, it repeats the same request until the head of the
// moment answers.
class Writer {
 public:
  Writer(SimCluster* sim, Requests* requests) : sim_(sim), requests_(requests) {}

  st::IOResult Write(const std::string& id, uint32_t offset, const Bytes& data) {
    st::WriteReq req = requests_->Write(0, id, offset, data);
    for (int attempt = 0; attempt < 400; ++attempt) {
      const mg::ChainInfo chain = sim_->Chain();
      req.payload.key.v_chain_id.chain_ver = chain.chain_version;
      const int head = SimCluster::NodeOf(chain.targets[0].target_id);
      auto rsp = sim_->Call<st::method::Write>(sim_->Storage(head), req, 2s);
      if (rsp.ok() && rsp->result.length_info.ok()) return rsp->result;
      if (rsp.ok()) last_ = rsp->result.length_info.status();
      sim_->world.RunFor(100ms);
    }
    ADD_FAILURE() << "gave up: " << last_.ToString();
    return {};
  }

 private:
  SimCluster* sim_;
  Requests* requests_;
  Status last_;
};

// The chain as mgmtd has it once every replica's node knows that version: a lost frame may have
// made one late.
mg::ChainInfo SettledChain(SimCluster* sim, const std::string& id) {
  sim->network.SetLinks({});  // from here on the wire is good
  for (int tries = 0; tries < 60; ++tries) {
    sim->world.RunFor(1s);
    const mg::ChainInfo chain = sim->Chain();
    const bool known = std::ranges::all_of(chain.targets, [&](const auto& t) {
      const auto read =
          sim->Call<st::method::BatchRead>(sim->Storage(SimCluster::NodeOf(t.target_id)),
                                           Requests::Read(chain.chain_version, id, 0, 1));
      return read.code() != Code::kStorageClientRoutingVersionMismatch;
    });
    if (known) return chain;
  }
  ADD_FAILURE() << "the nodes never learned of the chain's last version";
  return sim->Chain();
}

void ExpectEverywhere(SimCluster* sim, const std::string& id, const Bytes& want) {
  const mg::ChainInfo chain = SettledChain(sim, id);
  for (const auto& t : chain.targets) {
    ASSERT_EQ(t.public_state, mg::PublicTargetState::kServing);
    const auto read =
        sim->Call<st::method::BatchRead>(sim->Storage(SimCluster::NodeOf(t.target_id)),
                                         Requests::Read(chain.chain_version, id, 0, kTestChunk));
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    ASSERT_TRUE(read->results[0].length_info.ok())
        << read->results[0].length_info.status().ToString();
    EXPECT_EQ(read->inlinebuf.data, want) << "target " << t.target_id;
  }
}

TEST(Cluster, LostAnswerIsRepeatedWithoutASecondUpdate) {
  SimCluster sim;
  Requests requests;
  const int head = sim.NodeAt(0);
  ASSERT_TRUE(sim.OnNode(head,
                         [](StorageNode& n) {
                           FrameRule rule;
                           rule.service = 3;
                           rule.method = 2;
                           rule.side = FrameRule::Side::kAnswer;
                           rule.drop = true;
                           rule.remaining = 1;
                           n.host().gate().AddRule(rule);
                         })
                  .ok());
  const auto req = requests.Write(1, Requests::ChunkId(1), 0, Pattern(5000, 1));
  EXPECT_EQ(sim.Call<st::method::Write>(sim.Storage(head), req, 1s).code(), Code::kRPCTimeout);
  const auto again = sim.Call<st::method::Write>(sim.Storage(head), req);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*again->result.length_info, 5000U);
  EXPECT_EQ(again->result.commit_ver, 1U);
  ExpectEverywhere(&sim, Requests::ChunkId(1), Pattern(5000, 1));
}

// The head dies after the update went down the chain; the next head knows that it was done.
TEST(Cluster, TheNextHeadRemembersWhatTheLastOneDid) {
  SimCluster sim;
  Requests requests;
  Writer writer(&sim, &requests);
  const int head = sim.NodeAt(0);
  ASSERT_TRUE(sim.OnNode(head,
                         [](StorageNode& n) {
                           FrameRule rule;
                           rule.service = 3;
                           rule.method = 2;
                           rule.side = FrameRule::Side::kAnswer;
                           rule.drop = true;
                           n.host().gate().AddRule(rule);
                         })
                  .ok());
  auto req = requests.Write(1, Requests::ChunkId(1), 0, Pattern(5000, 1));
  EXPECT_EQ(sim.Call<st::method::Write>(sim.Storage(head), req, 1s).code(), Code::kRPCTimeout);
  ASSERT_TRUE(sim.Kill(head).ok());
  sim.world.RunFor(10s);
  const mg::ChainInfo chain = sim.Chain();
  ASSERT_NE(SimCluster::NodeOf(chain.targets[0].target_id), head);
  req.payload.key.v_chain_id.chain_ver = chain.chain_version;
  const auto again =
      sim.Call<st::method::Write>(sim.Storage(SimCluster::NodeOf(chain.targets[0].target_id)), req);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*again->result.length_info, 5000U);
  EXPECT_EQ(again->result.commit_ver, 1U);
  ASSERT_TRUE(sim.Restart(head).ok());
  ASSERT_TRUE(sim.Ready());
  ExpectEverywhere(&sim, Requests::ChunkId(1), Pattern(5000, 1));
}

TEST(Cluster, DeadNodeIsReplacedAndBroughtBack) {
  for (const size_t position : {0U, 1U, 2U}) {
    SimCluster sim(position + 1);
    Requests requests;
    Writer writer(&sim, &requests);
    const std::string a = Requests::ChunkId(1);
    const std::string b = Requests::ChunkId(2);
    const std::string c = Requests::ChunkId(3);
    writer.Write(a, 0, Pattern(10000, 1));
    writer.Write(c, 0, Pattern(77, 3));
    const int victim = sim.NodeAt(position);
    ASSERT_TRUE(sim.Kill(victim).ok());
    writer.Write(a, 0, Pattern(20000, 2));  // changed, made and removed while it is away
    writer.Write(b, 0, Pattern(30000, 4));
    const mg::ChainInfo chain = sim.Chain();
    EXPECT_EQ(SimCluster::NodeOf(chain.targets[2].target_id), victim);
    EXPECT_EQ(chain.targets[2].public_state, mg::PublicTargetState::kOffline);
    st::RemoveChunksReq remove;
    remove.payloads.push_back({{kFirstChainId, chain.chain_version},
                               {c, Requests::ChunkId(4), 1},
                               requests.NextTag(),
                               0});
    const auto removed = sim.Call<st::method::RemoveChunks>(sim.Storage(sim.NodeAt(0)), remove);
    ASSERT_TRUE(removed.ok());
    EXPECT_EQ(removed->results[0].num_chunks_removed, 1U);
    ASSERT_TRUE(sim.Restart(victim).ok());
    writer.Write(b, 1000, Pattern(1000, 5));  // while it is brought up to date, perhaps
    ASSERT_TRUE(sim.Ready());
    ExpectEverywhere(&sim, a, Pattern(20000, 2));
    std::vector<uint8_t> want;
    const Bytes base = Pattern(30000, 4);
    want.assign(base.data(), base.data() + base.size());
    const Bytes patch = Pattern(1000, 5);
    std::copy(patch.data(), patch.data() + patch.size(), want.begin() + 1000);
    ExpectEverywhere(&sim, b, Bytes::Own(std::move(want)));
    const auto gone = sim.Call<st::method::BatchRead>(
        sim.Storage(victim), Requests::Read(sim.Chain().chain_version, c, 0, 10));
    ASSERT_TRUE(gone.ok());
    EXPECT_EQ(gone->results[0].length_info.code(), Code::kStorageChunkMetadataNotFound);
  }
}

// A node that stops answering without dying: it must not serve old data once others have gone on.
TEST(Cluster, StalledNodeStopsServingBeforeItsPlaceIsGivenAway) {
  SimCluster sim;
  Requests requests;
  Writer writer(&sim, &requests);
  const std::string id = Requests::ChunkId(1);
  writer.Write(id, 0, Pattern(1000, 1));
  const int tail = sim.NodeAt(2);
  // Cut off from mgmtd and the other nodes, but not from the client.
  const uint32_t tail_ip = sim.Storage(tail).ip;
  for (const net::Address& other : sim.cluster->addresses().storage) {
    if (other.ip != tail_ip) sim.network.Partition(tail_ip, other.ip);
  }
  sim.network.Partition(tail_ip, sim.cluster->addresses().mgmtd[0].ip);
  writer.Write(id, 0, Pattern(1000, 2));
  const auto stale =
      sim.Call<st::method::BatchRead>(sim.Storage(tail), Requests::Read(1, id, 0, 1000));
  EXPECT_EQ(stale.code(), Code::kStorageTargetOffline);
  sim.network.HealAll();
  ASSERT_TRUE(sim.Ready());
  ExpectEverywhere(&sim, id, Pattern(1000, 2));
  ASSERT_TRUE(sim.Stall(tail, true).ok());
  writer.Write(id, 0, Pattern(1000, 3));
  ASSERT_TRUE(sim.Stall(tail, false).ok());
  ASSERT_TRUE(sim.Ready());
  ExpectEverywhere(&sim, id, Pattern(1000, 3));
}

TEST(Cluster, AllNodesDeadAndBack) {
  SimCluster sim;
  Requests requests;
  Writer writer(&sim, &requests);
  const std::string id = Requests::ChunkId(1);
  writer.Write(id, 0, Pattern(1000, 1));
  for (int node = 0; node < 3; ++node) ASSERT_TRUE(sim.Kill(node).ok());
  sim.world.RunFor(20s);
  EXPECT_EQ(sim.Chain().targets[0].public_state, mg::PublicTargetState::kLastsrv);
  const int last = sim.NodeAt(0);
  for (int node = 0; node < 3; ++node) {
    if (node != last) ASSERT_TRUE(sim.Restart(node).ok());
  }
  sim.world.RunFor(20s);
  EXPECT_EQ(sim.Chain().targets[0].public_state, mg::PublicTargetState::kLastsrv);
  ASSERT_TRUE(sim.Restart(last).ok());
  ASSERT_TRUE(sim.Ready());
  ExpectEverywhere(&sim, id, Pattern(1000, 1));
}

// Random writes while nodes die, stall and come back and frames get lost: what was acknowledged
// last is what every replica has in the end.
TEST(Cluster, RandomFaultsLoseNothingAcknowledged) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    sim::LinkOptions links;
    links.reset = 0.003;
    links.lose = 0.003;
    SimCluster sim(seed, {}, links);
    Requests requests;
    Writer writer(&sim, &requests);
    Rng rng(seed);
    std::map<uint16_t, std::vector<uint8_t>> model;
    std::vector<int> down;
    for (int step = 0; step < 40; ++step) {
      const uint64_t dice = rng.Below(10);
      if (dice == 0 && down.size() < 2) {
        const int node = static_cast<int>(rng.Below(3));
        if (std::find(down.begin(), down.end(), node) == down.end()) {
          ASSERT_TRUE(sim.Kill(node).ok());
          down.push_back(node);
        }
      } else if (dice == 1 && !down.empty()) {
        ASSERT_TRUE(sim.Restart(down.back()).ok());
        down.pop_back();
        if (rng.Below(2) == 0)
          ASSERT_TRUE(sim.Ready(down.empty() ? Duration(60s) : Duration(1s)) || !down.empty());
      } else if (dice == 2 && down.empty()) {
        const int node = static_cast<int>(rng.Below(3));
        ASSERT_TRUE(sim.Stall(node, true).ok());
        sim.world.RunFor(std::chrono::milliseconds(rng.Below(8000)));
        ASSERT_TRUE(sim.Stall(node, false).ok());
      } else {
        const auto n = static_cast<uint16_t>(rng.Below(4));
        const auto offset = static_cast<uint32_t>(rng.Below(50000));
        const Bytes data = Pattern(1 + rng.Below(40000), rng.Next());
        auto& content = model[n];
        if (content.size() < offset + data.size()) content.resize(offset + data.size());
        std::copy(data.data(), data.data() + data.size(), content.begin() + offset);
        ASSERT_TRUE(writer.Write(Requests::ChunkId(n), offset, data).length_info.ok())
            << "seed " << seed << " step " << step;
      }
    }
    for (const int node : down) ASSERT_TRUE(sim.Restart(node).ok());
    ASSERT_TRUE(sim.Ready(300s)) << "seed " << seed;
    for (const auto& [n, content] : model) {
      ExpectEverywhere(&sim, Requests::ChunkId(n), Bytes::Own(std::vector<uint8_t>(content)));
      if (testing::Test::HasFailure()) FAIL() << "seed " << seed;
    }
  }
}

TEST(Cluster, RefusesShapesThatCannotWork) {
  EXPECT_TRUE(CheckShape({}).ok());
  EXPECT_FALSE(CheckShape({.nodes = 2, .targets = 2, .replicas = 3}).ok());
  EXPECT_FALSE(CheckShape({.nodes = 3, .targets = 1, .replicas = 2}).ok());
  EXPECT_FALSE(CheckShape({.nodes = 3, .targets = 2, .replicas = 3, .chunk_size = 12345}).ok());
  for (const ClusterShape& shape :
       {ClusterShape{}, ClusterShape{3, 2, 2, 1U << 20}, ClusterShape{5, 4, 2, 1U << 20},
        ClusterShape{1, 3, 1, 1U << 20}}) {
    const MgmtdPlan plan = PlanCluster(shape);
    EXPECT_EQ(static_cast<int>(plan.chains.size()), ChainCount(shape));
    std::map<uint32_t, int> on_node;
    for (const auto& chain : plan.chains) {
      std::set<uint32_t> nodes;
      for (const auto& t : chain.targets) nodes.insert(plan.target_nodes.at(t.target_id));
      EXPECT_EQ(static_cast<int>(nodes.size()), shape.replicas);
      for (const uint32_t node : nodes) ++on_node[node];
    }
    for (const auto& [node, count] : on_node) EXPECT_EQ(count, shape.targets);
    for (int n = 0; n < shape.nodes; ++n) {
      EXPECT_EQ(static_cast<int>(TargetsOf(shape, n).size()), shape.targets);
    }
  }
}

}  // namespace
}  // namespace threefs::standalone

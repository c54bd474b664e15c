// SPDX-License-Identifier: Apache-2.0
// SimCluster: a standalone cluster in memory on virtual time, and raw calls to it, for the tests of
// this folder.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/base/crc32c.h"
#include "client/rpc/client.h"
#include "client/schema/mgmtd_rpc.h"
#include "client/schema/storage_rpc.h"
#include "client/standalone/cluster.h"
#include "client/standalone/cluster_plan.h"
#include "tests/support/sim_loop.h"
#include "tests/support/sim_network.h"

namespace threefs::standalone {

class SimCluster {
 public:
  static constexpr uint32_t kClientIp = 0x0900000a;  // 10.0.0.9
  static constexpr uint32_t kServerIp = 0x1400000a;  // 10.0.0.20 and up

  explicit SimCluster(uint64_t seed = 1, ClusterOptions options = {}, sim::LinkOptions links = {})
      : world(seed), network(world, links), loop(world.NewLoop()) {
    options.listen = {.ip = kServerIp, .port = 0, .type = net::AddressType::kTcp};
    options.ip_per_node = true;
    if (options.cluster_id == "standalone") options.cluster_id = "sim";
    cluster_id = options.cluster_id;
    ClusterEnv env;
    for (int i = 0; i < 3; ++i) env.loops.push_back(&world.NewLoop());
    control = env.loops[0];
    env.pool = pool.get();
    env.network = [this](uint32_t ip) -> net::Network& { return network.Node(ip); };
    env.seed = seed;
    auto started = world.Run(*control, [&] { return StandaloneCluster::Start(env, options); });
    EXPECT_TRUE(started.ok()) << started.status().ToString();
    if (!started.ok()) std::abort();
    cluster = *std::move(started);
    client = rpc::Client::Create(loop, network.Node(kClientIp), {});
    EXPECT_TRUE(Ready());
  }
  ~SimCluster() {
    client.reset();
    world.Run(*control, [&] { return cluster->Stop(); });
    cluster.reset();
    world.RunFor(1s);
  }
  SimCluster(const SimCluster&) = delete;
  SimCluster& operator=(const SimCluster&) = delete;

  bool Ready(Duration within = 60s) {
    return world.Run(*control, [&] { return cluster->Ready(control->Now() + within); });
  }
  Status Kill(int node) {
    return world.Run(*control, [&] { return cluster->KillNode(node); });
  }
  Status Restart(int node) {
    return world.Run(*control, [&] { return cluster->RestartNode(node); });
  }
  Status Stall(int node, bool stalled) {
    return world.Run(*control, [&] { return cluster->StallNode(node, stalled); });
  }
  Status OnNode(int node, std::function<void(StorageNode&)> change) {
    return world.Run(*control, [&] { return cluster->WithNode(node, &change); });
  }

  template <class M>
  Result<typename M::Rsp> Call(net::Address to, typename M::Req req, Duration timeout = 10s) {
    rpc::CallOptions options;
    options.timeout = timeout;
    return world.Run(loop, [&] { return client->Call<M>(to, req, options); });
  }
  template <class M>
  Result<typename M::Rsp> Mgmtd(typename M::Req req) {
    if (req.cluster_id.empty()) req.cluster_id = cluster_id;
    return Call<M>(cluster->addresses().mgmtd[0], std::move(req));
  }
  schema::mgmtd::RoutingInfo Routing() {
    auto rsp = Mgmtd<schema::mgmtd::method::GetRoutingInfo>({});
    while (!rsp.ok() && rsp.status().origin() == Origin::kLocal) {  // a faulty link
      world.RunFor(50ms);
      rsp = Mgmtd<schema::mgmtd::method::GetRoutingInfo>({});
    }
    EXPECT_TRUE(rsp.ok()) << rsp.status().ToString();
    return *rsp->info;
  }
  /// The chain as the routing information has it.
  schema::mgmtd::ChainInfo Chain(uint32_t id = kFirstChainId) {
    const auto routing = Routing();
    const auto* chain = routing.chains.Find(id);
    EXPECT_NE(chain, nullptr);
    return *chain;
  }
  /// The storage node (0…) that holds `target`.
  static int NodeOf(uint64_t target) {
    return static_cast<int>(target / 100'000 % 1'000'000) - static_cast<int>(kFirstStorageNodeId);
  }
  /// The node of the chain's i-th target.
  int NodeAt(size_t i) { return NodeOf(Chain().targets[i].target_id); }
  net::Address Storage(int node) { return cluster->addresses().storage[static_cast<size_t>(node)]; }

  sim::SimWorld world;
  sim::SimNetwork network;
  Loop& loop;
  Loop* control = nullptr;
  std::unique_ptr<BlockingPool> pool = BlockingPool::Create(0, "inline");
  std::string cluster_id;
  std::unique_ptr<StandaloneCluster> cluster;
  std::unique_ptr<rpc::Client> client;
};

inline constexpr uint32_t kTestChunk = 512U << 10;

/// Builds requests as a client does: one channel, rising sequence numbers.
class Requests {
 public:
  static std::string ChunkId(uint16_t n) {
    std::string id(16, '\0');
    id[8] = 7;
    id[14] = static_cast<char>(n >> 8);
    id[15] = static_cast<char>(n);
    return id;
  }
  schema::storage::MessageTag NextTag() {
    schema::storage::MessageTag tag;
    tag.client_id.uuid.bytes[0] = 1;
    tag.client_id.hostname = "test";
    tag.request_id = ++request_;
    tag.channel = {.id = 1, .seqnum = ++seqnum_};
    return tag;
  }
  schema::storage::WriteReq Write(uint32_t chain_version, const std::string& id, uint32_t offset,
                                  Bytes data) {
    schema::storage::WriteReq req;
    req.payload.offset = offset;
    req.payload.length = static_cast<uint32_t>(data.size());
    req.payload.chunk_size = kTestChunk;
    req.payload.key = {{kFirstChainId, chain_version}, id};
    req.payload.update_type = schema::storage::UpdateType::kWrite;
    req.payload.checksum = {schema::storage::ChecksumType::kCrc32c,
                            Crc32cRaw(0xFFFFFFFFU, data.span())};
    req.payload.inlinebuf.data = std::move(data);
    req.tag = NextTag();
    req.feature_flags = schema::storage::kFeatureSendDataInline;
    return req;
  }
  static schema::storage::BatchReadReq Read(uint32_t chain_version, const std::string& id,
                                            uint32_t offset, uint32_t length) {
    schema::storage::BatchReadReq req;
    schema::storage::ReadIO io;
    io.offset = offset;
    io.length = length;
    io.key = {{kFirstChainId, chain_version}, id};
    io.rdmabuf.length = length;
    req.payloads.push_back(io);
    req.feature_flags = schema::storage::kFeatureSendDataInline;
    req.checksum_type = schema::storage::ChecksumType::kCrc32c;
    return req;
  }

 private:
  uint64_t request_ = 0;
  uint64_t seqnum_ = 0;
};

inline Bytes Pattern(size_t size, uint64_t seed) {
  Rng rng(seed);
  std::vector<uint8_t> data(size);
  for (uint8_t& b : data) b = static_cast<uint8_t>(rng.Next());
  return Bytes::Own(std::move(data));
}

}  // namespace threefs::standalone

// SPDX-License-Identifier: Apache-2.0
// FakeCluster: a 3FS cluster of scripted servers on virtual time: one mgmtd per address, meta
// servers, storage nodes, all rpc::Servers on a SimNetwork. It keeps real contents (chunks, one
// remembered result a channel, inodes), so that whole clients work against it; and every answer can
// be replaced, altered, delayed or dropped by a test.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "client/rpc/client.h"
#include "client/rpc/server.h"
#include "client/schema/meta_rpc.h"
#include "client/schema/mgmtd_rpc.h"
#include "client/schema/storage_rpc.h"
#include "tests/support/sim_loop.h"
#include "tests/support/sim_network.h"

namespace threefs::fake {

namespace wire = schema::storage;

inline constexpr uint32_t kClientIp = 0x0100000a;  // 10.0.0.1
inline constexpr uint32_t Ip(uint32_t last_octet) { return 0x0000000a | last_octet << 24; }

/// A server process: its frames may be counted, dropped or held by `hook`.
struct Process {
  uint32_t node_id = 0;
  net::Address address;
  std::unique_ptr<rpc::Server> server;
  /// Requests seen, by method.
  std::map<uint16_t, uint64_t> requests;
  /// How many answers of a method to swallow after executing it.
  std::map<uint16_t, uint64_t> drop_answers;
  /// Before a request is handled: an error to answer instead.
  std::function<std::optional<Status>(uint16_t method)> refuse;
};

struct ChainTruth {
  uint32_t version = 1;
  std::vector<uint32_t> nodes;  // head first
};

struct Options {
  uint64_t seed = 1;
  uint32_t mgmtds = 1;
  uint32_t metas = 2;
  uint32_t storages = 3;
  uint32_t chains = 6;
  uint32_t replicas = 3;
  std::string cluster_id = "fake";
};

class FakeCluster {
 public:
  explicit FakeCluster(Options options = {});

  sim::SimWorld world;
  sim::SimNetwork network;
  Loop& client_loop;
  const Options options;

  std::vector<std::unique_ptr<Process>> mgmtds;    // node ids 1…, ip 10.0.1.x
  std::vector<std::unique_ptr<Process>> metas;     // 101…
  std::vector<std::unique_ptr<Process>> storages;  // 201…
  uint32_t primary = 0;                            // index into mgmtds; ≥ size: none

  // What the servers hold to be true.
  std::map<uint32_t, ChainTruth> chains;  // ids 1001…
  struct Chunk {
    std::vector<uint8_t> data;
    uint32_t version = 0;
    uint32_t chunk_size = 0;
  };
  std::map<std::pair<uint32_t, std::string>, Chunk> chunks;
  uint64_t applied = 0;  // updates executed (a repeat answered from memory is not)
  std::map<uint64_t, schema::meta::Inode> inodes;
  std::set<Uuid> pruned;
  std::vector<Uuid> mkdir_ids;  // idempotency ids as they came
  std::vector<schema::meta::SyncReq> syncs;
  std::vector<schema::mgmtd::ExtendClientSessionReq> sessions;
  uint64_t session_version = 0;

  // What mgmtd says.
  schema::mgmtd::RoutingInfo routing;
  /// Makes `routing` say the truth, one version up.
  void Publish();
  /// Moves the chain's first node to its end (or out), version + 1. Not published.
  void MoveHead(uint32_t chain, bool drop = false);

  /// Answers as they leave, for lies.
  std::function<void(const wire::BatchReadReq&, wire::BatchReadRsp*)> alter_read;
  std::function<void(const wire::WriteReq&, wire::WriteRsp*)> alter_write;
  std::function<void(wire::RemoveChunksRsp*)> alter_remove;
  /// Every storage update as it arrives (also repeats).
  std::vector<wire::MessageTag> update_tags;

  /// A file inode of chunk size `chunk_size` striped over all chains of table 1, known to meta.
  schema::meta::Inode MakeFile(uint64_t id, uint32_t chunk_size, uint32_t stripe,
                               uint32_t dyn_stripe = 0);
  std::string Address(const Process& p, const char* scheme = "RDMA") const;
  [[nodiscard]] uint64_t StoredLength(const schema::meta::Inode& inode) const;

 private:
  using ChannelKey = std::tuple<Uuid, uint32_t, uint16_t>;
  struct Remembered {
    uint64_t seqnum = 0;
    uint64_t request_id = 0;
    wire::IOResult result;
  };
  std::unique_ptr<Process> Start(uint32_t node_id, uint32_t ip, uint16_t port);
  void ServeMgmtd(size_t index);
  void ServeMeta(Process* p);
  void ServeStorage(Process* p);
  template <class M, class F>
  void Serve(Process* p, F fn);
  Status CheckChain(const Process& p, wire::VersionedChainId id, bool update) const;
  Result<wire::BatchReadRsp> Read(const Process& p, const wire::BatchReadReq& req);
  wire::IOResult Update(const Process& p, wire::VersionedChainId chain, const wire::MessageTag& tag,
                        const std::function<wire::IOResult()>& apply);
  wire::IOResult ApplyWrite(const wire::UpdateIO& io);
  wire::IOResult ApplyTruncate(const wire::TruncateChunkOp& op);
  wire::RemoveChunksResult Remove(const Process& p, const wire::RemoveChunksOp& op);
  wire::QueryLastChunkResult QueryLast(const Process& p, const wire::QueryLastChunkOp& op) const;
  Result<schema::meta::Inode> SyncInode(uint64_t id, bool update_length, bool truncated,
                                        const std::optional<schema::meta::VersionedLength>& hint);

  std::map<ChannelKey, Remembered> channels_;
};

}  // namespace threefs::fake

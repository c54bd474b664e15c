// SPDX-License-Identifier: Apache-2.0
// One job (query or remove) over all chains of a file runs in rounds: each round sends one batch to
// each node that heads a chain not done yet, in parallel; what failed in a way that routing or time
// may cure is tried in the next round.
#include "client/standalone/meta_storage.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "client/layout/chain_lookup.h"
#include "client/layout/chunk_id.h"
#include "client/schema/storage_rpc.h"
#include "client/standalone/meta_access.h"

namespace threefs::standalone {

namespace wire = schema::storage;
using schema::meta::File;
using schema::meta::Inode;
using schema::mgmtd::ChainInfo;
using schema::mgmtd::NodeInfo;
using schema::mgmtd::NodeStatus;
using schema::mgmtd::NodeType;
using schema::mgmtd::PublicTargetState;
using schema::mgmtd::RoutingInfo;
using schema::mgmtd::TargetInfo;

namespace {

constexpr Duration kFirstBackoff = 50ms;
constexpr Duration kMaxBackoff = 1s;
constexpr uint16_t kChannels = 8192;  // more than gc_batch files of 100 chains at once

// One chain's part of a job.
struct ChainWork {
  uint32_t chain_id = 0;
  uint32_t chain_ver = 0;
  bool done = false;
  Status error;
  uint64_t length = 0;
  // Of a removal: its update channel, and the tag that stays the same while the same batch is
  // retried.
  wire::MessageTag tag;
  uint32_t retry_count = 0;
};
using Works = std::vector<ChainWork>;
using Group = std::vector<ChainWork*>;

Result<net::Address> StorageAddress(const RoutingInfo& routing, uint32_t node_id) {
  const NodeInfo* node = routing.nodes.Find(node_id);
  if (node == nullptr || node->type != NodeType::kStorage) {
    return Status(Code::kStorageClientRoutingError, fmt::format("no storage node {}", node_id));
  }
  const net::Address* found = nullptr;
  for (const schema::ServiceGroupInfo& group : node->app.service_groups) {
    if (!group.services.contains("StorageSerde")) continue;
    for (const net::Address& address : group.endpoints) {
      const bool better = found == nullptr || (found->type != net::AddressType::kRdma &&
                                               address.type == net::AddressType::kRdma);
      if (better) found = &address;
    }
  }
  if (found == nullptr) {
    return Status(Code::kStorageClientNoRDMAInterface,
                  fmt::format("storage node {} has no address", node_id));
  }
  return *found;
}

// The address of the chain's first serving target; sets the version the request carries.
Result<net::Address> HeadOf(const RoutingInfo& routing, ChainWork* work) {
  const ChainInfo* chain = routing.chains.Find(work->chain_id);
  if (chain == nullptr) {
    return Status(Code::kStorageClientRoutingError, fmt::format("no chain {}", work->chain_id));
  }
  work->chain_ver = chain->chain_version;
  if (chain->targets.empty() ||
      chain->targets.front().public_state != PublicTargetState::kServing) {
    return Status(Code::kStorageClientNotAvailable,
                  fmt::format("chain {} has no serving target", work->chain_id));
  }
  const TargetInfo* target = routing.targets.Find(chain->targets.front().target_id);
  if (target == nullptr || !target->node_id) {
    return Status(Code::kStorageClientRoutingError,
                  fmt::format("the head of chain {} has no node", work->chain_id));
  }
  return StorageAddress(routing, *target->node_id);
}

// Answers that another round cannot change.
bool IsPermanent(const Status& status) {
  return status.code() == Code::kInvalidArg || status.code() == Code::kMetaInvalidFileLayout ||
         status.code() == Code::kStorageClientFoundBug;
}

class RpcMetaStorage final : public MetaStorage {
 public:
  RpcMetaStorage(Loop& loop, rpc::Client& client, RoutingSource routing, const MetaOptions& options,
                 Rng rng)
      : loop_(loop), client_(client), routing_(std::move(routing)), options_(options) {
    client_id_.uuid = Uuid::Random(rng);
    client_id_.hostname = "meta";
    for (uint16_t id = kChannels; id > 0; --id) free_channels_.push_back(id);
  }

  Task<Result<uint64_t>> QueryLength(Inode inode, CallContext ctx) override {
    CO_TRY(Works works, Plan(inode, /*limited=*/true));
    CO_TRY(co_await Rounds(&RpcMetaStorage::QueryNode, &inode, &works, ctx));
    uint64_t length = 0;
    for (const ChainWork& work : works) length = std::max(length, work.length);
    const File& file = inode.AsFile();
    const bool limited =
        options_.dynamic_stripe && file.dyn_stripe > 0 && file.dyn_stripe < file.layout.stripe_size;
    if (limited && length > uint64_t{file.dyn_stripe} * file.layout.chunk_size) {
      co_return Status(Code::kMetaBusy, "a chunk lies beyond the file's dynamic stripe");
    }
    co_return length;
  }

  Task<Status> RemoveChunks(Inode inode, CallContext ctx) override {
    CO_TRY(Works works, Plan(inode, /*limited=*/false));
    if (free_channels_.size() < works.size()) {
      co_return Status(Code::kStorageClientResourceBusy, "all update channels are in use");
    }
    for (ChainWork& work : works) {
      work.tag.client_id = client_id_;
      work.tag.channel.id = free_channels_.back();
      free_channels_.pop_back();
      NextTag(&work);
    }
    Status end = co_await Rounds(&RpcMetaStorage::RemoveOnNode, &inode, &works, ctx);
    for (const ChainWork& work : works) free_channels_.push_back(work.tag.channel.id);
    co_return end;
  }

  Task<Result<Space>> QuerySpace(CallContext ctx) override {
    const std::shared_ptr<const RoutingInfo> routing = routing_();
    if (routing == nullptr) co_return Status(Code::kMgmtdClientRoutingInfoNotReady);
    Space sum;
    for (const auto& [id, node] : routing->nodes) {
      if (node.type != NodeType::kStorage || node.status != NodeStatus::kHeartbeatConnected)
        continue;
      CO_TRY(const net::Address address, StorageAddress(*routing, id));
      wire::SpaceInfoReq req;
      req.tag.client_id = client_id_;
      CO_TRY(const wire::SpaceInfoRsp rsp,
             co_await client_.Call<wire::method::SpaceInfo>(address, req, Options(ctx)));
      for (const wire::SpaceInfo& disk : rsp.space_infos) {
        sum.capacity += disk.capacity;
        sum.free += std::min(disk.free, disk.capacity);
      }
    }
    co_return sum;
  }

 private:
  using NodeJob = Task<void> (RpcMetaStorage::*)(const Inode* inode, net::Address to, Group group,
                                                 CallContext ctx);

  [[nodiscard]] rpc::CallOptions Options(CallContext ctx) const {
    return {.ctx = ctx, .timeout = options_.storage_rpc_timeout};
  }

  // One work a chain of the file's stripe; `limited`: only the chains that can hold chunks.
  Result<Works> Plan(const Inode& inode, bool limited) {
    const File* file = AsFile(inode);
    if (file == nullptr) return Status(Code::kMetaNotFile, "not a file");
    const std::shared_ptr<const RoutingInfo> routing = routing_();
    if (routing == nullptr) {
      return Status(Code::kMgmtdClientRoutingInfoNotReady, "the meta server has no routing yet");
    }
    TRY(std::vector<uint32_t> chains, layout::ResolveStripe(*routing, file->layout));
    if (limited && options_.dynamic_stripe && file->dyn_stripe != 0) {
      chains.resize(std::min<size_t>(chains.size(), file->dyn_stripe));
    }
    std::sort(chains.begin(), chains.end());
    chains.erase(std::unique(chains.begin(), chains.end()), chains.end());
    Works works(chains.size());
    for (size_t i = 0; i < chains.size(); ++i) works[i].chain_id = chains[i];
    return works;
  }

  // `inode` and `works` are the awaiter's and outlive the rounds.
  Task<Status> Rounds(NodeJob job, const Inode* inode, Works* works, CallContext ctx) {
    Duration backoff = kFirstBackoff;
    while (true) {
      co_await Round(job, inode, works, ctx);
      Status worst;
      bool done = true;
      for (const ChainWork& work : *works) {
        if (IsPermanent(work.error)) co_return work.error;
        if (!work.error.ok()) worst = work.error;
        done = done && work.done;
      }
      if (done) co_return Status();
      if (worst.ok()) {  // progress everywhere, more to do
        backoff = kFirstBackoff;
        continue;
      }
      if (ctx.cancelled() || loop_.Now() + backoff >= ctx.deadline) co_return worst;
      co_await SleepFor(backoff);
      backoff = std::min(backoff * 2, kMaxBackoff);
    }
  }

  Task<void> Round(NodeJob job, const Inode* inode, Works* works, CallContext ctx) {
    const std::shared_ptr<const RoutingInfo> routing = routing_();
    std::map<net::Address, Group> groups;
    for (ChainWork& work : *works) {
      if (work.done) continue;
      const Result<net::Address> head =
          routing != nullptr ? HeadOf(*routing, &work)
                             : Result<net::Address>(Code::kMgmtdClientRoutingInfoNotReady);
      work.error = head.status();
      if (head.ok()) groups[*head].push_back(&work);
    }
    TaskScope scope;
    for (auto& [address, group] : groups) {
      scope.Start((this->*job)(inode, address, std::move(group), ctx));
    }
    co_await scope.Join();
  }

  Task<void> QueryNode(const Inode* inode, net::Address to, Group group, CallContext ctx) {
    wire::QueryLastChunkReq req;
    for (const ChainWork* work : group) {
      req.payloads.push_back(
          {{work->chain_id, work->chain_ver}, layout::ChunksFrom(inode->id, 0, 1)});
    }
    req.tag.client_id = client_id_;
    req.tag.request_id = ++next_request_;
    const Result<wire::QueryLastChunkRsp> rsp =
        co_await client_.Call<wire::method::QueryLastChunk>(to, req, Options(ctx));
    for (size_t i = 0; i < group.size(); ++i) {
      if (!rsp.ok() || i >= rsp->results.size()) {
        group[i]->error = rsp.ok() ? Status(Code::kStorageClientServerError, "a result is missing")
                                   : rsp.status();
        continue;
      }
      TakeLength(*inode, rsp->results[i], group[i]);
    }
  }

  static void TakeLength(const Inode& inode, const wire::QueryLastChunkResult& result,
                         ChainWork* work) {
    work->error = result.status_code.status();
    if (!work->error.ok()) return;
    work->done = true;
    if (result.total_num_chunks == 0 || result.last_chunk_id.empty()) return;
    const Result<layout::FileChunk> chunk = layout::ParseChunkId(result.last_chunk_id);
    if (!chunk.ok() || chunk->inode != inode.id) {
      work->done = false;
      work->error = {Code::kStorageClientFoundBug, "storage named a chunk of another file"};
      return;
    }
    const uint64_t begin = uint64_t{chunk->index} * inode.AsFile().layout.chunk_size;
    work->length = begin + result.last_chunk_len;
  }

  // The next batch of a removal: new request, and a sequence number beyond those the last batch may
  // have used.
  void NextTag(ChainWork* work) {
    uint64_t& sequence = sequences_[work->tag.channel.id];
    work->tag.channel.seqnum = sequence + 1;
    sequence += options_.gc_remove_chunks_batch + 1;
    work->tag.request_id = ++next_request_;
    work->retry_count = 0;
  }

  Task<void> RemoveOnNode(const Inode* inode, net::Address to, Group group, CallContext ctx) {
    wire::RemoveChunksReq req;
    for (const ChainWork* work : group) {
      req.payloads.push_back({{work->chain_id, work->chain_ver},
                              layout::ChunksFrom(inode->id, 0, options_.gc_remove_chunks_batch),
                              work->tag,
                              work->retry_count});
    }
    const Result<wire::RemoveChunksRsp> rsp =
        co_await client_.Call<wire::method::RemoveChunks>(to, req, Options(ctx));
    for (size_t i = 0; i < group.size(); ++i) {
      ChainWork* work = group[i];
      if (!rsp.ok() || i >= rsp->results.size()) {
        work->error = rsp.ok() ? Status(Code::kStorageClientServerError, "a result is missing")
                               : rsp.status();
        ++work->retry_count;
        continue;
      }
      const wire::RemoveChunksResult& result = rsp->results[i];
      work->error = result.status_code.status();
      if (work->error.ok()) work->done = !result.more_chunks_in_range;
      // A new batch either way: a removal that failed half-way is no harm to repeat on what is
      // left.
      NextTag(work);
    }
  }

  Loop& loop_;
  rpc::Client& client_;
  RoutingSource routing_;
  const MetaOptions options_;
  schema::ClientId client_id_;
  uint64_t next_request_ = 0;
  std::vector<uint16_t> free_channels_;
  std::map<uint16_t, uint64_t> sequences_;
};

}  // namespace

std::unique_ptr<MetaStorage> MakeRpcMetaStorage(Loop& loop, rpc::Client& client,
                                                RoutingSource routing, const MetaOptions& options,
                                                Rng rng) {
  return std::make_unique<RpcMetaStorage>(loop, client, std::move(routing), options, rng);
}

}  // namespace threefs::standalone

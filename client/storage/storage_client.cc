// SPDX-License-Identifier: Apache-2.0
#include "client/storage/storage_client.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "client/layout/chunk_id.h"
#include "client/storage/core.h"
#include "client/storage/errors.h"
#include "client/storage/read_path.h"
#include "client/storage/update_path.h"

namespace threefs::storage {

Core::Core(Loop& l, rpc::Client& r, mgmtd::MgmtdClient& m, StorageOptions o)
    : loop(l),
      rpc(r),
      mgmtd(m),
      options(std::move(o)),
      rng(options.seed != 0 ? Rng(options.seed) : Rng::FromKernel()),
      picker(rng.Next()),
      channels(options.first_channel, options.channels, options.first_sequence),
      all_(options.max_requests),
      next_request_id_(options.first_sequence) {}

schema::storage::MessageTag Core::Tag(uint64_t request_id,
                                      schema::storage::UpdateChannel channel) const {
  schema::storage::MessageTag tag;
  tag.client_id = options.client;
  tag.request_id = request_id;
  tag.channel = channel;
  return tag;
}

CallContext Core::Bounded(const CallContext& ctx) const {
  return ctx.deadline == kNever ? ctx.Until(loop.Now() + options.io_timeout) : ctx;
}

// The node's gate first: waiting for a slow node does not take the room others could use.
Task<Core::Admission> Core::Admit(uint32_t node_id, CallContext ctx) {
  auto& gate = nodes_[node_id];
  if (gate == nullptr) gate = std::make_unique<Gate>(options.max_requests_per_node);
  Admission out;
  out.node = co_await gate->Enter(ctx);
  if (out.node.owns()) out.all = co_await all_.Enter(ctx);
  co_return out;
}

Task<bool> Core::WaitToRetry(CallContext ctx, Duration backoff, uint64_t stale) {
  // Clients that failed together must not come back together.
  const TimePoint until =
      loop.Now() + backoff -
      Duration(static_cast<int64_t>(0.5 * rng.Unit() * static_cast<double>(backoff.count())));
  if (ctx.cancelled() || until >= ctx.deadline) co_return false;
  if (stale != 0) {
    stats.routing_waits.Add();
    co_await mgmtd.NewerThan(stale, until);
  } else {
    co_await SleepUntil(until);
  }
  co_return !ctx.cancelled();
}

Status Core::GiveUp(const CallContext& ctx, TimePoint started, const Status& last) const {
  if (ctx.cancelled()) {
    return {Code::kStorageClientRequestCanceled, "the operation was interrupted"};
  }
  const auto took =
      std::chrono::duration_cast<std::chrono::milliseconds>(loop.Now() - started).count();
  return last.WithContext(fmt::format("gave up after {} ms", took));
}

Duration Core::TryTimeout(uint32_t round) const {
  Duration timeout = options.rpc_timeout;
  for (uint32_t i = 0; i < round && timeout < options.max_rpc_timeout; ++i) timeout *= 2;
  return std::min(timeout, options.max_rpc_timeout);
}

std::string Describe(uint32_t chain_id, ChunkKey chunk) {
  return fmt::format("chunk {} of inode {:#x} on chain {}", chunk.index, chunk.inode, chain_id);
}

schema::storage::ChunkId WireChunkId(ChunkKey chunk) {
  return layout::MakeChunkId(chunk.inode, 0, chunk.index);
}

schema::storage::ChunkIdRange WireRange(const ChunkRange& range, uint32_t max) {
  auto wire = layout::ChunksFrom(range.inode, range.first, max);
  if (range.end != 0) wire.end = WireChunkId({range.inode, range.end});
  return wire;
}

namespace {

class StorageClientImpl final : public StorageClient {
 public:
  StorageClientImpl(Loop& loop, rpc::Client& rpc, mgmtd::MgmtdClient& mgmtd, StorageOptions options)
      : core_(loop, rpc, mgmtd, std::move(options)), updates_(core_) {}

  Task<std::vector<ReadOutcome>> Read(OpContext op, std::vector<ReadOp> ops) override {
    ReadPath path(core_, std::move(op), ops);
    co_return co_await path.Run();
  }
  Task<std::vector<Status>> Write(OpContext op, std::vector<WriteOp> ops) override {
    return updates_.Write(std::move(op), std::move(ops));
  }
  Task<Result<uint32_t>> Truncate(OpContext op, TruncateOp what) override {
    return updates_.Truncate(std::move(op), what);
  }
  Task<Result<RemoveOutcome>> Remove(OpContext op, ChunkRange range, uint32_t max) override {
    return updates_.Remove(std::move(op), range, max);
  }
  Task<Result<LastChunk>> QueryLastChunk(OpContext op, ChunkRange range) override {
    return updates_.QueryLastChunk(std::move(op), range);
  }
  Task<Result<schema::storage::SpaceInfoRsp>> SpaceInfo(OpContext op, uint32_t node_id) override;
  [[nodiscard]] const StorageStats& stats() const override { return core_.stats; }

 private:
  Core core_;
  UpdatePath updates_;
};

Task<Result<schema::storage::SpaceInfoRsp>> StorageClientImpl::SpaceInfo(OpContext op,
                                                                         uint32_t node_id) {
  const CallContext ctx = core_.Bounded(op.call);
  const mgmtd::RoutingRef routing = core_.mgmtd.routing();
  const auto& nodes = routing->storage_servers();
  const auto node =
      std::find_if(nodes.begin(), nodes.end(), [&](const auto& n) { return n.node_id == node_id; });
  if (node == nodes.end()) {
    co_return Status(
        Code::kStorageClientRoutingError,
        fmt::format("storage node {} has no address in the routing information", node_id));
  }
  schema::storage::SpaceInfoReq req;
  req.tag = core_.Tag(core_.NextRequestId());
  auto rsp = co_await core_.rpc.Call<schema::storage::method::SpaceInfo>(
      node->address, req, {.ctx = ctx, .timeout = core_.options.rpc_timeout});
  if (!rsp.ok()) co_return ToClientStatus(rsp.status());
  co_return *std::move(rsp);
}

}  // namespace

std::unique_ptr<StorageClient> StorageClient::Create(Loop& loop, rpc::Client& rpc,
                                                     mgmtd::MgmtdClient& mgmtd,
                                                     StorageOptions options) {
  return std::make_unique<StorageClientImpl>(loop, rpc, mgmtd, std::move(options));
}

}  // namespace threefs::storage

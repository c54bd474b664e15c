// SPDX-License-Identifier: Apache-2.0
#include "client/storage/update_path.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "client/base/crc32c.h"
#include "client/layout/chunk_id.h"
#include "client/storage/errors.h"

namespace threefs::storage {
namespace {

namespace method = schema::storage::method;
using schema::storage::ChecksumType;
using schema::storage::UpdateChannel;
using schema::storage::UpdateType;

// How often an update is repeated whose data arrived damaged: the wire's fault is cured by that, a
// disk's is not.
constexpr uint32_t kDamagedTries = 3;

// The servers store chunks of certain sizes only; a layout that names another can never be written.
Status Explain(const Status& s, uint32_t chunk_size) {
  if (s.code() != Code::kStorageClientBadConfig) return s;
  return s.WithContext(fmt::format(
      "the storage targets do not take chunks of {} bytes; choose a chunk size they have (512 KiB "
      "is usual)",
      chunk_size));
}

const schema::UserInfo& UserOf(const OpContext& op) {
  static const schema::UserInfo kNobody;
  return op.user != nullptr ? *op.user : kNobody;
}

}  // namespace

template <class M, class Make, class Check>
Task<Status> UpdatePath::AtHead(CallContext ctx, uint32_t chain_id, Make make, Check check) {
  const TimePoint started = core_.loop.Now();
  Duration backoff = core_.options.first_backoff;
  uint32_t damaged = 0;
  Status last;
  for (uint32_t round = 0;; ++round) {
    const mgmtd::RoutingRef routing = core_.mgmtd.routing();
    const mgmtd::Chain* chain = routing->FindChain(chain_id);
    if (chain == nullptr) {
      last = {Code::kStorageClientRoutingError,
              fmt::format("chain {} is not in routing version {}", chain_id, routing->version())};
    } else if (chain->serving.empty()) {
      last = chain->why_none;
    } else {
      const mgmtd::ServingTarget& head = chain->serving.front();
      const Core::Admission room = co_await core_.Admit(head.node_id, ctx);
      if (room.owns()) {
        core_.stats.update_rpcs.Add();
        auto rsp = co_await core_.rpc.Call<M>(head.address,
                                              make(Attempt{{chain->id, chain->version}, round}),
                                              {.ctx = ctx, .timeout = core_.TryTimeout(round)});
        const Status status = ToClientStatus(rsp.ok() ? check(*rsp) : rsp.status());
        if (status.ok()) co_return Status();
        last = status.WithContext(fmt::format("target {} at node {} ({})", head.target_id,
                                              head.node_id, head.address.ToString()));
      } else if (last.ok()) {
        last = {Code::kStorageClientTimeout, "no free request slot in time"};
      }
    }
    const Severity severity = SeverityOf(last.code());
    const bool again =
        last.code() == Code::kStorageClientChecksumMismatch && ++damaged < kDamagedTries;
    if (severity == Severity::kPermanent && !again) co_return last;
    core_.stats.retries.Add();
    // Whatever went wrong, a new head may be the cure: fresh routing ends the wait.
    if (!co_await core_.WaitToRetry(ctx, backoff, routing->version())) {
      co_return core_.GiveUp(ctx, started, last);
    }
    backoff = std::min(backoff * 2, core_.options.max_backoff);
  }
}

// --- write
// -------------------------------------------------------------------------------------------------------------

Task<void> UpdatePath::WritePiece(const OpContext* op, CallContext ctx, WriteOp piece,
                                  Status* status) {
  ChannelPool::Lease lease = co_await core_.channels.Take(ctx);
  if (!lease.owns()) {
    *status = {Code::kStorageClientResourceBusy, "no free update channel in time"};
    co_return;
  }
  schema::storage::WriteReq req;
  req.payload.offset = piece.offset;
  req.payload.length = static_cast<uint32_t>(piece.data.size());
  req.payload.chunk_size = piece.chunk_size;
  req.payload.key.chunk_id = WireChunkId(piece.chunk);
  req.payload.update_type = UpdateType::kWrite;
  req.payload.checksum = {.type = ChecksumType::kCrc32c,
                          .value = Crc32cRaw(0xffffffff, piece.data.span())};
  req.payload.inlinebuf.data = piece.data;
  req.tag = core_.Tag(core_.NextRequestId(), lease.Next(1));
  req.user_info = UserOf(*op);
  req.feature_flags = schema::storage::kFeatureSendDataInline;
  // Same request id, channel and sequence number in every try: the server applies it once (§4).
  const auto make = [&req](const Attempt& a) -> const schema::storage::WriteReq& {
    req.payload.key.v_chain_id = a.chain;
    req.retry_count = a.round;
    return req;
  };
  const auto check = [this, &req, &lease](const schema::storage::WriteRsp& rsp) -> Status {
    const auto& length = rsp.result.length_info;
    if (length.code() == Code::kStorageClientDuplicateUpdate) {
      // A former process with this client id counted further. This update was refused, so it may be
      // numbered anew.
      core_.channels.JumpAhead();
      req.tag.channel = lease.Next(1);
    }
    if (!length.ok()) return length.status();
    if (*length == req.payload.length) return {};
    core_.stats.bad_answers.Add();
    return {Code::kStorageClientFoundBug,
            fmt::format("the server wrote {} of {} bytes", *length, req.payload.length)};
  };
  *status = co_await AtHead<method::Write>(ctx, piece.chain_id, make, check);
  if (status->ok()) {
    core_.stats.write_bytes.Add(piece.data.size());
  } else {
    *status = Explain(*status, piece.chunk_size)
                  .WithContext("write of " + Describe(piece.chain_id, piece.chunk));
  }
}

Task<std::vector<Status>> UpdatePath::Write(OpContext op, std::vector<WriteOp> ops) {
  const CallContext ctx = core_.Bounded(op.call);
  const uint32_t limit = core_.options.max_inline_piece;
  std::vector<Status> out(ops.size());
  if (ops.size() == 1 && ops[0].data.size() <= limit && ops[0].data.size() <= ops[0].chunk_size &&
      ops[0].offset <= ops[0].chunk_size - ops[0].data.size()) {
    co_await WritePiece(&op, ctx, std::move(ops[0]), out.data());
    co_return out;
  }
  std::vector<std::vector<Status>> pieces(ops.size());
  TaskScope scope;
  for (size_t i = 0; i < ops.size(); ++i) {
    const WriteOp& whole = ops[i];
    if (whole.data.size() > whole.chunk_size ||
        whole.offset > whole.chunk_size - whole.data.size()) {
      out[i] = {Code::kStorageClientInvalidArg,
                fmt::format("{} bytes at {} do not fit a chunk of {}", whole.data.size(),
                            whole.offset, whole.chunk_size)};
      continue;
    }
    pieces[i].resize((whole.data.size() + limit - 1) / limit);
    for (size_t k = 0; k < pieces[i].size(); ++k) {
      WriteOp piece = whole;
      const size_t at = k * limit;
      piece.offset += static_cast<uint32_t>(at);
      piece.data = whole.data.Slice(at, std::min<size_t>(limit, whole.data.size() - at));
      scope.Start(WritePiece(&op, ctx, std::move(piece), &pieces[i][k]));
    }
  }
  co_await scope.Join();
  for (size_t i = 0; i < ops.size(); ++i) {
    for (const Status& s : pieces[i]) {
      if (out[i].ok() && !s.ok()) out[i] = s;
    }
  }
  co_return out;
}

// --- truncate, remove, query
// -------------------------------------------------------------------------------------------

Task<Result<uint32_t>> UpdatePath::Truncate(OpContext op, TruncateOp what) {
  const CallContext ctx = core_.Bounded(op.call);
  if (what.length > what.chunk_size) {
    co_return Status(Code::kStorageClientInvalidArg, "a chunk cannot be longer than its size");
  }
  ChannelPool::Lease lease = co_await core_.channels.Take(ctx);
  if (!lease.owns()) {
    co_return Status(Code::kStorageClientResourceBusy, "no free update channel in time");
  }
  // No SEND_DATA_INLINE here: there are no data, and the server would miss them (§7).
  schema::storage::TruncateChunksReq req;
  req.user_info = UserOf(op);
  schema::storage::TruncateChunkOp& io = req.payloads.emplace_back();
  io.chunk_id = WireChunkId(what.chunk);
  io.chunk_len = what.length;
  io.chunk_size = what.chunk_size;
  io.only_extend_chunk = what.only_extend;
  io.tag = core_.Tag(core_.NextRequestId(), lease.Next(1));
  uint32_t length = 0;
  const auto make = [&req, &io](const Attempt& a) -> const schema::storage::TruncateChunksReq& {
    io.v_chain_id = a.chain;
    io.retry_count = a.round;
    return req;
  };
  const auto check = [&](const schema::storage::TruncateChunksRsp& rsp) -> Status {
    if (rsp.results.size() != 1) {
      core_.stats.bad_answers.Add();
      return {Code::kStorageClientFoundBug, "the server's answer is wrong: not one result"};
    }
    const auto& info = rsp.results[0].length_info;
    if (info.code() == Code::kStorageClientDuplicateUpdate) {
      core_.channels.JumpAhead();
      io.tag.channel = lease.Next(1);
    }
    if (info.ok()) length = *info;
    return info.status();
  };
  const Status status = co_await AtHead<method::TruncateChunks>(ctx, what.chain_id, make, check);
  if (!status.ok()) {
    co_return Explain(status, what.chunk_size)
        .WithContext("truncation of " + Describe(what.chain_id, what.chunk));
  }
  co_return length;
}

Task<Result<RemoveOutcome>> UpdatePath::Remove(OpContext op, ChunkRange range, uint32_t max) {
  const CallContext ctx = core_.Bounded(op.call);
  if (max == 0) co_return Status(Code::kStorageClientInvalidArg, "nothing to remove");
  ChannelPool::Lease lease = co_await core_.channels.Take(ctx);
  if (!lease.owns()) {
    co_return Status(Code::kStorageClientResourceBusy, "no free update channel in time");
  }
  schema::storage::RemoveChunksReq req;
  req.user_info = UserOf(op);
  schema::storage::RemoveChunksOp& io = req.payloads.emplace_back();
  io.chunk_id_range = WireRange(range, max);
  io.tag = core_.Tag(core_.NextRequestId());
  RemoveOutcome out;
  const auto make = [&](const Attempt& a) -> const schema::storage::RemoveChunksReq& {
    io.v_chain_id = a.chain;
    io.retry_count = a.round;
    // The server numbers each chunk it removes; a repeat starts from new numbers on the same
    // channel (§4).
    io.tag.channel = lease.Next(max);
    return req;
  };
  const auto check = [&](const schema::storage::RemoveChunksRsp& rsp) -> Status {
    if (rsp.results.size() != 1) {
      core_.stats.bad_answers.Add();
      return {Code::kStorageClientFoundBug, "the server's answer is wrong: not one result"};
    }
    const auto& result = rsp.results[0];
    out.removed += result.num_chunks_removed;
    out.more = result.more_chunks_in_range;
    if (result.status_code.code() == Code::kStorageClientDuplicateUpdate) {
      core_.channels.JumpAhead();
    }
    return result.status_code.status();
  };
  const Status status = co_await AtHead<method::RemoveChunks>(ctx, range.chain_id, make, check);
  if (!status.ok()) {
    co_return status.WithContext(
        fmt::format("removal of chunks of inode {:#x} on chain {}", range.inode, range.chain_id));
  }
  co_return out;
}

Task<Result<LastChunk>> UpdatePath::QueryLastChunk(OpContext op, ChunkRange range) {
  const CallContext ctx = core_.Bounded(op.call);
  schema::storage::QueryLastChunkReq req;
  req.user_info = UserOf(op);
  schema::storage::QueryLastChunkOp& io = req.payloads.emplace_back();
  io.chunk_id_range = WireRange(range, 1);
  LastChunk last;
  const auto make = [&](const Attempt& a) -> const schema::storage::QueryLastChunkReq& {
    io.v_chain_id = a.chain;
    req.tag = core_.Tag(core_.NextRequestId());
    req.retry_count = a.round;
    return req;
  };
  const auto check = [&](const schema::storage::QueryLastChunkRsp& rsp) -> Status {
    if (rsp.results.size() != 1) {
      core_.stats.bad_answers.Add();
      return {Code::kStorageClientFoundBug, "the server's answer is wrong: not one result"};
    }
    const auto& result = rsp.results[0];
    if (!result.status_code.ok()) return result.status_code.status();
    last = {};
    if (result.total_num_chunks == 0) return {};
    const auto key = layout::ParseChunkId(result.last_chunk_id);
    if (!key.ok() || key->inode != range.inode || key->index < range.first) {
      core_.stats.bad_answers.Add();
      return {Code::kStorageClientFoundBug, "the server's answer is wrong: chunk out of range"};
    }
    last = {.found = true, .index = key->index, .length = result.last_chunk_len};
    return {};
  };
  const Status status = co_await AtHead<method::QueryLastChunk>(ctx, range.chain_id, make, check);
  if (!status.ok()) {
    co_return status.WithContext(fmt::format("query of the last chunk of inode {:#x} on chain {}",
                                             range.inode, range.chain_id));
  }
  co_return last;
}

}  // namespace threefs::storage

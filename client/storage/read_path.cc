// SPDX-License-Identifier: Apache-2.0
#include "client/storage/read_path.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>

#include "client/base/crc32c.h"
#include "client/base/log.h"
#include "client/storage/errors.h"
#include "client/storage/zeros.h"

namespace threefs::storage {
namespace {

using schema::storage::BatchReadReq;
using schema::storage::BatchReadRsp;
using schema::storage::ChecksumType;
using schema::storage::IOResult;

// While another replica may answer, one that keeps silent is not given the whole rpc_timeout.
constexpr Duration kFirstTry = 3s;

bool Matches(const schema::storage::ChecksumInfo& sum, const Bytes& data) {
  switch (sum.type) {
    case ChecksumType::kNone:
      return true;
    case ChecksumType::kCrc32c:
      return Crc32cRaw(0xffffffff, data.span()) == sum.value;
    case ChecksumType::kCrc32:
      return Crc32Raw(0xffffffff, data.span()) == sum.value;
  }
  return false;
}

}  // namespace

ReadPath::ReadPath(Core& core, OpContext op, const std::vector<ReadOp>& ops)
    : core_(core),
      op_(std::move(op)),
      ops_(ops),
      ctx_(core.Bounded(op_.call)),
      started_(core.loop.Now()),
      backoff_(core.options.first_backoff) {}

void ReadPath::Cut() {
  const uint32_t limit = core_.options.max_inline_piece;
  for (size_t i = 0; i < ops_.size(); ++i) {
    const ReadOp& op = ops_[i];
    for (uint32_t done = 0; done < op.length;) {
      const uint32_t n = std::min(limit, op.length - done);
      Piece piece;
      piece.op = i;
      piece.offset = op.offset + done;
      piece.length = n;
      pieces_.push_back(std::move(piece));
      done += n;
    }
  }
}

std::string ReadPath::Where(const Piece& piece) const {
  const ReadOp& op = ops_[piece.op];
  if (piece.target_id == 0) return Describe(op.chain_id, op.chunk);
  return fmt::format("{}, target {} at node {}", Describe(op.chain_id, op.chunk), piece.target_id,
                     piece.node_id);
}

// --- one round
// ---------------------------------------------------------------------------------------------------------

// Chooses a target for everything not done and groups by node, within the limits of a batch.
std::vector<ReadPath::Batch> ReadPath::Assign() {
  const mgmtd::RoutingRef routing = core_.mgmtd.routing();
  std::vector<Batch> batches;
  for (Piece& piece : pieces_) {
    if (piece.done) continue;
    const ReadOp& op = ops_[piece.op];
    const mgmtd::Chain* chain = routing->FindChain(op.chain_id);
    if (chain == nullptr || chain->serving.empty()) {
      piece.last = chain == nullptr ? Status(Code::kStorageClientRoutingError,
                                             fmt::format("chain {} is not in routing version {}",
                                                         op.chain_id, routing->version()))
                                    : chain->why_none;
      continue;
    }
    const mgmtd::ServingTarget& target =
        core_.picker.Pick(*chain, piece.failed, piece.length, core_.loop.Now());
    if (piece.target_id != 0 && piece.target_id != target.target_id) core_.stats.failovers.Add();
    piece.target_id = target.target_id;
    piece.node_id = target.node_id;
    piece.chain_version = chain->version;
    piece.replicas = static_cast<uint32_t>(chain->serving.size());
    auto batch = std::find_if(batches.begin(), batches.end(), [&](const Batch& b) {
      return b.node_id == target.node_id && b.pieces.size() < core_.options.max_batch_ops &&
             b.bytes + piece.length <= core_.options.max_batch_bytes;
    });
    if (batch == batches.end()) {
      batches.push_back(
          {.address = target.address, .node_id = target.node_id, .bytes = 0, .pieces = {}});
      batch = std::prev(batches.end());
    }
    batch->bytes += piece.length;
    batch->pieces.push_back(&piece);
  }
  return batches;
}

BatchReadReq ReadPath::MakeRequest(const Batch& batch) {
  BatchReadReq req;
  req.payloads.reserve(batch.pieces.size());
  for (const Piece* piece : batch.pieces) {
    const ReadOp& op = ops_[piece->op];
    schema::storage::ReadIO io;
    io.offset = piece->offset;
    io.length = piece->length;
    io.key.v_chain_id = {.chain_id = op.chain_id, .chain_ver = piece->chain_version};
    io.key.chunk_id = WireChunkId(op.chunk);
    // Inline answers still need room declared (3fs/storage.md §8).
    io.rdmabuf.length = piece->length;
    req.payloads.push_back(std::move(io));
  }
  req.tag = core_.Tag(core_.NextRequestId());
  req.retry_count = round_;
  if (op_.user != nullptr) req.user_info = *op_.user;
  req.feature_flags = schema::storage::kFeatureSendDataInline;
  req.checksum_type = core_.options.verify_checksums ? ChecksumType::kCrc32c : ChecksumType::kNone;
  return req;
}

Task<void> ReadPath::Send(Batch* batch) {
  const Core::Admission room = co_await core_.Admit(batch->node_id, ctx_);
  if (!room.owns()) {
    for (Piece* p : batch->pieces) {
      if (p->last.ok()) p->last = {Code::kStorageClientTimeout, "no free request slot in time"};
    }
    co_return;
  }
  Duration timeout = core_.TryTimeout(round_);
  for (const Piece* p : batch->pieces) {
    if (p->failed.size() + 1 < p->replicas) timeout = std::min(timeout, kFirstTry);
  }
  core_.picker.OnStart(batch->node_id, batch->bytes);
  core_.stats.read_rpcs.Add();
  const TimePoint sent = core_.loop.Now();
  auto rsp = co_await core_.rpc.Call<schema::storage::method::BatchRead>(
      batch->address, MakeRequest(*batch), {.ctx = ctx_, .timeout = timeout});
  const TimePoint now = core_.loop.Now();
  // Answers of the server, errors included, show that the node works.
  if (rsp.ok() || rsp.status().origin() == Origin::kPeer) {
    core_.picker.OnSuccess(batch->node_id, batch->bytes, now - sent, now);
  } else {
    core_.picker.OnFailure(batch->node_id, batch->bytes, now);
  }
  Take(batch, rsp);
}

// --- the answer
// --------------------------------------------------------------------------------------------------------

void ReadPath::Fail(Piece* piece, const Status& why) {
  const Status status = ToClientStatus(why);
  piece->last = status;
  piece->failed.push_back(piece->target_id);
  if (SeverityOf(status.code()) == Severity::kPermanent &&
      status.code() != Code::kStorageClientProtocolMismatch) {
    piece->done = true;
  }
}

// Data that is not what the server says it is: another replica may have it right. When each had its
// chance, it ends.
void ReadPath::Damaged(Piece* piece, Status why) {
  LOG_WARN("{}: {}", Where(*piece), why.message());
  piece->last = std::move(why);
  piece->failed.push_back(piece->target_id);
  if (++piece->damaged >= std::max(2U, piece->replicas)) piece->done = true;
}

void ReadPath::TakeResult(Piece* piece, const IOResult& result, Bytes data) {
  if (!result.length_info.ok()) {
    const Status status = ToClientStatus(result.length_info.status());
    if (status.code() != Code::kStorageClientChunkNotFound) return Fail(piece, status);
    piece->done = true;
    piece->exists = false;
    piece->last = {};
    return;
  }
  if (core_.options.verify_checksums && !data.empty() && !Matches(result.checksum, data)) {
    core_.stats.checksum_mismatches.Add();
    return Damaged(piece, {Code::kStorageClientChecksumMismatch,
                           "the data read does not match the checksum sent with it"});
  }
  piece->done = true;
  piece->last = {};
  piece->data = std::move(data);
}

void ReadPath::Take(Batch* batch, const Result<BatchReadRsp>& rsp) {
  if (!rsp.ok()) {
    for (Piece* p : batch->pieces) Fail(p, rsp.status());
    return;
  }
  const std::vector<IOResult>& results = rsp->results;
  const Bytes& all = rsp->inlinebuf.data;
  std::string lie;
  if (results.size() != batch->pieces.size()) {
    lie = fmt::format("{} results for {} reads", results.size(), batch->pieces.size());
  }
  uint64_t sum = 0;
  for (size_t i = 0; lie.empty() && i < results.size(); ++i) {
    if (!results[i].length_info.ok()) continue;
    const uint32_t n = *results[i].length_info;
    if (n > batch->pieces[i]->length) {
      lie = fmt::format("{} bytes for a read of {}", n, batch->pieces[i]->length);
    }
    sum += n;
  }
  if (lie.empty() && sum != all.size()) {
    lie = fmt::format("{} bytes of data where results add up to {}", all.size(), sum);
  }
  if (!lie.empty()) {
    core_.stats.bad_answers.Add();
    const Status why(Code::kStorageClientFoundBug, "the server's answer is wrong: " + lie);
    core_.rpc.Drop(batch->address, why);
    for (Piece* p : batch->pieces) Damaged(p, why);
    return;
  }
  size_t at = 0;
  for (size_t i = 0; i < results.size(); ++i) {
    const size_t n = results[i].length_info.ok() ? *results[i].length_info : 0;
    TakeResult(batch->pieces[i], results[i], all.Slice(at, n));
    at += n;
  }
}

// --- all rounds
// --------------------------------------------------------------------------------------------------------

Task<void> ReadPath::RunRound(std::vector<Batch> batches) {
  if (batches.size() == 1) {
    co_await Send(&batches[0]);
    co_return;
  }
  TaskScope scope;
  for (Batch& batch : batches) scope.Start(Send(&batch));
  co_await scope.Join();
}

// False: no next round.
Task<bool> ReadPath::WaitBeforeNext(uint64_t routing_version) {
  bool pending = false;
  bool stale = false;
  bool wait = false;
  for (Piece& p : pieces_) {
    if (p.done) continue;
    pending = true;
    const bool routing = SeverityOf(p.last.code()) == Severity::kRouting;
    stale = stale || routing;
    const bool more_replicas = p.failed.size() < p.replicas;
    wait = wait || routing || !more_replicas;
    if (!more_replicas) p.failed.clear();
  }
  if (!pending) co_return false;
  core_.stats.retries.Add();
  ++round_;
  if (!wait && !ctx_.cancelled() && core_.loop.Now() < ctx_.deadline) co_return true;
  const Duration backoff = backoff_;
  backoff_ = std::min(backoff_ * 2, core_.options.max_backoff);
  co_return co_await core_.WaitToRetry(ctx_, backoff, stale ? routing_version : 0);
}

Task<std::vector<ReadOutcome>> ReadPath::Run() {
  Cut();
  for (;;) {
    const uint64_t version = core_.mgmtd.routing()->version();
    std::vector<Batch> batches = Assign();
    if (!batches.empty()) co_await RunRound(std::move(batches));
    if (!co_await WaitBeforeNext(version)) break;
  }
  co_return Collect();
}

// Pieces of an op put together again. One may be short and a later one not (the chunk grew between
// them): the gap reads as zeros.
std::vector<ReadOutcome> ReadPath::Collect() {
  std::vector<ReadOutcome> out(ops_.size());
  for (Piece& p : pieces_) {
    ReadOutcome& o = out[p.op];
    if (!p.last.ok()) {
      if (o.status.ok()) {
        const Status why = p.done ? p.last : core_.GiveUp(ctx_, started_, p.last);
        o.status = why.WithContext("read of " + Where(p));
      }
      continue;
    }
    if (p.offset == ops_[p.op].offset) o.exists = p.exists;
    o.exists = o.exists || p.exists;
    if (p.data.empty()) continue;
    const uint32_t gap = p.offset - ops_[p.op].offset - o.length;
    AppendZeros(gap, &o.pieces);
    o.length += gap + static_cast<uint32_t>(p.data.size());
    core_.stats.read_bytes.Add(p.data.size());
    o.pieces.push_back(std::move(p.data));
  }
  core_.stats.read_ops.Add(ops_.size());
  return out;
}

}  // namespace threefs::storage

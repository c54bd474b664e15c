// SPDX-License-Identifier: Apache-2.0
#include "client/file/file_io.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "client/layout/chunk_map.h"
#include "client/meta/meta_ops.h"
#include "client/storage/zeros.h"

namespace threefs::file {
namespace {

using mgmtd::RoutingRef;
using schema::meta::Inode;

constexpr Duration kRoutingPoll = 1s;        // between looks whether routing knows a layout's table
constexpr uint32_t kSeekWindow = 16;         // chunks asked about at once
constexpr uint64_t kMaxChunks = 1ULL << 32;  // a chunk index is 32 bits (3fs/meta.md §4.2)

Status TooLarge() {
  return {Code::kMetaFileTooLarge, "the file would need more chunks than 3FS can number"};
}

// Walks a list of Bytes; a part that lies in one of them is a slice, one that spans several is
// gathered.
class Gather {
 public:
  explicit Gather(const std::vector<Bytes>& data) : data_(data) {}
  Bytes Take(size_t n) {
    while (at_ == data_[index_].size()) Next();
    if (data_[index_].size() - at_ >= n) {
      Bytes out = data_[index_].Slice(at_, n);
      at_ += n;
      return out;
    }
    std::vector<uint8_t> joined;
    joined.reserve(n);
    while (joined.size() < n) {
      if (at_ == data_[index_].size()) Next();
      const size_t k = std::min(n - joined.size(), data_[index_].size() - at_);
      const ByteSpan part = data_[index_].span().subspan(at_, k);
      joined.insert(joined.end(), part.begin(), part.end());
      at_ += k;
    }
    return Bytes::Own(std::move(joined));
  }

 private:
  void Next() {
    ++index_;
    at_ = 0;
  }
  const std::vector<Bytes>& data_;
  size_t index_ = 0;
  size_t at_ = 0;
};

class FileIoImpl final : public FileIo {
 public:
  FileIoImpl(Loop& loop, meta::MetaClient& meta, storage::StorageClient& storage,
             mgmtd::MgmtdClient& mgmtd, Duration io_timeout)
      : loop_(loop), meta_(meta), storage_(storage), mgmtd_(mgmtd), io_timeout_(io_timeout) {}

  Task<Result<ReadResult>> Read(OpContext op, FileRef file, uint64_t offset, uint64_t length,
                                std::optional<uint64_t> file_length) override;
  Task<Result<uint64_t>> Write(OpContext op, FileRef file, uint64_t offset,
                               std::vector<Bytes> data) override;
  Task<Result<Inode>> Truncate(OpContext op, FileRef file, uint64_t length) override;
  Task<Result<Inode>> Extend(OpContext op, FileRef file, uint64_t length) override;
  Task<Status> PunchHole(OpContext op, FileRef file, uint64_t offset, uint64_t length) override;
  Task<Result<uint64_t>> QueryLength(OpContext op, FileRef file) override;
  Task<Result<Inode>> Sync(OpContext op, FileRef file, SyncOptions options) override;
  Task<Result<Inode>> Close(OpContext op, FileRef file, Uuid session, SyncOptions options) override;
  Task<Result<std::optional<uint64_t>>> SeekTo(OpContext op, FileRef file, uint64_t offset,
                                               Seek what) override;

 private:
  OpContext Bounded(OpContext op) const {
    if (op.call.deadline == kNever) op.call.deadline = loop_.Now() + io_timeout_;
    return op;
  }
  Task<Result<RoutingRef>> RoutingFor(OpContext op, FileRef file);
  Task<Status> ExtendStripe(OpContext op, FileRef file, uint64_t end);
  Task<Result<uint64_t>> WriteParts(OpContext op, FileRef file, uint64_t offset,
                                    std::vector<Bytes> data);
  Task<Status> ZeroRange(OpContext op, FileRef file, uint64_t from, uint64_t to);
  Task<Status> RemoveFrom(OpContext op, FileRef file, uint32_t first, uint32_t end);
  Task<void> RemoveOnChain(const OpContext* op, storage::ChunkRange range, Status* status);
  Task<Status> SetChunkLength(OpContext op, FileRef file, uint64_t length, bool only_extend);
  Task<void> AskLast(const OpContext* op, storage::ChunkRange range,
                     Result<storage::LastChunk>* out);

  Loop& loop_;
  meta::MetaClient& meta_;
  storage::StorageClient& storage_;
  mgmtd::MgmtdClient& mgmtd_;
  const Duration io_timeout_;
};

// A snapshot that knows the chain table of the file's layout; waits for one when the file is newer
// than our routing.
Task<Result<RoutingRef>> FileIoImpl::RoutingFor(OpContext op, FileRef file) {
  for (;;) {
    RoutingRef routing = mgmtd_.routing();
    const auto chain = file->ChainOf(*routing, 0);
    if (chain.ok()) co_return routing;
    if (chain.code() != Code::kMgmtdClientRoutingInfoNotReady) co_return chain.status();
    const TimePoint now = loop_.Now();
    if (now >= op.call.deadline || op.call.cancelled()) co_return chain.status();
    co_await mgmtd_.NewerThan(routing->version(), std::min(now + kRoutingPoll, op.call.deadline));
  }
}

// --- read
// ----------------------------------------------------------------------------------------------------------------

Task<Result<ReadResult>> FileIoImpl::Read(OpContext op, FileRef file, uint64_t offset,
                                          uint64_t length, std::optional<uint64_t> file_length) {
  op = Bounded(std::move(op));
  ReadResult out;
  const uint64_t end = file_length.value_or(file->length());
  if (offset >= end || length == 0) co_return out;
  length = std::min(length, end - offset);
  const auto& shape = file->shape();
  CO_TRY(const RoutingRef routing, co_await RoutingFor(op, file));
  CO_TRY(const auto parts, layout::CutIntoChunks(offset, length, shape.chunk_size));
  std::vector<storage::ReadOp> ops;
  ops.reserve(parts.size());
  for (const layout::ChunkSlice& part : parts) {
    CO_TRY(const uint32_t chain, file->ChainOf(*routing, part.index));
    ops.push_back({.chain_id = chain,
                   .chunk = {.inode = shape.inode_id, .index = part.index},
                   .offset = part.offset,
                   .length = part.length});
  }
  auto outcomes = co_await storage_.Read(op, std::move(ops));
  for (size_t i = 0; i < parts.size(); ++i) {
    storage::ReadOutcome& o = outcomes[i];
    // Never a short read for an error: the kernel would take it for the end of the file.
    if (!o.status.ok()) co_return std::move(o.status);
    for (Bytes& piece : o.pieces) out.pieces.push_back(std::move(piece));
    storage::AppendZeros(parts[i].length - o.length, &out.pieces);
  }
  out.length = length;
  co_return out;
}

// --- write
// ---------------------------------------------------------------------------------------------------------------

// 3fs/meta.md §9.5: chunks may lie only on the first dyn_stripe chains; the promise is widened
// before it is needed.
Task<Status> FileIoImpl::ExtendStripe(OpContext op, FileRef file, uint64_t end) {
  const uint32_t limit = file->dyn_stripe();
  const auto& shape = file->shape();
  if (limit == 0 || limit >= shape.stripe_size) co_return Status();
  const uint64_t chunks = (end + shape.chunk_size - 1) / shape.chunk_size;
  const auto needed = static_cast<uint32_t>(std::min<uint64_t>(chunks, shape.stripe_size));
  if (needed <= limit) co_return Status();
  CO_TRY(auto rsp,
         co_await meta::SetAttr(meta_, op, meta::At(shape.inode_id), {.dyn_stripe = needed}));
  file->OnInode(rsp.stat);
  co_return Status();
}

Task<Result<uint64_t>> FileIoImpl::WriteParts(OpContext op, FileRef file, uint64_t offset,
                                              std::vector<Bytes> data) {
  uint64_t length = 0;
  for (const Bytes& b : data) length += b.size();
  const auto& shape = file->shape();
  if (length == 0) co_return uint64_t{0};
  if (offset > UINT64_MAX - length) co_return TooLarge();
  CO_TRY(co_await ExtendStripe(op, file, offset + length));
  CO_TRY(const RoutingRef routing, co_await RoutingFor(op, file));
  CO_TRY(const auto parts, layout::CutIntoChunks(offset, length, shape.chunk_size));
  Gather gather(data);
  std::vector<storage::WriteOp> ops;
  ops.reserve(parts.size());
  for (const layout::ChunkSlice& part : parts) {
    CO_TRY(const uint32_t chain, file->ChainOf(*routing, part.index));
    ops.push_back({.chain_id = chain,
                   .chunk = {.inode = shape.inode_id, .index = part.index},
                   .chunk_size = shape.chunk_size,
                   .offset = part.offset,
                   .data = gather.Take(part.length)});
  }
  const std::vector<Status> statuses = co_await storage_.Write(op, std::move(ops));
  uint64_t written = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!statuses[i].ok()) {
      if (written == 0) co_return statuses[i];
      co_return written;
    }
    written += parts[i].length;
  }
  co_return written;
}

Task<Result<uint64_t>> FileIoImpl::Write(OpContext op, FileRef file, uint64_t offset,
                                         std::vector<Bytes> data) {
  op = Bounded(std::move(op));
  uint64_t length = 0;
  for (const Bytes& b : data) length += b.size();
  const uint64_t version = file->BeginWrite();
  auto written = co_await WriteParts(std::move(op), file, offset, std::move(data));
  const uint64_t done = written.ok() ? *written : 0;
  file->EndWrite(version, done == 0 ? 0 : offset + done, written.ok() && done == length);
  co_return written;
}

// --- truncate, extend, punch
// -----------------------------------------------------------------------------------------------

Task<void> FileIoImpl::RemoveOnChain(const OpContext* op, storage::ChunkRange range,
                                     Status* status) {
  for (;;) {
    auto removed = co_await storage_.Remove(*op, range, meta::kRemoveChunksBatch);
    if (!removed.ok()) {
      *status = removed.status();
      co_return;
    }
    if (!removed->more) co_return;
    if (removed->removed == 0) {
      *status = {Code::kStorageClientFoundBug,
                 fmt::format("chain {} has more chunks of inode {:#x} to remove but removes none",
                             range.chain_id, range.inode)};
      co_return;
    }
  }
}

Task<Status> FileIoImpl::RemoveFrom(OpContext op, FileRef file, uint32_t first, uint32_t end) {
  CO_TRY(const RoutingRef routing, co_await RoutingFor(op, file));
  CO_TRY(const std::vector<uint32_t> chains, file->Chains(*routing));
  std::vector<Status> statuses(chains.size());
  TaskScope scope;
  for (size_t i = 0; i < chains.size(); ++i) {
    scope.Start(RemoveOnChain(
        &op, {.chain_id = chains[i], .inode = file->shape().inode_id, .first = first, .end = end},
        &statuses[i]));
  }
  co_await scope.Join();
  for (const Status& s : statuses) CO_TRY(s);
  co_return Status();
}

// The chunk that `length` ends in gets its part of it.
Task<Status> FileIoImpl::SetChunkLength(OpContext op, FileRef file, uint64_t length,
                                        bool only_extend) {
  const auto& shape = file->shape();
  CO_TRY(const RoutingRef routing, co_await RoutingFor(op, file));
  const uint64_t index = (length - 1) / shape.chunk_size;
  CO_TRY(const uint32_t chain, file->ChainOf(*routing, static_cast<uint32_t>(index)));
  auto rsp = co_await storage_.Truncate(
      op, {.chain_id = chain,
           .chunk = {.inode = shape.inode_id, .index = static_cast<uint32_t>(index)},
           .chunk_size = shape.chunk_size,
           .length = static_cast<uint32_t>(length - index * shape.chunk_size),
           .only_extend = only_extend});
  co_return rsp.status();
}

Task<Result<Inode>> FileIoImpl::Truncate(OpContext op, FileRef file, uint64_t length) {
  op = Bounded(std::move(op));
  const auto& shape = file->shape();
  const uint64_t chunks = length / shape.chunk_size + (length % shape.chunk_size != 0 ? 1 : 0);
  if (chunks >= kMaxChunks) co_return TooLarge();
  CO_TRY(auto stat, co_await meta::Stat(meta_, op, meta::At(shape.inode_id)));
  if (!stat.stat.IsFile()) co_return Status(Code::kMetaNotFile, "only files can be truncated");
  file->OnInode(stat.stat);
  CO_TRY(co_await RemoveFrom(op, file, static_cast<uint32_t>(chunks), 0));
  CO_TRY(co_await ExtendStripe(op, file, length));
  if (length > 0) CO_TRY(co_await SetChunkLength(op, file, length, false));
  auto sync =
      co_await meta::Sync(meta_, op, shape.inode_id, {.update_length = true, .truncated = true});
  if (!sync.ok()) {
    file->EndSync({}, nullptr);
    co_return sync.status();
  }
  file->OnInode(sync->stat, true);
  co_return std::move(sync->stat);
}

Task<Result<Inode>> FileIoImpl::Extend(OpContext op, FileRef file, uint64_t length) {
  op = Bounded(std::move(op));
  if (length / file->shape().chunk_size >= kMaxChunks) co_return TooLarge();
  if (length > 0) {
    CO_TRY(co_await ExtendStripe(op, file, length));
    CO_TRY(co_await SetChunkLength(op, file, length, true));
  }
  co_return co_await Sync(op, file, {.exact = true, .atime = {}, .mtime = {}});
}

Task<Status> FileIoImpl::PunchHole(OpContext op, FileRef file, uint64_t offset, uint64_t length) {
  op = Bounded(std::move(op));
  const uint64_t size = file->length();
  if (length == 0 || offset >= size) co_return Status();
  const uint64_t end = std::min(size, offset + std::min(length, UINT64_MAX - offset));
  const uint64_t cs = file->shape().chunk_size;
  // Whole chunks in [first, last); the chunk the file ends in stays: without it the file would be
  // shorter.
  const uint64_t first = (offset + cs - 1) / cs;
  const uint64_t last = std::min(end / cs, (size - 1) / cs);
  if (first >= last) co_return co_await ZeroRange(op, file, offset, end);
  if (offset < first * cs) CO_TRY(co_await ZeroRange(op, file, offset, first * cs));
  CO_TRY(co_await RemoveFrom(op, file, static_cast<uint32_t>(first), static_cast<uint32_t>(last)));
  if (last * cs < end) CO_TRY(co_await ZeroRange(op, file, last * cs, end));
  co_return Status();
}

// A write that got only part of the way is tried again from there, so that its error comes out.
Task<Status> FileIoImpl::ZeroRange(OpContext op, FileRef file, uint64_t from, uint64_t to) {
  while (from < to) {
    std::vector<Bytes> zeros;
    storage::AppendZeros(to - from, &zeros);
    CO_TRY(const uint64_t written, co_await WriteParts(op, file, from, std::move(zeros)));
    from += written;
  }
  co_return Status();
}

// --- length, sync, close
// -----------------------------------------------------------------------------------------------------

Task<void> FileIoImpl::AskLast(const OpContext* op, storage::ChunkRange range,
                               Result<storage::LastChunk>* out) {
  *out = co_await storage_.QueryLastChunk(*op, range);
}

Task<Result<uint64_t>> FileIoImpl::QueryLength(OpContext op, FileRef file) {
  op = Bounded(std::move(op));
  CO_TRY(const RoutingRef routing, co_await RoutingFor(op, file));
  CO_TRY(const std::vector<uint32_t> chains, file->Chains(*routing));
  std::vector<Result<storage::LastChunk>> last(chains.size(), storage::LastChunk{});
  {
    TaskScope scope;
    for (size_t i = 0; i < chains.size(); ++i) {
      scope.Start(AskLast(
          &op, {.chain_id = chains[i], .inode = file->shape().inode_id, .first = 0, .end = 0},
          &last[i]));
    }
    co_await scope.Join();
  }
  uint64_t length = 0;
  for (const auto& l : last) {
    if (!l.ok()) co_return l.status();
    if (l->found) {
      length = std::max(length, uint64_t{l->index} * file->shape().chunk_size + l->length);
    }
  }
  co_return length;
}

Task<Result<Inode>> FileIoImpl::Sync(OpContext op, FileRef file, SyncOptions options) {
  FileState::SyncPoint point = file->BeginSync();
  if (options.exact) point.hint.reset();
  auto rsp = co_await meta::Sync(meta_, Bounded(std::move(op)), file->shape().inode_id,
                                 {.update_length = true,
                                  .truncated = false,
                                  .atime = options.atime,
                                  .mtime = options.mtime,
                                  .hint = point.hint});
  file->EndSync(point, rsp.ok() ? &rsp->stat : nullptr);
  if (!rsp.ok()) co_return rsp.status();
  co_return std::move(rsp->stat);
}

Task<Result<Inode>> FileIoImpl::Close(OpContext op, FileRef file, Uuid session,
                                      SyncOptions options) {
  FileState::SyncPoint point = file->BeginSync();
  if (options.exact) point.hint.reset();
  const bool dirty = file->dirty();
  auto rsp =
      co_await meta::Close(meta_, Bounded(std::move(op)), file->shape().inode_id,
                           {.session = session.IsZero() ? std::nullopt : std::optional(session),
                            .update_length = dirty && !session.IsZero(),
                            .atime = options.atime,
                            .mtime = options.mtime,
                            .hint = dirty && !session.IsZero() ? point.hint : std::nullopt});
  if (!rsp.ok()) {
    if (dirty) file->EndSync(point, nullptr);
    co_return rsp.status();
  }
  if (dirty && !session.IsZero()) {
    file->EndSync(point, &rsp->stat);
  } else {
    file->OnInode(rsp->stat);
  }
  co_return std::move(rsp->stat);
}

// --- holes
// -----------------------------------------------------------------------------------------------------------------

Task<Result<std::optional<uint64_t>>> FileIoImpl::SeekTo(OpContext op, FileRef file,
                                                         uint64_t offset, Seek what) {
  using Found = Result<std::optional<uint64_t>>;
  op = Bounded(std::move(op));
  const uint64_t size = file->length();
  if (offset >= size) co_return Found(std::optional<uint64_t>());
  const uint64_t cs = file->shape().chunk_size;
  const uint64_t inode = file->shape().inode_id;
  CO_TRY(const RoutingRef routing, co_await RoutingFor(op, file));
  const uint64_t chunks = std::min((size + cs - 1) / cs, kMaxChunks);
  for (uint64_t first = offset / cs; first < chunks; first += kSeekWindow) {
    const auto count = static_cast<size_t>(std::min<uint64_t>(kSeekWindow, chunks - first));
    std::vector<Result<storage::LastChunk>> chunk(count, storage::LastChunk{});
    std::vector<uint32_t> chains;
    for (size_t i = 0; i < count; ++i) {
      CO_TRY(const uint32_t chain, file->ChainOf(*routing, static_cast<uint32_t>(first + i)));
      chains.push_back(chain);
    }
    TaskScope scope;
    for (size_t i = 0; i < count; ++i) {
      const auto index = static_cast<uint32_t>(first + i);
      scope.Start(AskLast(&op,
                          {.chain_id = chains[i], .inode = inode, .first = index, .end = index + 1},
                          &chunk[i]));
    }
    co_await scope.Join();
    for (size_t i = 0; i < count; ++i) {
      if (!chunk[i].ok()) co_return chunk[i].status();
      const uint64_t start = (first + i) * cs;
      const uint64_t at = std::max(offset, start);
      const uint64_t data_end = start + (chunk[i]->found ? chunk[i]->length : 0);
      if (what == Seek::kData && at < std::min(data_end, size)) co_return Found(std::optional(at));
      if (what == Seek::kHole && data_end < start + cs && std::max(at, data_end) < size) {
        co_return Found(std::optional(std::max(at, data_end)));
      }
    }
  }
  if (what == Seek::kHole) co_return Found(std::optional(size));
  co_return Found(std::optional<uint64_t>());
}

}  // namespace

std::unique_ptr<FileIo> FileIo::Create(Loop& loop, meta::MetaClient& meta,
                                       storage::StorageClient& storage, mgmtd::MgmtdClient& mgmtd,
                                       Duration io_timeout) {
  return std::make_unique<FileIoImpl>(loop, meta, storage, mgmtd, io_timeout);
}

}  // namespace threefs::file

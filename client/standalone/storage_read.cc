// SPDX-License-Identifier: Apache-2.0
// StorageService: everything that only looks (3fs/storage.md §5, §7.3, §9.3).
#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/base/crc32c.h"
#include "client/standalone/storage_service.h"
#include "client/standalone/storage_update.h"

namespace threefs::standalone {

namespace st = schema::storage;
using schema::mgmtd::LocalTargetState;
using schema::mgmtd::PublicTargetState;

namespace {

constexpr uint32_t kMaxReadIo = 64U << 20;            // a server buffer's size in 3FS
constexpr uint64_t kMaxInline = uint64_t{448} << 20;  // keeps the answer below a frame's limit

struct PlannedRead {
  TargetPtr target;
  ChunkPtr image;
  uint32_t length = 0;  ///< bytes there are
  size_t at = 0;        ///< in the answer's buffer
};

st::ChecksumInfo ReadChecksum(st::ChecksumType type, const ChunkImage& image, uint32_t offset,
                              ByteSpan data) {
  switch (type) {
    case st::ChecksumType::kCrc32c:
      return {type, ChunkStore::RangeChecksum(image, offset, data)};
    case st::ChecksumType::kCrc32:
      return {type, Crc32Raw(0xFFFFFFFFU, data)};
    case st::ChecksumType::kNone:
      break;
  }
  return {};
}

st::ChunkMeta MetaOf(const ChunkImage& image) {
  return {.chunk_id = image.id,
          .update_ver = image.version,
          .commit_ver = image.version,
          .chain_ver = image.chain_version,
          .chunk_state = st::ChunkState::kCommit,
          .checksum = {st::ChecksumType::kCrc32c, image.WireChecksum()},
          .length = image.length};
}

// The answer's buffer: not zeroed first, every byte is read into.
struct Buffer {
  std::shared_ptr<uint8_t[]> bytes;
  size_t size = 0;
  explicit Buffer(size_t n) : bytes(new uint8_t[n]), size(n) {}
  [[nodiscard]] MutableByteSpan Part(size_t at, size_t n) const { return {bytes.get() + at, n}; }
};

}  // namespace

Task<Result<st::BatchReadRsp>> StorageService::BatchRead(st::BatchReadReq req) {
  st::BatchReadRsp rsp;
  if (req.payloads.empty()) {
    rsp.tag = req.tag;
    co_return rsp;
  }
  rsp.tag.client_id.uuid = Uuid::Random(rng_);
  std::vector<PlannedRead> plan(req.payloads.size());
  size_t total = 0;
  for (size_t i = 0; i < plan.size(); ++i) {
    const st::ReadIO& io = req.payloads[i];
    CO_TRY(plan[i].target, FindTarget(io.key.v_chain_id));
    StorageTarget& target = *plan[i].target;
    if (target.local_state() != LocalTargetState::kUptodate ||
        target.view()->state != PublicTargetState::kServing) {
      co_return Status(Code::kStorageTargetStateInvalid, "the target is not up to date");
    }
    if (io.length > io.rdmabuf.length) {
      co_return Status(Code::kInvalidArg,
                       fmt::format("invalid read buffer size: length {}, buffer {}", io.length,
                                   io.rdmabuf.length));
    }
    if (io.length > kMaxReadIo) co_return Code::kRPCRDMANoBuf;
    plan[i].image = target.store().Find(io.key.chunk_id);
    if (plan[i].image == nullptr) continue;
    const uint32_t have = plan[i].image->length;
    plan[i].length = io.offset >= have ? 0 : std::min(io.length, have - io.offset);
    plan[i].at = total;
    total += plan[i].length;
  }
  if ((req.feature_flags & st::kFeatureSendDataInline) == 0) {
    co_return Status(Code::kInvalidArg, "batch read no RDMA socket");
  }
  if (total > kMaxInline) co_return Code::kRPCRDMANoBuf;
  const Buffer buffer(total);
  size_t filled = 0;  // successful bytes only, without gaps
  for (size_t i = 0; i < plan.size(); ++i) {
    const st::ReadIO& io = req.payloads[i];
    st::IOResult result;
    if (const ChunkImage* image = plan[i].image.get(); image == nullptr) {
      result.length_info = Status(Code::kStorageChunkMetadataNotFound,
                                  "chunk id " + PrintChunkId(io.key.chunk_id) + " meta not found");
    } else {
      if (const auto slow = faults_.slow_target.find(plan[i].target->record().target_id);
          slow != faults_.slow_target.end()) {
        co_await SleepFor(slow->second);
      }
      const MutableByteSpan out = buffer.Part(filled, plan[i].length);
      const Status read = co_await plan[i].target->store().Read(
          plan[i].image, std::min(io.offset, image->length), out);
      if (!read.ok()) {
        result.length_info = read;
      } else {
        result.length_info = plan[i].length;
        result.commit_ver = result.update_ver = image->version;
        result.commit_chain_ver = image->chain_version;
        result.checksum = ReadChecksum(req.checksum_type, *image, io.offset, out);
        filled += plan[i].length;
      }
    }
    rsp.results.push_back(std::move(result));
  }
  if (faults_.corrupt_reads != 0 && filled != 0) {
    buffer.bytes[filled / 2] ^= 0x40;
    if (faults_.corrupt_reads > 0) --faults_.corrupt_reads;
  }
  rsp.inlinebuf.data = Bytes(buffer.bytes, buffer.bytes.get(), filled);
  co_return rsp;
}

st::QueryLastChunkResult StorageService::QueryOne(const st::QueryLastChunkOp& op) {
  st::QueryLastChunkResult result;
  const auto target = FindTarget(op.v_chain_id);
  if (!target.ok()) {
    result.status_code = target.status();
    return result;
  }
  result.status_code = serde::Void{};
  const ChunkStore::Index& index = (*target)->store().index();
  const auto first = index.lower_bound(op.chunk_id_range.begin);
  auto at = index.lower_bound(op.chunk_id_range.end);
  const uint64_t limit = op.chunk_id_range.max_num_chunk_ids_to_process;
  if (op.chunk_id_range.end <= op.chunk_id_range.begin) return result;
  while (at != first) {
    if (limit != 0 && result.total_num_chunks == limit) {
      result.more_chunks_in_range = true;
      break;
    }
    --at;
    if (result.total_num_chunks == 0) {
      result.last_chunk_id = at->first;
      result.last_chunk_len = at->second->length;
    }
    ++result.total_num_chunks;
    result.total_chunk_len += at->second->length;
  }
  return result;
}

Task<Result<st::QueryLastChunkRsp>> StorageService::QueryLastChunk(st::QueryLastChunkReq req) {
  st::QueryLastChunkRsp rsp;
  for (const st::QueryLastChunkOp& op : req.payloads) rsp.results.push_back(QueryOne(op));
  co_return rsp;
}

Task<Result<st::QueryChunkRsp>> StorageService::QueryChunk(st::QueryChunkReq req) {
  const auto it = by_chain_.find(req.chain_id);
  if (it == by_chain_.end()) {
    co_return Status(Code::kStorageClientRoutingError,
                     fmt::format("chain ChainId({}) not found", req.chain_id));
  }
  StorageTarget& target = *it->second;
  const ChainView& view = *target.view();
  st::QueryChunkRsp rsp;
  rsp.target = {.target_id = target.record().target_id,
                .path = disk_->path(),
                .disk_error = false,
                .low_space = false,
                .reject_create_chunk = reject_create_,
                .is_head = view.is_head,
                .is_tail = view.state == PublicTargetState::kServing && !view.successor,
                .v_chain_id = {req.chain_id, view.chain_version},
                .local_state = target.local_state(),
                .public_state = view.state,
                .successor = std::nullopt,
                .disk_index = 0,
                .chain_id = req.chain_id,
                .offline_upon_user_request = false,
                .use_chunk_engine = true};
  if (view.successor.has_value()) rsp.target.successor = view.successor->info;
  if (req.chunk_id.empty()) co_return rsp;  // meta stays error 3
  const ChunkPtr image = target.store().Find(req.chunk_id);
  if (image == nullptr) {
    rsp.meta = Status(Code::kStorageChunkMetadataNotFound,
                      "chunk id " + PrintChunkId(req.chunk_id) + " meta not found");
    co_return rsp;
  }
  const st::ChecksumInfo checksum = ChecksumOf(*image);
  st::ChunkMetadata meta;
  meta.commit_ver = meta.update_ver = image->version;
  meta.chain_ver = image->chain_version;
  meta.size = image->length;
  meta.checksum_type = checksum.type;
  meta.checksum_value = checksum.value;
  meta.last_request_id = image->request_id;
  meta.inner_file_id.chunk_size = image->chunk_size;
  meta.last_client_uuid = image->client;
  meta.timestamp = image->timestamp;
  rsp.meta = std::move(meta);
  co_return rsp;
}

Task<Result<st::GetAllChunkMetadataRsp>> StorageService::GetAllMetadata(
    st::GetAllChunkMetadataReq req) {
  const TargetPtr target = FindTargetById(req.target_id);
  if (target == nullptr) co_return Code::kStorageTargetNotFound;
  if (target->local_state() != LocalTargetState::kUptodate ||
      target->view()->state != PublicTargetState::kServing) {
    co_return Status(Code::kStorageClientNotAvailable, "the target is not serving");
  }
  st::GetAllChunkMetadataRsp rsp;
  for (const auto& [id, image] : target->store().index()) {
    rsp.chunk_meta_vec.push_back(MetaOf(*image));
  }
  co_return rsp;
}

Task<Result<st::TargetSyncInfo>> StorageService::SyncStart(st::SyncStartReq req) {
  CO_TRY(const TargetPtr target, FindTarget(req.v_chain_id));
  if (target->view()->state != PublicTargetState::kSyncing) {
    co_return Status(Code::kStorageSyncStartFailed, "the target is not syncing");
  }
  // The resync may take back what an earlier round, or an update that never became the chain's, has
  // brought here: results remembered from then must not stand for it.
  target->channels().Invalidate();
  st::TargetSyncInfo info;
  for (const auto& [id, image] : target->store().index()) info.metas.push_back(MetaOf(*image));
  co_return info;
}

}  // namespace threefs::standalone

// SPDX-License-Identifier: Apache-2.0
// StorageSerde, service 3: requests, responses, methods (3fs/storage.md §2.2).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "client/schema/storage.h"

namespace threefs::schema::storage {

inline constexpr uint16_t kServiceId = 3;

struct BatchReadReq {
  std::vector<ReadIO> payloads{};
  MessageTag tag{};
  uint32_t retry_count = 0;
  UserInfo user_info{};
  uint32_t feature_flags = 0;
  ChecksumType checksum_type = ChecksumType::kNone;
  DebugFlags debug_flags{};
  SERDE_FIELDS(payloads, tag, retry_count, user_info, feature_flags, checksum_type, debug_flags)
};
struct BatchReadRsp {
  MessageTag tag{};
  std::vector<IOResult> results{};
  UInt8Vector inlinebuf{};
  SERDE_FIELDS(tag, results, inlinebuf)
};
struct WriteReq {
  UpdateIO payload{};
  MessageTag tag{};
  uint32_t retry_count = 0;
  UserInfo user_info{};
  uint32_t feature_flags = 0;
  DebugFlags debug_flags{};
  SERDE_FIELDS(payload, tag, retry_count, user_info, feature_flags, debug_flags)
};
struct WriteRsp {
  MessageTag tag{};
  IOResult result{};
  SERDE_FIELDS(tag, result)
};
struct UpdateReq {
  UpdateIO payload{};
  UpdateOptions options{};
  MessageTag tag{};
  uint32_t retry_count = 0;
  UserInfo user_info{};
  uint32_t feature_flags = 0;
  DebugFlags debug_flags{};
  SERDE_FIELDS(payload, options, tag, retry_count, user_info, feature_flags, debug_flags)
};
struct UpdateRsp {
  MessageTag tag{};
  IOResult result{};
  SERDE_FIELDS(tag, result)
};
struct QueryLastChunkOp {
  VersionedChainId v_chain_id{};
  ChunkIdRange chunk_id_range{};
  SERDE_FIELDS(v_chain_id, chunk_id_range)
};
struct QueryLastChunkReq {
  std::vector<QueryLastChunkOp> payloads{};
  MessageTag tag{};
  uint32_t retry_count = 0;
  UserInfo user_info{};
  uint32_t feature_flags = 0;
  DebugFlags debug_flags{};
  SERDE_FIELDS(payloads, tag, retry_count, user_info, feature_flags, debug_flags)
};
struct QueryLastChunkResult {
  Result<serde::Void> status_code = Code::kStorageClientNotInitialized;
  ChunkId last_chunk_id{};
  uint32_t last_chunk_len = 0;
  uint64_t total_chunk_len = 0;
  uint64_t total_num_chunks = 0;
  bool more_chunks_in_range = false;
  SERDE_FIELDS(status_code, last_chunk_id, last_chunk_len, total_chunk_len, total_num_chunks,
               more_chunks_in_range)
};
struct QueryLastChunkRsp {
  std::vector<QueryLastChunkResult> results{};
  SERDE_FIELDS(results)
};
struct RemoveChunksOp {
  VersionedChainId v_chain_id{};
  ChunkIdRange chunk_id_range{};
  MessageTag tag{};
  uint32_t retry_count = 0;
  SERDE_FIELDS(v_chain_id, chunk_id_range, tag, retry_count)
};
struct RemoveChunksReq {
  std::vector<RemoveChunksOp> payloads{};
  UserInfo user_info{};
  uint32_t feature_flags = 0;
  DebugFlags debug_flags{};
  SERDE_FIELDS(payloads, user_info, feature_flags, debug_flags)
};
struct RemoveChunksResult {
  Result<serde::Void> status_code = Code::kStorageClientNotInitialized;
  uint32_t num_chunks_removed = 0;
  bool more_chunks_in_range = false;
  SERDE_FIELDS(status_code, num_chunks_removed, more_chunks_in_range)
};
struct RemoveChunksRsp {
  std::vector<RemoveChunksResult> results{};
  SERDE_FIELDS(results)
};
struct TruncateChunkOp {
  VersionedChainId v_chain_id{};
  ChunkId chunk_id{};
  uint32_t chunk_len = 0;
  uint32_t chunk_size = 0;
  bool only_extend_chunk = false;
  MessageTag tag{};
  uint32_t retry_count = 0;
  SERDE_FIELDS(v_chain_id, chunk_id, chunk_len, chunk_size, only_extend_chunk, tag, retry_count)
};
struct TruncateChunksReq {
  std::vector<TruncateChunkOp> payloads{};
  UserInfo user_info{};
  uint32_t feature_flags = 0;
  DebugFlags debug_flags{};
  SERDE_FIELDS(payloads, user_info, feature_flags, debug_flags)
};
struct TruncateChunksRsp {
  std::vector<IOResult> results{};
  SERDE_FIELDS(results)
};
struct SyncStartReq {
  VersionedChainId v_chain_id{};
  SERDE_FIELDS(v_chain_id)
};
struct TargetSyncInfo {
  std::vector<ChunkMeta> metas{};
  SERDE_FIELDS(metas)
};
struct SyncDoneReq {
  VersionedChainId v_chain_id{};
  SERDE_FIELDS(v_chain_id)
};
struct SyncDoneRsp {
  IOResult result{};
  SERDE_FIELDS(result)
};
struct SpaceInfoReq {
  MessageTag tag{};
  bool force = false;
  SERDE_FIELDS(tag, force)
};
struct SpaceInfoRsp {
  std::vector<SpaceInfo> space_infos{};
  SERDE_FIELDS(space_infos)
};
struct CreateTargetReq {
  uint64_t target_id = 0;
  uint32_t disk_index = 0;
  uint32_t physical_file_count = 256;
  std::vector<uint64_t> chunk_size_list{512U << 10, 1U << 20,  2U << 20,
                                        4U << 20,   16U << 20, 64U << 20};
  bool allow_existing_target = true;
  uint32_t chain_id = 0;
  bool add_chunk_size = false;
  bool only_chunk_engine = false;
  SERDE_FIELDS(target_id, disk_index, physical_file_count, chunk_size_list, allow_existing_target,
               chain_id, add_chunk_size, only_chunk_engine)
};
struct CreateTargetRsp {
  SERDE_FIELDS()
};
struct QueryChunkReq {
  uint32_t chain_id = 0;
  ChunkId chunk_id{};
  SERDE_FIELDS(chain_id, chunk_id)
};
struct QueryChunkRsp {
  Target target{};
  Result<ChunkMetadata> meta = Code::kInvalidArg;
  SERDE_FIELDS(target, meta)
};
struct GetAllChunkMetadataReq {
  uint64_t target_id = 0;
  SERDE_FIELDS(target_id)
};
struct GetAllChunkMetadataRsp {
  std::vector<ChunkMeta> chunk_meta_vec{};
  SERDE_FIELDS(chunk_meta_vec)
};
struct OfflineTargetReq {
  uint64_t target_id = 0;
  bool force = false;
  SERDE_FIELDS(target_id, force)
};
struct OfflineTargetRsp {
  SERDE_FIELDS()
};
struct RemoveTargetReq {
  uint64_t target_id = 0;
  bool force = false;
  SERDE_FIELDS(target_id, force)
};
struct RemoveTargetRsp {
  SERDE_FIELDS()
};

}  // namespace threefs::schema::storage

#define THREEFS_STORAGE_METHODS(X)                                           \
  X(BatchRead, 1, BatchReadReq, BatchReadRsp)                                \
  X(Write, 2, WriteReq, WriteRsp)                                            \
  X(Update, 3, UpdateReq, UpdateRsp)                                         \
  X(QueryLastChunk, 5, QueryLastChunkReq, QueryLastChunkRsp)                 \
  X(TruncateChunks, 6, TruncateChunksReq, TruncateChunksRsp)                 \
  X(RemoveChunks, 7, RemoveChunksReq, RemoveChunksRsp)                       \
  X(SyncStart, 8, SyncStartReq, TargetSyncInfo)                              \
  X(SyncDone, 9, SyncDoneReq, SyncDoneRsp)                                   \
  X(SpaceInfo, 10, SpaceInfoReq, SpaceInfoRsp)                               \
  X(CreateTarget, 11, CreateTargetReq, CreateTargetRsp)                      \
  X(QueryChunk, 12, QueryChunkReq, QueryChunkRsp)                            \
  X(GetAllChunkMetadata, 13, GetAllChunkMetadataReq, GetAllChunkMetadataRsp) \
  X(OfflineTarget, 16, OfflineTargetReq, OfflineTargetRsp)                   \
  X(RemoveTarget, 17, RemoveTargetReq, RemoveTargetRsp)

namespace threefs::schema::storage::method {
#define X(Name, id, Req, Rsp) using Name = Method<kServiceId, id, Req, Rsp>;
THREEFS_STORAGE_METHODS(X)
#undef X
}  // namespace threefs::schema::storage::method

#define X(Name, id, Req, Rsp) \
  SCHEMA_EXTERN_METHOD(::threefs::schema::storage::Req, ::threefs::schema::storage::Rsp)
THREEFS_STORAGE_METHODS(X)
#undef X

// SPDX-License-Identifier: Apache-2.0
// The storage service's data (3fs/storage.md §2): chunk IO, its results, chunk and target records.
// Requests are in storage_rpc.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/base/bytes.h"
#include "client/base/status.h"
#include "client/schema/common.h"
#include "client/schema/mgmtd.h"
#include "client/schema/rdma.h"

namespace threefs::schema::storage {

enum class UpdateType : uint8_t {
  kInvalid = 0,
  kWrite = 1,
  kRemove = 2,
  kTruncate = 4,
  kExtend = 8,
  kCommit = 16,
};
enum class ChunkState : uint8_t { kCommit = 0, kDirty = 1, kClean = 2 };
enum class ChecksumType : uint8_t { kNone = 0, kCrc32c = 1, kCrc32 = 2 };
enum class RecycleState : uint8_t {
  kNormal = 0,
  kRemovalInProgress = 1,
  kRemovalInRetrying = 2,
};

/// feature_flags bits.
inline constexpr uint32_t kFeatureBypassDiskIo = 1;
inline constexpr uint32_t kFeatureBypassRdmaXmit = 2;
inline constexpr uint32_t kFeatureSendDataInline = 4;
inline constexpr uint32_t kFeatureAllowReadUncommitted = 8;

/// A chunk's name; bytes, in byte order. Of files: 16 bytes (client/layout/chunk_id.h).
using ChunkId = std::string;

struct ChecksumInfo {
  ChecksumType type = ChecksumType::kNone;
  uint32_t value = 0;
  SERDE_FIELDS(type, value)
};
struct IOResult {
  Result<uint32_t> length_info = Code::kStorageClientNotInitialized;
  uint32_t commit_ver = 0;
  uint32_t update_ver = 0;
  ChecksumInfo checksum{};
  uint32_t commit_chain_ver = 0;
  SERDE_FIELDS(length_info, commit_ver, update_ver, checksum, commit_chain_ver)
};
struct VersionedChainId {
  uint32_t chain_id = 0;
  uint32_t chain_ver = 0;
  SERDE_FIELDS(chain_id, chain_ver)
};
struct GlobalKey {
  VersionedChainId v_chain_id{};
  ChunkId chunk_id{};
  SERDE_FIELDS(v_chain_id, chunk_id)
};
struct UpdateChannel {
  uint16_t id = 0;
  uint64_t seqnum = 0;
  SERDE_FIELDS(id, seqnum)
};
struct MessageTag {
  ClientId client_id{};
  uint64_t request_id = 0;
  UpdateChannel channel{};
  SERDE_FIELDS(client_id, request_id, channel)
};
struct DebugFlags {
  bool inject_random_server_error = false;
  bool inject_random_client_error = false;
  uint16_t num_of_inject_pts_before_fail = 0;
  SERDE_FIELDS(inject_random_server_error, inject_random_client_error,
               num_of_inject_pts_before_fail)
};
/// Data inline in the message; never copied (see serde.h).
struct UInt8Vector {
  Bytes data{};
  SERDE_FIELDS(data)
};
struct ReadIO {
  uint32_t offset = 0;
  uint32_t length = 0;
  GlobalKey key{};
  RDMARemoteBuf rdmabuf{};
  SERDE_FIELDS(offset, length, key, rdmabuf)
};
struct UpdateIO {
  uint32_t offset = 0;
  uint32_t length = 0;
  uint32_t chunk_size = 0;
  GlobalKey key{};
  RDMARemoteBuf rdmabuf{};
  uint32_t update_ver = 0;
  UpdateType update_type = UpdateType::kInvalid;
  ChecksumInfo checksum{};
  UInt8Vector inlinebuf{};
  SERDE_FIELDS(offset, length, chunk_size, key, rdmabuf, update_ver, update_type, checksum,
               inlinebuf)
};
/// Stored or passed between servers only.
struct CommitIO {
  GlobalKey key{};
  uint32_t commit_ver = 0;
  bool is_syncing = false;
  uint32_t commit_chain_ver = 0;
  bool is_remove = false;
  bool is_force = false;
  SERDE_FIELDS(key, commit_ver, is_syncing, commit_chain_ver, is_remove, is_force)
};
struct UpdateOptions {
  bool is_syncing = false;
  bool from_client = false;
  uint32_t commit_chain_ver = 0;
  SERDE_FIELDS(is_syncing, from_client, commit_chain_ver)
};
struct ChunkIdRange {
  ChunkId begin{};
  ChunkId end{};  ///< exclusive
  uint32_t max_num_chunk_ids_to_process = 0;
  SERDE_FIELDS(begin, end, max_num_chunk_ids_to_process)
};
struct ChunkMeta {
  ChunkId chunk_id{};
  uint32_t update_ver = 0;
  uint32_t commit_ver = 0;
  uint32_t chain_ver = 0;
  ChunkState chunk_state = ChunkState::kCommit;
  ChecksumInfo checksum{};
  uint32_t length = 0;
  SERDE_FIELDS(chunk_id, update_ver, commit_ver, chain_ver, chunk_state, checksum, length)
};
struct ChunkFileId {
  uint32_t chunk_size = 0;
  uint32_t chunk_idx = 0;
  SERDE_FIELDS(chunk_size, chunk_idx)
};
struct ChunkMetadata {
  uint32_t commit_ver = 0;
  uint32_t update_ver = 0;
  uint32_t chain_ver = 0;
  uint32_t size = 0;
  ChunkState chunk_state = ChunkState::kCommit;
  RecycleState recycle_state = RecycleState::kNormal;
  ChecksumType checksum_type = ChecksumType::kNone;
  uint32_t checksum_value = 0;
  uint16_t last_node_id = 0;
  uint64_t last_request_id = 0;
  uint64_t inner_offset = 0;
  ChunkFileId inner_file_id{};
  Uuid last_client_uuid{};
  int64_t timestamp = 0;
  SERDE_FIELDS(commit_ver, update_ver, chain_ver, size, chunk_state, recycle_state, checksum_type,
               checksum_value, last_node_id, last_request_id, inner_offset, inner_file_id,
               last_client_uuid, timestamp)
};
struct Successor {
  mgmtd::NodeInfo node_info{};
  mgmtd::TargetInfo target_info{};
  SERDE_FIELDS(node_info, target_info)
};
struct Target {
  uint64_t target_id = 0;
  std::string path{};
  bool disk_error = false;
  bool low_space = false;
  bool reject_create_chunk = false;
  bool is_head = false;
  bool is_tail = false;
  VersionedChainId v_chain_id{};
  mgmtd::LocalTargetState local_state = mgmtd::LocalTargetState::kInvalid;
  mgmtd::PublicTargetState public_state = mgmtd::PublicTargetState::kInvalid;
  std::optional<Successor> successor{};
  uint32_t disk_index = 0;
  uint32_t chain_id = 0;
  bool offline_upon_user_request = false;
  bool use_chunk_engine = false;
  SERDE_FIELDS(target_id, path, disk_error, low_space, reject_create_chunk, is_head, is_tail,
               v_chain_id, local_state, public_state, successor, disk_index, chain_id,
               offline_upon_user_request, use_chunk_engine)
};
struct SpaceInfo {
  std::string path{};
  uint64_t capacity = 0;
  uint64_t free = 0;
  uint64_t available = 0;
  std::vector<uint64_t> target_ids{};
  std::string manufacturer{};
  SERDE_FIELDS(path, capacity, free, available, target_ids, manufacturer)
};

}  // namespace threefs::schema::storage

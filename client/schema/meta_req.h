// SPDX-License-Identifier: Apache-2.0
// Requests of MetaSerde (3fs/meta.md §2, §3): the ReqBase table, then the request's own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/schema/meta.h"

namespace threefs::schema::meta {

struct ReqBase {
  UserInfo user{};
  ClientId client{};
  uint32_t forward = 0;  ///< 0 from clients
  Uuid uuid{};           ///< idempotency id: the same for all tries of one call
  SERDE_FIELDS(user, client, forward, uuid)
};

struct SessionInfo {
  ClientId client{};
  Uuid session{};
  SERDE_FIELDS(client, session)
};

/// No path: the inode `parent` itself. Absolute path: `parent` is ignored.
struct PathAt {
  uint64_t parent = 0;
  std::optional<std::string> path{};
  SERDE_FIELDS(parent, path)
};

struct VersionedLength {
  uint64_t length = 0;
  uint64_t truncate_ver = 0;
  SERDE_FIELDS(length, truncate_ver)
};

enum class LockAction : uint8_t { kTryLock = 0, kPreemptLock = 1, kUnLock = 2, kClear = 3 };

/// The only request without a table of its own.
struct StatFsReq {
  ReqBase base{};
  SERDE_BASE_ONLY(base)
};

struct StatReq {
  ReqBase base{};
  PathAt path{};
  int32_t flags = 0;
  SERDE_BASE_FIELDS(base, path, flags)
};

struct CreateReq {
  ReqBase base{};
  PathAt path{};
  std::optional<SessionInfo> session{};
  int32_t flags = 0;
  uint32_t perm = 0;
  std::optional<Layout> layout{};
  uint32_t remove_chunks_batch_size = 0;
  bool dyn_stripe = false;
  SERDE_BASE_FIELDS(base, path, session, flags, perm, layout, remove_chunks_batch_size, dyn_stripe)
};

struct MkdirsReq {
  ReqBase base{};
  PathAt path{};
  uint32_t perm = 0;
  bool recursive = false;
  std::optional<Layout> layout{};
  SERDE_BASE_FIELDS(base, path, perm, recursive, layout)
};

struct SymlinkReq {
  ReqBase base{};
  PathAt path{};
  std::string target{};
  SERDE_BASE_FIELDS(base, path, target)
};

struct HardLinkReq {
  ReqBase base{};
  PathAt old_path{};
  PathAt new_path{};
  int32_t flags = 0;
  SERDE_BASE_FIELDS(base, old_path, new_path, flags)
};

struct RemoveReq {
  ReqBase base{};
  PathAt path{};
  int32_t at_flags = 0;
  bool recursive = false;
  bool check_type = false;
  std::optional<uint64_t> inode_id{};
  SERDE_BASE_FIELDS(base, path, at_flags, recursive, check_type, inode_id)
};

struct OpenReq {
  ReqBase base{};
  PathAt path{};
  std::optional<SessionInfo> session{};
  int32_t flags = 0;
  uint32_t remove_chunks_batch_size = 0;
  bool dyn_stripe = false;
  SERDE_BASE_FIELDS(base, path, session, flags, remove_chunks_batch_size, dyn_stripe)
};

struct SyncReq {
  ReqBase base{};
  uint64_t inode = 0;
  bool update_length = false;
  std::optional<int64_t> atime{};
  std::optional<int64_t> mtime{};
  bool truncated = false;
  std::optional<VersionedLength> length_hint{};
  SERDE_BASE_FIELDS(base, inode, update_length, atime, mtime, truncated, length_hint)
};

struct CloseReq {
  ReqBase base{};
  uint64_t inode = 0;
  std::optional<SessionInfo> session{};
  bool update_length = false;
  std::optional<int64_t> atime{};
  std::optional<int64_t> mtime{};
  std::optional<VersionedLength> length_hint{};
  SERDE_BASE_FIELDS(base, inode, session, update_length, atime, mtime, length_hint)
};

struct RenameReq {
  ReqBase base{};
  PathAt src{};
  PathAt dest{};
  bool move_to_trash = false;
  std::optional<uint64_t> inode_id{};
  SERDE_BASE_FIELDS(base, src, dest, move_to_trash, inode_id)
};

struct ListReq {
  ReqBase base{};
  PathAt path{};
  std::string prev{};
  int32_t limit = -1;
  bool status = false;
  SERDE_BASE_FIELDS(base, path, prev, limit, status)
};

struct TruncateReq {
  ReqBase base{};
  uint64_t inode = 0;
  uint64_t length = 0;
  uint32_t remove_chunks_batch_size = 0;
  SERDE_BASE_FIELDS(base, inode, length, remove_chunks_batch_size)
};

struct GetRealPathReq {
  ReqBase base{};
  PathAt path{};
  bool absolute = false;
  SERDE_BASE_FIELDS(base, path, absolute)
};

struct SetAttrReq {
  ReqBase base{};
  PathAt path{};
  int32_t flags = 0;
  std::optional<uint32_t> uid{};
  std::optional<uint32_t> gid{};
  std::optional<uint32_t> perm{};
  std::optional<int64_t> atime{};
  std::optional<int64_t> mtime{};
  std::optional<Layout> layout{};
  std::optional<uint32_t> iflags{};
  uint32_t dyn_stripe = 0;
  SERDE_BASE_FIELDS(base, path, flags, uid, gid, perm, atime, mtime, layout, iflags, dyn_stripe)
};

struct PruneSessionReq {
  ReqBase base{};
  ClientId client{};
  std::vector<Uuid> sessions{};
  std::vector<bool> need_sync{};
  SERDE_BASE_FIELDS(base, client, sessions, need_sync)
};

struct DropUserCacheReq {
  ReqBase base{};
  std::optional<uint32_t> uid{};
  bool drop_all = false;
  SERDE_BASE_FIELDS(base, uid, drop_all)
};

struct AuthReq {
  ReqBase base{};
  SERDE_BASE_FIELDS(base)
};

struct LockDirectoryReq {
  ReqBase base{};
  uint64_t inode = 0;
  LockAction action = LockAction::kTryLock;
  SERDE_BASE_FIELDS(base, inode, action)
};

struct BatchStatReq {
  ReqBase base{};
  std::vector<uint64_t> inode_ids{};
  SERDE_BASE_FIELDS(base, inode_ids)
};

struct BatchStatByPathReq {
  ReqBase base{};
  std::vector<PathAt> paths{};
  int32_t flags = 0;
  SERDE_BASE_FIELDS(base, paths, flags)
};

struct TestRpcReq {
  ReqBase base{};
  PathAt path{};
  uint32_t flags = 0;
  SERDE_BASE_FIELDS(base, path, flags)
};

}  // namespace threefs::schema::meta

// SPDX-License-Identifier: Apache-2.0
// Responses of MetaSerde (3fs/meta.md §3): each begins with an empty base table.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/schema/meta.h"

namespace threefs::schema::meta {

struct RspBase {
  SERDE_FIELDS()
};

struct StatFsRsp {
  RspBase base{};
  uint64_t capacity = 0;
  uint64_t used = 0;
  uint64_t free = 0;
  SERDE_BASE_FIELDS(base, capacity, used, free)
};

struct StatRsp {
  RspBase base{};
  Inode stat{};
  SERDE_BASE_FIELDS(base, stat)
};

struct CreateRsp {
  RspBase base{};
  Inode stat{};
  bool need_truncate = false;
  SERDE_BASE_FIELDS(base, stat, need_truncate)
};

struct MkdirsRsp {
  RspBase base{};
  Inode stat{};
  SERDE_BASE_FIELDS(base, stat)
};

struct SymlinkRsp {
  RspBase base{};
  Inode stat{};
  SERDE_BASE_FIELDS(base, stat)
};

struct HardLinkRsp {
  RspBase base{};
  Inode stat{};
  SERDE_BASE_FIELDS(base, stat)
};

struct RemoveRsp {
  RspBase base{};
  SERDE_BASE_FIELDS(base)
};

struct OpenRsp {
  RspBase base{};
  uint32_t unused = 0;
  Inode stat{};
  bool need_truncate = false;
  SERDE_BASE_FIELDS(base, unused, stat, need_truncate)
};

struct SyncRsp {
  RspBase base{};
  uint32_t unused = 0;
  Inode stat{};
  SERDE_BASE_FIELDS(base, unused, stat)
};

struct CloseRsp {
  RspBase base{};
  uint32_t unused = 0;
  Inode stat{};
  SERDE_BASE_FIELDS(base, unused, stat)
};

struct RenameRsp {
  RspBase base{};
  std::optional<Inode> stat{};
  SERDE_BASE_FIELDS(base, stat)
};

struct ListRsp {
  RspBase base{};
  std::vector<DirEntry> entries{};
  std::vector<Inode> inodes{};
  bool more = false;
  SERDE_BASE_FIELDS(base, entries, inodes, more)
};

struct TruncateRsp {
  RspBase base{};
  uint32_t chunks_removed = 0;
  Inode stat{};
  bool finished = true;
  SERDE_BASE_FIELDS(base, chunks_removed, stat, finished)
};

struct GetRealPathRsp {
  RspBase base{};
  std::string path{};
  SERDE_BASE_FIELDS(base, path)
};

struct SetAttrRsp {
  RspBase base{};
  Inode stat{};
  SERDE_BASE_FIELDS(base, stat)
};

struct PruneSessionRsp {
  RspBase base{};
  SERDE_BASE_FIELDS(base)
};

struct DropUserCacheRsp {
  RspBase base{};
  SERDE_BASE_FIELDS(base)
};

struct AuthRsp {
  RspBase base{};
  UserInfo user{};
  SERDE_BASE_FIELDS(base, user)
};

struct LockDirectoryRsp {
  RspBase base{};
  SERDE_BASE_FIELDS(base)
};

struct BatchStatRsp {
  RspBase base{};
  std::vector<std::optional<Inode>> inodes{};
  SERDE_BASE_FIELDS(base, inodes)
};

struct BatchStatByPathRsp {
  RspBase base{};
  std::vector<Result<Inode>> inodes{};
  SERDE_BASE_FIELDS(base, inodes)
};

struct TestRpcRsp {
  RspBase base{};
  Inode stat{};
  SERDE_BASE_FIELDS(base, stat)
};

}  // namespace threefs::schema::meta

// SPDX-License-Identifier: Apache-2.0
// The metadata service's data (3fs/meta.md §4, §6): inodes, directory entries, layouts. Requests
// are in meta_rpc.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "client/schema/common.h"

namespace threefs::schema::meta {

/// AtFlags as Linux numbers them: follow the last symlink only with kFollow and without kNoFollow.
inline constexpr int32_t kAtSymlinkNoFollow = 0x100;
inline constexpr int32_t kAtRemoveDir = 0x200;
inline constexpr int32_t kAtSymlinkFollow = 0x400;
inline constexpr int32_t kAtEmptyPath = 0x1000;

/// OpenFlags are x86-64's open(2) bits on every machine.
inline constexpr int32_t kOpenAccessMask = 0x3;
inline constexpr int32_t kOpenWriteOnly = 0x1;
inline constexpr int32_t kOpenReadWrite = 0x2;
inline constexpr int32_t kOpenCreate = 0x40;
inline constexpr int32_t kOpenExclusive = 0x80;
inline constexpr int32_t kOpenTruncate = 0x200;
inline constexpr int32_t kOpenAppend = 0x400;
inline constexpr int32_t kOpenDirectory = 0x10000;

inline constexpr uint32_t kIflagChunkEngine = 0x1;
inline constexpr uint32_t kIflagImmutable = 0x10;
inline constexpr uint32_t kIflagChainAllocation = 0x1000;
inline constexpr uint32_t kIflagHugeFile = 0x40000;
inline constexpr uint32_t kIflagsSupported = 0x41011;

/// Inode ids: root is its own parent; a file of the new chunk engine has kInodeIdChunkEngine set,
/// everywhere.
inline constexpr uint64_t kRootInodeId = 0;
inline constexpr uint64_t kGcRootInodeId = 1;
inline constexpr uint64_t kInodeIdChunkEngine = 1ULL << 56;

/// 2023-06-01, what the reference takes for a time that is absent.
inline constexpr int64_t kDefaultTime = 1'685'548'800'000'000;

struct Acl {
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t perm = 0;
  uint32_t iflags = 0;
  SERDE_FIELDS(uid, gid, perm, iflags)
};

struct Layout {
  enum class ShuffleType : uint8_t { kNone = 0, kStdShuffleMt19937 = 1 };
  /// One raw byte on the wire, whatever its value (3fs/wire.md §1.2).
  struct Empty {
    SERDE_NAME("Empty")
    static constexpr size_t kSerdeMinSize = 1;
    void SerdeWrite(serde::Writer& w) const { w.Fixed<uint8_t>(0); }
    bool SerdeRead(serde::Reader& r) {
      uint8_t ignored = 0;
      return r.Fixed(&ignored);
    }
  };
  struct ChainRange {
    uint32_t base_index = 0;
    ShuffleType shuffle = ShuffleType::kNone;
    uint64_t seed = 0;
    SERDE_NAME("ChainRange")
    SERDE_FIELDS(base_index, shuffle, seed)
  };
  struct ChainList {
    std::vector<uint32_t> chain_indexes{};
    SERDE_NAME("ChainList")
    SERDE_FIELDS(chain_indexes)
  };

  uint32_t table_id = 0;
  uint32_t table_version = 0;
  uint32_t chunk_size = 0;
  uint32_t stripe_size = 0;
  std::variant<Empty, ChainRange, ChainList> chains{};
  SERDE_FIELDS(table_id, table_version, chunk_size, stripe_size, chains)
};

struct File {
  static constexpr uint32_t kHasHole = 1;
  uint64_t length = 0;
  uint64_t truncate_ver = 0;
  Layout layout{};
  uint32_t flags = 0;
  uint32_t dyn_stripe = 0;  ///< 0: feature off for this file
  SERDE_NAME("File")
  SERDE_FIELDS(length, truncate_ver, layout, flags, dyn_stripe)
};
struct Lock {
  ClientId client{};
  SERDE_FIELDS(client)
};
struct Directory {
  static constexpr uint32_t kNoChainAllocCounter = 0xffffffff;
  uint64_t parent = 0;
  Layout layout{};
  std::string name{};
  uint32_t chain_alloc_counter = kNoChainAllocCounter;
  std::optional<Lock> lock{};
  SERDE_NAME("Directory")
  SERDE_FIELDS(parent, layout, name, chain_alloc_counter, lock)
};
struct Symlink {
  std::string target{};
  SERDE_NAME("Symlink")
  SERDE_FIELDS(target)
};

struct InodeData {
  std::variant<File, Directory, Symlink> type{};
  Acl acl{};
  uint16_t nlink = 1;
  int64_t atime = kDefaultTime;
  int64_t ctime = kDefaultTime;
  int64_t mtime = kDefaultTime;
  SERDE_FIELDS(type, acl, nlink, atime, ctime, mtime)
};
struct Inode : InodeData {
  uint64_t id = 0;
  SERDE_DERIVED_FIELDS(InodeData, id)

  [[nodiscard]] bool IsFile() const { return std::holds_alternative<File>(type); }
  [[nodiscard]] bool IsDirectory() const { return std::holds_alternative<Directory>(type); }
  [[nodiscard]] bool IsSymlink() const { return std::holds_alternative<Symlink>(type); }
  // REQUIRES: the inode is of that type.
  [[nodiscard]] const File& AsFile() const { return *std::get_if<File>(&type); }
  [[nodiscard]] File& AsFile() { return *std::get_if<File>(&type); }
};

enum class InodeType : uint8_t { kFile = 0, kDirectory = 1, kSymlink = 2 };
struct GcInfo {
  uint32_t user = 0;
  std::string orig_path{};
  SERDE_FIELDS(user, orig_path)
};
struct DirEntryData {
  uint64_t id = 0;
  InodeType type = InodeType::kFile;
  std::optional<Acl> dir_acl{};  ///< exactly for directories
  Uuid uuid{};                   ///< of the request that made the entry
  std::optional<GcInfo> gc_info{};
  SERDE_FIELDS(id, type, dir_acl, uuid, gc_info)
};
struct DirEntry : DirEntryData {
  uint64_t parent = 0;
  std::string name{};
  SERDE_DERIVED_FIELDS(DirEntryData, parent, name)
};

}  // namespace threefs::schema::meta

SERDE_EXTERN(::threefs::schema::meta::Inode)
SERDE_EXTERN(::threefs::schema::meta::DirEntry)

// SPDX-License-Identifier: Apache-2.0
// The words the file system speaks with its fronts (FUSE today): nodes, attributes, callers. Plain
// values. No FUSE here. Node ids: 1 is the volume's root; every other node id is the 3FS inode id
// (3fs/fuse.md §2.1), so it means the same to the mounter that comes after this one.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/base/bytes.h"
#include "client/base/clock.h"
#include "client/runtime/sync.h"

namespace threefs::fs {

using NodeId = uint64_t;
inline constexpr NodeId kRootNode = 1;
inline constexpr size_t kMaxName = 255;

/// What an operation is about, as far as its errno depends on it (errno_map.h).
enum class OpKind : uint8_t { kOther, kSetAttr, kLock, kData };

struct Caller {
  uint32_t uid = 0;
  uint32_t gid = 0;
  pid_t pid = 0;  ///< 0: the kernel itself, or a process outside our pid namespace
};

/// Travels with one request; copied by value.
struct Op {
  Caller caller;
  CallContext call;
  uint64_t unique = 0;  ///< the request's number in this mount, the same when it is resent
  uint32_t loop = 0;    ///< index of the loop it runs on
};

struct Attr {
  uint64_t ino = 0;
  uint64_t size = 0;
  uint64_t blocks = 0;  ///< of 512 bytes
  int64_t atime_us = 0, mtime_us = 0, ctime_us = 0;
  uint32_t mode = 0;  ///< with type bits
  uint32_t nlink = 1, uid = 0, gid = 0;
  uint32_t blksize = 4096;
};

struct AttrReply {
  Attr attr;
  Duration ttl{0};
};

struct Entry {
  NodeId node = 0;  ///< 0: there is no such name, and that may be remembered for entry_ttl
  Attr attr;
  Duration entry_ttl{0};
  Duration attr_ttl{0};
};

/// A time to set: nothing, now, or microseconds since 1970.
struct TimeChange {
  enum class Kind : uint8_t { kKeep, kNow, kExplicit } kind = Kind::kKeep;
  int64_t us = 0;
};

struct AttrChange {
  std::optional<uint32_t> mode;  ///< permission bits, 07777
  std::optional<uint32_t> uid, gid;
  std::optional<uint64_t> size;
  TimeChange atime, mtime;
  bool kill_suidgid = false;  ///< the kernel asks us to drop set-id bits
};

/// An open file. Everything in it comes back with each request or follows from `fh`, so a later
/// process needs no table.
struct Handle {
  NodeId node = 0;
  uint64_t fh = 0;
};

struct OpenReply {
  uint64_t fh = 0;
  bool keep_cache = false;
  bool direct_io = false;
};

struct CreateReply {
  Entry entry;
  OpenReply open;
};

struct ReadReply {
  std::vector<Bytes> pieces;
  uint64_t length = 0;  ///< sum of the pieces
};

struct DirItem {
  std::string name;
  uint64_t next = 0;  ///< where to go on after this item
  Entry entry;  ///< attr.ino and the type bits of attr.mode always; the rest when asked for and
                ///< entry.node != 0
};

struct StatFs {
  uint64_t block_size = 0, blocks = 0, free = 0;
};

struct IoctlReply {
  int32_t result = 0;
  std::vector<uint8_t> out;
};

struct RenameArgs {
  NodeId parent = 0;
  std::string name;
  NodeId new_parent = 0;
  std::string new_name;
  uint32_t flags = 0;  ///< RENAME_*
};

}  // namespace threefs::fs

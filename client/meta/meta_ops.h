// SPDX-License-Identifier: Apache-2.0
// The metadata operations as functions: each fills one request as 3FS's own client does
// (3fs/meta.md §3.1) and returns MetaClient::Call's task. On the client's loop; `client` outlives
// the task. Answers are the wire's Rsp structs.
//   CO_TRY(auto rsp, co_await meta::Stat(client, op, meta::At(parent, name)));   // rsp.stat is the
//   Inode
// Repeats, deadlines and errors: client/meta/meta_client.h. `request_id`: see there; a caller that
// resends an operation of its own (a mounter taking over) passes the same one again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/base/uuid.h"
#include "client/meta/meta_client.h"
#include "client/mgmtd/op_context.h"
#include "client/schema/meta_rpc.h"

namespace threefs::meta {

template <class M>
using Reply = Task<Result<typename M::Rsp>>;
namespace method = schema::meta::method;
using schema::meta::PathAt;

/// The inode itself.
PathAt At(uint64_t inode);
/// `path` from `parent`; "/x" starts at the file system's root.
PathAt At(uint64_t parent, std::string path);

inline constexpr int32_t kAtSymlinkNoFollow = 0x100;
inline constexpr int32_t kAtRemoveDir = 0x200;
inline constexpr int32_t kAtSymlinkFollow = 0x400;
inline constexpr int32_t kAtEmptyPath = 0x1000;
/// How many chunks one O_TRUNC step or remove step takes (3fs/meta.md §3.1).
inline constexpr uint32_t kRemoveChunksBatch = 32;

Reply<method::StatFs> StatFs(MetaClient& client, OpContext op);
Reply<method::Stat> Stat(MetaClient& client, OpContext op, PathAt at, bool follow = false);
Reply<method::BatchStat> BatchStat(MetaClient& client, OpContext op, std::vector<uint64_t> inodes);
Reply<method::BatchStatByPath> BatchStatByPath(MetaClient& client, OpContext op,
                                               std::vector<PathAt> paths, bool follow = false);
Reply<method::GetRealPath> GetRealPath(MetaClient& client, OpContext op, PathAt at, bool absolute);
/// One page of a directory after name `prev`; limit ≤ 0: the server's. `inodes` come only with
/// `status`.
Reply<method::List> List(MetaClient& client, OpContext op, PathAt at, std::string prev,
                         int32_t limit, bool status = false);

struct OpenArgs {
  /// x86-64 open(2) bits whatever this machine is (3fs/meta.md §6).
  int32_t flags = 0;
  /// The write session; required for write access, dropped for read-only.
  std::optional<Uuid> session{};
  bool dyn_stripe = false;
};
/// needTruncate in the answer: FileIo::Truncate to 0 must follow.
Reply<method::Open> Open(MetaClient& client, OpContext op, PathAt at, OpenArgs args);

struct CreateArgs {
  OpenArgs open;
  uint32_t perm = 0644;
  std::optional<schema::meta::Layout> layout{};  ///< none: the directory's
  Uuid request_id{};
};
Reply<method::Create> Create(MetaClient& client, OpContext op, PathAt at, CreateArgs args);

struct MkdirArgs {
  uint32_t perm = 0755;
  bool recursive = false;
  std::optional<schema::meta::Layout> layout{};
  Uuid request_id{};
};
Reply<method::Mkdirs> Mkdirs(MetaClient& client, OpContext op, PathAt at, MkdirArgs args);
Reply<method::Symlink> Symlink(MetaClient& client, OpContext op, PathAt at, std::string target,
                               Uuid request_id = {});
Reply<method::HardLink> HardLink(MetaClient& client, OpContext op, PathAt from, PathAt to,
                                 Uuid request_id = {});

enum class RemoveKind : uint8_t {
  kFile,       ///< unlink(2)
  kDirectory,  ///< rmdir(2)
  kTree,       ///< everything below; give the inode id seen before
};
Reply<method::Remove> Remove(MetaClient& client, OpContext op, PathAt at, RemoveKind kind,
                             std::optional<uint64_t> inode = {}, Uuid request_id = {});
struct RenameArgs {
  bool move_to_trash = false;
  std::optional<uint64_t> inode{};  ///< of the source, as seen before (moveToTrash)
  Uuid request_id{};
};
Reply<method::Rename> Rename(MetaClient& client, OpContext op, PathAt from, PathAt to,
                             RenameArgs args = {});

/// Only what is set is changed; times are whole seconds to the server, SET_TO_NOW is the caller's
/// clock.
struct AttrChange {
  std::optional<uint32_t> uid{}, gid{}, perm{};
  std::optional<int64_t> atime{}, mtime{};  ///< microseconds
  std::optional<schema::meta::Layout> layout{};
  std::optional<uint32_t> iflags{};
  uint32_t dyn_stripe = 0;  ///< 0: leave
};
Reply<method::SetAttr> SetAttr(MetaClient& client, OpContext op, PathAt at, AttrChange change,
                               bool follow = false);

struct SyncArgs {
  bool update_length = false;
  bool truncated = false;
  std::optional<int64_t> atime{}, mtime{};
  std::optional<schema::meta::VersionedLength> hint{};  ///< none: the server asks storage (exact)
};
Reply<method::Sync> Sync(MetaClient& client, OpContext op, uint64_t inode, SyncArgs args);

struct CloseArgs {
  std::optional<Uuid> session{};  ///< the write session that ends
  bool update_length = false;
  std::optional<int64_t> atime{}, mtime{};
  std::optional<schema::meta::VersionedLength> hint{};  ///< none: the server asks storage (exact)
};
Reply<method::Close> Close(MetaClient& client, OpContext op, uint64_t inode, CloseArgs args);
Reply<method::PruneSession> PruneSessions(MetaClient& client, OpContext op,
                                          std::vector<Uuid> sessions);

/// The identity the token stands for, as the server sees it; kAuthenticationFail when it does not
/// know the token.
Reply<method::Authenticate> Authenticate(MetaClient& client, OpContext op);
Reply<method::LockDirectory> LockDirectory(MetaClient& client, OpContext op, uint64_t inode,
                                           schema::meta::LockAction action);

}  // namespace threefs::meta

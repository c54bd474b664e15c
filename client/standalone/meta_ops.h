// SPDX-License-Identifier: Apache-2.0
// The operations of MetaSerde as functions on one transaction (3fs/meta.md §8). They make every
// check before they stage a change, so a failed one has staged nothing (but, for Remove, the record
// of how it failed). The request was validated and authenticated before; the caller commits.
// Blocking; the transaction's thread.
#pragma once

#include <cstdint>
#include <optional>

#include "client/base/status.h"
#include "client/schema/meta_rpc.h"
#include "client/standalone/meta_context.h"

namespace threefs::standalone::ops {

namespace rpc = schema::meta;

Result<rpc::StatRsp> Stat(MetaContext& ctx, const rpc::StatReq& req);
Result<rpc::BatchStatRsp> BatchStat(MetaContext& ctx, const rpc::BatchStatReq& req);
Result<rpc::BatchStatByPathRsp> BatchStatByPath(MetaContext& ctx,
                                                const rpc::BatchStatByPathReq& req);
Result<rpc::ListRsp> List(MetaContext& ctx, const rpc::ListReq& req);
Result<rpc::GetRealPathRsp> GetRealPath(MetaContext& ctx, const rpc::GetRealPathReq& req);

Result<rpc::OpenRsp> Open(MetaContext& ctx, const rpc::OpenReq& req);
Result<rpc::CreateRsp> Create(MetaContext& ctx, const rpc::CreateReq& req);
Result<rpc::MkdirsRsp> Mkdirs(MetaContext& ctx, const rpc::MkdirsReq& req);
Result<rpc::SymlinkRsp> Symlink(MetaContext& ctx, const rpc::SymlinkReq& req);
Result<rpc::HardLinkRsp> HardLink(MetaContext& ctx, const rpc::HardLinkReq& req);
Result<rpc::RemoveRsp> Remove(MetaContext& ctx, const rpc::RemoveReq& req);
Result<rpc::RenameRsp> Rename(MetaContext& ctx, const rpc::RenameReq& req);
Result<rpc::SetAttrRsp> SetAttr(MetaContext& ctx, const rpc::SetAttrReq& req);
Result<rpc::LockDirectoryRsp> LockDirectory(MetaContext& ctx, const rpc::LockDirectoryReq& req);
Result<rpc::PruneSessionRsp> PruneSession(MetaContext& ctx, const rpc::PruneSessionReq& req);

/// What sync and close ask for (§9.1).
struct SyncWork {
  uint64_t inode = 0;
  std::optional<rpc::SessionInfo> session{};
  bool is_close = false;
  bool update_length = false;
  bool truncated = false;
  std::optional<int64_t> atime{};
  std::optional<int64_t> mtime{};
  std::optional<rpc::VersionedLength> hint{};
};
struct SyncOutcome {
  rpc::Inode inode{};
  /// Storage must be asked for the length first; then the same call again, with the answer. Nothing
  /// was staged.
  bool needs_length = false;
  bool changed = false;  ///< something was staged
};
/// ApplySync would answer needs_length.
bool NeedsLength(const MetaContext& ctx, const rpc::Inode& inode, const SyncWork& work);
/// `found`: the length storage answered.
Result<SyncOutcome> ApplySync(MetaContext& ctx, const SyncWork& work,
                              std::optional<uint64_t> found);

// Shared by operations.

/// Stages a link less to `inode` (a file or symbolic link whose entry goes away); at 0 it becomes
/// GC's.
Status Unlink(MetaContext& ctx, rpc::Inode inode, const std::string& orig_path);
/// Stages `inode` (nlink set to 0) into the GC folder.
void MoveToGc(MetaContext& ctx, rpc::Inode inode, const std::string& orig_path);
/// The directory tree at `root` may be removed by the caller (bounded by
/// recursive_remove_perm_check).
Status CheckTreeRemovable(MetaContext& ctx, const rpc::Inode& root);
/// "/a/b" for the entry `name` of `parent`.
Result<std::string> EntryPath(MetaTxn& txn, const rpc::Inode& parent, const std::string& name);

}  // namespace threefs::standalone::ops

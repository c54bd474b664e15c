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

namespace wire = schema::meta;

Result<wire::StatRsp> Stat(MetaContext& ctx, const wire::StatReq& req);
Result<wire::BatchStatRsp> BatchStat(MetaContext& ctx, const wire::BatchStatReq& req);
Result<wire::BatchStatByPathRsp> BatchStatByPath(MetaContext& ctx,
                                                 const wire::BatchStatByPathReq& req);
Result<wire::ListRsp> List(MetaContext& ctx, const wire::ListReq& req);
Result<wire::GetRealPathRsp> GetRealPath(MetaContext& ctx, const wire::GetRealPathReq& req);

Result<wire::OpenRsp> Open(MetaContext& ctx, const wire::OpenReq& req);
Result<wire::CreateRsp> Create(MetaContext& ctx, const wire::CreateReq& req);
Result<wire::MkdirsRsp> Mkdirs(MetaContext& ctx, const wire::MkdirsReq& req);
Result<wire::SymlinkRsp> Symlink(MetaContext& ctx, const wire::SymlinkReq& req);
Result<wire::HardLinkRsp> HardLink(MetaContext& ctx, const wire::HardLinkReq& req);
Result<wire::RemoveRsp> Remove(MetaContext& ctx, const wire::RemoveReq& req);
Result<wire::RenameRsp> Rename(MetaContext& ctx, const wire::RenameReq& req);
Result<wire::SetAttrRsp> SetAttr(MetaContext& ctx, const wire::SetAttrReq& req);
Result<wire::LockDirectoryRsp> LockDirectory(MetaContext& ctx, const wire::LockDirectoryReq& req);
Result<wire::PruneSessionRsp> PruneSession(MetaContext& ctx, const wire::PruneSessionReq& req);

/// What sync and close ask for (§9.1).
struct SyncWork {
  uint64_t inode = 0;
  std::optional<wire::SessionInfo> session{};
  bool is_close = false;
  bool update_length = false;
  bool truncated = false;
  std::optional<int64_t> atime{};
  std::optional<int64_t> mtime{};
  std::optional<wire::VersionedLength> hint{};
};
struct SyncOutcome {
  wire::Inode inode{};
  /// Storage must be asked for the length first; then the same call again, with the answer. Nothing
  /// was staged.
  bool needs_length = false;
  bool changed = false;  ///< something was staged
};
/// ApplySync would answer needs_length.
bool NeedsLength(const MetaContext& ctx, const wire::Inode& inode, const SyncWork& work);
/// `found`: the length storage answered.
Result<SyncOutcome> ApplySync(MetaContext& ctx, const SyncWork& work,
                              std::optional<uint64_t> found);

// Shared by operations.

/// Stages a link less to `inode` (a file or symbolic link whose entry goes away); at 0 it becomes
/// GC's.
Status Unlink(MetaContext& ctx, wire::Inode inode, const std::string& orig_path);
/// Stages `inode` (nlink set to 0) into the GC folder.
void MoveToGc(MetaContext& ctx, wire::Inode inode, const std::string& orig_path, uint32_t remover);
/// The directory tree at `root` may be removed by the caller (bounded by
/// recursive_remove_perm_check).
Status CheckTreeRemovable(MetaContext& ctx, const wire::Inode& root);
/// "/a/b" for the entry `name` of `parent`.
Result<std::string> EntryPath(MetaTxn& txn, const wire::Inode& parent, const std::string& name);

}  // namespace threefs::standalone::ops

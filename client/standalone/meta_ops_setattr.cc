// SPDX-License-Identifier: Apache-2.0
// setAttr, lockDirectory (3fs/meta.md §8.9, §8.13).
#include <algorithm>
#include <utility>

#include "client/standalone/meta_access.h"
#include "client/standalone/meta_ops.h"
#include "client/standalone/meta_path.h"

namespace threefs::standalone::ops {
namespace {

constexpr int64_t kNow = -1;

Status Refuse(const char* why) { return {Code::kMetaNoPermission, why}; }

Status CheckIflags(const MetaContext& ctx, const wire::Acl& acl, uint32_t wanted) {
  const uint32_t changed = acl.iflags ^ wanted;
  if (changed == 0) return {};
  uint32_t owners = wire::kIflagHugeFile;
  if (ctx.options.allow_owner_change_immutable) owners |= wire::kIflagImmutable;
  const bool owner_may = ctx.user().uid == acl.uid && (changed & ~owners) == 0;
  if (ctx.user().uid != 0 && !owner_may) return Refuse("only root may change these inode flags");
  const uint32_t set = changed & wanted;
  if ((set & wire::kIflagChainAllocation) != 0 && !ctx.options.iflags_chain_allocation) {
    return Refuse("chain allocation by directory is switched off");
  }
  if ((set & wire::kIflagChunkEngine) != 0 && !ctx.options.iflags_chunk_engine) {
    return Refuse("the new chunk engine is switched off");
  }
  return {};
}

Status CheckOwnership(const MetaContext& ctx, const wire::Inode& inode,
                      const wire::SetAttrReq& req) {
  const schema::UserInfo& user = ctx.user();
  const wire::Acl& acl = inode.acl;
  const bool root_dir = inode.id == wire::kRootInodeId || inode.id == wire::kGcRootInodeId;
  if (root_dir && (req.perm || req.uid || req.gid)) {
    return Refuse("owner and permissions of a root directory are fixed");
  }
  const bool owner = user.uid == acl.uid;
  if (req.perm && user.uid != 0 && !owner) return Refuse("only the owner may change permissions");
  if (req.uid && *req.uid != acl.uid && user.uid != 0) {
    return Refuse("only root may change the owner");
  }
  if (req.gid && *req.gid != acl.gid && user.uid != 0 && !(owner && InGroup(user, *req.gid))) {
    return Refuse("only the owner, being in the new group, may change the group");
  }
  return {};
}

Status CheckTimes(const MetaContext& ctx, const wire::Acl& acl, const wire::SetAttrReq& req) {
  if (!req.atime && !req.mtime) return {};
  if (ctx.user().uid == 0 || ctx.user().uid == acl.uid) return {};
  const bool all_now = req.atime.value_or(kNow) == kNow && req.mtime.value_or(kNow) == kNow;
  if (!all_now) return Refuse("only the owner may set times");
  return CheckAccess(acl, ctx.user(), kWrite);
}

Status Check(const MetaContext& ctx, const wire::Inode& inode, const wire::SetAttrReq& req) {
  if (req.iflags) TRY(CheckIflags(ctx, inode.acl, *req.iflags));
  TRY(CheckOwnership(ctx, inode, req));
  TRY(CheckTimes(ctx, inode.acl, req));
  if (req.layout) {
    if (AsDirectory(inode) == nullptr) {
      return {Code::kMetaNotDirectory, "only a directory's layout can be set"};
    }
    TRY(CheckAccess(inode.acl, ctx.user(), kWrite));
    TRY(ctx.chains.Check(*req.layout));
  }
  if (req.dyn_stripe != 0 && AsFile(inode) == nullptr) {
    return {Code::kMetaNotFile, "only a file has a dynamic stripe"};
  }
  return {};
}

// Only grows, doubling; 0 (off) stays.
uint32_t GrowStripe(const MetaOptions& options, const wire::File& file, uint32_t wanted) {
  if (file.dyn_stripe == 0) return 0;
  const uint64_t goal = std::min(wanted, file.layout.stripe_size);
  const uint64_t factor = std::max(2U, options.dyn_stripe_growth);
  uint64_t stripe = file.dyn_stripe;
  while (stripe < goal) stripe *= factor;
  return static_cast<uint32_t>(
      std::min<uint64_t>(stripe, std::max(file.dyn_stripe, file.layout.stripe_size)));
}

void ApplyAttributes(const MetaContext& ctx, wire::Inode* inode, const wire::SetAttrReq& req) {
  const wire::Acl before = inode->acl;
  wire::Acl& acl = inode->acl;
  acl.iflags = req.iflags.value_or(acl.iflags);
  acl.uid = req.uid.value_or(acl.uid);
  acl.gid = req.gid.value_or(acl.gid);
  acl.perm = req.perm.value_or(acl.perm);
  if (req.atime) inode->atime = ctx.Cut(*req.atime);
  if (req.mtime) inode->mtime = ctx.Cut(*req.mtime);
  bool changed = acl.iflags != before.iflags || acl.uid != before.uid || acl.gid != before.gid ||
                 acl.perm != before.perm;
  if (req.layout) {
    AsDirectory(*inode)->layout = *req.layout;
    changed = true;
  }
  if (req.dyn_stripe != 0) {
    wire::File* file = AsFile(*inode);
    file->dyn_stripe = GrowStripe(ctx.options, *file, req.dyn_stripe);
  }
  if (changed) inode->ctime = ctx.stamp_us;
}

// The entry of a directory carries a copy of its Acl.
Status StageEntryAcl(MetaContext& ctx, const wire::Inode& inode) {
  const wire::Directory* dir = AsDirectory(inode);
  if (dir == nullptr || inode.id == wire::kRootInodeId || inode.id == wire::kGcRootInodeId)
    return {};
  TRY(std::optional<wire::DirEntry> entry, records::FindEntry(ctx.txn, dir->parent, dir->name));
  if (!entry || entry->id != inode.id) return {};
  entry->dir_acl = inode.acl;
  records::StoreEntry(ctx.txn, *entry);
  return {};
}

}  // namespace

Result<wire::SetAttrRsp> SetAttr(MetaContext& ctx, const wire::SetAttrReq& req) {
  PathWalker walker(ctx);
  const int32_t flags = req.path.path ? req.flags | wire::kAtSymlinkFollow : req.flags;
  TRY(wire::Inode inode, walker.Resolve(req.path, flags, /*check_refcount=*/true));
  TRY(Check(ctx, inode, req));
  ApplyAttributes(ctx, &inode, req);
  TRY(StageEntryAcl(ctx, inode));
  records::StoreInode(ctx.txn, inode);
  return wire::SetAttrRsp{.stat = std::move(inode)};
}

Result<wire::LockDirectoryRsp> LockDirectory(MetaContext& ctx, const wire::LockDirectoryReq& req) {
  TRY(wire::Inode inode, records::LoadInode(ctx.txn, req.inode));
  wire::Directory* dir = AsDirectory(inode);
  if (dir == nullptr) return Status(Code::kMetaNotDirectory, "only a directory can be locked");
  TRY(CheckAccess(inode.acl, ctx.user(), kWrite));
  const schema::ClientId& client = req.base.client;
  const bool ours = dir->lock && dir->lock->client.uuid == client.uuid;
  switch (req.action) {
    case wire::LockAction::kTryLock:
      if (dir->lock && !ours) {
        return Status(Code::kMetaNoLock, "another client holds the lock");
      }
      dir->lock = wire::Lock{client};
      break;
    case wire::LockAction::kPreemptLock:
      dir->lock = wire::Lock{client};
      break;
    case wire::LockAction::kUnLock:
      if (!ours) return Status(Code::kMetaNoLock, "the lock is not this client's");
      dir->lock.reset();
      break;
    case wire::LockAction::kClear:
      dir->lock.reset();
      break;
    default:
      return Status(Code::kInvalidArg, "unknown lock action");
  }
  records::StoreInode(ctx.txn, inode);
  return wire::LockDirectoryRsp{};
}

}  // namespace threefs::standalone::ops

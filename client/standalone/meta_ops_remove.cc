// SPDX-License-Identifier: Apache-2.0
// remove (3fs/meta.md §8.5) and what rename shares with it: unlinking, the GC folder, the check of
// a whole tree. The GC folder is directory 1: "f-<time>-<inode>" is a file or symbolic link without
// links, "d-<time>-<inode>" a directory removed with all below it. Names sort by age.
#include <fmt/core.h>

#include <deque>
#include <utility>

#include "client/standalone/meta_access.h"
#include "client/standalone/meta_ops.h"
#include "client/standalone/meta_path.h"

namespace threefs::standalone::ops {
namespace {

struct RemovePlan {
  wire::Inode parent;
  wire::DirEntry entry;
  wire::Inode inode;
  bool to_gc = false;  ///< a directory with entries
};

// Where the entry is: by path, or, without one, the entry of the directory `parent`.
Result<EntryPlace> Place(MetaContext& ctx, const wire::RemoveReq& req) {
  if (req.path.path) {
    PathWalker walker(ctx);
    return walker.ResolveEntry(req.path, /*need_exec=*/true);
  }
  TRY(const wire::Inode inode, records::LoadInode(ctx.txn, req.path.parent));
  const wire::Directory* dir = AsDirectory(inode);
  if (dir == nullptr) return Status(Code::kMetaNotDirectory, "not a directory");
  if (inode.id == wire::kRootInodeId || inode.id == wire::kGcRootInodeId) {
    return Status(Code::kMetaNoPermission, "a root directory cannot be removed");
  }
  EntryPlace place;
  TRY(place.parent, records::LoadInode(ctx.txn, dir->parent));
  place.name = dir->name;
  TRY(place.entry, records::FindEntry(ctx.txn, dir->parent, dir->name));
  return place;
}

Status CheckDirectory(MetaContext& ctx, const wire::RemoveReq& req, RemovePlan* plan) {
  TRY(const bool empty, records::DirectoryEmpty(ctx.txn, plan->inode.id));
  if (empty) return {};
  if (!req.recursive) return {Code::kMetaNotEmpty, "the directory is not empty"};
  plan->to_gc = true;
  return CheckTreeRemovable(ctx, plan->inode);
}

Result<RemovePlan> Plan(MetaContext& ctx, const wire::RemoveReq& req) {
  TRY(EntryPlace place, Place(ctx, req));
  if (!place.entry) return Status(Code::kMetaNotFound, "no such file or directory");
  if (place.entry->id == wire::kRootInodeId || place.entry->id == wire::kGcRootInodeId) {
    return Status(Code::kMetaNoPermission, "a root directory cannot be removed");
  }
  if (req.inode_id && *req.inode_id != place.entry->id) {
    return Status(Code::kMetaNotFound, "the entry is another one now");
  }
  RemovePlan plan;
  plan.parent = std::move(place.parent);
  plan.entry = *std::move(place.entry);
  TRY(plan.inode, records::LoadInode(ctx.txn, plan.entry.id));
  TRY(CheckParent(plan.parent, ctx.who));
  if (plan.inode.nlink == 0) {
    return Status(Code::kMetaInconsistent, "an entry leads to a removed inode");
  }
  if (req.check_type) {
    const bool wants_dir = (req.at_flags & wire::kAtRemoveDir) != 0;
    if (wants_dir && plan.entry.type == wire::InodeType::kFile) {
      return Status(Code::kMetaNotDirectory, "not a directory");
    }
    if (!wants_dir && plan.entry.type == wire::InodeType::kDirectory) {
      return Status(Code::kMetaIsDirectory, "a directory");
    }
  }
  TRY(CheckSticky(plan.parent.acl, plan.inode.acl.uid, ctx.user()));
  TRY(CheckMutable(plan.inode.acl));
  if (plan.entry.type == wire::InodeType::kDirectory) TRY(CheckDirectory(ctx, req, &plan));
  return plan;
}

Status Apply(MetaContext& ctx, const RemovePlan& plan) {
  TRY(const std::string path, EntryPath(ctx.txn, plan.parent, plan.entry.name));
  records::DeleteEntry(ctx.txn, plan.entry.parent, plan.entry.name);
  if (plan.entry.type != wire::InodeType::kDirectory) return Unlink(ctx, plan.inode, path);
  if (plan.to_gc) {
    MoveToGc(ctx, plan.inode, path, ctx.user().uid);
  } else {
    records::DeleteInode(ctx.txn, plan.inode.id);
  }
  return {};
}

// A retry would meet the same: worth remembering for a client that lost the answer.
bool IsFinal(const Status& status) {
  return status.ok() ||
         (Raw(status.code()) >= 3000 && Raw(status.code()) < 3200 &&
          status.code() != Code::kMetaInodeIdAllocFailed &&
          status.code() != Code::kMetaOTruncFailed && status.code() != Code::kMetaBusy);
}

}  // namespace

void MoveToGc(MetaContext& ctx, wire::Inode inode, const std::string& orig_path, uint32_t remover) {
  const bool dir = AsDirectory(inode) != nullptr;
  wire::DirEntry entry;
  entry.id = inode.id;
  entry.type = TypeOf(inode);
  entry.gc_info = wire::GcInfo{remover, orig_path};
  entry.parent = wire::kGcRootInodeId;
  entry.name = fmt::format("{}-{:016x}-{:016x}", dir ? 'd' : 'f', ctx.now_us, inode.id);
  inode.nlink = 0;
  inode.ctime = ctx.stamp_us;
  if (dir) {
    entry.dir_acl = inode.acl;
    AsDirectory(inode)->parent = wire::kGcRootInodeId;
    AsDirectory(inode)->name = entry.name;
  }
  records::StoreEntry(ctx.txn, entry);
  records::StoreInode(ctx.txn, inode);
}

Status Unlink(MetaContext& ctx, wire::Inode inode, const std::string& orig_path) {
  if (inode.nlink == 0) return {Code::kMetaInconsistent, "an entry leads to a removed file"};
  if (inode.nlink > 1) {
    --inode.nlink;
    inode.ctime = ctx.stamp_us;
    records::StoreInode(ctx.txn, inode);
  } else if (AsSymlink(inode) != nullptr) {
    records::DeleteInode(ctx.txn, inode.id);
  } else {
    MoveToGc(ctx, std::move(inode), orig_path, ctx.user().uid);
  }
  return {};
}

Status CheckTreeRemovable(MetaContext& ctx, const wire::Inode& root) {
  const bool owner_only = ctx.options.recursive_remove_check_owner;
  TRY(CheckRecursiveRemove(root.acl, ctx.user(), owner_only));
  if (ctx.user().uid == 0) return {};
  std::deque<uint64_t> todo{root.id};
  uint32_t left = ctx.options.recursive_remove_perm_check;
  while (!todo.empty() && left > 0) {
    const uint64_t dir = todo.front();
    todo.pop_front();
    Status refused;
    TRY(records::ScanEntries(ctx.txn, dir, "", [&](const wire::DirEntry& entry) {
      --left;
      if (entry.type == wire::InodeType::kDirectory && entry.dir_acl) {
        refused = CheckRecursiveRemove(*entry.dir_acl, ctx.user(), owner_only);
        todo.push_back(entry.id);
      }
      return refused.ok() && left > 0;
    }));
    TRY(refused);
  }
  return {};
}

Result<wire::RemoveRsp> Remove(MetaContext& ctx, const wire::RemoveReq& req) {
  const Uuid& client = req.base.client.uuid;
  const bool keep = ctx.options.idempotent_remove && !client.IsZero() && !req.base.uuid.IsZero();
  if (keep) {
    TRY(const std::optional<Outcome> before, records::FindOutcome(ctx.txn, client, req.base.uuid));
    if (before && before->code == 0) return wire::RemoveRsp{};
    if (before) return Status(static_cast<Code>(before->code), before->message);
  }
  const Result<RemovePlan> plan = Plan(ctx, req);
  Status end = plan.ok() ? Apply(ctx, *plan) : plan.status();
  if (keep && IsFinal(end)) {
    records::StoreOutcome(ctx.txn, client, req.base.uuid,
                          {Raw(end.code()), end.message(), std::nullopt, ctx.now_us});
    ctx.commit_on_error = true;  // a failed plan has staged nothing but this record
  }
  TRY(std::move(end));
  return wire::RemoveRsp{};
}

}  // namespace threefs::standalone::ops

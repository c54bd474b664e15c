// SPDX-License-Identifier: Apache-2.0
// rename (3fs/meta.md §8.6): POSIX replacement, in 3FS's order of checks.
#include <utility>

#include "client/standalone/meta_access.h"
#include "client/standalone/meta_ops.h"
#include "client/standalone/meta_path.h"

namespace threefs::standalone::ops {
namespace {

constexpr std::string_view kTrash = "trash";

struct RenamePlan {
  EntryPlace src;
  EntryPlace dest;
  wire::Inode moved;
  std::optional<wire::Inode> replaced;
};

struct Ancestry {
  bool has_inode = false;  ///< the inode asked for is the directory or above it
  bool in_trash = false;   ///< the directory is /trash or below it
};

Result<Ancestry> Climb(MetaContext& ctx, wire::Inode dir, uint64_t looked_for) {
  Ancestry seen;
  while (true) {
    seen.has_inode = seen.has_inode || dir.id == looked_for;
    if (dir.id == wire::kRootInodeId || dir.id == wire::kGcRootInodeId) return seen;
    const wire::Directory* self = AsDirectory(dir);
    if (self == nullptr) return Status(Code::kMetaInconsistent, "a parent is no directory");
    seen.in_trash = self->parent == wire::kRootInodeId && self->name == kTrash;
    TRY(dir, records::LoadInode(ctx.txn, self->parent));
  }
}

// A directory into its own tree; a directory into /trash by somebody who may not remove it.
Status CheckMovedDirectory(MetaContext& ctx, const wire::RenameReq& req, const RenamePlan& plan) {
  TRY(const Ancestry to, Climb(ctx, plan.dest.parent, plan.moved.id));
  if (to.has_inode) return {Code::kInvalidArg, "a directory cannot move into itself"};
  if (!to.in_trash || ctx.user().uid == 0) return {};
  TRY(const Ancestry from, Climb(ctx, plan.src.parent, plan.moved.id));
  if (from.in_trash) return {};
  if (!req.move_to_trash && !ctx.options.allow_directly_move_to_trash) {
    return {Code::kMetaNoPermission, "a directory goes to the trash by moveToTrash only"};
  }
  return CheckTreeRemovable(ctx, plan.moved);
}

// Types and emptiness: what must hold before anybody's rights are asked.
Status CheckReplacement(MetaContext& ctx, const wire::RenameReq& req, const RenamePlan& plan) {
  const bool moves_dir = plan.src.entry->type == wire::InodeType::kDirectory;
  if (plan.dest.entry) {
    const bool onto_dir = plan.dest.entry->type == wire::InodeType::kDirectory;
    if (req.move_to_trash && !onto_dir) return {Code::kMetaExists, "the trash has this name"};
    if (onto_dir) {
      TRY(const bool empty, records::DirectoryEmpty(ctx.txn, plan.dest.entry->id));
      if (!empty) return {Code::kMetaNotEmpty, "the target directory is not empty"};
    }
    if (moves_dir && !onto_dir) {
      return {Code::kMetaNotDirectory, "a directory cannot replace a file"};
    }
  }
  return {};
}

Status CheckRights(MetaContext& ctx, const RenamePlan& plan) {
  TRY(CheckParent(plan.src.parent, ctx.who));
  TRY(CheckMutable(plan.moved.acl));
  TRY(CheckSticky(plan.src.parent.acl, plan.moved.acl.uid, ctx.user()));
  TRY(CheckParent(plan.dest.parent, ctx.who));
  if (plan.replaced) {
    TRY(CheckMutable(plan.replaced->acl));
    TRY(CheckSticky(plan.dest.parent.acl, plan.replaced->acl.uid, ctx.user()));
    if (plan.replaced->nlink == 0) {
      return {Code::kMetaInconsistent, "an entry leads to a removed inode"};
    }
  }
  return {};
}

Status StageReplaced(MetaContext& ctx, const RenamePlan& plan, const std::string& path) {
  if (!plan.replaced) return {};
  if (AsDirectory(*plan.replaced) != nullptr) {
    records::DeleteInode(ctx.txn, plan.replaced->id);
    return {};
  }
  return Unlink(ctx, *plan.replaced, path);
}

Result<wire::Inode> Apply(MetaContext& ctx, const RenamePlan& plan) {
  TRY(const std::string dest_path, EntryPath(ctx.txn, plan.dest.parent, plan.dest.name));
  TRY(StageReplaced(ctx, plan, dest_path));
  wire::DirEntry entry = *plan.src.entry;
  entry.parent = plan.dest.parent.id;
  entry.name = plan.dest.name;
  entry.uuid = ctx.who.uuid;
  records::DeleteEntry(ctx.txn, plan.src.parent.id, plan.src.name);
  records::StoreEntry(ctx.txn, entry);
  // Read again: the moved file may be the replaced one, by another link.
  TRY(wire::Inode moved, records::LoadInode(ctx.txn, plan.moved.id));
  if (wire::Directory* dir = AsDirectory(moved); dir != nullptr) {
    dir->parent = entry.parent;
    dir->name = entry.name;
    records::StoreInode(ctx.txn, moved);
  }
  return moved;
}

Result<wire::Inode> RenameOnce(MetaContext& ctx, const wire::RenameReq& req) {
  RenamePlan plan;
  PathWalker from(ctx);
  TRY(plan.src, from.ResolveEntry(req.src, /*need_exec=*/true));
  PathWalker to(ctx);
  TRY(plan.dest, to.ResolveEntry(req.dest, /*need_exec=*/true));
  const std::optional<wire::DirEntry>& dest = plan.dest.entry;
  if (dest && !req.base.uuid.IsZero() && dest->uuid == req.base.uuid) {
    return records::LoadInode(ctx.txn, dest->id);  // replay
  }
  if (!plan.src.entry) return Status(Code::kMetaNotFound, "no such file or directory");
  if (req.inode_id && *req.inode_id != plan.src.entry->id) {
    return Status(Code::kMetaNotFound, "the entry is another one now");
  }
  TRY(plan.moved, records::LoadInode(ctx.txn, plan.src.entry->id));
  if (plan.src.parent.id == plan.dest.parent.id && plan.src.name == plan.dest.name) {
    return plan.moved;
  }
  TRY(CheckReplacement(ctx, req, plan));
  if (dest) {
    TRY(plan.replaced, records::LoadInode(ctx.txn, dest->id));
  }
  if (AsDirectory(plan.moved) != nullptr) TRY(CheckMovedDirectory(ctx, req, plan));
  TRY(CheckRights(ctx, plan));
  return Apply(ctx, plan);
}

}  // namespace

Result<wire::RenameRsp> Rename(MetaContext& ctx, const wire::RenameReq& req) {
  const Uuid& client = req.base.client.uuid;
  const bool keep = (req.move_to_trash || ctx.options.idempotent_rename) && !client.IsZero() &&
                    !req.base.uuid.IsZero();
  if (keep) {
    TRY(const std::optional<Outcome> before, records::FindOutcome(ctx.txn, client, req.base.uuid));
    if (before && before->inode) {
      TRY(std::optional<wire::Inode> moved, records::FindInode(ctx.txn, *before->inode));
      return wire::RenameRsp{.stat = std::move(moved)};
    }
  }
  TRY(wire::Inode moved, RenameOnce(ctx, req));
  if (keep) {
    records::StoreOutcome(ctx.txn, client, req.base.uuid, {0, "", moved.id, ctx.now_us});
  }
  return wire::RenameRsp{.stat = std::move(moved)};
}

}  // namespace threefs::standalone::ops

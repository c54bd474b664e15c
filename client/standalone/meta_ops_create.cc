// SPDX-License-Identifier: Apache-2.0
// open and create (3fs/meta.md §8.2).
#include <algorithm>
#include <utility>

#include "client/standalone/meta_access.h"
#include "client/standalone/meta_ops.h"
#include "client/standalone/meta_path.h"

namespace threefs::standalone::ops {
namespace {

// What open and create have in common.
struct OpenWish {
  int32_t flags = 0;
  const std::optional<wire::SessionInfo>* session = nullptr;
  bool dyn_stripe = false;

  [[nodiscard]] bool writes() const { return (flags & wire::kOpenAccessMask) != 0; }
  [[nodiscard]] bool truncates() const { return (flags & wire::kOpenTruncate) != 0; }
};

uint32_t AccessBits(int32_t flags) {
  switch (flags & wire::kOpenAccessMask) {
    case 0:
      return kRead;
    case wire::kOpenWriteOnly:
      return kWrite;
    default:
      return kRead | kWrite;
  }
}

Status CheckOpen(const MetaContext& ctx, const wire::Inode& inode, const OpenWish& wish) {
  if ((wish.flags & wire::kOpenExclusive) != 0) return {Code::kMetaExists, "the file exists"};
  if (AsDirectory(inode) != nullptr) {
    if (wish.writes() || wish.truncates()) return {Code::kMetaIsDirectory, "a directory"};
    return CheckAccess(inode.acl, ctx.user(), kRead);
  }
  if (AsFile(inode) == nullptr) return {Code::kMetaNotFile, "a symbolic link"};
  if ((wish.flags & wire::kOpenDirectory) != 0) {
    return {Code::kMetaNotDirectory, "not a directory"};
  }
  if (wish.writes()) TRY(CheckMutable(inode.acl));
  return CheckAccess(inode.acl, ctx.user(), AccessBits(wish.flags));
}

void StageSession(MetaContext& ctx, uint64_t inode, const OpenWish& wish) {
  if (!wish.writes() || !*wish.session) return;
  const wire::SessionInfo& session = **wish.session;
  records::StoreSession(ctx.txn, {inode, session.session, session.client, ctx.now_us});
}

// Stages what opening changes in an existing file.
void ApplyOpen(MetaContext& ctx, wire::Inode* inode, const OpenWish& wish) {
  wire::File* file = AsFile(*inode);
  if (file == nullptr) return;
  bool changed = false;
  if (wish.writes() && ctx.user().uid != inode->acl.uid &&
      (inode->acl.perm & kSetUidGidSticky) != 0) {
    inode->acl.perm &= ~kSetUidGidSticky;
    changed = true;
  }
  const bool limited = file->dyn_stripe > 0 && file->dyn_stripe < file->layout.stripe_size;
  if (!wish.dyn_stripe && limited) {
    file->dyn_stripe = 0;
    changed = true;
  }
  if (changed) records::StoreInode(ctx.txn, *inode);
  StageSession(ctx, inode->id, wish);
}

uint64_t WithEngineBit(const MetaContext& ctx, const wire::Inode& parent, uint64_t id) {
  const bool engine =
      ctx.options.enable_new_chunk_engine || (parent.acl.iflags & wire::kIflagChunkEngine) != 0;
  return engine ? id | wire::kInodeIdChunkEngine : id;
}

// O_TRUNC of a long file nobody writes: the entry gets a new inode, the old one is GC's (§8.2).
// True: done, in `inode`.
Result<bool> ReplaceLongFile(MetaContext& ctx, const PathWalker& walker, wire::Inode* inode) {
  const wire::File* file = AsFile(*inode);
  if (!ctx.options.otrunc_replace_file || file == nullptr || !walker.last_step()) return false;
  if (inode->nlink != 1 || file->length < ctx.options.otrunc_replace_file_threshold) return false;
  TRY(const bool busy, records::HasSession(ctx.txn, inode->id));
  if (busy) return false;
  const auto& [parent_id, name] = *walker.last_step();
  TRY(const wire::Inode parent, records::LoadInode(ctx.txn, parent_id));
  TRY(std::optional<wire::DirEntry> entry, records::FindEntry(ctx.txn, parent_id, name));
  if (!entry || entry->id != inode->id) return false;
  TRY(const std::string path, EntryPath(ctx.txn, parent, name));
  TRY(const uint64_t id, records::NextInodeId(ctx.txn));
  MoveToGc(ctx, *inode, path, ctx.user().uid);
  inode->id = WithEngineBit(ctx, parent, id);
  inode->nlink = 1;
  inode->atime = inode->ctime = inode->mtime = ctx.stamp_us;
  AsFile(*inode)->length = 0;
  AsFile(*inode)->truncate_ver = 0;
  entry->id = inode->id;
  records::StoreInode(ctx.txn, *inode);
  records::StoreEntry(ctx.txn, *entry);
  return true;
}

Result<wire::OpenRsp> OpenAt(MetaContext& ctx, PathWalker& walker, const wire::PathAt& path,
                             const OpenWish& wish) {
  const bool by_inode = !path.path.has_value();
  TRY(wire::Inode inode, walker.Resolve(path, wire::kAtSymlinkFollow, by_inode));
  TRY(CheckOpen(ctx, inode, wish));
  wire::OpenRsp rsp;
  if (wish.truncates()) {
    bool replaced = false;
    if (!by_inode) {
      TRY(replaced, ReplaceLongFile(ctx, walker, &inode));
    }
    rsp.need_truncate = !replaced;
  }
  ApplyOpen(ctx, &inode, wish);
  rsp.stat = std::move(inode);
  return rsp;
}

Result<wire::Inode> NewFile(MetaContext& ctx, wire::Inode parent, const std::string& name,
                            const wire::CreateReq& req) {
  TRY(CheckParent(parent, ctx.who));
  wire::File file;
  file.layout = req.layout ? *req.layout : AsDirectory(parent)->layout;
  TRY(const bool parent_changed, ctx.chains.Fill(&parent, &file.layout));
  if (ctx.options.dynamic_stripe && req.dyn_stripe) {
    file.dyn_stripe = std::min(ctx.options.dyn_stripe_initial, file.layout.stripe_size);
  }
  TRY(const uint64_t id, records::NextInodeId(ctx.txn));
  wire::Inode inode;
  inode.id = WithEngineBit(ctx, parent, id);
  inode.type = std::move(file);
  inode.acl.uid = ctx.user().uid;
  inode.acl.gid = (parent.acl.perm & kSetGid) != 0 ? parent.acl.gid : ctx.user().gid;
  inode.acl.perm = req.perm & kPermMask;
  inode.atime = inode.ctime = inode.mtime = ctx.stamp_us;
  wire::DirEntry entry;
  entry.id = inode.id;
  entry.uuid = req.base.uuid;
  entry.parent = parent.id;
  entry.name = name;
  records::StoreInode(ctx.txn, inode);
  records::StoreEntry(ctx.txn, entry);
  if (parent_changed) records::StoreInode(ctx.txn, parent);
  return inode;
}

// The path is (existing directory, one name), the form that can be replayed.
Result<wire::CreateRsp> CreateIn(MetaContext& ctx, const wire::PathAt& path,
                                 const wire::CreateReq& req, const OpenWish& wish) {
  PathWalker walker(ctx);
  TRY(const EntryPlace place, walker.ResolveEntry(path, /*need_exec=*/false));
  wire::CreateRsp rsp;
  if (!place.entry) {
    TRY(rsp.stat, NewFile(ctx, place.parent, place.name, req));
    StageSession(ctx, rsp.stat.id, wish);
    return rsp;
  }
  TRY(rsp.stat, records::LoadInode(ctx.txn, place.entry->id));
  if (!req.base.uuid.IsZero() && place.entry->uuid == req.base.uuid) {
    StageSession(ctx, rsp.stat.id, wish);
    return rsp;
  }
  if (place.entry->type == wire::InodeType::kSymlink) {
    return Status(Code::kMetaBusy, "the name is a symbolic link: open it");
  }
  if (place.entry->type == wire::InodeType::kDirectory) {
    return Status(Code::kMetaIsDirectory, "the name is a directory");
  }
  TRY(CheckOpen(ctx, rsp.stat, wish));
  ApplyOpen(ctx, &rsp.stat, wish);
  rsp.need_truncate = wish.truncates();
  return rsp;
}

}  // namespace

Result<wire::OpenRsp> Open(MetaContext& ctx, const wire::OpenReq& req) {
  PathWalker walker(ctx);
  return OpenAt(ctx, walker, req.path, {req.flags, &req.session, req.dyn_stripe});
}

Result<wire::CreateRsp> Create(MetaContext& ctx, const wire::CreateReq& req) {
  const OpenWish wish{req.flags, &req.session, req.dyn_stripe};
  SplitPath split = Split(*req.path.path);
  if (split.names.size() <= 1) return CreateIn(ctx, req.path, req, wish);
  PathWalker walker(ctx);
  Result<wire::OpenRsp> opened = OpenAt(ctx, walker, req.path, wish);
  if (opened.ok()) {
    return wire::CreateRsp{.stat = std::move(opened->stat), .need_truncate = opened->need_truncate};
  }
  if (opened.code() != Code::kMetaNotFound || !walker.last_missing_in()) return opened.status();
  // As 3FS: behind a dangling link the directory is the one the link leads to, the name stays the
  // link's own.
  return CreateIn(ctx, {walker.last_missing_in()->id, split.names.back()}, req, wish);
}

}  // namespace threefs::standalone::ops

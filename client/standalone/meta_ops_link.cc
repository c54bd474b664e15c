// SPDX-License-Identifier: Apache-2.0
// mkdirs, symlink, hardLink (3fs/meta.md §8.3, §8.4).
#include <limits>
#include <utility>

#include "client/standalone/meta_access.h"
#include "client/standalone/meta_ops.h"
#include "client/standalone/meta_path.h"

namespace threefs::standalone::ops {
namespace {

// True: the entry was made by this very request, whose answer got lost.
bool IsReplay(const std::optional<wire::DirEntry>& entry, const wire::ReqBase& who) {
  return entry && !who.uuid.IsZero() && entry->uuid == who.uuid;
}

Result<wire::Inode> NewDirectory(MetaContext& ctx, const wire::Inode& parent,
                                 const std::string& name, const wire::MkdirsReq& req) {
  TRY(const uint64_t id, records::NextInodeId(ctx.txn));
  wire::Directory dir;
  dir.parent = parent.id;
  dir.name = name;
  dir.layout = req.layout ? *req.layout : AsDirectory(parent)->layout;
  wire::Inode inode;
  inode.id = id;
  inode.type = std::move(dir);
  inode.acl.uid = ctx.user().uid;
  inode.acl.gid = ctx.user().gid;
  inode.acl.perm = req.perm & kPermMask;
  inode.acl.iflags = parent.acl.iflags & kIflagsInherited;
  if ((parent.acl.perm & kSetGid) != 0) {
    inode.acl.gid = parent.acl.gid;
    inode.acl.perm |= kSetGid;
  }
  inode.atime = inode.ctime = inode.mtime = ctx.stamp_us;
  wire::DirEntry entry;
  entry.id = inode.id;
  entry.type = wire::InodeType::kDirectory;
  entry.dir_acl = inode.acl;
  entry.uuid = req.base.uuid;
  entry.parent = parent.id;
  entry.name = name;
  records::StoreInode(ctx.txn, inode);
  records::StoreEntry(ctx.txn, entry);
  return inode;
}

}  // namespace

Result<wire::MkdirsRsp> Mkdirs(MetaContext& ctx, const wire::MkdirsReq& req) {
  PathWalker walker(ctx);
  TRY(MissingPath missing, walker.ResolveMissing(req.path));
  if (missing.names.empty()) {
    if (!IsReplay(missing.last, req.base)) return Status(Code::kMetaExists, "the path exists");
    TRY(wire::Inode inode, records::LoadInode(ctx.txn, missing.last->id));
    return wire::MkdirsRsp{.stat = std::move(inode)};
  }
  for (const std::string& name : missing.names) {
    if (name.size() > kMaxNameLength) {
      return Status(Code::kMetaNameTooLong, "a name is at most 255 bytes");
    }
  }
  if (missing.names.size() > 1 && !req.recursive) {
    // "new/" asks for one directory, not for "." in it.
    if (missing.names.size() > 2 || missing.names.back() != ".") {
      return Status(Code::kMetaNotFound, "no such directory");
    }
  }
  if (missing.names.size() > 1 && missing.names.back() == ".") missing.names.pop_back();
  for (const std::string& name : missing.names) {
    if (name == "." || name == "..") return Status(Code::kInvalidArg, "\".\" and \"..\" exist");
  }
  TRY(CheckParent(missing.parent, ctx.who));
  TRY(ctx.chains.Check(req.layout ? *req.layout : AsDirectory(missing.parent)->layout));
  wire::Inode last = std::move(missing.parent);
  for (const std::string& name : missing.names) {
    TRY(last, NewDirectory(ctx, last, name, req));
  }
  return wire::MkdirsRsp{.stat = std::move(last)};
}

Result<wire::SymlinkRsp> Symlink(MetaContext& ctx, const wire::SymlinkReq& req) {
  PathWalker walker(ctx);
  TRY(const EntryPlace place, walker.ResolveEntry(req.path, /*need_exec=*/true));
  if (place.entry) {
    if (!IsReplay(place.entry, req.base)) return Status(Code::kMetaExists, "the name exists");
    TRY(wire::Inode inode, records::LoadInode(ctx.txn, place.entry->id));
    return wire::SymlinkRsp{.stat = std::move(inode)};
  }
  TRY(CheckParent(place.parent, ctx.who));
  TRY(const uint64_t id, records::NextInodeId(ctx.txn));
  wire::Inode inode;
  inode.id = id;
  inode.type = wire::Symlink{req.target};
  inode.acl = {ctx.user().uid, ctx.user().gid, 0777, 0};
  inode.atime = inode.ctime = inode.mtime = ctx.stamp_us;
  wire::DirEntry entry;
  entry.id = id;
  entry.type = wire::InodeType::kSymlink;
  entry.uuid = req.base.uuid;
  entry.parent = place.parent.id;
  entry.name = place.name;
  records::StoreInode(ctx.txn, inode);
  records::StoreEntry(ctx.txn, entry);
  return wire::SymlinkRsp{.stat = std::move(inode)};
}

Result<wire::HardLinkRsp> HardLink(MetaContext& ctx, const wire::HardLinkReq& req) {
  PathWalker to(ctx);
  TRY(const EntryPlace place, to.ResolveEntry(req.new_path, /*need_exec=*/true));
  if (place.entry) {
    if (!IsReplay(place.entry, req.base)) return Status(Code::kMetaExists, "the name exists");
    TRY(wire::Inode inode, records::LoadInode(ctx.txn, place.entry->id));
    return wire::HardLinkRsp{.stat = std::move(inode)};
  }
  PathWalker from(ctx);
  TRY(wire::Inode inode, from.Resolve(req.old_path, req.flags, /*check_refcount=*/true));
  if (inode.nlink == 0) return Status(Code::kMetaNotFound, "the file was removed");
  if (AsDirectory(inode) != nullptr) {
    return Status(Code::kMetaIsDirectory, "a directory cannot be linked");
  }
  TRY(CheckMutable(inode.acl));
  if (inode.nlink == std::numeric_limits<uint16_t>::max()) {
    return Status(Code::kMetaNoPermission, "the file has too many links");
  }
  TRY(CheckParent(place.parent, ctx.who));
  ++inode.nlink;
  inode.ctime = ctx.stamp_us;
  wire::DirEntry entry;
  entry.id = inode.id;
  entry.type = TypeOf(inode);
  entry.uuid = req.base.uuid;
  entry.parent = place.parent.id;
  entry.name = place.name;
  records::StoreInode(ctx.txn, inode);
  records::StoreEntry(ctx.txn, entry);
  return wire::HardLinkRsp{.stat = std::move(inode)};
}

}  // namespace threefs::standalone::ops

// SPDX-License-Identifier: Apache-2.0
// stat, batchStat, batchStatByPath, list, getRealPath (3fs/meta.md §8.1, §8.7, §8.8).
#include <utility>

#include "client/standalone/meta_access.h"
#include "client/standalone/meta_ops.h"
#include "client/standalone/meta_path.h"

namespace threefs::standalone::ops {
namespace {

// What a client takes as an answer rather than as a failure (§12.3, class "success").
bool IsExpected(Code code) {
  switch (code) {
    case Code::kInvalidArg:
    case Code::kAuthenticationFail:
    case Code::kMetaNotFound:
    case Code::kMetaNotEmpty:
    case Code::kMetaNotDirectory:
    case Code::kMetaTooManySymlinks:
    case Code::kMetaIsDirectory:
    case Code::kMetaExists:
    case Code::kMetaNoPermission:
    case Code::kMetaNotFile:
    case Code::kMetaInvalidFileLayout:
    case Code::kMetaMoreChunksToRemove:
    case Code::kMetaNameTooLong:
      return true;
    default:
      return Raw(code) >= 3100 && Raw(code) < 3200;
  }
}

Result<wire::Inode> StatPath(MetaContext& ctx, const wire::PathAt& path, int32_t flags) {
  PathWalker walker(ctx);
  return walker.Resolve(path, flags, !ctx.options.allow_stat_deleted_inodes);
}

}  // namespace

Result<wire::StatRsp> Stat(MetaContext& ctx, const wire::StatReq& req) {
  TRY(wire::Inode inode, StatPath(ctx, req.path, req.flags));
  return wire::StatRsp{.stat = std::move(inode)};
}

Result<wire::BatchStatRsp> BatchStat(MetaContext& ctx, const wire::BatchStatReq& req) {
  wire::BatchStatRsp rsp;
  rsp.inodes.reserve(req.inode_ids.size());
  for (const uint64_t id : req.inode_ids) {
    TRY(std::optional<wire::Inode> inode, records::FindInode(ctx.txn, id));
    rsp.inodes.push_back(std::move(inode));
  }
  return rsp;
}

Result<wire::BatchStatByPathRsp> BatchStatByPath(MetaContext& ctx,
                                                 const wire::BatchStatByPathReq& req) {
  wire::BatchStatByPathRsp rsp;
  rsp.inodes.reserve(req.paths.size());
  for (const wire::PathAt& path : req.paths) {
    Result<wire::Inode> inode = StatPath(ctx, path, req.flags);
    if (!inode.ok() && !IsExpected(inode.code())) return inode.status();
    rsp.inodes.push_back(std::move(inode));
  }
  return rsp;
}

Result<wire::ListRsp> List(MetaContext& ctx, const wire::ListReq& req) {
  PathWalker walker(ctx);
  TRY(const wire::Inode dir,
      walker.Resolve(req.path, wire::kAtSymlinkFollow | wire::kAtEmptyPath, false));
  if (AsDirectory(dir) == nullptr) return Status(Code::kMetaNotDirectory, "not a directory");
  TRY(CheckAccess(dir.acl, ctx.user(), kRead));
  const size_t limit =
      req.limit > 0 ? static_cast<size_t>(req.limit) : ctx.options.list_default_limit;
  wire::ListRsp rsp;
  TRY(records::ScanEntries(ctx.txn, dir.id, req.prev, [&](wire::DirEntry entry) {
    rsp.more = rsp.entries.size() == limit;
    if (!rsp.more) rsp.entries.push_back(std::move(entry));
    return !rsp.more;
  }));
  if (req.status) {
    rsp.inodes.reserve(rsp.entries.size());
    for (const wire::DirEntry& entry : rsp.entries) {
      TRY(wire::Inode inode, records::LoadInode(ctx.txn, entry.id));
      rsp.inodes.push_back(std::move(inode));
    }
  }
  return rsp;
}

Result<wire::GetRealPathRsp> GetRealPath(MetaContext& ctx, const wire::GetRealPathReq& req) {
  PathWalker walker(ctx);
  TRY(const wire::Inode inode, walker.Resolve(req.path, wire::kAtSymlinkFollow, false));
  if (!req.path.path) {
    if (AsDirectory(inode) == nullptr) return Status(Code::kMetaNotDirectory, "not a directory");
    TRY(std::string path, AbsolutePath(ctx.txn, inode));
    return wire::GetRealPathRsp{.path = std::move(path)};
  }
  if (!req.absolute) return wire::GetRealPathRsp{.path = walker.Trace()};
  if (AsDirectory(inode) != nullptr) {
    TRY(std::string path, AbsolutePath(ctx.txn, inode));
    return wire::GetRealPathRsp{.path = std::move(path)};
  }
  CHECK(walker.last_step().has_value());  // a non-directory was reached by a name
  TRY(const wire::Inode parent, records::LoadInode(ctx.txn, walker.last_step()->first));
  TRY(std::string path, EntryPath(ctx.txn, parent, walker.last_step()->second));
  return wire::GetRealPathRsp{.path = std::move(path)};
}

Result<std::string> EntryPath(MetaTxn& txn, const wire::Inode& parent, const std::string& name) {
  TRY(std::string path, AbsolutePath(txn, parent));
  if (path.back() != '/') path += '/';
  return path + name;
}

}  // namespace threefs::standalone::ops

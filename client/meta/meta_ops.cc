// SPDX-License-Identifier: Apache-2.0
#include "client/meta/meta_ops.h"

#include <utility>

namespace threefs::meta {
namespace {

using schema::meta::SessionInfo;

constexpr int32_t kAccessMode = 3;  // O_ACCMODE
constexpr uint32_t kPermMask = 07777;

int32_t Follow(bool follow) { return follow ? kAtSymlinkFollow : kAtSymlinkNoFollow; }

// A write session goes along only with write access (3fs/meta.md §3.1).
std::optional<SessionInfo> SessionFor(const MetaClient& client, const OpenArgs& args) {
  if (!args.session.has_value() || (args.flags & kAccessMode) == 0) return std::nullopt;
  return SessionInfo{.client = client.client(), .session = *args.session};
}

// A chain list that names a table without version gets the newest known (3fs/meta.md §3.1).
std::optional<schema::meta::Layout> WithVersion(MetaClient& client,
                                                std::optional<schema::meta::Layout> layout) {
  if (layout && layout->table_id != 0 && layout->table_version == 0 &&
      std::holds_alternative<schema::meta::Layout::ChainList>(layout->chains)) {
    const auto newest = client.mgmtd().routing()->NewestTableVersion(layout->table_id);
    layout->table_version = newest.value_or(0);
  }
  return layout;
}

}  // namespace

PathAt At(uint64_t inode) { return {.parent = inode, .path = std::nullopt}; }
PathAt At(uint64_t parent, std::string path) { return {.parent = parent, .path = std::move(path)}; }

Reply<method::StatFs> StatFs(MetaClient& client, OpContext op) {
  return client.Call<method::StatFs>(std::move(op), {});
}

Reply<method::Stat> Stat(MetaClient& client, OpContext op, PathAt at, bool follow) {
  method::Stat::Req req;
  req.path = std::move(at);
  req.flags = Follow(follow);
  return client.Call<method::Stat>(std::move(op), std::move(req));
}

Reply<method::BatchStat> BatchStat(MetaClient& client, OpContext op, std::vector<uint64_t> inodes) {
  method::BatchStat::Req req;
  req.inode_ids = std::move(inodes);
  return client.Call<method::BatchStat>(std::move(op), std::move(req));
}

Reply<method::BatchStatByPath> BatchStatByPath(MetaClient& client, OpContext op,
                                               std::vector<PathAt> paths, bool follow) {
  method::BatchStatByPath::Req req;
  req.paths = std::move(paths);
  req.flags = Follow(follow);
  return client.Call<method::BatchStatByPath>(std::move(op), std::move(req));
}

Reply<method::GetRealPath> GetRealPath(MetaClient& client, OpContext op, PathAt at, bool absolute) {
  method::GetRealPath::Req req;
  req.path = std::move(at);
  req.absolute = absolute;
  return client.Call<method::GetRealPath>(std::move(op), std::move(req));
}

Reply<method::List> List(MetaClient& client, OpContext op, PathAt at, std::string prev,
                         int32_t limit, bool status) {
  method::List::Req req;
  req.path = std::move(at);
  req.prev = std::move(prev);
  req.limit = limit;
  req.status = status;
  return client.Call<method::List>(std::move(op), std::move(req));
}

Reply<method::Open> Open(MetaClient& client, OpContext op, PathAt at, OpenArgs args) {
  method::Open::Req req;
  req.path = std::move(at);
  req.session = SessionFor(client, args);
  req.flags = args.flags;
  req.remove_chunks_batch_size = kRemoveChunksBatch;
  req.dyn_stripe = args.dyn_stripe;
  return client.Call<method::Open>(std::move(op), std::move(req));
}

Reply<method::Create> Create(MetaClient& client, OpContext op, PathAt at, CreateArgs args) {
  method::Create::Req req;
  req.path = std::move(at);
  req.session = SessionFor(client, args.open);
  req.flags = args.open.flags;
  req.perm = args.perm & kPermMask;
  req.layout = WithVersion(client, std::move(args.layout));
  req.remove_chunks_batch_size = kRemoveChunksBatch;
  req.dyn_stripe = args.open.dyn_stripe;
  return client.Call<method::Create>(std::move(op), std::move(req), args.request_id);
}

Reply<method::Mkdirs> Mkdirs(MetaClient& client, OpContext op, PathAt at, MkdirArgs args) {
  method::Mkdirs::Req req;
  req.path = std::move(at);
  req.perm = args.perm & kPermMask;
  req.recursive = args.recursive;
  req.layout = WithVersion(client, std::move(args.layout));
  return client.Call<method::Mkdirs>(std::move(op), std::move(req), args.request_id);
}

Reply<method::Symlink> Symlink(MetaClient& client, OpContext op, PathAt at, std::string target,
                               Uuid request_id) {
  method::Symlink::Req req;
  req.path = std::move(at);
  req.target = std::move(target);
  return client.Call<method::Symlink>(std::move(op), std::move(req), request_id);
}

Reply<method::HardLink> HardLink(MetaClient& client, OpContext op, PathAt from, PathAt to,
                                 Uuid request_id) {
  method::HardLink::Req req;
  req.old_path = std::move(from);
  req.new_path = std::move(to);
  req.flags = kAtSymlinkNoFollow;
  return client.Call<method::HardLink>(std::move(op), std::move(req), request_id);
}

Reply<method::Remove> Remove(MetaClient& client, OpContext op, PathAt at, RemoveKind kind,
                             std::optional<uint64_t> inode, Uuid request_id) {
  method::Remove::Req req;
  req.path = std::move(at);
  req.at_flags = kind == RemoveKind::kDirectory ? kAtRemoveDir : 0;
  req.recursive = kind == RemoveKind::kTree;
  req.check_type = kind != RemoveKind::kTree;
  req.inode_id = inode;
  return client.Call<method::Remove>(std::move(op), std::move(req), request_id);
}

Reply<method::Rename> Rename(MetaClient& client, OpContext op, PathAt from, PathAt to,
                             RenameArgs args) {
  method::Rename::Req req;
  req.src = std::move(from);
  req.dest = std::move(to);
  req.move_to_trash = args.move_to_trash;
  req.inode_id = args.inode;
  return client.Call<method::Rename>(std::move(op), std::move(req), args.request_id);
}

Reply<method::SetAttr> SetAttr(MetaClient& client, OpContext op, PathAt at, AttrChange change,
                               bool follow) {
  method::SetAttr::Req req;
  req.path = std::move(at);
  req.flags = Follow(follow);
  req.uid = change.uid;
  req.gid = change.gid;
  req.perm = change.perm;
  req.atime = change.atime;
  req.mtime = change.mtime;
  req.layout = std::move(change.layout);
  req.iflags = change.iflags;
  req.dyn_stripe = change.dyn_stripe;
  return client.Call<method::SetAttr>(std::move(op), std::move(req));
}

Reply<method::Sync> Sync(MetaClient& client, OpContext op, uint64_t inode, SyncArgs args) {
  method::Sync::Req req;
  req.inode = inode;
  req.update_length = args.update_length || args.truncated;
  req.atime = args.atime;
  req.mtime = args.mtime;
  req.truncated = args.truncated;
  req.length_hint = args.hint;
  return client.Call<method::Sync>(std::move(op), std::move(req));
}

Reply<method::Close> Close(MetaClient& client, OpContext op, uint64_t inode, CloseArgs args) {
  method::Close::Req req;
  req.inode = inode;
  if (args.session) {
    req.session = SessionInfo{.client = client.client(), .session = *args.session};
  }
  req.update_length = args.update_length;
  req.atime = args.atime;
  req.mtime = args.mtime;
  req.length_hint = args.hint;
  return client.Call<method::Close>(std::move(op), std::move(req));
}

Reply<method::PruneSession> PruneSessions(MetaClient& client, OpContext op,
                                          std::vector<Uuid> sessions) {
  method::PruneSession::Req req;
  req.client = client.client();
  req.sessions = std::move(sessions);
  return client.Call<method::PruneSession>(std::move(op), std::move(req));
}

Reply<method::Authenticate> Authenticate(MetaClient& client, OpContext op) {
  return client.Call<method::Authenticate>(std::move(op), {});
}

Reply<method::LockDirectory> LockDirectory(MetaClient& client, OpContext op, uint64_t inode,
                                           schema::meta::LockAction action) {
  method::LockDirectory::Req req;
  req.inode = inode;
  req.action = action;
  return client.Call<method::LockDirectory>(std::move(op), std::move(req));
}

}  // namespace threefs::meta

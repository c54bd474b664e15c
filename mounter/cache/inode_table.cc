// SPDX-License-Identifier: Apache-2.0
#include "mounter/cache/inode_table.h"

#include <algorithm>

namespace threefs::cache {
namespace {

using schema::meta::InodeType;

// Server times have whole seconds: a change within this time after the last one seen may not show
// in mtime.
constexpr int64_t kRacyUs = 3'000'000;

View FromInode(const schema::meta::Inode& inode) {
  View v;
  v.id = inode.id;
  v.perm = inode.acl.perm & 07777U;
  v.uid = inode.acl.uid;
  v.gid = inode.acl.gid;
  v.iflags = inode.acl.iflags;
  v.nlink = inode.nlink;
  v.atime = inode.atime;
  v.mtime = inode.mtime;
  v.ctime = inode.ctime;
  if (inode.IsFile()) {
    v.type = InodeType::kFile;
    v.size = inode.AsFile().length;
    v.chunk_size = inode.AsFile().layout.chunk_size;
  } else if (inode.IsDirectory()) {
    v.type = InodeType::kDirectory;
    v.chunk_size = std::get<schema::meta::Directory>(inode.type).layout.chunk_size;
  } else {
    v.type = InodeType::kSymlink;
    v.size = std::get<schema::meta::Symlink>(inode.type).target.size();
  }
  return v;
}

}  // namespace

View Node::Show() {
  View v = server_;
  v.atime = atime_.Apply(v.atime);
  v.mtime = mtime_.Apply(v.mtime);
  v.ctime = ctime_.Apply(v.ctime);
  if (file_ != nullptr) v.size = file_->length();
  return v;
}

View Node::OnInode(const schema::meta::Inode& inode, TimePoint now, bool told) {
  const std::lock_guard lock(mutex_);
  server_ = FromInode(inode);
  seen_ = true;
  seen_at_ = now;
  if (file_ != nullptr && inode.IsFile()) file_->OnInode(inode);
  const View v = Show();
  if (told) {
    told_size_ = v.size;
    told_mtime_ = v.mtime;
  }
  return v;
}

std::optional<View> Node::last(TimePoint* when) {
  const std::lock_guard lock(mutex_);
  if (!seen_) return std::nullopt;
  if (when != nullptr) *when = seen_at_;
  return Show();
}

Result<file::FileRef> Node::File(const schema::meta::Inode& inode) {
  const std::lock_guard lock(mutex_);
  if (file_ == nullptr) {
    TRY(file_, file::FileState::FromInode(inode));
  }
  return file_;
}

file::FileRef Node::file() {
  const std::lock_guard lock(mutex_);
  return file_;
}

void Node::TouchNow(unsigned which, int64_t now_us) {
  const std::lock_guard lock(mutex_);
  if ((which & kAtime) != 0) atime_.SetNow(now_us, server_.atime);
  if ((which & kMtime) != 0) mtime_.SetNow(now_us, server_.mtime);
  if ((which & kCtime) != 0) ctime_.SetNow(now_us, server_.ctime);
}

void Node::SetTime(unsigned which, int64_t us) {
  const std::lock_guard lock(mutex_);
  if ((which & kAtime) != 0) atime_.SetExplicit(us, server_.atime);
  if ((which & kMtime) != 0) {
    mtime_.SetExplicit(us, server_.mtime);
    last_write_us_ = 0;  // a later sync must not carry a write's time over the one asked for
  }
}

bool Node::OnWrite(int64_t now_us) {
  const std::lock_guard lock(mutex_);
  mtime_.SetNow(now_us, server_.mtime);
  ctime_.SetNow(now_us, server_.ctime);
  last_write_us_ = now_us;
  return writes_++ == synced_;
}

Node::Unsynced Node::unsynced() {
  const std::lock_guard lock(mutex_);
  if (writes_ == synced_) return {};
  return {writes_, last_write_us_};
}

bool Node::OnSynced(const Unsynced& done) {
  const std::lock_guard lock(mutex_);
  synced_ = std::max(synced_, done.writes);
  return synced_ == writes_;
}

bool Node::OnOpen(int64_t wall_us, bool* attributes_stale) {
  const std::lock_guard lock(mutex_);
  const View v = Show();
  *attributes_stale = v.size != told_size_ || v.mtime != told_mtime_;
  // Our own writes went through the kernel's pages; any other change shows in the server's mtime or
  // size, unless it fell into the second of the change before.
  const bool quiet = wall_us - server_.mtime > kRacyUs;
  const bool keep = pages_ && quiet && pages_size_ == v.size && pages_mtime_ == server_.mtime &&
                    pages_writes_ == writes_;
  pages_ = quiet;
  pages_size_ = v.size;
  pages_mtime_ = server_.mtime;
  pages_writes_ = writes_;
  return keep;
}

bool Node::idle() {
  const std::lock_guard lock(mutex_);
  return writes_ == synced_ && writers_ == 0;
}

NodeRef InodeTable::Get(uint64_t id) {
  Shard& s = ShardOf(id);
  const std::lock_guard lock(s.mutex);
  NodeRef& ref = s.nodes[id];
  if (ref == nullptr) ref = std::make_shared<Node>(id);
  return ref;
}

NodeRef InodeTable::Find(uint64_t id) {
  Shard& s = ShardOf(id);
  const std::lock_guard lock(s.mutex);
  const auto it = s.nodes.find(id);
  return it == s.nodes.end() ? nullptr : it->second;
}

void InodeTable::Forget(uint64_t id) {
  NodeRef dropped;  // freed outside the lock
  Shard& s = ShardOf(id);
  const std::lock_guard lock(s.mutex);
  const auto it = s.nodes.find(id);
  if (it == s.nodes.end() || it->second.use_count() > 1 || !it->second->idle()) return;
  dropped = std::move(it->second);
  s.nodes.erase(it);
}

size_t InodeTable::size() {
  size_t n = 0;
  for (Shard& s : shards_) {
    const std::lock_guard lock(s.mutex);
    n += s.nodes.size();
  }
  return n;
}

}  // namespace threefs::cache

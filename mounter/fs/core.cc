// SPDX-License-Identifier: Apache-2.0
#include "mounter/fs/core.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "client/base/log.h"
#include "client/runtime/sync.h"
#include "mounter/fs/errno_map.h"

namespace threefs::fs {
namespace {

using cache::Node;
using cache::NodeRef;
using schema::meta::InodeType;

// A directory's new times reach the server this much later, once for all changes meanwhile.
constexpr Duration kDirectoryDelay = 1s;
constexpr int64_t kNowOnServer = -1;  // 3fs/meta.md §8.9

// splitmix64's mixing: every input bit reaches every output bit.
uint64_t Mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

Uuid Derive(const Uuid& base, uint64_t number, uint64_t purpose) {
  uint64_t half[2];
  std::memcpy(half, base.bytes.data(), sizeof(half));
  half[0] = Mix(half[0] ^ Mix(number ^ Mix(purpose)));
  half[1] = Mix(half[1] ^ Mix(number + Mix(~purpose)));
  Uuid out;
  std::memcpy(out.bytes.data(), half, sizeof(half));
  out.bytes[6] = static_cast<uint8_t>((out.bytes[6] & 0x0F) | 0x40);
  out.bytes[8] = static_cast<uint8_t>((out.bytes[8] & 0x3F) | 0x80);
  return out;
}

constexpr uint64_t kForRequests = 1;  // + part
constexpr uint64_t kForSessions = 1ULL << 40;

uint32_t TypeBits(InodeType type) {
  switch (type) {
    case InodeType::kFile:
      return S_IFREG;
    case InodeType::kDirectory:
      return S_IFDIR;
    case InodeType::kSymlink:
      return S_IFLNK;
  }
  return S_IFREG;
}

}  // namespace

OpContext Core::ContextOf(const Op& op) {
  LoopSide& s = side(op);
  return {op.call, s.identity->Of(op.caller, s.loop->Now())};
}

uint64_t Core::InodeOf(NodeId node) const {
  if (node == kRootNode) return root_inode;
  return node == 2 ? 1 : node;  // 3fs/fuse.md §2.1
}

NodeId Core::NodeOf(uint64_t inode) const {
  if (inode == root_inode) return kRootNode;
  return inode == 1 ? 2 : inode;
}

Uuid Core::RequestId(const Op& op, uint32_t part) const {
  return Derive(options.mount_id, op.unique, kForRequests + part);
}

Uuid Core::SessionOf(uint64_t fh) const { return Derive(options.mount_id, fh, kForSessions); }

uint64_t Core::NewHandle(const Op& op, int32_t flags) {
  // Random, so that no table of handles in use is needed after a restart; access mode in the low
  // bits.
  return (side(op).rng.Next() & ~kHandleAccess) | static_cast<uint64_t>(flags & O_ACCMODE);
}

Attr Core::AttrOf(const cache::View& v) const {
  Attr a;
  // st_ino is the inode id, which USRBIO programs rely on; 3FS's own mount shows its root as 1.
  a.ino = v.id == 0 ? 1 : (v.id == 1 ? 2 : v.id);
  a.mode = v.perm | TypeBits(v.type);
  a.size = v.size;
  a.blocks = v.type == InodeType::kFile ? (v.size + 511) / 512 : 0;
  a.atime_us = v.atime;
  a.mtime_us = v.mtime;
  a.ctime_us = v.ctime;
  a.nlink = v.nlink;
  a.uid = v.uid;
  a.gid = v.gid;
  if (v.chunk_size != 0) a.blksize = v.chunk_size;
  return a;
}

Entry Core::EntryOf(const Op& op, const schema::meta::Inode& inode) {
  const NodeRef node = table.Get(inode.id);
  const cache::View v = node->OnInode(inode, side(op).loop->Now(), true);
  const config::MountConfig& c = options.config;
  const bool link = v.type == InodeType::kSymlink;
  return {NodeOf(inode.id), AttrOf(v), link ? c.symlink_timeout : c.entry_timeout,
          link ? c.symlink_timeout : c.attr_timeout};
}

AttrReply Core::AttrReplyOf(const Op& op, const schema::meta::Inode& inode) {
  const Entry e = EntryOf(op, inode);
  return {e.attr, e.attr_ttl};
}

Task<Result<NodeRef>> Core::Load(Op op, NodeId node_id) {
  NodeRef node = table.Get(InodeOf(node_id));
  if (node->last().has_value()) co_return node;
  CO_TRY(const auto rsp, co_await meta::Stat(meta(op), ContextOf(op), meta::At(node->id())));
  node->OnInode(rsp.stat, side(op).loop->Now(), false);
  co_return node;
}

Task<Result<Core::OpenFile>> Core::LoadFile(Op op, NodeId node_id) {
  OpenFile out;
  out.node = table.Get(InodeOf(node_id));
  out.file = out.node->file();
  if (out.file != nullptr) co_return out;
  CO_TRY(const auto rsp, co_await meta::Stat(meta(op), ContextOf(op), meta::At(out.node->id())));
  out.node->OnInode(rsp.stat, side(op).loop->Now(), false);
  CO_TRY(out.file, out.node->File(rsp.stat));
  co_return out;
}

Task<Status> Core::SyncFile(Op op, OpenFile f, bool exact) {
  const Node::Unsynced unsynced = f.node->unsynced();
  if (unsynced.writes == 0 && !exact) co_return Status();
  file::SyncOptions how;
  how.exact = exact;
  if (unsynced.mtime_us != 0) how.mtime = unsynced.mtime_us;
  const auto inode = co_await io(op).Sync(ContextOf(op), f.file, how);
  // A file that is gone needs no length.
  if (!inode.ok() && inode.code() != Code::kMetaNotFound) co_return inode.status();
  if (inode.ok()) f.node->OnInode(*inode, side(op).loop->Now(), false);
  if (f.node->OnSynced(unsynced) && options.dirty != nullptr) options.dirty->Clear(f.node->id());
  co_return Status();
}

void Core::TouchDirectory(const Op& op, NodeId node_id) {
  const NodeRef node = table.Get(InodeOf(node_id));
  node->TouchNow(Node::kMtime | Node::kCtime, side(op).loop->WallMicros());
  if (!node->ScheduleTell()) return;
  Op later = op;
  later.call = {};
  side(op).loop->At(side(op).loop->Now() + kDirectoryDelay, [this, later, id = node->id()] {
    if (!closing) Spawn(TellDirectory(later, id));
  });
}

Task<void> Core::TellDirectory(Op op, uint64_t inode) {
  const NodeRef node = table.Get(inode);
  node->StartTell();
  const auto view = node->last();
  telling.fetch_add(1);
  op.call.deadline = side(op).loop->Now() + options.config.io_timeout;
  // The time it happened, which only the owner may set; else "now", for which the right to write
  // the directory is enough: a change of its entries needed that as well.
  meta::AttrChange change;
  const bool owner =
      view.has_value() && (op.caller.uid == 0 || op.caller.uid == view->uid) && view->mtime > 0;
  change.mtime = owner ? view->mtime : kNowOnServer;
  auto rsp = co_await meta::SetAttr(meta(op), ContextOf(op), meta::At(inode), change);
  if (owner && rsp.code() == Code::kMetaNoPermission) {
    change.mtime = kNowOnServer;
    rsp = co_await meta::SetAttr(meta(op), ContextOf(op), meta::At(inode), change);
  }
  telling.fetch_sub(1);
  if (!rsp.ok()) LOG_DEBUG("times of directory {:#x}: {}", inode, rsp.status().ToString());
}

Task<void> Core::KillSuidGid(Op op, NodeRef node) {
  const auto view = node->last();
  if (!view.has_value() || view->type != InodeType::kFile) co_return;
  uint32_t perm = view->perm & ~static_cast<uint32_t>(S_ISUID);
  if ((perm & S_IXGRP) != 0) perm &= ~static_cast<uint32_t>(S_ISGID);
  if (perm == view->perm) co_return;
  meta::AttrChange change;
  change.perm = perm;
  const auto rsp = co_await meta::SetAttr(meta(op), ContextOf(op), meta::At(node->id()), change);
  if (!rsp.ok()) co_return;
  node->OnInode(rsp->stat, side(op).loop->Now(), false);
  if (kernel != nullptr) kernel->DropAttributes(NodeOf(node->id()));
}

Status Core::CheckWritable() const {
  return options.config.read_only ? ErrnoStatus(EROFS, "the volume is mounted read-only")
                                  : Status();
}

}  // namespace threefs::fs

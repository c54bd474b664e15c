// SPDX-License-Identifier: Apache-2.0
// Names and attributes of a volume (3fs/fuse.md §5, 3fs/meta.md §8).
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "mounter/fs/errno_map.h"
#include "mounter/fs/sides.h"

namespace threefs::fs {
namespace {

using cache::Node;
using cache::NodeRef;
using schema::meta::Inode;

constexpr int64_t kNowOnServer = -1;
constexpr uint32_t kMaxLinks = 65535;  // 3fs/meta.md §8.4

class Names final : public NameOps {
 public:
  explicit Names(Core* core) : core_(*core) {}

  Task<Result<Entry>> Lookup(Op op, NodeId parent, std::string name) override;
  void Forget(NodeId node) override { core_.table.Forget(core_.InodeOf(node)); }
  Task<Result<AttrReply>> GetAttr(Op op, NodeId node) override;
  Task<Result<AttrReply>> SetAttr(Op op, NodeId node, AttrChange change) override;
  Task<Result<std::string>> ReadLink(Op op, NodeId node) override;
  Task<Result<Entry>> MakeFile(Op op, NodeId parent, std::string name, uint32_t perm) override;
  Task<Result<Entry>> MakeDir(Op op, NodeId parent, std::string name, uint32_t perm) override;
  Task<Result<Entry>> MakeSymlink(Op op, NodeId parent, std::string name,
                                  std::string target) override;
  Task<Result<Entry>> Link(Op op, NodeId node, NodeId parent, std::string name) override;
  Task<Status> Remove(Op op, NodeId parent, std::string name, bool directory) override;
  Task<Status> Rename(Op op, RenameArgs args) override;

 private:
  Task<Result<Inode>> Stat(Op op, NodeId node);
  Task<Result<Inode>> SetOwnerAndMode(Op op, NodeRef node, AttrChange change);
  Task<Result<Inode>> SetSize(Op op, NodeId node, AttrChange change);
  Task<Result<Inode>> SetTimes(Op op, NodeRef node, AttrChange change);
  Entry Made(const Op& op, NodeId parent, const Inode& inode) {
    core_.TouchDirectory(op, parent);
    return core_.EntryOf(op, inode);
  }
  meta::PathAt At(NodeId parent, std::string name) const {
    return meta::At(core_.InodeOf(parent), std::move(name));
  }
  meta::PathAt At(NodeId node) const { return meta::At(core_.InodeOf(node)); }

  Core& core_;
};

Task<Result<Inode>> Names::Stat(Op op, NodeId node) {
  CO_TRY(auto rsp, co_await meta::Stat(core_.meta(op), core_.ContextOf(op), At(node)));
  co_return std::move(rsp.stat);
}

Task<Result<Entry>> Names::Lookup(Op op, NodeId parent, std::string name) {
  const auto rsp =
      co_await meta::Stat(core_.meta(op), core_.ContextOf(op), At(parent, std::move(name)));
  if (rsp.ok()) co_return core_.EntryOf(op, rsp->stat);
  const Duration negative = core_.options.config.negative_timeout;
  if (rsp.code() == Code::kMetaNotFound && negative > 0ns) {
    Entry none;
    none.entry_ttl = negative;
    co_return none;
  }
  co_return rsp.status();
}

Task<Result<AttrReply>> Names::GetAttr(Op op, NodeId node) {
  CO_TRY(const Inode inode, co_await Stat(op, node));
  co_return core_.AttrReplyOf(op, inode);
}

Task<Result<Inode>> Names::SetOwnerAndMode(Op op, NodeRef node, AttrChange change) {
  meta::AttrChange wire;
  wire.perm = change.mode;
  wire.uid = change.uid;
  wire.gid = change.gid;
  if (change.kill_suidgid && (change.uid.has_value() || change.gid.has_value())) {
    // chown(2) drops set-id bits of what is no directory; the server leaves them.
    CO_TRY(const Inode now, co_await Stat(op, core_.NodeOf(node->id())));
    uint32_t perm = change.mode.value_or(now.acl.perm) & 07777U;
    if (!now.IsDirectory()) {
      perm &= ~static_cast<uint32_t>(S_ISUID);
      if ((perm & S_IXGRP) != 0) perm &= ~static_cast<uint32_t>(S_ISGID);
    }
    if (perm != (now.acl.perm & 07777U)) wire.perm = perm;
  }
  CO_TRY(auto rsp,
         co_await meta::SetAttr(core_.meta(op), core_.ContextOf(op), meta::At(node->id()), wire));
  node->TouchNow(Node::kCtime, core_.side(op).loop->WallMicros());
  co_return std::move(rsp.stat);
}

Task<Result<Inode>> Names::SetSize(Op op, NodeId node_id, AttrChange change) {
  CO_TRY(const auto f, co_await core_.LoadFile(op, node_id));
  const Node::Unsynced before = f.node->unsynced();
  CO_TRY(auto inode, co_await core_.io(op).Truncate(core_.ContextOf(op), f.file, *change.size));
  if (f.node->OnSynced(before) && core_.options.dirty != nullptr)
    core_.options.dirty->Clear(f.node->id());
  f.node->TouchNow(Node::kMtime | Node::kCtime, core_.side(op).loop->WallMicros());
  if (change.kill_suidgid) {
    co_await core_.KillSuidGid(op, f.node);
    CO_TRY(inode, co_await Stat(op, node_id));
  }
  co_return inode;
}

Task<Result<Inode>> Names::SetTimes(Op op, NodeRef node, AttrChange change) {
  using Kind = TimeChange::Kind;
  const int64_t now = core_.side(op).loop->WallMicros();
  meta::AttrChange wire;
  const auto put = [&](const TimeChange& t, std::optional<int64_t>* out) {
    if (t.kind == Kind::kNow) *out = kNowOnServer;
    // −1 µs means "now" on the wire; the microsecond before it is as near as can be.
    if (t.kind == Kind::kExplicit) *out = t.us == kNowOnServer ? t.us - 1 : t.us;
  };
  put(change.atime, &wire.atime);
  put(change.mtime, &wire.mtime);
  // Writes whose time the meta server has not heard must not move mtime later than asked here.
  CO_TRY(auto rsp,
         co_await meta::SetAttr(core_.meta(op), core_.ContextOf(op), meta::At(node->id()), wire));
  const auto show = [&](const TimeChange& t, unsigned which) {
    if (t.kind == Kind::kNow) node->SetTime(which, now);
    if (t.kind == Kind::kExplicit) node->SetTime(which, t.us);
  };
  show(change.atime, Node::kAtime);
  show(change.mtime, Node::kMtime);
  node->TouchNow(Node::kCtime, now);
  co_return std::move(rsp.stat);
}

Task<Result<AttrReply>> Names::SetAttr(Op op, NodeId node_id, AttrChange change) {
  CO_TRY(core_.CheckWritable());
  CO_TRY(const NodeRef node, co_await core_.Load(op, node_id));
  std::optional<Inode> last;
  if (change.mode.has_value() || change.uid.has_value() || change.gid.has_value()) {
    CO_TRY(last, co_await SetOwnerAndMode(op, node, change));
  }
  if (change.size.has_value()) {
    CO_TRY(last, co_await SetSize(op, node_id, change));
  }
  if (change.atime.kind != TimeChange::Kind::kKeep ||
      change.mtime.kind != TimeChange::Kind::kKeep) {
    CO_TRY(last, co_await SetTimes(op, node, change));
  }
  if (!last.has_value()) {
    if (change.kill_suidgid) co_await core_.KillSuidGid(op, node);
    node->TouchNow(Node::kCtime, core_.side(op).loop->WallMicros());
    CO_TRY(last, co_await Stat(op, node_id));
  }
  co_return core_.AttrReplyOf(op, *last);
}

Task<Result<std::string>> Names::ReadLink(Op op, NodeId node) {
  CO_TRY(const Inode inode, co_await Stat(op, node));
  if (!inode.IsSymlink()) co_return ErrnoStatus(EINVAL, "not a symbolic link");
  co_return std::get<schema::meta::Symlink>(inode.type).target;
}

Task<Result<Entry>> Names::MakeFile(Op op, NodeId parent, std::string name, uint32_t perm) {
  CO_TRY(core_.CheckWritable());
  meta::CreateArgs args;
  args.open.flags = schema::meta::kOpenCreate | schema::meta::kOpenExclusive;
  args.open.dyn_stripe = true;
  args.perm = perm;
  args.request_id = core_.RequestId(op);
  CO_TRY(const auto rsp, co_await meta::Create(core_.meta(op), core_.ContextOf(op),
                                               At(parent, std::move(name)), args));
  co_return Made(op, parent, rsp.stat);
}

Task<Result<Entry>> Names::MakeDir(Op op, NodeId parent, std::string name, uint32_t perm) {
  CO_TRY(core_.CheckWritable());
  meta::MkdirArgs args;
  args.perm = perm;
  args.request_id = core_.RequestId(op);
  CO_TRY(const auto rsp, co_await meta::Mkdirs(core_.meta(op), core_.ContextOf(op),
                                               At(parent, std::move(name)), args));
  co_return Made(op, parent, rsp.stat);
}

Task<Result<Entry>> Names::MakeSymlink(Op op, NodeId parent, std::string name, std::string target) {
  CO_TRY(core_.CheckWritable());
  CO_TRY(const auto rsp,
         co_await meta::Symlink(core_.meta(op), core_.ContextOf(op), At(parent, std::move(name)),
                                std::move(target), core_.RequestId(op)));
  co_return Made(op, parent, rsp.stat);
}

Task<Result<Entry>> Names::Link(Op op, NodeId node, NodeId parent, std::string name) {
  CO_TRY(core_.CheckWritable());
  auto rsp = co_await meta::HardLink(core_.meta(op), core_.ContextOf(op), At(node),
                                     At(parent, std::move(name)), core_.RequestId(op));
  if (rsp.ok()) co_return Made(op, parent, rsp->stat);
  if (rsp.code() == Code::kMetaIsDirectory)
    co_return ErrnoStatus(EPERM, "directories have one name");
  if (rsp.code() == Code::kMetaNoPermission) {
    // One code for three refusals: too many links, an immutable file, a directory that may not be
    // written.
    const auto inode = co_await Stat(op, node);
    if (inode.ok() && inode->nlink >= kMaxLinks)
      co_return ErrnoStatus(EMLINK, "the file has 65535 names already");
    if (inode.ok() && (inode->acl.iflags & schema::meta::kIflagImmutable) != 0) {
      co_return ErrnoStatus(EPERM, "the file is immutable");
    }
  }
  co_return rsp.status();
}

Task<Status> Names::Remove(Op op, NodeId parent, std::string name, bool directory) {
  CO_TRY(core_.CheckWritable());
  const auto kind = directory ? meta::RemoveKind::kDirectory : meta::RemoveKind::kFile;
  CO_TRY(co_await meta::Remove(core_.meta(op), core_.ContextOf(op), At(parent, std::move(name)),
                               kind, {}, core_.RequestId(op)));
  core_.TouchDirectory(op, parent);
  co_return Status();
}

Task<Status> Names::Rename(Op op, RenameArgs args) {
  CO_TRY(core_.CheckWritable());
  // The wire has plain replacing only; NOREPLACE by link and unlink would show both names for a
  // moment.
  if (args.flags != 0) co_return ErrnoStatus(EINVAL, "3FS has no rename flags");
  meta::RenameArgs wire;
  wire.request_id = core_.RequestId(op);
  CO_TRY(const auto rsp,
         co_await meta::Rename(core_.meta(op), core_.ContextOf(op),
                               At(args.parent, std::move(args.name)),
                               At(args.new_parent, std::move(args.new_name)), wire));
  core_.TouchDirectory(op, args.parent);
  if (args.new_parent != args.parent) core_.TouchDirectory(op, args.new_parent);
  if (rsp.stat.has_value()) {
    const NodeRef node = core_.table.Get(rsp.stat->id);
    node->OnInode(*rsp.stat, core_.side(op).loop->Now(), false);
    node->TouchNow(Node::kCtime, core_.side(op).loop->WallMicros());
    if (core_.kernel != nullptr) core_.kernel->DropAttributes(core_.NodeOf(rsp.stat->id));
  }
  co_return Status();
}

}  // namespace

std::unique_ptr<NameOps> MakeNames(Core* core) { return std::make_unique<Names>(core); }

}  // namespace threefs::fs

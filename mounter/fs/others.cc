// SPDX-License-Identifier: Apache-2.0
// statfs, access, ioctl (3fs/fuse.md §12) and extended attributes (§13) of a volume.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "mounter/fs/errno_map.h"
#include "mounter/fs/sides.h"

namespace threefs::fs {
namespace {

using schema::meta::Inode;
using schema::meta::LockAction;

constexpr uint64_t kStatFsBlock = 2U << 20;
constexpr uint32_t kMagicNumber = 0x8f3f5fff;
constexpr uint32_t kIoctlVersion = 1;
constexpr size_t kPunchRanges = 1000;

// 3fs/fuse.md §12.
enum : uint32_t {
  kGetMountName = 0x80206800,
  kGetPathOffset = 0x80046801,
  kGetMagic = 0x80046802,
  kGetVersion = 0x80046803,
  kRecursiveRemove = 0x8004680a,
  kFsync = 0x8004680b,
  kHardLink = 0x4108680c,
  kPunchHole = 0x7e90680d,
  kMove = 0x4218680e,
  kRemove = 0x4110680f,
  kGetFlags = 0x80086601,
  kSetFlags = 0x40086602,
  kGetFsXattr = 0x801c581f,
};

constexpr std::string_view kLockName = "hf3fs.lock";

std::vector<uint8_t> Raw(const void* p, size_t n) {
  const auto* b = static_cast<const uint8_t*>(p);
  return {b, b + n};
}
IoctlReply Number(uint32_t n) { return {0, Raw(&n, sizeof(n))}; }

template <class T>
T Load(const std::vector<uint8_t>& in, size_t at) {
  T t{};
  std::memcpy(&t, in.data() + at, sizeof(t));
  return t;
}

// A name in a fixed field; empty when it is none.
std::string Name(const std::vector<uint8_t>& in, size_t at, size_t size) {
  const auto* p = reinterpret_cast<const char*>(in.data() + at);
  std::string s(p, ::strnlen(p, size));
  if (s.size() == size || s == "." || s == ".." || s.find('/') != std::string::npos) s.clear();
  return s;
}

class Others final : public OtherOps {
 public:
  explicit Others(Core* core) : core_(*core) {}

  Task<Result<StatFs>> GetStatFs(Op op) override;
  Task<Status> Access(Op op, NodeId node, uint32_t mask) override;
  Task<Result<IoctlReply>> Ioctl(Op op, Handle handle, uint32_t command, std::vector<uint8_t> in,
                                 size_t out_size) override;
  Task<Status> SetXattr(Op op, NodeId node, std::string name, std::string value) override;
  Task<Result<std::string>> GetXattr(Op op, NodeId node, std::string name) override;
  Task<Result<std::string>> ListXattr(Op op, NodeId node) override;
  Task<Status> RemoveXattr(Op op, NodeId node, std::string name) override;

 private:
  Task<Result<Inode>> Stat(Op op, NodeId node) {
    CO_TRY(auto rsp,
           co_await meta::Stat(core_.meta(op), core_.ContextOf(op), meta::At(core_.InodeOf(node))));
    co_return std::move(rsp.stat);
  }
  Task<Status> InsideVolume(Op op, uint64_t inode);
  Task<Result<IoctlReply>> RemoveTree(Op op, Handle handle);
  Task<Result<IoctlReply>> LinkTo(Op op, Handle handle, const std::vector<uint8_t>* in);
  Task<Result<IoctlReply>> Punch(Op op, Handle handle, const std::vector<uint8_t>* in);
  Task<Result<IoctlReply>> Move(Op op, Handle handle, const std::vector<uint8_t>* in);
  Task<Result<IoctlReply>> Remove(Op op, Handle handle, const std::vector<uint8_t>* in);
  Task<Result<IoctlReply>> SetFlags(Op op, Handle handle, const std::vector<uint8_t>* in);
  Task<Status> Lock(Op op, NodeId node, LockAction action);

  Core& core_;
};

Task<Result<StatFs>> Others::GetStatFs(Op op) {
  CO_TRY(const auto rsp, co_await meta::StatFs(core_.meta(op), core_.ContextOf(op)));
  co_return StatFs{kStatFsBlock, rsp.capacity / kStatFsBlock, rsp.free / kStatFsBlock};
}

Task<Status> Others::Access(Op op, NodeId node, uint32_t mask) {
  CO_TRY(const Inode inode, co_await Stat(op, node));
  if ((mask & W_OK) != 0) CO_TRY(core_.CheckWritable());
  const UserRef user = core_.ContextOf(op).user;
  const schema::meta::Acl& acl = inode.acl;
  if (user->uid == 0) {
    const bool runnable = inode.IsDirectory() || (acl.perm & 0111U) != 0;
    co_return (mask & X_OK) != 0 && !runnable ? ErrnoStatus(EACCES, "not executable") : Status();
  }
  uint32_t bits = acl.perm;
  if (user->uid == acl.uid) {
    bits >>= 6;
  } else if (user->gid == acl.gid ||
             std::find(user->groups.begin(), user->groups.end(), acl.gid) != user->groups.end()) {
    bits >>= 3;
  }
  co_return (bits & mask & 7U) == (mask & 7U) ? Status()
                                              : ErrnoStatus(EACCES, "permission bits are missing");
}

// An inode id out of an ioctl's argument: a volume rooted at a sub-directory names nothing outside
// it.
Task<Status> Others::InsideVolume(Op op, uint64_t inode) {
  if (core_.root_inode == 0) co_return Status();
  const auto path =
      co_await meta::GetRealPath(core_.meta(op), core_.ContextOf(op), meta::At(inode), true);
  CO_TRY(path.status());
  const std::string& base = core_.options.config.path;
  const bool inside = path->path == base || path->path.starts_with(base + "/");
  co_return inside ? Status() : ErrnoStatus(EPERM, "that directory lies outside the volume");
}

Task<Result<IoctlReply>> Others::RemoveTree(Op op, Handle handle) {
  CO_TRY(core_.CheckWritable());
  const uint64_t inode = core_.InodeOf(handle.node);
  if (handle.node == kRootNode) co_return ErrnoStatus(EPERM, "the volume's root stays");
  CO_TRY(const auto path,
         co_await meta::GetRealPath(core_.meta(op), core_.ContextOf(op), meta::At(inode), true));
  CO_TRY(co_await meta::Remove(core_.meta(op), core_.ContextOf(op), meta::At(0, path.path),
                               meta::RemoveKind::kTree, inode, core_.RequestId(op)));
  co_return IoctlReply{0, std::vector<uint8_t>(4)};
}

Task<Result<IoctlReply>> Others::LinkTo(Op op, Handle handle, const std::vector<uint8_t>* in) {
  if (in->size() < 264) co_return ErrnoStatus(EINVAL, "the argument is too short");
  CO_TRY(core_.CheckWritable());
  const NodeId parent = Load<uint64_t>(*in, 0);
  const std::string name = Name(*in, 8, 256);
  if (name.empty()) co_return ErrnoStatus(EINVAL, "not a name");
  const uint64_t parent_inode = core_.InodeOf(parent);
  CO_TRY(co_await InsideVolume(op, parent_inode));
  CO_TRY(co_await meta::HardLink(core_.meta(op), core_.ContextOf(op),
                                 meta::At(core_.InodeOf(handle.node)), meta::At(parent_inode, name),
                                 core_.RequestId(op)));
  core_.TouchDirectory(op, parent);
  if (core_.kernel != nullptr) {
    core_.kernel->DropEntry(parent, name);
    core_.kernel->DropAttributes(handle.node);
  }
  co_return IoctlReply{};
}

Task<Result<IoctlReply>> Others::Punch(Op op, Handle handle, const std::vector<uint8_t>* in) {
  if (in->size() < 16016) co_return ErrnoStatus(EINVAL, "the argument is too short");
  CO_TRY(core_.CheckWritable());
  if (!Core::Writable(handle.fh)) co_return ErrnoStatus(EBADF, "open the file for writing");
  const auto n = Load<int32_t>(*in, 0);
  if (n < 0 || static_cast<size_t>(n) > kPunchRanges)
    co_return ErrnoStatus(EINVAL, "more than 1000 ranges");
  CO_TRY(const auto f, co_await core_.LoadFile(op, handle.node));
  const uint64_t chunk = f.file->shape().chunk_size;
  for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
    const auto start = Load<uint64_t>(*in, 16 + i * 8);
    const auto end = Load<uint64_t>(*in, 8016 + i * 8);
    if (start % chunk != 0 || end % chunk != 0 || end < start)
      co_return ErrnoStatus(EINVAL, "not at chunk borders");
    CO_TRY(co_await core_.io(op).PunchHole(core_.ContextOf(op), f.file, start, end - start));
  }
  f.node->OnWrite(core_.side(op).loop->WallMicros());
  CO_TRY(co_await core_.SyncFile(op, f, true));
  if (core_.kernel != nullptr) core_.kernel->DropData(handle.node);
  co_return IoctlReply{};
}

Task<Result<IoctlReply>> Others::Move(Op op, Handle handle, const std::vector<uint8_t>* in) {
  if (in->size() < 536) co_return ErrnoStatus(EINVAL, "the argument is too short");
  CO_TRY(core_.CheckWritable());
  const NodeId from = Load<uint64_t>(*in, 0);
  const NodeId to = Load<uint64_t>(*in, 264);
  const std::string from_name = Name(*in, 8, 256);
  const std::string to_name = Name(*in, 272, 256);
  const bool trash = (*in)[528] != 0;
  const bool same = core_.InodeOf(from) == core_.InodeOf(handle.node) ||
                    (from == 1 && core_.root_inode == 0 && handle.node == kRootNode);
  if (!same || from_name.empty() || to_name.empty())
    co_return ErrnoStatus(EINVAL, "not a name in this directory");
  const uint64_t to_inode = core_.InodeOf(to);
  CO_TRY(co_await InsideVolume(op, to_inode));
  meta::RenameArgs args;
  args.move_to_trash = trash;
  args.request_id = core_.RequestId(op);
  const uint64_t from_inode = core_.InodeOf(from);
  if (trash) {
    CO_TRY(const auto rsp, co_await meta::Stat(core_.meta(op), core_.ContextOf(op),
                                               meta::At(from_inode, from_name)));
    args.inode = rsp.stat.id;
  }
  CO_TRY(co_await meta::Rename(core_.meta(op), core_.ContextOf(op), meta::At(from_inode, from_name),
                               meta::At(to_inode, to_name), args));
  core_.TouchDirectory(op, from);
  core_.TouchDirectory(op, to);
  if (core_.kernel != nullptr) {
    core_.kernel->DropEntry(core_.NodeOf(from_inode), from_name);
    core_.kernel->DropEntry(core_.NodeOf(to_inode), to_name);
  }
  co_return IoctlReply{};
}

Task<Result<IoctlReply>> Others::Remove(Op op, Handle handle, const std::vector<uint8_t>* in) {
  if (in->size() < 272) co_return ErrnoStatus(EINVAL, "the argument is too short");
  CO_TRY(core_.CheckWritable());
  const NodeId parent = Load<uint64_t>(*in, 0);
  const std::string name = Name(*in, 8, 256);
  const bool recursive = (*in)[264] != 0;
  const uint64_t inode = core_.InodeOf(handle.node);
  if (core_.InodeOf(parent) != inode || name.empty())
    co_return ErrnoStatus(EINVAL, "not a name in this directory");
  CO_TRY(const auto victim,
         co_await meta::Stat(core_.meta(op), core_.ContextOf(op), meta::At(inode, name)));
  const auto kind = recursive ? meta::RemoveKind::kTree
                              : (victim.stat.IsDirectory() ? meta::RemoveKind::kDirectory
                                                           : meta::RemoveKind::kFile);
  CO_TRY(co_await meta::Remove(core_.meta(op), core_.ContextOf(op), meta::At(inode, name), kind,
                               recursive ? std::optional(victim.stat.id) : std::nullopt,
                               core_.RequestId(op)));
  core_.TouchDirectory(op, parent);
  if (core_.kernel != nullptr) core_.kernel->DropEntry(handle.node, name);
  co_return IoctlReply{};
}

Task<Result<IoctlReply>> Others::SetFlags(Op op, Handle handle, const std::vector<uint8_t>* in) {
  if (in->size() < 4) co_return ErrnoStatus(EINVAL, "the argument is too short");
  CO_TRY(core_.CheckWritable());
  const auto flags = Load<uint32_t>(*in, 0);
  if ((flags & ~schema::meta::kIflagsSupported) != 0)
    co_return ErrnoStatus(EINVAL, "a flag 3FS does not have");
  meta::AttrChange change;
  change.iflags = flags;
  CO_TRY(co_await meta::SetAttr(core_.meta(op), core_.ContextOf(op),
                                meta::At(core_.InodeOf(handle.node)), change));
  co_return IoctlReply{};
}

Task<Result<IoctlReply>> Others::Ioctl(Op op, Handle handle, uint32_t command,
                                       std::vector<uint8_t> in, size_t) {
  switch (command) {
    case kGetMountName: {
      std::array<char, 32> name{};
      const std::string& id = core_.options.config.cluster_id;
      std::memcpy(name.data(), id.data(), std::min(id.size(), name.size() - 1));
      co_return IoctlReply{0, Raw(name.data(), name.size())};
    }
    case kGetPathOffset:
      co_return Number(static_cast<uint32_t>(core_.options.config.mountpoint.size()));
    case kGetMagic:
      co_return Number(kMagicNumber);
    case kGetVersion:
      co_return Number(kIoctlVersion);
    case kRecursiveRemove:
      co_return co_await RemoveTree(op, handle);
    case kFsync: {
      CO_TRY(const auto f, co_await core_.LoadFile(op, handle.node));
      CO_TRY(co_await core_.SyncFile(op, f, true));
      if (core_.kernel != nullptr) core_.kernel->DropAttributes(handle.node);
      co_return Number(0);
    }
    case kHardLink:
      co_return co_await LinkTo(op, handle, &in);
    case kPunchHole:
      co_return co_await Punch(op, handle, &in);
    case kMove:
      co_return co_await Move(op, handle, &in);
    case kRemove:
      co_return co_await Remove(op, handle, &in);
    case kSetFlags:
      co_return co_await SetFlags(op, handle, &in);
    case kGetFlags: {
      CO_TRY(const Inode inode, co_await Stat(op, handle.node));
      std::array<uint8_t, 8> out{};
      std::memcpy(out.data(), &inode.acl.iflags, 4);
      co_return IoctlReply{0, Raw(out.data(), out.size())};
    }
    case kGetFsXattr: {
      CO_TRY(const Inode inode, co_await Stat(op, handle.node));
      std::array<uint8_t, 28> out{};
      const uint32_t immutable =
          (inode.acl.iflags & schema::meta::kIflagImmutable) != 0 ? 0x8 : 0;  // FS_XFLAG_IMMUTABLE
      std::memcpy(out.data(), &immutable, 4);
      co_return IoctlReply{0, Raw(out.data(), out.size())};
    }
    default:
      co_return ErrnoStatus(ENOTTY, "no such ioctl");
  }
}

Task<Status> Others::Lock(Op op, NodeId node, LockAction action) {
  CO_TRY(core_.CheckWritable());
  CO_TRY(co_await meta::LockDirectory(core_.meta(op), core_.ContextOf(op), core_.InodeOf(node),
                                      action));
  co_return Status();
}

Task<Status> Others::SetXattr(Op op, NodeId node, std::string name, std::string value) {
  if (name != kLockName) co_return ErrnoStatus(ENOTSUP, "3FS keeps no such attribute");
  CO_TRY(const Inode inode, co_await Stat(op, node));
  if (!inode.IsDirectory()) co_return ErrnoStatus(ENOTSUP, "only directories are locked");
  if (value == "try_lock") co_return co_await Lock(op, node, LockAction::kTryLock);
  if (value == "preempt_lock") co_return co_await Lock(op, node, LockAction::kPreemptLock);
  if (value == "unlock") co_return co_await Lock(op, node, LockAction::kUnLock);
  if (value == "clear") co_return co_await Lock(op, node, LockAction::kClear);
  co_return ErrnoStatus(EINVAL, "not a lock action");
}

Task<Result<std::string>> Others::GetXattr(Op op, NodeId node, std::string name) {
  if (name != kLockName) {
    // ACLs are unsupported, which programs tell from absent by the errno.
    co_return ErrnoStatus(name.starts_with("system.") ? ENOTSUP : ENODATA,
                          "3FS keeps no such attribute");
  }
  CO_TRY(const Inode inode, co_await Stat(op, node));
  if (inode.IsSymlink()) co_return ErrnoStatus(ENOTSUP, "only directories are locked");
  const auto* dir = std::get_if<schema::meta::Directory>(&inode.type);
  if (dir == nullptr || !dir->lock.has_value()) co_return ErrnoStatus(ENODATA, "not locked");
  std::string host;
  for (const char c : dir->lock->client.hostname) {
    if (c == '"' || c == '\\') host += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) host += c;
  }
  co_return "{\"client\":{\"uuid\":\"" + dir->lock->client.uuid.ToString() + "\",\"hostname\":\"" +
      host + "\"}}";
}

Task<Result<std::string>> Others::ListXattr(Op op, NodeId node) {
  CO_TRY(const Inode inode, co_await Stat(op, node));
  const auto* dir = std::get_if<schema::meta::Directory>(&inode.type);
  if (dir == nullptr || !dir->lock.has_value()) co_return std::string();
  co_return std::string(kLockName) + '\0';
}

Task<Status> Others::RemoveXattr(Op op, NodeId node, std::string name) {
  if (name != kLockName)
    co_return ErrnoStatus(name.starts_with("hf3fs.") ? EPERM : ENODATA,
                          "3FS keeps no such attribute");
  CO_TRY(const Inode inode, co_await Stat(op, node));
  if (!inode.IsDirectory()) co_return Code::kMetaNotDirectory;
  co_return co_await Lock(op, node, LockAction::kClear);
}

}  // namespace

std::unique_ptr<OtherOps> MakeOthers(Core* core) { return std::make_unique<Others>(core); }

}  // namespace threefs::fs

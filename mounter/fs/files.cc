// SPDX-License-Identifier: Apache-2.0
// Open files of a volume (3fs/fuse.md §5.9, §6–§8). A handle is its number alone: access mode in
// the low bits, the write session derived from it, so a mounter that never saw it opened serves it
// all the same.
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "client/base/log.h"
#include "mounter/fs/errno_map.h"
#include "mounter/fs/sides.h"

namespace threefs::fs {
namespace {

using cache::Node;
using cache::NodeRef;
using schema::meta::Inode;

// What the server may see of open(2)'s flags, in its (x86-64) numbers (3fs/meta.md §6).
int32_t WireFlags(int32_t flags) {
  int32_t out = 0;
  if ((flags & O_ACCMODE) == O_WRONLY) out |= schema::meta::kOpenWriteOnly;
  if ((flags & O_ACCMODE) == O_RDWR) out |= schema::meta::kOpenReadWrite;
  if ((flags & O_CREAT) != 0) out |= schema::meta::kOpenCreate;
  if ((flags & O_EXCL) != 0) out |= schema::meta::kOpenExclusive;
  if (out != 0 && (flags & O_ACCMODE) != O_RDONLY) {
    if ((flags & O_TRUNC) != 0) out |= schema::meta::kOpenTruncate;
    if ((flags & O_APPEND) != 0) out |= schema::meta::kOpenAppend;
  }
  return out;
}

class Files final : public FileOps {
 public:
  explicit Files(Core* core) : core_(*core) {}

  Task<Result<OpenReply>> Open(Op op, NodeId node, int32_t flags) override;
  Task<Result<CreateReply>> Create(Op op, NodeId parent, std::string name, uint32_t perm,
                                   int32_t flags) override;
  Task<Result<ReadReply>> Read(Op op, Handle handle, uint64_t offset, uint32_t size) override;
  Task<Result<uint32_t>> Write(Op op, Handle handle, uint64_t offset, Bytes data,
                               bool kill_suidgid) override;
  Task<Status> Flush(Op op, Handle handle) override;
  Task<Status> Fsync(Op op, Handle handle, bool data_only) override;
  Task<Status> Release(Op op, Handle handle) override;
  Task<Status> Allocate(Op op, Handle handle, int32_t mode, uint64_t offset,
                        uint64_t length) override;
  Task<Result<std::optional<uint64_t>>> Seek(Op op, Handle handle, uint64_t offset,
                                             bool data) override;

 private:
  Task<Result<Inode>> OpenOnServer(Op op, uint64_t inode, uint64_t fh, int32_t flags);
  Task<Result<Inode>> Truncated(Op op, NodeRef node, Inode inode);
  OpenReply Opened(const Op& op, const NodeRef& node, uint64_t fh);
  Task<Status> AfterWrite(Op op, Core::OpenFile f);

  Core& core_;
};

// O_TRUNC is the client's work (3fs/meta.md §9.3).
Task<Result<Inode>> Files::Truncated(Op op, NodeRef node, Inode inode) {
  CO_TRY(const auto file, node->File(inode));
  const Node::Unsynced before = node->unsynced();
  CO_TRY(auto now, co_await core_.io(op).Truncate(core_.ContextOf(op), file, 0));
  node->OnSynced(before);
  node->TouchNow(Node::kMtime | Node::kCtime, core_.side(op).loop->WallMicros());
  co_return now;
}

Task<Result<Inode>> Files::OpenOnServer(Op op, uint64_t inode, uint64_t fh, int32_t flags) {
  meta::OpenArgs args;
  args.flags = WireFlags(flags & ~(O_CREAT | O_EXCL));
  if (Core::Writable(fh)) args.session = core_.SessionOf(fh);
  args.dyn_stripe = true;
  CO_TRY(auto rsp, co_await meta::Open(core_.meta(op), core_.ContextOf(op), meta::At(inode), args));
  if (!rsp.need_truncate) co_return std::move(rsp.stat);
  const NodeRef node = core_.table.Get(inode);
  node->OnInode(rsp.stat, core_.side(op).loop->Now(), false);
  auto truncated = co_await Truncated(op, node, std::move(rsp.stat));
  if (!truncated.ok() && Core::Writable(fh)) {
    // The open failed: its session must not keep the file alive.
    const auto closed =
        co_await meta::Close(core_.meta(op), core_.ContextOf(op), inode, {.session = args.session});
    if (!closed.ok())
      LOG_DEBUG("closing after a failed truncation: {}", closed.status().ToString());
  }
  co_return truncated;
}

OpenReply Files::Opened(const Op& op, const NodeRef& node, uint64_t fh) {
  OpenReply out;
  out.fh = fh;
  bool stale = false;
  out.keep_cache = node->OnOpen(core_.side(op).loop->WallMicros(), &stale);
  out.direct_io = core_.strict();
  // The kernel may still hold an older length; with it the first read would end too soon.
  if (stale && core_.kernel != nullptr) core_.kernel->DropAttributes(core_.NodeOf(node->id()));
  if (Core::Writable(fh)) node->OpenWriter();
  return out;
}

Task<Result<OpenReply>> Files::Open(Op op, NodeId node_id, int32_t flags) {
  const bool writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0;
  if (writes) CO_TRY(core_.CheckWritable());
  const NodeRef node = core_.table.Get(core_.InodeOf(node_id));
  const uint64_t fh = core_.NewHandle(op, flags);
  const config::MountConfig& c = core_.options.config;
  std::optional<Inode> inode;
  if (Core::Writable(fh) || c.identity == config::Identity::kToken) {
    CO_TRY(inode, co_await OpenOnServer(op, node->id(), fh, flags));
  } else if (c.consistency != config::Consistency::kRelaxed || !node->last().has_value() ||
             (flags & O_TRUNC) != 0) {
    // Reading needs no leave of the server (the kernel checked the permission bits), only the
    // newest attributes.
    CO_TRY(auto rsp,
           co_await meta::Stat(core_.meta(op), core_.ContextOf(op), meta::At(node->id())));
    inode = std::move(rsp.stat);
    // Replaced or removed since the kernel looked its name up: ESTALE makes it look again.
    if (inode->nlink == 0) co_return ErrnoStatus(ESTALE, "the file was removed meanwhile");
    if ((flags & O_TRUNC) != 0) {
      node->OnInode(*inode, core_.side(op).loop->Now(), false);
      CO_TRY(inode, co_await Truncated(op, node, *std::move(inode)));
    }
  }
  if (inode.has_value()) {
    node->OnInode(*inode, core_.side(op).loop->Now(), false);
    CO_TRY(node->File(*inode));
  }
  co_return Opened(op, node, fh);
}

Task<Result<CreateReply>> Files::Create(Op op, NodeId parent, std::string name, uint32_t perm,
                                        int32_t flags) {
  CO_TRY(core_.CheckWritable());
  const uint64_t fh = core_.NewHandle(op, flags);
  meta::CreateArgs args;
  args.open.flags = WireFlags(flags | O_CREAT);
  if (Core::Writable(fh)) args.open.session = core_.SessionOf(fh);
  args.open.dyn_stripe = true;
  args.perm = perm;
  args.request_id = core_.RequestId(op);
  CO_TRY(auto rsp, co_await meta::Create(core_.meta(op), core_.ContextOf(op),
                                         meta::At(core_.InodeOf(parent), std::move(name)), args));
  const NodeRef node = core_.table.Get(rsp.stat.id);
  Inode inode = std::move(rsp.stat);
  node->OnInode(inode, core_.side(op).loop->Now(), false);
  CO_TRY(node->File(inode));
  if (rsp.need_truncate) {
    CO_TRY(inode, co_await Truncated(op, node, std::move(inode)));
  }
  core_.TouchDirectory(op, parent);
  CreateReply out;
  out.entry = core_.EntryOf(op, inode);
  out.open = Opened(op, node, fh);
  co_return out;
}

Task<Result<ReadReply>> Files::Read(Op op, Handle handle, uint64_t offset, uint32_t size) {
  CO_TRY(const auto f, co_await core_.LoadFile(op, handle.node));
  if (offset + size > f.file->length()) {
    // At the end as we know it: somebody may have written more.
    TimePoint when{};
    (void)f.node->last(&when);
    const TimePoint now = core_.side(op).loop->Now();
    if (now - when > core_.options.config.attr_timeout) {
      CO_TRY(const auto rsp,
             co_await meta::Stat(core_.meta(op), core_.ContextOf(op), meta::At(f.node->id())));
      f.node->OnInode(rsp.stat, now, false);
    }
  }
  CO_TRY(auto got, co_await core_.io(op).Read(core_.ContextOf(op), f.file, offset, size, {}));
  co_return ReadReply{std::move(got.pieces), got.length};
}

Task<Status> Files::AfterWrite(Op op, Core::OpenFile f) {
  if (!f.node->OnWrite(core_.side(op).loop->WallMicros())) co_return Status();
  // The first write the meta server has not heard of: a successor must find it. No room to note it:
  // tell now.
  if (core_.options.dirty == nullptr || core_.options.dirty->Mark(f.node->id())) co_return Status();
  co_return co_await core_.SyncFile(op, f);
}

Task<Result<uint32_t>> Files::Write(Op op, Handle handle, uint64_t offset, Bytes data,
                                    bool kill_suidgid) {
  CO_TRY(core_.CheckWritable());
  CO_TRY(const auto f, co_await core_.LoadFile(op, handle.node));
  std::vector<Bytes> pieces;
  pieces.push_back(std::move(data));
  CO_TRY(const uint64_t n,
         co_await core_.io(op).Write(core_.ContextOf(op), f.file, offset, std::move(pieces)));
  CO_TRY(co_await AfterWrite(op, f));
  if (kill_suidgid) co_await core_.KillSuidGid(op, f.node);
  co_return static_cast<uint32_t>(n);
}

Task<Status> Files::Flush(Op op, Handle handle) {
  const NodeRef node = core_.table.Find(core_.InodeOf(handle.node));
  if (node == nullptr || node->file() == nullptr)
    co_return Status();  // nothing was written through this process
  co_return co_await core_.SyncFile(op, {node, node->file()});
}

Task<Status> Files::Fsync(Op op, Handle handle, bool) {
  // The data is with storage already. The exact sync makes the servers put it and the length on
  // disk, which fdatasync wants as well: without its length written data is lost.
  const NodeRef node = core_.table.Find(core_.InodeOf(handle.node));
  if (node == nullptr || node->file() == nullptr) co_return Status();
  if (node->unsynced().writes == 0 && !node->file()->dirty()) co_return Status();
  co_return co_await core_.SyncFile(op, {node, node->file()}, true);
}

Task<Status> Files::Release(Op op, Handle handle) {
  if (!Core::Writable(handle.fh)) co_return Status();
  const uint64_t inode = core_.InodeOf(handle.node);
  const NodeRef node = core_.table.Get(inode);
  node->CloseWriter();
  const Node::Unsynced unsynced =
      node->unsynced();  // pages of a mapping may have come after the last close(2)
  meta::CloseArgs args;
  args.session = core_.SessionOf(handle.fh);
  args.update_length = unsynced.writes != 0;
  if (unsynced.mtime_us != 0) args.mtime = unsynced.mtime_us;
  const auto rsp = co_await meta::Close(core_.meta(op), core_.ContextOf(op), inode, args);
  if (!rsp.ok()) co_return rsp.code() == Code::kMetaNotFound ? Status() : rsp.status();
  node->OnInode(rsp->stat, core_.side(op).loop->Now(), false);
  if (unsynced.writes != 0 && node->OnSynced(unsynced) && core_.options.dirty != nullptr)
    core_.options.dirty->Clear(inode);
  co_return Status();
}

Task<Status> Files::Allocate(Op op, Handle handle, int32_t mode, uint64_t offset, uint64_t length) {
  CO_TRY(core_.CheckWritable());
  const bool keep = (mode & FALLOC_FL_KEEP_SIZE) != 0;
  const int32_t what = mode & ~FALLOC_FL_KEEP_SIZE;
  const bool zero = what == FALLOC_FL_ZERO_RANGE;
  const bool punch = what == FALLOC_FL_PUNCH_HOLE && keep;
  // Space cannot be reserved behind the end: 3FS allocates a chunk when it is written.
  if (!zero && !punch && !(what == 0 && !keep))
    co_return ErrnoStatus(EOPNOTSUPP, "3FS cannot allocate this way");
  if (length > INT64_MAX - offset) co_return Code::kMetaFileTooLarge;
  CO_TRY(const auto f, co_await core_.LoadFile(op, handle.node));
  if (zero || punch) {
    CO_TRY(co_await core_.SyncFile(op, f));
    CO_TRY(co_await core_.io(op).PunchHole(core_.ContextOf(op), f.file, offset, length));
    CO_TRY(co_await AfterWrite(op, f));
  }
  if (!keep && offset + length > f.file->length()) {
    CO_TRY(const Inode inode,
           co_await core_.io(op).Extend(core_.ContextOf(op), f.file, offset + length));
    f.node->OnInode(inode, core_.side(op).loop->Now(), false);
    CO_TRY(co_await AfterWrite(op, f));
  }
  co_return Status();
}

Task<Result<std::optional<uint64_t>>> Files::Seek(Op op, Handle handle, uint64_t offset,
                                                  bool data) {
  CO_TRY(const auto f, co_await core_.LoadFile(op, handle.node));
  const auto what = data ? file::FileIo::Seek::kData : file::FileIo::Seek::kHole;
  co_return co_await core_.io(op).SeekTo(core_.ContextOf(op), f.file, offset, what);
}

}  // namespace

std::unique_ptr<FileOps> MakeFiles(Core* core) { return std::make_unique<Files>(core); }

}  // namespace threefs::fs

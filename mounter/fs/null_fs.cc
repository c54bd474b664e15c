// SPDX-License-Identifier: Apache-2.0
#include "mounter/fs/null_fs.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <mutex>
#include <utility>
#include <vector>

#include "mounter/fs/errno_map.h"

namespace threefs::fs {
namespace {

constexpr NodeId kFirstFile = 0x1000;
constexpr size_t kZeros = 1U << 20;
alignas(4096) constexpr uint8_t kZeroRun[kZeros] = {};

Status Unsupported() { return ErrnoStatus(EOPNOTSUPP, "the null file system cannot do this"); }

}  // namespace

class NullFs::Impl final : public NameOps, public FileOps, public DirOps, public OtherOps {
 public:
  explicit Impl(const config::MountConfig& config)
      : files_(config.null_files), size_(config.null_file_size), ttl_(config.attr_timeout) {}

  Task<Result<Entry>> Lookup(Op, NodeId parent, std::string name) override {
    uint32_t i = 0;
    const char* end = name.data() + name.size();
    if (parent != kRootNode || name.size() < 2 || name[0] != 'f') co_return Code::kMetaNotFound;
    const auto [stop, ec] = std::from_chars(name.data() + 1, end, i);
    if (ec != std::errc{} || stop != end || i >= files_) co_return Code::kMetaNotFound;
    co_return EntryOf(kFirstFile + i);
  }
  void Forget(NodeId) override {}
  Task<Result<AttrReply>> GetAttr(Op, NodeId node) override {
    if (!Known(node)) co_return Code::kMetaNotFound;
    co_return AttrReply{AttrOf(node), ttl_};
  }
  Task<Result<AttrReply>> SetAttr(Op, NodeId node, AttrChange) override {
    if (!Known(node)) co_return Code::kMetaNotFound;
    co_return AttrReply{AttrOf(node), ttl_};  // what is changed is forgotten, like what is written
  }
  Task<Result<std::string>> ReadLink(Op, NodeId) override { co_return Code::kInvalidArg; }
  Task<Result<Entry>> MakeFile(Op, NodeId, std::string, uint32_t) override {
    co_return Unsupported();
  }
  Task<Result<Entry>> MakeDir(Op, NodeId, std::string, uint32_t) override {
    co_return Unsupported();
  }
  Task<Result<Entry>> MakeSymlink(Op, NodeId, std::string, std::string) override {
    co_return Unsupported();
  }
  Task<Result<Entry>> Link(Op, NodeId, NodeId, std::string) override { co_return Unsupported(); }
  Task<Status> Remove(Op, NodeId, std::string, bool) override { co_return Unsupported(); }
  Task<Status> Rename(Op, RenameArgs) override { co_return Unsupported(); }

  Task<Result<OpenReply>> Open(Op, NodeId node, int32_t) override {
    if (!Known(node)) co_return Code::kMetaNotFound;
    co_return OpenReply{.fh = node, .keep_cache = true, .direct_io = false};
  }
  Task<Result<CreateReply>> Create(Op, NodeId, std::string, uint32_t, int32_t) override {
    co_return Unsupported();
  }
  Task<Result<ReadReply>> Read(Op, Handle handle, uint64_t offset, uint32_t size) override {
    ReadReply reply;
    if (handle.node < kFirstFile || offset >= size_) co_return reply;
    uint64_t left = std::min<uint64_t>(size, size_ - offset);
    reply.length = left;
    while (left > 0) {
      const size_t n = std::min<uint64_t>(left, kZeros);
      reply.pieces.push_back(Bytes::Borrow({kZeroRun, n}));
      left -= n;
    }
    co_return reply;
  }
  Task<Result<uint32_t>> Write(Op, Handle, uint64_t, Bytes data, bool) override {
    co_return static_cast<uint32_t>(data.size());
  }
  Task<Status> Flush(Op, Handle) override { co_return Status(); }
  Task<Status> Fsync(Op, Handle, bool) override { co_return Status(); }
  Task<Status> Release(Op, Handle) override { co_return Status(); }
  Task<Status> Allocate(Op, Handle, int32_t, uint64_t, uint64_t) override {
    co_return Unsupported();
  }
  Task<Result<std::optional<uint64_t>>> Seek(Op, Handle, uint64_t offset, bool data) override {
    if (offset >= size_) co_return std::optional<uint64_t>();
    co_return std::optional<uint64_t>(data ? offset : size_);
  }

  Task<Result<OpenReply>> OpenDir(Op, NodeId node) override {
    if (node != kRootNode) co_return Code::kMetaNotDirectory;
    co_return OpenReply{};
  }
  Task<Result<std::vector<DirItem>>> ReadDir(Op, Handle, uint64_t offset, uint32_t limit,
                                             bool) override {
    std::vector<DirItem> items;
    for (uint64_t i = offset; i < files_ + 2ULL && items.size() < limit; ++i) {
      DirItem item;
      item.next = i + 1;
      item.name = i == 0 ? "." : (i == 1 ? ".." : fmt::format("f{}", i - 2));
      item.entry = EntryOf(i < 2 ? kRootNode : kFirstFile + i - 2);
      items.push_back(std::move(item));
    }
    co_return items;
  }
  void ReleaseDir(Handle) override {}

  Task<Result<StatFs>> GetStatFs(Op) override { co_return StatFs{2U << 20, 1U << 20, 1U << 20}; }
  Task<Status> Access(Op, NodeId, uint32_t) override { co_return Status(); }
  Task<Result<IoctlReply>> Ioctl(Op, Handle, uint32_t, std::vector<uint8_t>, size_t) override {
    co_return ErrnoStatus(ENOTTY, "no such ioctl");
  }
  Task<Status> SetXattr(Op, NodeId, std::string, std::string) override { co_return Unsupported(); }
  Task<Result<std::string>> GetXattr(Op, NodeId, std::string) override {
    co_return ErrnoStatus(ENODATA, "no attribute");
  }
  Task<Result<std::string>> ListXattr(Op, NodeId) override { co_return std::string(); }
  Task<Status> RemoveXattr(Op, NodeId, std::string) override { co_return Unsupported(); }

 private:
  [[nodiscard]] bool Known(NodeId node) const {
    return node == kRootNode || (node >= kFirstFile && node < kFirstFile + files_);
  }
  [[nodiscard]] Attr AttrOf(NodeId node) const {
    Attr a;
    a.ino = node;
    if (node == kRootNode) {
      a.mode = S_IFDIR | 0755;
    } else {
      a.mode = S_IFREG | 0666;
      a.size = size_;
      a.blocks = (size_ + 511) / 512;
    }
    return a;
  }
  [[nodiscard]] Entry EntryOf(NodeId node) const { return {node, AttrOf(node), ttl_, ttl_}; }

  const uint32_t files_;
  const uint64_t size_;
  const Duration ttl_;
};

NullFs::NullFs(const config::MountConfig& config) : impl_(std::make_unique<Impl>(config)) {}
NullFs::~NullFs() = default;
FileSystem NullFs::sides() { return {impl_.get(), impl_.get(), impl_.get(), impl_.get()}; }

}  // namespace threefs::fs

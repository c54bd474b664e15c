// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <condition_variable>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "client/base/status.h"
#include "csi/grammar.h"
#include "csi/mount_ops.h"
#include "proto/channel/unique_fd.h"

namespace threefs::csi {
namespace {

using control::UniqueFd;
using keeper::FindMount;
using keeper::MountEntry;
using keeper::ReadMountTable;

constexpr Duration kUnmountLimit = 5s;
constexpr int kMostLayers = 16;

Status SystemError(std::string_view what) {
  return {Code::kOSError, fmt::format("{}: {}", what, std::strerror(errno))};
}

/// Runs `work` on a thread of its own and waits for at most `limit`. A thread that is stuck in the
/// kernel is left behind; what it uses it owns. kRPCTimeout then.
Status Bounded(Duration limit, std::function<Status()> work) {
  struct Shared {
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
    Status status;
  };
  auto shared = std::make_shared<Shared>();
  std::thread([shared, work = std::move(work)] {
    Status status = work();
    const std::lock_guard<std::mutex> hold(shared->mutex);
    shared->status = std::move(status);
    shared->done = true;
    shared->changed.notify_all();
  }).detach();
  std::unique_lock<std::mutex> hold(shared->mutex);
  if (!shared->changed.wait_for(hold, limit, [&] { return shared->done; })) {
    return {Code::kRPCTimeout, "the file system does not answer"};
  }
  return shared->status;
}

/// Opens a path from outside: no symbolic link anywhere on the way, none at the end. O_PATH on a
/// mount's root asks no server.
Result<UniqueFd> OpenPath(const std::string& path, uint64_t flags) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof(how))));
  if (fd.valid()) return fd;
  if (errno == ELOOP) {
    return Status(Code::kInvalidArg,
                  fmt::format("'{}' leads through a symbolic link: give the real path", path));
  }
  if (errno == ENOENT) return Status(Code::kMetaNotFound, fmt::format("'{}' is not there", path));
  return SystemError(fmt::format("open '{}'", path));
}

struct Split {
  std::string parent;
  std::string name;
};
Split SplitPath(const std::string& path) {
  const size_t slash = path.rfind('/');
  return {.parent = slash == 0 ? "/" : path.substr(0, slash), .name = path.substr(slash + 1)};
}

Status MakeDirectory(const std::string& path, mode_t mode) {
  const Split split = SplitPath(path);
  TRY(const UniqueFd parent, OpenPath(split.parent, O_PATH | O_DIRECTORY));
  if (::mkdirat(parent.get(), split.name.c_str(), mode) != 0 && errno != EEXIST) {
    return SystemError(fmt::format("make directory '{}'", path));
  }
  return {};
}

/// Which mount a descriptor is on, without asking its file system.
int MountIdOf(const UniqueFd& fd) {
  std::ifstream file(fmt::format("/proc/self/fdinfo/{}", fd.get()));
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("mnt_id:")) continue;
    const size_t start = line.find_first_of("0123456789");
    return start == std::string::npos ? -1 : std::atoi(line.c_str() + start);
  }
  return -1;
}

Status CheckLiveSource(const UniqueFd& source, const std::string& path, const std::string& device) {
  TRY(const std::vector<MountEntry> table, ReadMountTable());
  const int id = MountIdOf(source);
  for (const MountEntry& entry : table) {
    if (entry.id != id) continue;
    if (entry.path == path && entry.type == "fuse.hf3fs" && entry.source == device) return {};
    break;
  }
  return {Code::kMetaNotFound,
          fmt::format("'{}' is not a live mount of {}: stage the volume again", path, device)};
}

Status UnmountOnce(const std::string& path) {
  return Bounded(kUnmountLimit, [path]() -> Status {
    if (::umount2(path.c_str(), UMOUNT_NOFOLLOW) == 0) return {};
    if (errno == EINVAL || errno == ENOENT) return {};  // gone meanwhile
    if (::umount2(path.c_str(), UMOUNT_NOFOLLOW | MNT_DETACH) == 0) return {};
    return SystemError(fmt::format("unmount '{}'", path));
  });
}

class LinuxMountOps final : public MountOps {
 public:
  Result<std::vector<MountEntry>> Table() override { return ReadMountTable(); }

  Status EnsureDirectory(const std::string& path) override {
    TRY(MakeDirectory(path, 0750));
    return OpenPath(path, O_PATH | O_DIRECTORY).status();
  }

  Status Bind(const std::string& source, const std::string& target,
              const BindOptions& options) override {
    TRY(const UniqueFd from, OpenPath(source, O_PATH | O_DIRECTORY));
    TRY(CheckLiveSource(from, source, options.source_device));
    TRY(MakeDirectory(target, 0));
    TRY(const UniqueFd to, OpenPath(target, O_PATH | O_DIRECTORY));
    const UniqueFd tree(
        ::open_tree(from.get(), "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
    if (!tree.valid()) return SystemError("open_tree (Linux 5.2 or newer is needed)");
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                          (options.read_only ? MOUNT_ATTR_RDONLY : 0ULL) |
                          (options.no_exec ? MOUNT_ATTR_NOEXEC : 0ULL);
    if (::mount_setattr(tree.get(), "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) != 0) {
      return SystemError("mount_setattr (Linux 5.12 or newer is needed)");
    }
    if (::move_mount(tree.get(), "", to.get(), "",
                     MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0) {
      return SystemError(fmt::format("mount at '{}'", target));
    }
    return {};
  }

  Status Unmount(const std::string& path) override {
    for (int layer = 0; layer < kMostLayers; ++layer) {
      TRY(const std::vector<MountEntry> table, ReadMountTable());
      if (FindMount(table, path) == nullptr) return {};
      TRY(UnmountOnce(path));
    }
    return {Code::kOSError, fmt::format("'{}' has more mounts on it than can be taken away", path)};
  }

  Status RemoveDirectory(const std::string& path) override {
    const Split split = SplitPath(path);
    const auto parent = OpenPath(split.parent, O_PATH | O_DIRECTORY);
    if (parent.code() == Code::kMetaNotFound) return {};
    TRY(parent);
    if (::unlinkat(parent->get(), split.name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
      return SystemError(fmt::format("remove '{}'", path));
    }
    return {};
  }

  Status OpenGuard(const std::string& path) override {
    TRY(const std::vector<MountEntry> table, ReadMountTable());
    if (FindMount(table, path) != nullptr) return {};
    const auto fd = OpenPath(path, O_RDONLY | O_DIRECTORY);
    if (fd.code() == Code::kMetaNotFound) return {};
    TRY(fd);
    struct stat st{};
    if (::fstat(fd->get(), &st) != 0) return SystemError(fmt::format("stat '{}'", path));
    if ((st.st_mode & 07777) != 0) return {};
    int flags = 0;
    if (::ioctl(fd->get(), FS_IOC_GETFLAGS, &flags) == 0 && (flags & FS_IMMUTABLE_FL) != 0) {
      flags &= ~FS_IMMUTABLE_FL;
      if (::ioctl(fd->get(), FS_IOC_SETFLAGS, &flags) != 0) {
        return SystemError(fmt::format("make '{}' mutable", path));
      }
    }
    if (::fchmod(fd->get(), 0750) != 0) return SystemError(fmt::format("open '{}'", path));
    return {};
  }

  Result<Usage> Statfs(const std::string& path, Duration limit) override {
    {
      const std::lock_guard<std::mutex> hold(pending_->mutex);
      if (!pending_->paths.insert(path).second) {
        return Status(Code::kRPCTimeout, "the file system does not answer");
      }
    }
    auto usage = std::make_shared<Usage>();
    const Status status = Bounded(limit, [usage, path, pending = pending_]() -> Status {
      struct statfs fs{};
      const int result = ::statfs(path.c_str(), &fs);
      Status failed = result == 0 ? Status() : SystemError("statfs");
      const std::lock_guard<std::mutex> hold(pending->mutex);
      pending->paths.erase(path);
      if (!failed.ok()) return failed;
      const auto block = static_cast<uint64_t>(fs.f_bsize);
      *usage = {.total_bytes = fs.f_blocks * block,
                .free_bytes = fs.f_bfree * block,
                .available_bytes = fs.f_bavail * block,
                .total_files = fs.f_files,
                .free_files = fs.f_ffree};
      return {};
    });
    TRY(status);
    return *usage;
  }

 private:
  /// Paths whose statfs has not come back: asked again, they answer at once, so that stuck threads
  /// do not pile up.
  struct Pending {
    std::mutex mutex;
    std::set<std::string> paths;
  };
  std::shared_ptr<Pending> pending_ = std::make_shared<Pending>();
};

}  // namespace

std::unique_ptr<MountOps> MakeLinuxMountOps() { return std::make_unique<LinuxMountOps>(); }

Status CheckHostPath(const std::string& what, const std::string& path) {
  const auto bad = [&](const char* why) {
    return Status(Code::kInvalidArg, fmt::format("{} {}", what, why));
  };
  if (path.empty()) return bad("is missing");
  if (path[0] != '/' || path.size() < 2) return bad("must be an absolute path below '/'");
  if (path.size() > 4095) return bad("has more than 4095 bytes");
  if (HasControlCharacter(path)) return bad("holds control characters");
  std::string_view rest(path);
  rest.remove_prefix(1);
  for (;;) {
    const size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    if (part.empty() || part == "." || part == "..") {
      return bad("has an empty, '.' or '..' part: give the plain path");
    }
    if (slash == std::string_view::npos) return {};
    rest.remove_prefix(slash + 1);
  }
}

}  // namespace threefs::csi

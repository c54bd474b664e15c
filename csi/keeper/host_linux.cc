// SPDX-License-Identifier: Apache-2.0
// The real Host. Children are made by fork: the keeper has one thread, so anything may be called
// between fork and exec.
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <grp.h>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/base/log.h"
#include "client/base/status.h"
#include "csi/keeper/host.h"
#include "csi/keeper/mount_table.h"
#include "proto/channel/unique_fd.h"

namespace threefs::keeper {
namespace {

constexpr off_t kStateSize = off_t{1} << 20;
/// state.proto: magic, format 1, record length 0.
constexpr std::array<char, 16> kStateHeader = {'3', 'f', 's', 'S', 't', 'a', 't', 'e', 1};

Status SystemError(std::string_view what) {
  return {Code::kOSError, fmt::format("{}: {}", what, std::strerror(errno))};
}

/// A directory by path, without following a link at its end. The descriptor names the directory
/// under any later mount.
Result<UniqueFd> OpenDirectory(const std::string& path, int flags) {
  UniqueFd fd(::open(path.c_str(), flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) return SystemError(fmt::format("open directory '{}'", path));
  return fd;
}

std::string ProcPath(const UniqueFd& fd) { return fmt::format("/proc/self/fd/{}", fd.get()); }

/// Sets or clears the immutable flag; file systems without flags (tmpfs) are left as they are.
void SetImmutable(int fd, bool on) {
  int flags = 0;
  if (::ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) return;
  const int wanted = on ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
  if (wanted != flags && ::ioctl(fd, FS_IOC_SETFLAGS, &wanted) != 0) {
    LOG_DEBUG("immutable flag not available: {}", std::strerror(errno));
  }
}

/// The path as mountinfo spells it: links before the last part followed, the last part (maybe a
/// dead mount) not touched.
std::string ResolveParent(const std::string& path) {
  const std::filesystem::path p(path);
  std::error_code error;
  const auto parent = std::filesystem::canonical(p.parent_path(), error);
  return error ? path : (parent / p.filename()).string();
}

Result<UniqueFd> MakeState() {
  UniqueFd fd(::memfd_create("threefs-state", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return SystemError("memfd_create");
  if (::ftruncate(fd.get(), kStateSize) != 0) return SystemError("size of the state memfd");
  if (::pwrite(fd.get(), kStateHeader.data(), kStateHeader.size(), 0) !=
      static_cast<ssize_t>(kStateHeader.size())) {
    return SystemError("header of the state memfd");
  }
  // Nobody may cut it under a process that has it mapped.
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK) != 0) return SystemError("seal");
  return fd;
}

Result<UniqueFd> OpenFuse() {
  UniqueFd fd(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
  if (!fd.valid()) {
    return SystemError("open /dev/fuse (load the fuse module and give the keeper the device)");
  }
  return fd;
}

uint64_t StartTimeOf(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string line;
  std::getline(file, line);
  const size_t name_end = line.rfind(')');  // the name may hold spaces and brackets
  if (name_end == std::string::npos) return 0;
  std::istringstream rest(line.substr(name_end + 1));
  std::string field;
  for (int i = 3; i <= 22 && (rest >> field); ++i) {
  }
  return std::strtoull(field.c_str(), nullptr, 10);
}

Result<Child> ChildOf(pid_t pid) {
  Child child;
  child.pid = pid;
  child.pidfd.Reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!child.pidfd.valid()) return SystemError("pidfd_open");
  child.start_time = StartTimeOf(pid);
  return child;
}

/// In the child, after fork: only what is passed on survives.
void DropPrivileges(const SpawnPlan& plan) {
  const rlimit no_core{.rlim_cur = 0, .rlim_max = 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  for (int capability = 0; capability <= 63; ++capability) {
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) break;  // past the last one
  }
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (plan.uid != ::geteuid() || plan.gid != ::getegid()) {
    if (::setgroups(0, nullptr) != 0 || ::setresgid(plan.gid, plan.gid, plan.gid) != 0 ||
        ::setresuid(plan.uid, plan.uid, plan.uid) != 0) {
      ::_exit(126);
    }
  }
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> none{};
  ::syscall(SYS_capset, &header, none.data());
}

[[noreturn]] void RunMounter(const SpawnPlan& plan) {
  ::setsid();
  sigset_t all;
  ::sigemptyset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  const int null = ::open("/dev/null", O_RDONLY);
  if (null < 0 || ::dup2(null, 0) < 0) ::_exit(126);
  if (plan.control.get() == 3) {
    ::fcntl(3, F_SETFD, 0);
  } else if (::dup2(plan.control.get(), 3) < 0) {
    ::_exit(126);
  }
  ::syscall(SYS_close_range, 4U, ~0U, 0U);
  DropPrivileges(plan);
  std::vector<char*> argv;
  argv.push_back(const_cast<char*>(plan.program.c_str()));
  for (const std::string& a : plan.arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  std::array<char*, 2> env = {const_cast<char*>("PATH=/usr/sbin:/usr/bin:/sbin:/bin"), nullptr};
  ::execve(plan.program.c_str(), argv.data(), env.data());
  ::_exit(127);
}

/// In a child: may wait for the FUSE server in the kernel, holds no descriptor while it does.
[[noreturn]] void RunUnmount(const std::string& path) {
  ::setsid();
  ::syscall(SYS_close_range, 0U, ~0U, 0U);
  if (::umount2(path.c_str(), UMOUNT_NOFOLLOW) == 0) ::_exit(0);
  if (errno == EBUSY && ::umount2(path.c_str(), UMOUNT_NOFOLLOW | MNT_DETACH) == 0) ::_exit(0);
  ::_exit(errno == EINVAL || errno == ENOENT ? 0 : 1);  // not a mount point any more: done
}

class LinuxHost final : public Host {
 public:
  Result<uint32_t> Guard(const std::string& path) override {
    TRY(const UniqueFd fd, OpenDirectory(path, O_RDONLY));
    struct stat st{};
    if (::fstat(fd.get(), &st) != 0) return SystemError("stat the mount directory");
    SetImmutable(fd.get(), false);
    if (::fchmod(fd.get(), 0) != 0) return SystemError("close the mount directory");
    SetImmutable(fd.get(), true);
    return st.st_mode & 07777;
  }

  Status Unguard(const std::string& path, uint32_t mode) override {
    TRY(const UniqueFd fd, OpenDirectory(path, O_RDONLY));
    SetImmutable(fd.get(), false);
    if (::fchmod(fd.get(), mode) != 0) return SystemError("reopen the mount directory");
    return {};
  }

  Result<MountFds> Mount(const MountPlan& plan) override {
    TRY(const UniqueFd directory, OpenDirectory(plan.path, O_PATH));
    MountFds fds;
    TRY(fds.state, MakeState());
    TRY(fds.fuse, OpenFuse());
    // max_read: the largest read 3FS's own client takes too, 1 MiB.
    const std::string data =
        fmt::format("fd={},rootmode=40000,user_id=0,group_id=0,allow_other,max_read=1048576{}",
                    fds.fuse.get(), plan.kernel_permissions ? ",default_permissions" : "");
    const unsigned long flags = MS_NOSUID | MS_NODEV | (plan.read_only ? MS_RDONLY : 0UL);
    if (::mount(plan.source.c_str(), ProcPath(directory).c_str(), "fuse.hf3fs", flags,
                data.c_str()) != 0) {
      return SystemError(fmt::format("mount at '{}'", plan.path));
    }
    for (uint32_t i = 1; i < plan.loops; ++i) {
      auto clone = OpenFuse();
      auto original = static_cast<uint32_t>(fds.fuse.get());
      if (!clone.ok() || ::ioctl(clone->get(), FUSE_DEV_IOC_CLONE, &original) != 0) {
        const Status error = clone.ok() ? SystemError("clone /dev/fuse") : clone.status();
        ::umount2(plan.path.c_str(), UMOUNT_NOFOLLOW | MNT_DETACH);
        return error;
      }
      fds.clones.push_back(std::move(*clone));
    }
    return fds;
  }

  bool IsMounted(const std::string& path) override {
    const auto table = ReadMountTable();
    return table.ok() && FindMount(*table, ResolveParent(path)) != nullptr;
  }

  bool Connected(const MountFds& fds) override {
    pollfd p{.fd = fds.fuse.get(), .events = 0, .revents = 0};
    return fds.fuse.valid() && ::poll(&p, 1, 0) >= 0 && (p.revents & POLLERR) == 0;
  }

  Result<Child> StartUnmount(const std::string& path) override {
    const pid_t pid = ::fork();
    if (pid < 0) return SystemError("fork");
    if (pid == 0) RunUnmount(path);
    return ChildOf(pid);
  }

  Result<Child> Spawn(SpawnPlan plan) override {
    if (::access(plan.program.c_str(), X_OK) != 0) {
      return SystemError(fmt::format("mounter program '{}'", plan.program));
    }
    const pid_t pid = ::fork();
    if (pid < 0) return SystemError("fork");
    if (pid == 0) RunMounter(plan);
    return ChildOf(pid);
  }

  void Kill(const Child& child, int signal) override {
    if (child.pidfd.valid()) {
      ::syscall(SYS_pidfd_send_signal, child.pidfd.get(), signal, nullptr, 0U);
    }
  }

  std::string Reap(const Child& child) override {
    siginfo_t info{};
    if (::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(child.pidfd.get()), &info,
                 WEXITED | WNOHANG) != 0) {
      if (errno != ECHILD) return {};
      // An adopted process is not our child. Its pidfd tells its end, even while nobody has
      // collected it.
      pollfd p{.fd = child.pidfd.get(), .events = POLLIN, .revents = 0};
      return ::poll(&p, 1, 0) > 0 ? "gone" : "";
    }
    if (info.si_pid == 0) return {};
    if (info.si_code == CLD_EXITED) return fmt::format("exit code {}", info.si_status);
    return fmt::format("signal {} ({})", info.si_status, ::strsignal(info.si_status));
  }

  Result<std::pair<Child, MountFds>> Adopt(pid_t pid, uint64_t start_time) override {
    if (pid <= 0) return Status(Code::kQueueEmpty, "no process recorded");
    auto child = ChildOf(pid);
    if (!child.ok() || child->start_time != start_time) {
      return Status(Code::kQueueEmpty, "the mounter is gone");
    }
    MountFds fds;
    std::error_code error;
    for (const auto& link :
         std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", pid), error)) {
      const std::string target = std::filesystem::read_symlink(link.path(), error).string();
      const bool fuse = target == "/dev/fuse";
      if (!fuse && !target.starts_with("/memfd:threefs-state")) continue;
      UniqueFd copy(static_cast<int>(
          ::syscall(SYS_pidfd_getfd, child->pidfd.get(), std::stoi(link.path().filename()), 0U)));
      if (!copy.valid()) return SystemError("take the mounter's descriptors");
      if (!fuse) {
        fds.state = std::move(copy);
      } else if (!fds.fuse.valid()) {
        fds.fuse = std::move(copy);
      } else {
        fds.clones.push_back(std::move(copy));
      }
    }
    if (!fds.fuse.valid() || !fds.state.valid()) {
      return Status(Code::kQueueEmpty, "the mounter holds no mount");
    }
    return std::pair(std::move(*child), std::move(fds));
  }
};

}  // namespace

std::unique_ptr<Host> MakeLinuxHost() { return std::make_unique<LinuxHost>(); }

}  // namespace threefs::keeper

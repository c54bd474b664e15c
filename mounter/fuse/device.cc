// SPDX-License-Identifier: Apache-2.0
#include "mounter/fuse/device.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/fuse.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace threefs::fuse {
namespace {

std::string Reason(int error) { return std::generic_category().message(error); }

}  // namespace

OwnedFd::~OwnedFd() {
  if (fd_ >= 0) ::close(fd_);
}

Result<OwnedFd> OpenDevice() {
  OwnedFd fd(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
  if (fd.get() < 0) {
    return Status(
        Code::kOSError,
        fmt::format("cannot open /dev/fuse: {}; load the fuse module and give access to the device",
                    Reason(errno)));
  }
  return fd;
}

Result<OwnedFd> CloneDevice(int fd) {
  TRY(OwnedFd clone, OpenDevice());
  uint32_t original = static_cast<uint32_t>(fd);
  if (::ioctl(clone.get(), FUSE_DEV_IOC_CLONE, &original) != 0) {
    return Status(Code::kOSError,
                  fmt::format("cannot clone a /dev/fuse descriptor: {}", Reason(errno)));
  }
  return clone;
}

Status Mount(int fd, const MountArgs& args) {
  struct stat st{};
  if (::stat(args.mountpoint.c_str(), &st) != 0) {
    const char* hint = errno == ENOTCONN ? "a dead mount is there; unmount it first"
                                         : "create the directory first";
    return {Code::kInvalidArg,
            fmt::format("mount point {}: {}; {}", args.mountpoint, Reason(errno), hint)};
  }
  if (!S_ISDIR(st.st_mode)) {
    return {Code::kInvalidArg,
            fmt::format("mount point {} is not a directory; choose one", args.mountpoint)};
  }
  const std::string data =
      fmt::format("fd={},rootmode=40000,user_id={},group_id={},max_read={}{}{}", fd, ::getuid(),
                  ::getgid(), 1U << 20, args.allow_other ? ",allow_other" : "",
                  args.default_permissions ? ",default_permissions" : "");
  const unsigned long flags = MS_NOSUID | MS_NODEV | (args.read_only ? MS_RDONLY : 0UL);
  const std::string source = fmt::format("hf3fs.{}", args.cluster_id);
  if (::mount(source.c_str(), args.mountpoint.c_str(), "fuse.hf3fs", flags, data.c_str()) != 0) {
    return {Code::kOSError, fmt::format("cannot mount on {}: {}; mounting needs root",
                                        args.mountpoint, Reason(errno))};
  }
  return {};
}

Status Unmount(const std::string& mountpoint) {
  if (::umount2(mountpoint.c_str(), UMOUNT_NOFOLLOW) == 0) return {};
  if (errno == EINVAL || errno == ENOENT) return {};  // someone else did it
  if (::umount2(mountpoint.c_str(), UMOUNT_NOFOLLOW | MNT_DETACH) == 0) return {};
  return {Code::kOSError, fmt::format("cannot unmount {}: {}", mountpoint, Reason(errno))};
}

}  // namespace threefs::fuse

// SPDX-License-Identifier: Apache-2.0
// /dev/fuse: opening, cloning, mounting, unmounting. Plain blocking calls for start and end, not
// for a loop. With a keeper the descriptors come from it and only OwnedFd is used here.
#pragma once

#include <string>
#include <utility>

#include "client/base/status.h"

namespace threefs::fuse {

class OwnedFd {
 public:
  OwnedFd() = default;
  explicit OwnedFd(int fd) : fd_(fd) {}
  OwnedFd(OwnedFd&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
  OwnedFd& operator=(OwnedFd&& o) noexcept {
    std::swap(fd_, o.fd_);
    return *this;
  }
  ~OwnedFd();
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_ = -1;
};

struct MountArgs {
  std::string mountpoint;  ///< an existing directory
  std::string cluster_id;  ///< the source becomes "hf3fs.<cluster_id>"; the type is fuse.hf3fs
  bool read_only = false;
  bool allow_other = true;
  bool default_permissions = true;
};

Result<OwnedFd> OpenDevice();
/// A further descriptor of the same connection (FUSE_DEV_IOC_CLONE): with its own queue of what was
/// read through it.
Result<OwnedFd> CloneDevice(int fd);
/// Needs CAP_SYS_ADMIN. Never auto_unmount: a mount must not go with its process.
Status Mount(int fd, const MountArgs& args);
/// Orderly; when the mount is busy it is detached, so that it ends with its last user.
Status Unmount(const std::string& mountpoint);

}  // namespace threefs::fuse

// SPDX-License-Identifier: Apache-2.0
// NullFs: a file system of one directory with `files` files f0, f1 … of `size` bytes. Reads give
// zeros at once, writes are dropped. For measuring what the mounter itself costs (make bench) and
// for the fuse room's tests. Stateless; any loop.
#pragma once

#include <memory>

#include "mounter/config/mount_config.h"
#include "mounter/fs/file_system.h"

namespace threefs::fs {

class NullFs {
 public:
  explicit NullFs(const config::MountConfig& config);
  ~NullFs();
  FileSystem sides();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace threefs::fs

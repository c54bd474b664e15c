// SPDX-License-Identifier: Apache-2.0
// MountOps: what the node service does to the node's mount table, as few verbs. No call waits for a
// FUSE server longer than its bound: questions are answered from mountinfo, unmounting and statfs
// run on a thread that may be left behind. Any thread. Paths come from outside: they are walked
// without following any symbolic link. Tests give a fake.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "client/base/clock.h"
#include "client/base/status.h"
#include "csi/keeper/mount_table.h"

namespace threefs::csi {

struct BindOptions {
  bool read_only = false;
  bool no_exec = false;
  std::string source_device;  ///< "hf3fs.<cluster id>": what must be mounted at the source
};

struct Usage {
  uint64_t total_bytes = 0, free_bytes = 0, available_bytes = 0;
  uint64_t total_files = 0, free_files = 0;
};

class MountOps {
 public:
  virtual ~MountOps() = default;

  virtual Result<std::vector<keeper::MountEntry>> Table() = 0;
  /// The directory exists afterwards (only the last part is made, with mode 0750).
  virtual Status EnsureDirectory(const std::string& path) = 0;
  /// Makes the mount at `source`, which must be a live fuse.hf3fs of `options.source_device`,
  /// appear at `target`, in one step (never writable for a moment). `target` is made when missing
  /// and is shut (mode 000) underneath.
  virtual Status Bind(const std::string& source, const std::string& target,
                      const BindOptions& options) = 0;
  /// Takes every mount at `path` away, lazily when busy. OK when nothing is mounted there.
  virtual Status Unmount(const std::string& path) = 0;
  /// Removes an empty directory; OK when it is not there. REQUIRES: nothing is mounted on it.
  virtual Status RemoveDirectory(const std::string& path) = 0;
  /// Opens a staging directory that a dead mount left shut (mode 000, immutable).
  virtual Status OpenGuard(const std::string& path) = 0;
  /// statfs, bounded. kRPCTimeout when the file system does not answer within `limit`.
  virtual Result<Usage> Statfs(const std::string& path, Duration limit) = 0;
};

std::unique_ptr<MountOps> MakeLinuxMountOps();

/// Absolute, ≤ 4095 bytes, no control character, no empty, `.` or `..` part. kInvalidArg with a
/// sentence naming `what`.
Status CheckHostPath(const std::string& what, const std::string& path);

}  // namespace threefs::csi

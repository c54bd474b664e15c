// SPDX-License-Identifier: Apache-2.0
// Host: everything the keeper asks of the kernel, one seam. host_linux.cc is the real one; tests
// give a fake, so the state machine in volume.cc runs without root. Called by the keeper's one
// thread; nothing here waits for a FUSE server.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/base/status.h"
#include "proto/channel/unique_fd.h"

namespace threefs::keeper {

using control::UniqueFd;

/// What to mount where. Strings are foreign: checked before they come here.
struct MountPlan {
  std::string source;  ///< hf3fs.<cluster_id>
  std::string path;    ///< an existing directory
  bool read_only = false;
  bool kernel_permissions =
      true;            ///< the kernel checks mode bits too; false where the server alone decides
  uint32_t loops = 1;  ///< descriptors wanted: the original and loops - 1 clones
};

/// What a mount leaves behind. The keeper keeps all of it until the mount is gone: a clone whose
/// last holder goes takes the requests read through it with it.
struct MountFds {
  UniqueFd fuse;                 ///< the /dev/fuse that was mounted
  std::vector<UniqueFd> clones;  ///< FUSE_DEV_IOC_CLONE of it
  UniqueFd state;                ///< memfd, proto/mounter/state.proto
};

/// A child process. `pidfd` becomes readable when it is gone.
struct Child {
  pid_t pid = 0;
  uint64_t start_time =
      0;  ///< /proc/<pid>/stat field 22: tells this process from a later one of the same pid
  UniqueFd pidfd;
};

struct SpawnPlan {
  std::string program;
  std::vector<std::string> arguments;  ///< without argv[0]; never a secret
  UniqueFd control;                    ///< becomes descriptor 3
  uint32_t uid = 0;                    ///< run as this uid and gid when not the keeper's own
  uint32_t gid = 0;
};

class Host {
 public:
  virtual ~Host() = default;

  /// Shuts the directory under the mount (mode 000, immutable where the file system can) and
  /// returns its old mode.
  virtual Result<uint32_t> Guard(const std::string& path) = 0;
  /// Gives the directory its old mode back. REQUIRES: nothing is mounted on it.
  virtual Status Unguard(const std::string& path, uint32_t mode) = 0;
  /// Opens /dev/fuse, mounts it, makes the clones and the state memfd.
  virtual Result<MountFds> Mount(const MountPlan& plan) = 0;
  /// True when any file system is mounted exactly at `path` (from /proc/self/mountinfo: never
  /// touches the mount).
  virtual bool IsMounted(const std::string& path) = 0;
  /// False when the kernel has ended the connection (unmounted or aborted from outside).
  virtual bool Connected(const MountFds& fds) = 0;
  /// Starts a child that unmounts `path` (lazily when busy): the unmount may wait for the FUSE
  /// server, the keeper must not.
  virtual Result<Child> StartUnmount(const std::string& path) = 0;
  /// Starts a mounter: own session, no capabilities, no new privileges, no core dump, descriptors
  /// 0–3 only.
  virtual Result<Child> Spawn(SpawnPlan plan) = 0;
  virtual void Kill(const Child& child, int signal) = 0;
  /// Collects a child that is gone and says how it went: "exit code 1", "signal 9 (Killed)". Empty
  /// while it lives.
  virtual std::string Reap(const Child& child) = 0;
  /// Finds a mounter an earlier keeper started and takes copies of its descriptors. kQueueEmpty
  /// when it is gone.
  virtual Result<std::pair<Child, MountFds>> Adopt(pid_t pid, uint64_t start_time) = 0;
};

std::unique_ptr<Host> MakeLinuxHost();

}  // namespace threefs::keeper

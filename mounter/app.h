// SPDX-License-Identifier: Apache-2.0
// App: wires the rooms into one mounter process. Called by main only; blocks until the mount ends.
#pragma once

#include <string>

#include "mounter/config/mount_config.h"

namespace threefs::mounter_app {

/// Opens /dev/fuse, mounts on config.mountpoint, serves until SIGTERM or unmount. The process's
/// exit code.
int RunAlone(config::MountConfig config);
/// Serves the mount whose descriptors the keeper on `control_fd` hands over.
int RunUnderKeeper(int control_fd, LogLevel level);

}  // namespace threefs::mounter_app

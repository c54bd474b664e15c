// SPDX-License-Identifier: Apache-2.0
// libfuse as this room sees it: the one include of its header, our table of operations, and the
// check that a request is as long as its kind needs (libfuse trusts the kernel; a fuzzer is no
// kernel).
#pragma once

#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>

#include "client/base/bytes.h"

namespace threefs::fuse {

class DevQueue;

/// A session with our operations; `queue` is its userdata.
fuse_session* NewSession(DevQueue* queue);

/// True when all that libfuse will read of this request lies inside it, strings ended.
bool RequestIsWhole(ByteSpan request);

// The operations by theme (ops_*.cc).
void AddNameOps(fuse_lowlevel_ops* ops);
void AddFileOps(fuse_lowlevel_ops* ops);

}  // namespace threefs::fuse

// SPDX-License-Identifier: Apache-2.0
// Volume: one 3FS volume as a FileSystem: the cluster's client below, inode table and identity
// beside it. Rooted at a directory of the tree: node 1 is that directory, nothing above it can be
// named. Made and closed from the main thread; works on the loops in between. Writes are through: a
// write is answered once storage has it. The meta server hears of lengths at close, fsync and when
// the last handle goes; until then this mount shows its own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/base/status.h"
#include "client/base/uuid.h"
#include "client/net/transport.h"
#include "client/runtime/loop.h"
#include "mounter/config/mount_config.h"
#include "mounter/fs/file_system.h"
#include "mounter/fs/kernel_cache.h"

namespace threefs::fs {

/// Where it is kept which files the meta server has yet to hear about (handover::State, behind a
/// seam).
class DirtyLog {
 public:
  virtual ~DirtyLog() = default;
  /// False when there is no room: the caller tells the meta server at once.
  virtual bool Mark(uint64_t inode) = 0;
  virtual void Clear(uint64_t inode) = 0;
};

struct VolumeOptions {
  config::MountConfig config;
  std::vector<Loop*> loops;
  net::Network* network = nullptr;
  BlockingPool* blocking = nullptr;
  /// The same for every mounter of this mount: client id and request ids come from it.
  Uuid mount_id;
  int64_t client_start = 0;
  DirtyLog* dirty = nullptr;
  /// Files a predecessor wrote without telling the meta server; told before Open returns.
  std::vector<uint64_t> left_dirty;
};

class Volume {
 public:
  /// Main thread. Connects, checks token and cluster, finds the root. Errors carry one sentence for
  /// a person.
  static Result<std::unique_ptr<Volume>> Open(VolumeOptions options);
  virtual ~Volume() = default;  ///< after Close

  virtual FileSystem sides() = 0;
  /// Before the first request; `cache` outlives the volume's work.
  virtual void SetKernelCache(KernelCache* cache) = 0;
  /// Main thread, when no request runs any more: tells the meta server what it does not know and
  /// disconnects.
  virtual void Close() = 0;
};

}  // namespace threefs::fs

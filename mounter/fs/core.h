// SPDX-License-Identifier: Apache-2.0
// Core: what the four sides of a volume share. One a volume; any loop. Turns node ids into inode
// ids and back, answers of the meta server into what the kernel is told, callers into users, FUSE
// request numbers into idempotency ids.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "client/base/rng.h"
#include "client/base/status.h"
#include "client/base/uuid.h"
#include "client/file/cluster.h"
#include "client/meta/meta_ops.h"
#include "client/mgmtd/op_context.h"
#include "client/runtime/task.h"
#include "mounter/cache/inode_table.h"
#include "mounter/fs/file_system.h"
#include "mounter/fs/identity.h"
#include "mounter/fs/kernel_cache.h"
#include "mounter/fs/volume.h"

namespace threefs::fs {

/// What is one loop's own.
struct LoopSide {
  Loop* loop = nullptr;
  file::Session* session = nullptr;
  std::unique_ptr<Identity> identity;
  Rng rng{0};
};

struct Core {
  VolumeOptions options;
  std::unique_ptr<file::Cluster> cluster;
  std::vector<LoopSide> loops;
  cache::InodeTable table;
  KernelCache* kernel = nullptr;
  uint64_t root_inode = 0;
  std::atomic<bool> closing{false};
  std::atomic<uint32_t> telling{0};  // TellDirectory under way

  LoopSide& side(const Op& op) { return loops[op.loop]; }
  meta::MetaClient& meta(const Op& op) { return side(op).session->meta(); }
  file::FileIo& io(const Op& op) { return side(op).session->io(); }
  [[nodiscard]] bool strict() const {
    return options.config.consistency == config::Consistency::kStrict;
  }

  OpContext ContextOf(const Op& op);
  [[nodiscard]] uint64_t InodeOf(NodeId node) const;
  [[nodiscard]] NodeId NodeOf(uint64_t inode) const;
  /// The idempotency id of the `part`-th step of this request: the same when the request is resent.
  [[nodiscard]] Uuid RequestId(const Op& op, uint32_t part = 0) const;
  /// The write session behind an open file.
  [[nodiscard]] Uuid SessionOf(uint64_t fh) const;
  uint64_t NewHandle(const Op& op, int32_t flags);

  [[nodiscard]] Attr AttrOf(const cache::View& view) const;
  /// A server's answer on its way to the kernel.
  Entry EntryOf(const Op& op, const schema::meta::Inode& inode);
  AttrReply AttrReplyOf(const Op& op, const schema::meta::Inode& inode);

  /// The node with a view of it, asking the server when there is none.
  Task<Result<cache::NodeRef>> Load(Op op, NodeId node);
  /// The open file behind a handle, made again after a restart.
  struct OpenFile {
    cache::NodeRef node;
    file::FileRef file;
  };
  Task<Result<OpenFile>> LoadFile(Op op, NodeId node);
  /// Tells the meta server length and mtime of our writes, when it has not heard.
  Task<Status> SyncFile(Op op, OpenFile file, bool exact = false);
  /// Own change of a directory's entries: its times move now here, soon on the server (which does
  /// not do it itself).
  void TouchDirectory(const Op& op, NodeId node);
  /// Clears set-id bits the kernel asked us to clear. Best effort: a caller that may write need not
  /// own the file.
  Task<void> KillSuidGid(Op op, cache::NodeRef node);
  Status CheckWritable() const;

  static constexpr uint64_t kHandleAccess = 3;  // O_ACCMODE bits of a handle
  static bool Writable(uint64_t fh) { return (fh & kHandleAccess) != 0; }

 private:
  Task<void> TellDirectory(Op op, uint64_t inode);
};

}  // namespace threefs::fs

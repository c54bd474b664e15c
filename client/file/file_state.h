// SPDX-License-Identifier: Apache-2.0
// FileState: what this process knows about one file, shared by all its open handles and all loops.
// Any thread; the mutex is held for a few instructions and never across a suspension. It answers
// three questions: how long is the file as we see it (server's length, or further where we wrote),
// which length hint may a sync carry (3fs/meta.md §9.4), and how many chains may hold chunks
// (dynamic stripe, §9.5).
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "client/base/status.h"
#include "client/layout/layout.h"
#include "client/mgmtd/routing_table.h"
#include "client/schema/meta_rpc.h"

namespace threefs::file {

class FileState {
 public:
  /// kMetaNotFile when the inode is not a file, kMetaInvalidFileLayout when its layout makes no
  /// sense.
  static Result<std::shared_ptr<FileState>> FromInode(const schema::meta::Inode& inode);

  /// What never changes.
  struct Shape {
    uint64_t inode_id = 0;
    uint32_t chunk_size = 0;
    uint32_t stripe_size = 0;
  };
  [[nodiscard]] const Shape& shape() const { return shape_; }

  /// A view from a meta server (stat, open, sync, close, setAttr …); older ones than known are
  /// ignored. `truncated_by_us`: our own truncation just ended, earlier writes no longer count for
  /// the length.
  void OnInode(const schema::meta::Inode& inode, bool truncated_by_us = false);
  /// The length readers of this process see.
  [[nodiscard]] uint64_t length() const;
  [[nodiscard]] uint32_t dyn_stripe() const;

  /// Chain of a chunk. kMgmtdClientRoutingInfoNotReady: `routing` is too old for the layout's
  /// table.
  [[nodiscard]] Result<uint32_t> ChainOf(const mgmtd::RoutingTable& routing, uint32_t chunk) const;
  /// Every chain that may hold chunks (limited by the dynamic stripe), each once.
  [[nodiscard]] Result<std::vector<uint32_t>> Chains(const mgmtd::RoutingTable& routing) const;

  /// Around a write: Begin gives the truncate version it is seen under; End says up to where it got
  /// (0: nothing) and whether that is all of it. After a part failed only storage knows the length,
  /// and hints stop until an exact sync.
  uint64_t BeginWrite();
  void EndWrite(uint64_t truncate_version, uint64_t end, bool whole);
  /// Writes since the last exact sync.
  [[nodiscard]] bool dirty() const;

  struct SyncPoint {
    uint64_t writes = 0;                                ///< how many writes this sync covers
    std::optional<schema::meta::VersionedLength> hint;  ///< none: the server must ask storage
  };
  /// What a sync starting now may say; pass it back with the answer. nullopt hint after a failed
  /// write.
  [[nodiscard]] SyncPoint BeginSync() const;
  void EndSync(const SyncPoint& point,
               const schema::meta::Inode* inode);  ///< null: the sync failed

 private:
  FileState() = default;

  // Constant after construction.
  Shape shape_;
  layout::StripeMap stripe_;

  mutable std::mutex mutex_;
  uint64_t length_ = 0;            // the server's
  uint64_t truncate_version_ = 0;  // the server's
  uint64_t written_end_ = 0;       // highest end of our writes the server has not confirmed
  uint32_t dyn_stripe_ = 0;
  uint64_t writes_ = 0;  // finished or failed writes, ever
  uint64_t synced_ = 0;  // of those, covered by an exact sync
  uint32_t active_writes_ = 0;
  bool hint_unknown_ = false;
};

}  // namespace threefs::file

// SPDX-License-Identifier: Apache-2.0
// InodeTable: what this mount knows about inodes beyond what the meta server would say now: lengths
// of own writes not yet told (file::FileState), times finer than the server keeps them, what the
// kernel was told last. Shared by all loops, 64 shards; a shard's and a node's mutex are held for a
// few instructions, never across a suspension. Nothing in it is needed for correctness after a
// crash: every entry can be made again from a stat. Lock order: a shard's mutex, then a node's.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "client/base/clock.h"
#include "client/base/status.h"
#include "client/file/file_io.h"
#include "client/schema/meta.h"
#include "mounter/cache/time_overlay.h"

namespace threefs::cache {

/// Attributes as this mount shows them.
struct View {
  uint64_t id = 0;
  schema::meta::InodeType type = schema::meta::InodeType::kFile;
  uint64_t size = 0;
  int64_t atime = 0, mtime = 0, ctime = 0;
  uint32_t perm = 0, uid = 0, gid = 0, iflags = 0, nlink = 1, chunk_size = 0;
};

class Node {
 public:
  explicit Node(uint64_t id) : id_(id) {}
  [[nodiscard]] uint64_t id() const { return id_; }

  /// A meta server's answer: remembers it, returns what to show. `told`: it goes to the kernel now.
  View OnInode(const schema::meta::Inode& inode, TimePoint now, bool told);
  /// The last view and when it came; nullopt when none did yet.
  [[nodiscard]] std::optional<View> last(TimePoint* when = nullptr);
  /// The shared state of an open file; kMetaNotFile for others. Made at the first call after a view
  /// of it.
  Result<file::FileRef> File(const schema::meta::Inode& inode);
  /// The one made before, or null.
  [[nodiscard]] file::FileRef file();

  // --- own changes
  enum Times : unsigned { kAtime = 1, kMtime = 2, kCtime = 4 };
  void TouchNow(unsigned which, int64_t now_us);
  void SetTime(unsigned which, int64_t us);
  /// A write is on storage: times move, the meta server has yet to hear. True for the first since
  /// the last sync.
  bool OnWrite(int64_t now_us);
  struct Unsynced {
    uint64_t writes = 0;  ///< 0: nothing to tell
    int64_t mtime_us = 0;
  };
  [[nodiscard]] Unsynced unsynced();
  /// The meta server heard of `done`. True when nothing came after it.
  bool OnSynced(const Unsynced& done);

  // --- a directory's times on their way to the server: one telling under way for many changes
  /// True: the caller must tell.
  bool ScheduleTell() { return !telling_.exchange(true); }
  void StartTell() { telling_ = false; }

  // --- the kernel's caches
  /// At open: may the kernel keep its pages? True when nobody else changed the file since it began
  /// to fill them. `attributes_stale`: the kernel was told other attributes than these.
  bool OnOpen(int64_t wall_us, bool* attributes_stale);
  void OpenWriter() { ++writers_; }
  void CloseWriter() {
    // A handle opened through a predecessor was never counted here.
    if (writers_.fetch_sub(1) <= 0) ++writers_;
  }
  /// May be forgotten without loss.
  [[nodiscard]] bool idle();

 private:
  View Show();

  const uint64_t id_;
  std::mutex mutex_;
  std::atomic<int> writers_{0};
  std::atomic<bool> telling_{false};
  file::FileRef file_;
  bool seen_ = false;
  TimePoint seen_at_;
  View server_;  // as the server said, lengths and times uncorrected
  TimeOverlay atime_, mtime_, ctime_;
  int64_t last_write_us_ = 0;
  uint64_t writes_ = 0;
  uint64_t synced_ = 0;
  uint64_t told_size_ = 0;
  int64_t told_mtime_ = -1;
  // What the kernel's pages were read under.
  bool pages_ = false;
  uint64_t pages_size_ = 0;
  int64_t pages_mtime_ = 0;
  uint64_t pages_writes_ = 0;
};
using NodeRef = std::shared_ptr<Node>;

class InodeTable {
 public:
  /// The node of `id`, made when it is not there.
  NodeRef Get(uint64_t id);
  NodeRef Find(uint64_t id);
  /// The kernel dropped it: goes unless somebody uses it or it holds what the server has not heard.
  void Forget(uint64_t id);
  [[nodiscard]] size_t size();

 private:
  static constexpr size_t kShards = 64;
  struct Shard {
    std::mutex mutex;
    std::unordered_map<uint64_t, NodeRef> nodes;
  };
  Shard& ShardOf(uint64_t id) { return shards_[(id ^ (id >> 12)) % kShards]; }
  std::array<Shard, kShards> shards_;
};

}  // namespace threefs::cache

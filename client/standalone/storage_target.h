// SPDX-License-Identifier: Apache-2.0
// StorageTarget: one replica on this node: its chunks, its place in the chain, who is working on
// it. Loop-confined. A target's generation goes up each time it stops being a trustworthy replica
// (its chain went on without it): updates that began before must not be committed any more.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "client/base/status.h"
#include "client/base/uuid.h"
#include "client/runtime/sync.h"
#include "client/runtime/task.h"
#include "client/schema/mgmtd.h"
#include "client/schema/storage.h"
#include "client/standalone/chunk_store.h"
#include "client/standalone/storage_channels.h"

namespace threefs::standalone {

/// What the routing information says about a target's chain; a snapshot.
struct ChainView {
  uint32_t chain_version = 0;
  schema::mgmtd::PublicTargetState state = schema::mgmtd::PublicTargetState::kInvalid;
  bool is_head = false;
  struct Next {
    schema::storage::Successor info;
    net::Address address;
    bool syncing = false;
  };
  std::optional<Next> successor;  ///< whom updates are passed on to; none at the tail
};

class StorageTarget {
 public:
  /// `fresh`: the target was made together with its chain, so an empty store is the right one.
  StorageTarget(TargetRecord record, std::unique_ptr<ChunkStore> store, Uuid node_uuid, bool fresh);

  [[nodiscard]] const TargetRecord& record() const { return record_; }
  TargetRecord& record() { return record_; }
  [[nodiscard]] ChunkStore& store() { return *store_; }
  UpdateChannels& channels() { return channels_; }
  [[nodiscard]] const std::shared_ptr<const ChainView>& view() const { return view_; }
  [[nodiscard]] uint64_t generation() const { return generation_; }
  [[nodiscard]] schema::mgmtd::LocalTargetState local_state() const { return local_; }
  /// For heartbeats.
  [[nodiscard]] schema::mgmtd::LocalTargetInfo Report() const;

  /// Takes over what `routing` says. True when the view changed.
  bool ApplyRouting(const schema::mgmtd::RoutingInfo& routing);
  /// The predecessor has sent everything (syncDone).
  void SyncDone() { local_ = schema::mgmtd::LocalTargetState::kUptodate; }
  /// The target cannot go on: reported OFFLINE until the process restarts.
  void Fail(const char* why);

  /// Held by an update from before it looks at the chunk until it is committed or dropped.
  class ChunkLock {
   public:
    ChunkLock() = default;
    ChunkLock(StorageTarget* target, std::string id, AsyncMutex::Guard guard)
        : target_(target), id_(std::move(id)), guard_(std::move(guard)) {}
    ChunkLock(ChunkLock&& o) noexcept
        : target_(std::exchange(o.target_, nullptr)),
          id_(std::move(o.id_)),
          guard_(std::move(o.guard_)) {}
    ChunkLock& operator=(ChunkLock&&) = delete;
    ~ChunkLock() { Release(); }

   private:
    void Release();
    StorageTarget* target_ = nullptr;
    std::string id_;
    AsyncMutex::Guard guard_;
  };
  Task<ChunkLock> LockChunk(std::string id);

  /// Names an update under way, for DrainUpdates.
  class Ticket {
   public:
    explicit Ticket(StorageTarget* target) : target_(target), number_(++target->last_ticket_) {
      target->tickets_.insert(number_);
    }
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;
    ~Ticket() {
      target_->tickets_.erase(number_);
      target_->ticket_done_.Set();
    }

   private:
    StorageTarget* target_;
    uint64_t number_;
  };
  /// Waits for the updates that are under way now.
  Task<void> DrainUpdates();

  /// Cancelled when the view changes: for calls made to the view's successor.
  [[nodiscard]] std::shared_ptr<CancelSource> view_cancel() const { return view_cancel_; }

  /// A tag for an update of our own (resync, removals without a channel): exactly-once at the
  /// successor like a client's.
  schema::storage::MessageTag BorrowTag();
  void ReturnTag(const schema::storage::MessageTag& tag) {
    if (tag.channel.id != 0) free_channels_.push_back(tag.channel.id);
  }

 private:
  struct LockEntry {
    AsyncMutex mutex;
    size_t users = 0;
  };
  void Demote();

  TargetRecord record_;
  std::unique_ptr<ChunkStore> store_;
  UpdateChannels channels_;
  const Uuid uuid_;
  bool returning_;  ///< until the chain has taken us out: what we have may be behind
  bool failed_ = false;
  schema::mgmtd::LocalTargetState local_;
  std::shared_ptr<const ChainView> view_ = std::make_shared<ChainView>();
  std::shared_ptr<CancelSource> view_cancel_ = std::make_shared<CancelSource>();
  uint64_t generation_ = 1;
  std::map<std::string, std::unique_ptr<LockEntry>> locks_;
  uint64_t last_ticket_ = 0;
  std::set<uint64_t> tickets_;
  Event ticket_done_;
  std::vector<uint16_t> free_channels_;
  uint16_t next_channel_ = 1;
  uint64_t seqnum_ = 0;
};
using TargetPtr = std::shared_ptr<StorageTarget>;

/// The first endpoint of `node` that serves `service`; nullopt when there is none.
std::optional<net::Address> EndpointOf(const schema::mgmtd::NodeInfo& node,
                                       const std::string& service);

}  // namespace threefs::standalone

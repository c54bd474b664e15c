// SPDX-License-Identifier: Apache-2.0
// ChannelPool: update channels of one loop (3fs/storage.md §4). A server remembers one result per
// (client, chain, channel); so a channel has one update under way at a time, which keeps its
// sequence number over repeats, and sequence numbers of a channel only grow. Loops own disjoint
// ranges of channel ids, so each counts for itself. One loop only.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "client/runtime/sync.h"
#include "client/runtime/task.h"
#include "client/schema/storage_rpc.h"
#include "client/storage/gate.h"

namespace threefs::storage {

class ChannelPool {
 public:
  ChannelPool(uint16_t first, uint16_t count, uint64_t first_sequence);

  class Lease {
   public:
    Lease() = default;
    Lease(ChannelPool* pool, uint16_t id, Gate::Permit permit)
        : pool_(pool), id_(id), permit_(std::move(permit)) {}
    Lease(Lease&& o) noexcept
        : pool_(std::exchange(o.pool_, nullptr)), id_(o.id_), permit_(std::move(o.permit_)) {}
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (pool_ != nullptr) pool_->free_.push_back(id_);
    }
    [[nodiscard]] bool owns() const { return pool_ != nullptr; }
    /// The channel with the next `slots` sequence numbers, of which it names the first.
    schema::storage::UpdateChannel Next(uint64_t slots) { return pool_->Next(id_, slots); }

   private:
    ChannelPool* pool_ = nullptr;
    uint16_t id_ = 0;
    Gate::Permit permit_;
  };

  /// A lease that does not own: the deadline or cancellation came before a channel was free.
  Task<Lease> Take(CallContext ctx);
  /// A server remembers a higher number than ours (a former process with this client id): jump well
  /// past it.
  void JumpAhead() { sequence_ += kJump; }

 private:
  static constexpr uint64_t kJump = 1ULL << 40;
  schema::storage::UpdateChannel Next(uint16_t id, uint64_t slots);

  Gate gate_;
  std::vector<uint16_t>
      free_;  // a stack: the last one returned is the first one used, as 3FS's client does
  uint64_t sequence_;
};

}  // namespace threefs::storage

// SPDX-License-Identifier: Apache-2.0
// What the read and the update path of one StorageClient share. One loop only; not for other rooms.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "client/base/rng.h"
#include "client/mgmtd/mgmtd_client.h"
#include "client/rpc/client.h"
#include "client/runtime/loop.h"
#include "client/schema/storage_rpc.h"
#include "client/storage/channels.h"
#include "client/storage/gate.h"
#include "client/storage/storage_client.h"
#include "client/storage/target_picker.h"

namespace threefs::storage {

struct Core {
  Core(Loop& l, rpc::Client& r, mgmtd::MgmtdClient& m, StorageOptions o);

  Loop& loop;
  rpc::Client& rpc;
  mgmtd::MgmtdClient& mgmtd;
  const StorageOptions options;
  StorageStats stats;
  Rng rng;
  TargetPicker picker;
  ChannelPool channels;

  uint64_t NextRequestId() { return next_request_id_++; }
  schema::storage::MessageTag Tag(uint64_t request_id,
                                  schema::storage::UpdateChannel channel = {}) const;
  /// The caller's deadline, or io_timeout from now when it set none.
  [[nodiscard]] CallContext Bounded(const CallContext& ctx) const;
  /// Room for one request at the node, and in all; hold it while the request is under way.
  struct Admission {
    Gate::Permit node;
    Gate::Permit all;
    [[nodiscard]] bool owns() const { return node.owns() && all.owns(); }
  };
  Task<Admission> Admit(uint32_t node_id, CallContext ctx);
  /// Waits before another try. `stale` ≠ 0: returns early when routing newer than that version
  /// came. False: no time is left or the operation was cancelled.
  Task<bool> WaitToRetry(CallContext ctx, Duration backoff, uint64_t stale);
  /// The error an operation ends with when WaitToRetry said no.
  Status GiveUp(const CallContext& ctx, TimePoint started, const Status& last) const;
  [[nodiscard]] Duration TryTimeout(uint32_t round) const;

 private:
  Gate all_;
  std::unordered_map<uint32_t, std::unique_ptr<Gate>> nodes_;
  uint64_t next_request_id_;
};

/// "chunk 12 of inode 0x100000000001234 on chain 100001"
std::string Describe(uint32_t chain_id, ChunkKey chunk);
/// 16 bytes (3fs/meta.md §4.2).
schema::storage::ChunkId WireChunkId(ChunkKey chunk);
/// [first, end) of the file; end 0: everything from first on.
schema::storage::ChunkIdRange WireRange(const ChunkRange& range, uint32_t max);

}  // namespace threefs::storage

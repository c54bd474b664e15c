// SPDX-License-Identifier: Apache-2.0
// UpdatePath: what goes to a chain's head: writes, truncations, removals, and the query for the
// last chunk (3fs/storage.md §4, §6, §7). One loop only; not for other rooms.
#pragma once

#include <cstdint>
#include <vector>

#include "client/runtime/task.h"
#include "client/storage/core.h"

namespace threefs::storage {

class UpdatePath {
 public:
  explicit UpdatePath(Core& core) : core_(core) {}

  Task<std::vector<Status>> Write(OpContext op, std::vector<WriteOp> ops);
  Task<Result<uint32_t>> Truncate(OpContext op, TruncateOp what);
  Task<Result<RemoveOutcome>> Remove(OpContext op, ChunkRange range, uint32_t max);
  Task<Result<LastChunk>> QueryLastChunk(OpContext op, ChunkRange range);

 private:
  struct Attempt {
    schema::storage::VersionedChainId chain;
    uint32_t round = 0;
  };
  /// Sends M to the head until it is answered for good. make(Attempt) → M::Req; check(M::Rsp) →
  /// Status.
  template <class M, class Make, class Check>
  Task<Status> AtHead(CallContext ctx, uint32_t chain_id, Make make, Check check);
  Task<void> WritePiece(const OpContext* op, CallContext ctx, WriteOp piece, Status* status);

  Core& core_;
};

}  // namespace threefs::storage

// SPDX-License-Identifier: Apache-2.0
// StorageClient: chunk operations from one loop (3fs/storage.md). Takes chain ids and chunk
// positions; knows replicas, batches, exactly-once channels, checksums and repeats. One per loop,
// on that loop. Every call ends by its deadline, with the last cause in the error. Within it: reads
// go to any serving replica (fewest bytes under way, then lowest latency, then luck) and move to
// another after a failure; updates go to the head and keep request id, channel and sequence number
// over repeats, so each is applied once. A routing that no longer fits (7014, 7004, 7005) is
// refreshed before the next try. Data read is a slice of the received frame; data written is
// spliced into the outgoing frame: neither is copied.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "client/base/bytes.h"
#include "client/base/rng.h"
#include "client/base/status.h"
#include "client/mgmtd/mgmtd_client.h"
#include "client/mgmtd/op_context.h"
#include "client/rpc/client.h"
#include "client/runtime/loop.h"
#include "client/runtime/task.h"
#include "client/schema/storage_rpc.h"
#include "client/storage/storage_stats.h"

namespace threefs::storage {

/// The `index`-th chunk of a file (3fs/meta.md §4.2).
struct ChunkKey {
  uint64_t inode = 0;
  uint32_t index = 0;
};

struct ReadOp {
  uint32_t chain_id = 0;
  ChunkKey chunk;
  uint32_t offset = 0;  ///< inside the chunk
  uint32_t length = 0;  ///< any; cut into inline pieces here
};
struct ReadOutcome {
  Status status;  ///< OK also for a missing chunk and past its end: then the data is short or empty
  std::vector<Bytes> pieces;  ///< in order, from `offset`; together ≤ length
  uint32_t length = 0;        ///< sum of the pieces
  bool exists = true;         ///< false: the chunk is not there (a hole)
};

struct WriteOp {
  uint32_t chain_id = 0;
  ChunkKey chunk;
  uint32_t chunk_size = 0;  ///< the layout's
  uint32_t offset = 0;      ///< offset + data.size() ≤ chunk_size, else kStorageClientInvalidArg
  Bytes data;
};

struct TruncateOp {
  uint32_t chain_id = 0;
  ChunkKey chunk;
  uint32_t chunk_size = 0;
  uint32_t length = 0;       ///< 0 … chunk_size; shorter, longer (zeros) or created
  bool only_extend = false;  ///< never shortens
};

/// All chunks of the file on that chain with first ≤ index < end.
struct ChunkRange {
  uint32_t chain_id = 0;
  uint64_t inode = 0;
  uint32_t first = 0;
  uint32_t end = 0;  ///< 0: no upper bound
};
struct RemoveOutcome {
  uint32_t removed = 0;
  bool more = false;
};
struct LastChunk {
  bool found = false;
  uint32_t index = 0;
  uint32_t length = 0;
};

struct StorageOptions {
  uint64_t seed = 0;  ///< of every random choice; 0: the kernel's
  schema::ClientId client;
  Duration io_timeout = 60s;   ///< when the caller set no deadline
  Duration rpc_timeout = 10s;  ///< first try; doubles to max_rpc_timeout (3fs/storage.md §3.4)
  Duration max_rpc_timeout = 30s;
  Duration first_backoff = 20ms;  ///< shorter than 3FS's 5–10 s
  Duration max_backoff = 1s;
  uint32_t max_batch_ops = 128;
  uint32_t max_batch_bytes = 4U << 20;
  uint32_t max_inline_piece =
      1U << 20;  ///< stock servers handle larger inline data badly (3fs/storage.md §8)
  uint32_t max_requests = 64;  ///< under way from this loop
  uint32_t max_requests_per_node = 16;
  bool verify_checksums = true;
  /// This loop's channel ids: [first_channel, first_channel + channels). Ranges of loops do not
  /// overlap.
  uint16_t first_channel = 1;
  uint16_t channels = 4096;
  /// Sequence numbers and request ids start here; never lower than before for one client uuid.
  uint64_t first_sequence = 1;
};

class StorageClient {
 public:
  static std::unique_ptr<StorageClient> Create(Loop& loop, rpc::Client& rpc,
                                               mgmtd::MgmtdClient& mgmtd, StorageOptions options);
  virtual ~StorageClient() = default;  ///< after the last call ended

  /// outcomes[i] belongs to ops[i]. One bad op does not harm the others.
  virtual Task<std::vector<ReadOutcome>> Read(OpContext op, std::vector<ReadOp> ops) = 0;
  /// statuses[i] belongs to ops[i]; run in parallel. OK: applied on every serving replica.
  virtual Task<std::vector<Status>> Write(OpContext op, std::vector<WriteOp> ops) = 0;
  /// The chunk's length afterwards.
  virtual Task<Result<uint32_t>> Truncate(OpContext op, TruncateOp what) = 0;
  /// Removes up to `max` chunks, highest first.
  virtual Task<Result<RemoveOutcome>> Remove(OpContext op, ChunkRange range, uint32_t max) = 0;
  virtual Task<Result<LastChunk>> QueryLastChunk(OpContext op, ChunkRange range) = 0;
  virtual Task<Result<schema::storage::SpaceInfoRsp>> SpaceInfo(OpContext op, uint32_t node_id) = 0;
  [[nodiscard]] virtual const StorageStats& stats() const = 0;
};

}  // namespace threefs::storage

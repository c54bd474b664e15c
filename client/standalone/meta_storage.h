// SPDX-License-Identifier: Apache-2.0
// What the meta service asks of storage: a file's length, the removal of a file's chunks, the space
// left. The implementation over RPC is a client of storage like any other: it finds heads of chains
// in the routing information and retries elsewhere or later when that changes (3fs/meta.md §9.2,
// 3fs/storage.md §7). All on one loop.
#pragma once

#include <cstdint>
#include <memory>

#include "client/base/rng.h"
#include "client/base/status.h"
#include "client/rpc/client.h"
#include "client/runtime/loop.h"
#include "client/runtime/sync.h"
#include "client/runtime/task.h"
#include "client/schema/meta.h"
#include "client/standalone/meta_context.h"
#include "client/standalone/meta_options.h"

namespace threefs::standalone {

struct Space {
  uint64_t capacity = 0;
  uint64_t free = 0;
};

class LengthSource {
 public:
  virtual ~LengthSource() = default;
  /// Where the last chunk of `inode`, a file, ends; 0 without chunks. kMetaBusy when a chunk lies
  /// beyond a limited stripe: ask again. Other errors: storage's, after retrying until
  /// ctx.deadline.
  virtual Task<Result<uint64_t>> QueryLength(schema::meta::Inode inode, CallContext ctx) = 0;
};

class ChunkRemover {
 public:
  virtual ~ChunkRemover() = default;
  /// Removes all chunks of `inode`, a file. An error leaves some; calling again goes on.
  virtual Task<Status> RemoveChunks(schema::meta::Inode inode, CallContext ctx) = 0;
};

class SpaceSource {
 public:
  virtual ~SpaceSource() = default;
  /// Sum over the disks of all connected storage nodes.
  virtual Task<Result<Space>> QuerySpace(CallContext ctx) = 0;
};

class MetaStorage : public LengthSource, public ChunkRemover, public SpaceSource {};

/// Over RPC. `loop`, `client` outlive it and all its calls.
std::unique_ptr<MetaStorage> MakeRpcMetaStorage(Loop& loop, rpc::Client& client,
                                                RoutingSource routing, const MetaOptions& options,
                                                Rng rng);

}  // namespace threefs::standalone

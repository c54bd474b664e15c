// SPDX-License-Identifier: Apache-2.0
// ChunkStore: the chunks of one target. The index (committed images) lives in memory on one loop;
// data and records are on a ChunkDevice, reached through the BlockingPool. All methods are called
// on the owning loop. An update is two steps, so that a chain can put replication between them:
// Prepare builds the next image and writes its data beside the old (nothing visible changes);
// Commit makes it the chunk's content, atomically and durably as the sync mode says. A prepared
// image that is dropped costs nothing. One prepared image a chunk at a time is the caller's duty
// (the target's chunk lock).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "client/base/bytes.h"
#include "client/base/status.h"
#include "client/runtime/loop.h"
#include "client/runtime/sync.h"
#include "client/runtime/task.h"
#include "client/standalone/chunk_device.h"
#include "client/standalone/chunk_image.h"
#include "client/standalone/chunk_space.h"

namespace threefs::standalone {

/// What makes the next image of a chunk.
struct ChunkChange {
  enum class Kind : uint8_t {
    kWrite,     ///< data at offset; a gap before it becomes zeros
    kTruncate,  ///< exactly `length` bytes, cut or zero-extended
    kExtend,    ///< at least `length` bytes
    kReplace,   ///< data is the whole content (resync)
  };
  enum class Verify : uint8_t { kNone, kCrc32c, kCrc32 };

  Kind kind = Kind::kWrite;
  std::string id;
  uint32_t offset = 0;
  uint32_t length = 0;
  Bytes data;
  uint32_t chunk_size = 0;
  uint32_t version = 0;
  uint32_t chain_version = 0;
  Verify verify = Verify::kNone;  ///< which checksum of `data` to check: kStorageChecksumMismatch
  uint32_t checksum = 0;
  bool keep_checksum = true;  ///< false: the chunk has no checksum from now on
  int64_t timestamp = 0;
  Uuid client{};
  uint64_t request_id = 0;
};

struct ChunkStoreOptions {
  SyncMode sync = SyncMode::kOnFsync;
  uint64_t capacity = 0;  ///< bytes of data, 0 = the disk's
};

class ChunkStore {
 public:
  /// Reads all records. A damaged record is reported in the log and dropped: replication brings the
  /// chunk back.
  static Task<Result<std::unique_ptr<ChunkStore>>> Open(BlockingPool& pool,
                                                        std::unique_ptr<ChunkDevice> device,
                                                        ChunkStoreOptions options);

  using Index = std::map<std::string, ChunkPtr, std::less<>>;
  /// Committed chunks, by id. Changes at every await.
  [[nodiscard]] const Index& index() const { return index_; }
  /// The committed image, or null.
  [[nodiscard]] ChunkPtr Find(std::string_view id) const;

  /// `base` is the chunk's committed image or null. Errors: kStorageChecksumMismatch,
  /// kStorageClientNoSpace, kStorageChunkWriteFailed, kStorageChunkReadFailed (a block that must be
  /// copied is damaged).
  Task<Result<ChunkPtr>> Prepare(ChunkPtr base, ChunkChange change);
  Task<Status> Commit(ChunkPtr image);
  /// Removes the chunk; a chunk that is not there is no error.
  Task<Status> Remove(std::string id);

  /// Reads [offset, offset + out.size()) of the image. REQUIRES: inside its length; `out` outlives
  /// the task.
  Task<Status> Read(ChunkPtr image, uint32_t offset, MutableByteSpan out);
  /// The wire's CRC-32C of bytes just read there: block checksums where whole blocks were read, so
  /// that a damaged disk shows as a mismatch.
  static uint32_t RangeChecksum(const ChunkImage& image, uint32_t offset, ByteSpan data);

  /// All commits so far survive loss of power; space freed before is usable again. Concurrent
  /// callers share the work.
  Task<Status> Sync();
  [[nodiscard]] uint64_t used_bytes() const { return space_->used_bytes(); }

 private:
  ChunkStore(BlockingPool& pool, std::unique_ptr<ChunkDevice> device, ChunkStoreOptions options);
  Status Load();
  Task<Status> SyncDevice();

  BlockingPool& pool_;
  const ChunkStoreOptions options_;
  std::shared_ptr<ChunkDevice> device_;
  std::shared_ptr<SpaceMap> space_;
  Index index_;
  uint64_t changes_ = 0;  ///< commits and removals so far
  uint64_t synced_ = 0;   ///< of them, how many survive loss of power
  AsyncMutex syncing_;
};

}  // namespace threefs::standalone

// SPDX-License-Identifier: Apache-2.0
// ChunkDevice: what a target's chunks lie on. A flat space of bytes for data, and a small ordered
// set of records (one a chunk) that changes atomically. ChunkDisk is the disk of a storage node:
// its targets and their devices. Two tenants: files (one sparse data file a target, records of all
// targets in one RocksDB) and memory (simulation; outlives a killed node). All calls block, so they
// run on a BlockingPool; any thread, several at once. A record change survives the death of the
// process when Apply has returned; loss of power is what Sync is for.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "client/base/bytes.h"
#include "client/base/status.h"

namespace threefs::standalone {

/// When acknowledged data is made to survive a loss of power. A killed process never loses any.
enum class SyncMode : uint8_t {
  kAlways,   ///< before a write is acknowledged
  kOnFsync,  ///< when a client syncs or closes a file, and every few seconds
  kNever,    ///< when the kernel feels like it
};
/// "always", "fsync", "never".
Result<SyncMode> ParseSyncMode(std::string_view text);

struct DiskSpace {
  uint64_t capacity = 0;
  uint64_t free = 0;
};

struct RecordChange {
  std::string key;
  std::optional<std::string> value;  ///< nullopt: remove
};

class ChunkDevice {
 public:
  virtual ~ChunkDevice() = default;
  /// Visits all records in key order.
  virtual Status Load(
      const std::function<Status(std::string_view key, std::string_view value)>& visit) = 0;
  /// kStorageClientNoSpace when the disk is full, kStorageChunkWriteFailed otherwise.
  virtual Status Write(uint64_t offset, ByteSpan data) = 0;
  /// Bytes never written are zeros. kStorageChunkReadFailed.
  virtual Status Read(uint64_t offset, MutableByteSpan out) = 0;
  /// Reads without blocking (page cache); false: use Read. May be called on a loop.
  virtual bool TryRead(uint64_t offset, MutableByteSpan out) = 0;
  /// Makes one record change. kStorageChunkMetadataSetError; nothing changed then.
  virtual Status Apply(const RecordChange& change, bool durable) = 0;
  /// Data and records so far survive loss of power.
  virtual Status Sync() = 0;
  /// The range's content is not needed any more: gives the space back.
  virtual void Punch(uint64_t offset, uint64_t length) = 0;
};

/// What a disk remembers about each target on it.
struct TargetRecord {
  uint64_t target_id = 0;
  uint32_t chain_id = 0;
  std::vector<uint64_t> chunk_sizes;
};

class ChunkDisk {
 public:
  virtual ~ChunkDisk() = default;
  virtual Result<std::vector<TargetRecord>> Targets() = 0;
  virtual Status AddTarget(const TargetRecord& record) = 0;
  /// Forgets the target and its chunks. REQUIRES: no device of it is open
  virtual Status RemoveTarget(uint64_t target_id) = 0;
  virtual Result<std::unique_ptr<ChunkDevice>> OpenTarget(uint64_t target_id) = 0;
  virtual Result<DiskSpace> Space() = 0;
  [[nodiscard]] virtual const std::string& path() const = 0;
};

/// A disk in the folder `path` (made when missing).
Result<std::unique_ptr<ChunkDisk>> OpenFileDisk(const std::string& path);

/// What an in-memory disk holds; keep it to restart a node on the same content.
struct MemoryPlatter {
  struct Target {
    TargetRecord record;
    std::shared_mutex mutex;
    std::map<std::string, std::string, std::less<>> records;
    std::map<uint64_t, std::vector<uint8_t>> pages;  // by page number
  };
  std::mutex mutex;
  std::map<uint64_t, std::shared_ptr<Target>> targets;
};
std::unique_ptr<ChunkDisk> OpenMemoryDisk(std::shared_ptr<MemoryPlatter> platter);

}  // namespace threefs::standalone

// SPDX-License-Identifier: Apache-2.0
// MetaDb: the ordered key-value store under the meta service. One writer at a time, any number of
// readers; a transaction sees its own staged changes; Commit makes all of them visible at once. A
// reader works on a snapshot. Two tenants: RocksDB on a path (durable, group commit) and a sorted
// map in memory (tests and simulation: no threads, no files, the same answers for the same calls).
// All calls block: they run on a BlockingPool. Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>

#include "client/base/status.h"

namespace threefs::standalone {

/// What an in-memory store keeps when the MetaDb on it is closed: reopening on the same one is a
/// restart.
struct MemoryDisk {
  std::shared_mutex mutex;
  std::map<std::string, std::string, std::less<>> data;
};

struct MetaDbOptions {
  /// Folder of the RocksDB database, made when missing. Used when `memory` is null.
  std::string path{};
  std::shared_ptr<MemoryDisk> memory{};
  /// WaitDurable waits until the write-ahead log is on disk. False: a power cut may lose the last
  /// operations (a killed process loses nothing either way).
  bool sync = true;
};

/// One transaction; used by one thread. A write transaction holds the writer lock until it is
/// committed or destroyed (destroying it uncommitted drops its changes).
class MetaTxn {
 public:
  using Visitor = std::function<bool(std::string_view key, std::string_view value)>;

  virtual ~MetaTxn() = default;
  /// kKVStoreGetError when the store fails; nullopt when there is no such key.
  virtual Result<std::optional<std::string>> Get(std::string_view key) = 0;
  // REQUIRES (Put, Delete, Commit): begun by BeginWrite
  virtual void Put(std::string_view key, std::string_view value) = 0;
  virtual void Delete(std::string_view key) = 0;
  /// Visits the keys of [begin, end) in byte order until `visit` answers false. `visit` must not
  /// change the transaction.
  virtual Status Scan(std::string_view begin, std::string_view end, const Visitor& visit) = 0;
  /// Something was put or deleted.
  [[nodiscard]] virtual bool dirty() const = 0;
  /// Once, last. Returns a ticket for MetaDb::WaitDurable. kKVStoreSetError: nothing was changed.
  virtual Result<uint64_t> Commit() = 0;
};

class MetaDb {
 public:
  virtual ~MetaDb() = default;
  /// kKVStoreOpenFailed with the system's reason.
  static Result<std::unique_ptr<MetaDb>> Open(const MetaDbOptions& options);

  virtual std::unique_ptr<MetaTxn> BeginRead() = 0;
  virtual std::unique_ptr<MetaTxn> BeginWrite() = 0;
  /// Returns when the commit of `ticket`, and all before it, outlive a power cut. Concurrent
  /// callers share one sync.
  virtual Status WaitDurable(uint64_t ticket) = 0;
  /// The ticket of the newest commit.
  virtual uint64_t LastTicket() = 0;

 protected:
  static std::unique_ptr<MetaDb> OpenMemory(std::shared_ptr<MemoryDisk> disk);
};

/// The least key greater than every key that starts with `prefix`. REQUIRES: prefix has a byte
/// below 0xff
std::string PrefixEnd(std::string_view prefix);

}  // namespace threefs::standalone

// SPDX-License-Identifier: Apache-2.0
// The RocksDB tenant. Writers are serialized by one mutex; a commit writes its batch to the log
// without syncing and releases the mutex; WaitDurable elects one waiter as the leader that syncs
// the log for everyone who committed before it looked. So N operations in flight cost about one
// fsync, not N.
#include "client/standalone/meta_db.h"

#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/slice.h>
#include <rocksdb/utilities/write_batch_with_index.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace threefs::standalone {
namespace {

rocksdb::Slice ToSlice(std::string_view s) { return {s.data(), s.size()}; }
std::string_view FromSlice(const rocksdb::Slice& s) { return {s.data(), s.size()}; }

class RocksTxn final : public MetaTxn {
 public:
  RocksTxn(rocksdb::DB* db, std::unique_lock<std::mutex> writer, std::atomic<uint64_t>* committed)
      : db_(db), writer_(std::move(writer)), committed_(committed) {
    if (!writer_.owns_lock()) {
      snapshot_ = db_->GetSnapshot();
      read_.snapshot = snapshot_;
    }
  }
  ~RocksTxn() override {
    if (snapshot_ != nullptr) db_->ReleaseSnapshot(snapshot_);
  }
  RocksTxn(const RocksTxn&) = delete;
  RocksTxn& operator=(const RocksTxn&) = delete;

  Result<std::optional<std::string>> Get(std::string_view key) override {
    std::string value;
    const rocksdb::Status s = batch_.GetFromBatchAndDB(db_, read_, ToSlice(key), &value);
    if (s.IsNotFound()) return std::optional<std::string>();
    if (!s.ok()) return Status(Code::kKVStoreGetError, s.ToString());
    return std::optional<std::string>(std::move(value));
  }

  void Put(std::string_view key, std::string_view value) override {
    dirty_ = true;
    CHECK(writer_.owns_lock() && batch_.Put(ToSlice(key), ToSlice(value)).ok());
  }

  void Delete(std::string_view key) override {
    dirty_ = true;
    CHECK(writer_.owns_lock() && batch_.Delete(ToSlice(key)).ok());
  }

  Status Scan(std::string_view begin, std::string_view end, const Visitor& visit) override {
    rocksdb::ReadOptions read = read_;
    const rocksdb::Slice upper = ToSlice(end);
    read.iterate_upper_bound = &upper;
    rocksdb::Iterator* base = db_->NewIterator(read);
    const std::unique_ptr<rocksdb::Iterator> it(
        batch_.NewIteratorWithBase(db_->DefaultColumnFamily(), base, &read));
    for (it->Seek(ToSlice(begin)); it->Valid(); it->Next()) {
      const std::string_view key = FromSlice(it->key());
      if (key >= end || !visit(key, FromSlice(it->value()))) return {};
    }
    if (!it->status().ok()) return {Code::kKVStoreIterateError, it->status().ToString()};
    return {};
  }

  [[nodiscard]] bool dirty() const override { return dirty_; }

  Result<uint64_t> Commit() override {
    CHECK(writer_.owns_lock());
    const rocksdb::Status s = db_->Write({}, batch_.GetWriteBatch());
    if (!s.ok()) return Status(Code::kKVStoreSetError, s.ToString());
    const uint64_t ticket = committed_->fetch_add(1) + 1;
    writer_.unlock();
    return ticket;
  }

 private:
  rocksdb::DB* db_;
  std::unique_lock<std::mutex> writer_;
  std::atomic<uint64_t>* committed_;
  const rocksdb::Snapshot* snapshot_ = nullptr;
  rocksdb::ReadOptions read_;
  bool dirty_ = false;
  rocksdb::WriteBatchWithIndex batch_{rocksdb::BytewiseComparator(), 0, /*overwrite_key=*/true};
};

class RocksMetaDb final : public MetaDb {
 public:
  RocksMetaDb(std::unique_ptr<rocksdb::DB> db, bool sync) : db_(std::move(db)), sync_(sync) {}

  std::unique_ptr<MetaTxn> BeginRead() override {
    return std::make_unique<RocksTxn>(db_.get(), std::unique_lock<std::mutex>(), nullptr);
  }

  std::unique_ptr<MetaTxn> BeginWrite() override {
    return std::make_unique<RocksTxn>(db_.get(), std::unique_lock(writer_), &committed_);
  }

  uint64_t LastTicket() override { return committed_.load(); }

  Status WaitDurable(uint64_t ticket) override {
    if (!sync_) return {};
    std::unique_lock lock(sync_mutex_);
    while (durable_ < ticket) {
      if (syncing_) {
        synced_.wait(lock);
        continue;
      }
      syncing_ = true;
      const uint64_t reached = committed_.load();
      lock.unlock();
      const rocksdb::Status s = db_->SyncWAL();
      lock.lock();
      syncing_ = false;
      synced_.notify_all();
      if (!s.ok()) return {Code::kKVStoreSetError, "cannot sync the log: " + s.ToString()};
      durable_ = reached;
    }
    return {};
  }

 private:
  std::unique_ptr<rocksdb::DB> db_;
  const bool sync_;
  std::mutex writer_;
  std::atomic<uint64_t> committed_{0};
  std::mutex sync_mutex_;
  std::condition_variable synced_;
  bool syncing_ = false;
  uint64_t durable_ = 0;
};

}  // namespace

Result<std::unique_ptr<MetaDb>> MetaDb::Open(const MetaDbOptions& options) {
  if (options.memory != nullptr) return OpenMemory(options.memory);
  rocksdb::Options rocks;
  rocks.create_if_missing = true;
  rocks.write_buffer_size = 16U << 20;  // metadata of one machine: small tables keep the RSS small
  rocks.max_background_jobs = 2;
  rocks.keep_log_file_num = 2;
  rocks.max_log_file_size = 1U << 20;
  rocks.stats_dump_period_sec = 0;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status s = rocksdb::DB::Open(rocks, options.path, &db);
  if (!s.ok()) {
    return Status(Code::kKVStoreOpenFailed,
                  "cannot open the metadata in " + options.path + ": " + s.ToString());
  }
  return std::unique_ptr<MetaDb>(
      std::make_unique<RocksMetaDb>(std::unique_ptr<rocksdb::DB>(db), options.sync));
}

std::string PrefixEnd(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && end.back() == '\xff') end.pop_back();
  CHECK(!end.empty());
  end.back() = static_cast<char>(end.back() + 1);
  return end;
}

}  // namespace threefs::standalone

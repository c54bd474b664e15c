// SPDX-License-Identifier: Apache-2.0
// The file tenant. Folder of a disk: `records/` (RocksDB; key 't' + target = TargetRecord, key 'c'
// + target + chunk id = chunk record), `target-<id>.data` (sparse). A process that is killed loses
// nothing that returned: RocksDB's log and the data have reached the kernel by then.
#include <fcntl.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/iterator.h>
#include <rocksdb/options.h>
#include <rocksdb/slice.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "client/base/log.h"
#include "client/serde/serde.h"
#include "client/standalone/chunk_device.h"

namespace threefs::standalone {
namespace {

struct StoredTarget {
  uint32_t chain_id = 0;
  std::vector<uint64_t> chunk_sizes;
  SERDE_FIELDS(chain_id, chunk_sizes)
};

std::string SystemReason(int error) { return std::generic_category().message(error); }

// One chunk record is small; big buffers would only make N nodes of a laptop fat.
constexpr size_t kWriteBuffer = 8U << 20;
constexpr size_t kBlockCache = 4U << 20;

std::string TargetKey(char kind, uint64_t target_id) {
  std::string key(1, kind);
  for (int shift = 56; shift >= 0; shift -= 8) {
    key.push_back(static_cast<char>(target_id >> shift & 0xff));
  }
  return key;
}

uint64_t TargetOfKey(std::string_view key) {
  uint64_t id = 0;
  for (size_t i = 1; i <= 8; ++i) id = id << 8 | static_cast<uint8_t>(key[i]);
  return id;
}

class FileDevice final : public ChunkDevice {
 public:
  FileDevice(std::shared_ptr<rocksdb::DB> db, std::string prefix, int fd)
      : db_(std::move(db)), prefix_(std::move(prefix)), fd_(fd) {}
  ~FileDevice() override { ::close(fd_); }
  FileDevice(const FileDevice&) = delete;
  FileDevice& operator=(const FileDevice&) = delete;

  Status Load(const std::function<Status(std::string_view, std::string_view)>& visit) override {
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator({}));
    for (it->Seek(prefix_); it->Valid() && it->key().starts_with(prefix_); it->Next()) {
      const std::string_view key = it->key().ToStringView().substr(prefix_.size());
      TRY(visit(key, it->value().ToStringView()));
    }
    if (!it->status().ok()) {
      return Status(Code::kStorageMetaStoreInvalidIterator, it->status().ToString());
    }
    return {};
  }

  Status Write(uint64_t offset, ByteSpan data) override {
    while (!data.empty()) {
      const ssize_t n = ::pwrite(fd_, data.data(), data.size(), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) {
        const int error = n == 0 ? ENOSPC : errno;
        const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
        return Status(full ? Code::kStorageClientNoSpace : Code::kStorageChunkWriteFailed,
                      "write of a chunk: " + SystemReason(error));
      }
      offset += static_cast<uint64_t>(n);
      data = data.subspan(static_cast<size_t>(n));
    }
    return {};
  }

  Status Read(uint64_t offset, MutableByteSpan out) override {
    while (!out.empty()) {
      const ssize_t n = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) {
        return Status(Code::kStorageChunkReadFailed, "read of a chunk: " + SystemReason(errno));
      }
      if (n == 0) {  // beyond the file's end
        std::memset(out.data(), 0, out.size());
        break;
      }
      offset += static_cast<uint64_t>(n);
      out = out.subspan(static_cast<size_t>(n));
    }
    return {};
  }

  bool TryRead(uint64_t offset, MutableByteSpan out) override {
    const iovec piece{out.data(), out.size()};
    const ssize_t n = ::preadv2(fd_, &piece, 1, static_cast<off_t>(offset), RWF_NOWAIT);
    return n == static_cast<ssize_t>(out.size());
  }

  Status Apply(const RecordChange& change, bool durable) override {
    if (durable && ::fdatasync(fd_) != 0) {
      return Status(Code::kStorageChunkWriteFailed, "sync of a chunk: " + SystemReason(errno));
    }
    rocksdb::WriteOptions options;
    options.sync = durable;
    const std::string key = prefix_ + change.key;
    const rocksdb::Status status = change.value.has_value() ? db_->Put(options, key, *change.value)
                                                            : db_->Delete(options, key);
    if (status.ok()) return {};
    return Status(
        status.IsNoSpace() ? Code::kStorageClientNoSpace : Code::kStorageChunkMetadataSetError,
        status.ToString());
  }

  Status Sync() override {
    if (::fdatasync(fd_) != 0) {
      return Status(Code::kStorageChunkWriteFailed, "sync of chunks: " + SystemReason(errno));
    }
    const rocksdb::Status status = db_->FlushWAL(true);
    if (!status.ok()) return Status(Code::kStorageChunkMetadataSetError, status.ToString());
    return {};
  }

  void Punch(uint64_t offset, uint64_t length) override {
    // Where the file system cannot (EOPNOTSUPP), the space is reused by the next chunks all the
    // same.
    (void)::fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                      static_cast<off_t>(length));
  }

 private:
  std::shared_ptr<rocksdb::DB> db_;
  std::string prefix_;
  int fd_;
};

class FileDisk final : public ChunkDisk {
 public:
  FileDisk(std::shared_ptr<rocksdb::DB> db, std::string path)
      : db_(std::move(db)), path_(std::move(path)) {}

  Result<std::vector<TargetRecord>> Targets() override {
    std::vector<TargetRecord> all;
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator({}));
    for (it->Seek("t"); it->Valid() && it->key().starts_with("t"); it->Next()) {
      if (it->key().size() != 9) return Code::kStorageChunkMetadataUnpackError;
      TRY(auto stored, serde::Decode<StoredTarget>(Bytes::CopyOf(it->value().ToStringView())));
      all.push_back(
          {TargetOfKey(it->key().ToStringView()), stored.chain_id, std::move(stored.chunk_sizes)});
    }
    return all;
  }

  Status AddTarget(const TargetRecord& record) override {
    const StoredTarget stored{record.chain_id, record.chunk_sizes};
    rocksdb::WriteOptions options;
    options.sync = true;
    const Bytes value = serde::Encode(stored).Flatten();
    const rocksdb::Status status = db_->Put(options, TargetKey('t', record.target_id),
                                            rocksdb::Slice(value.text().data(), value.size()));
    if (!status.ok()) return Status(Code::kStorageChunkMetadataSetError, status.ToString());
    return {};
  }

  Status RemoveTarget(uint64_t target_id) override {
    rocksdb::WriteBatch batch;
    batch.Delete(TargetKey('t', target_id));
    batch.DeleteRange(TargetKey('c', target_id), TargetKey('c', target_id + 1));
    rocksdb::WriteOptions options;
    options.sync = true;
    const rocksdb::Status status = db_->Write(options, &batch);
    if (!status.ok()) return Status(Code::kStorageChunkMetadataSetError, status.ToString());
    ::unlink(DataPath(target_id).c_str());
    return {};
  }

  Result<std::unique_ptr<ChunkDevice>> OpenTarget(uint64_t target_id) override {
    const std::string file = DataPath(target_id);
    const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
      return Status(Code::kStorageChunkStoreInitFailed, file + ": " + SystemReason(errno));
    }
    return std::unique_ptr<ChunkDevice>(
        std::make_unique<FileDevice>(db_, TargetKey('c', target_id), fd));
  }

  Result<DiskSpace> Space() override {
    struct statvfs s{};
    if (::statvfs(path_.c_str(), &s) != 0) {
      return Status(Code::kStorageStorageStatFailed, path_ + ": " + SystemReason(errno));
    }
    return DiskSpace{uint64_t{s.f_blocks} * s.f_frsize, uint64_t{s.f_bavail} * s.f_frsize};
  }
  [[nodiscard]] const std::string& path() const override { return path_; }

 private:
  [[nodiscard]] std::string DataPath(uint64_t target_id) const {
    return path_ + "/target-" + std::to_string(target_id) + ".data";
  }
  std::shared_ptr<rocksdb::DB> db_;
  std::string path_;
};

}  // namespace

Result<std::unique_ptr<ChunkDisk>> OpenFileDisk(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return Status(Code::kStorageStorageInitFailed, path + ": " + SystemReason(errno));
  }
  rocksdb::Options options;
  options.create_if_missing = true;
  options.write_buffer_size = kWriteBuffer;
  options.max_write_buffer_number = 2;
  options.keep_log_file_num = 2;
  options.max_open_files = 64;
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(kBlockCache);
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  rocksdb::DB* raw = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(options, path + "/records", &raw);
  if (!status.ok()) {
    return Status(Code::kStorageMetaStoreOpenFailed, path + ": " + status.ToString());
  }
  return std::unique_ptr<ChunkDisk>(
      std::make_unique<FileDisk>(std::shared_ptr<rocksdb::DB>(raw), path));
}

}  // namespace threefs::standalone

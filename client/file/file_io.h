// SPDX-License-Identifier: Apache-2.0
// FileIo: bytes of files: what joins the meta and the storage client. One per loop, on that loop;
// FileState is shared by all loops. Knows nothing of pages, caches or FUSE. Deadlines and repeats
// are those of the clients below.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "client/base/bytes.h"
#include "client/base/status.h"
#include "client/base/uuid.h"
#include "client/file/file_state.h"
#include "client/meta/meta_client.h"
#include "client/mgmtd/op_context.h"
#include "client/runtime/task.h"
#include "client/schema/meta_rpc.h"
#include "client/storage/storage_client.h"

namespace threefs::file {

using FileRef = std::shared_ptr<FileState>;

struct ReadResult {
  std::vector<Bytes> pieces;  ///< in order; slices of received frames, holes are slices of one
                              ///< static zero page run
  uint64_t length = 0;        ///< sum; shorter than asked only at the end of the file
};

struct SyncOptions {
  /// true: fsync, the server asks storage for the length. false: the hint of our own writes is
  /// enough.
  bool exact = true;
  std::optional<int64_t> atime{}, mtime{};  ///< microseconds
};

class FileIo {
 public:
  /// All references outlive this. `io_timeout`: when the caller set no deadline.
  static std::unique_ptr<FileIo> Create(Loop& loop, meta::MetaClient& meta,
                                        storage::StorageClient& storage, mgmtd::MgmtdClient& mgmtd,
                                        Duration io_timeout);
  virtual ~FileIo() = default;

  /// [offset, offset+length) clipped to `file_length` (default: file->length()).
  virtual Task<Result<ReadResult>> Read(OpContext op, FileRef file, uint64_t offset,
                                        uint64_t length,
                                        std::optional<uint64_t> file_length = {}) = 0;
  /// Writes all of `data` (pieces back to back) at `offset`. Returns the bytes written without a
  /// gap from `offset`: all of them, or, when a later part failed, fewer; an error when nothing
  /// was. Extends the dynamic stripe before.
  virtual Task<Result<uint64_t>> Write(OpContext op, FileRef file, uint64_t offset,
                                       std::vector<Bytes> data) = 0;
  /// 3fs/meta.md §9.3. Not atomic: readers may see parts of it done. The inode afterwards.
  virtual Task<Result<schema::meta::Inode>> Truncate(OpContext op, FileRef file,
                                                     uint64_t length) = 0;
  /// Makes [0, length) exist at least (fallocate without keep-size); never shortens.
  virtual Task<Result<schema::meta::Inode>> Extend(OpContext op, FileRef file, uint64_t length) = 0;
  /// [offset, offset+length) reads as zeros afterwards, the length stays (fallocate PUNCH_HOLE |
  /// KEEP_SIZE). Whole chunks are removed; edges, and the chunk the file ends in, are overwritten.
  virtual Task<Status> PunchHole(OpContext op, FileRef file, uint64_t offset, uint64_t length) = 0;
  /// Length by the chunks themselves (one query a chain).
  virtual Task<Result<uint64_t>> QueryLength(OpContext op, FileRef file) = 0;
  /// Tells the meta server about our writes. The inode afterwards, also put into `file`.
  virtual Task<Result<schema::meta::Inode>> Sync(OpContext op, FileRef file,
                                                 SyncOptions options) = 0;
  /// Ends a write session; updates the length when there were writes since the last exact sync.
  virtual Task<Result<schema::meta::Inode>> Close(OpContext op, FileRef file, Uuid session,
                                                  SyncOptions options) = 0;
  /// lseek(2) SEEK_DATA / SEEK_HOLE at chunk granularity: a missing chunk, and what lies behind a
  /// chunk's end, is a hole. The file's end counts as a hole. nullopt: ENXIO.
  enum class Seek : uint8_t { kData, kHole };
  virtual Task<Result<std::optional<uint64_t>>> SeekTo(OpContext op, FileRef file, uint64_t offset,
                                                       Seek what) = 0;
};

}  // namespace threefs::file

// SPDX-License-Identifier: Apache-2.0
#include "tools/volume.h"

#include <fcntl.h>
#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "client/base/bytes.h"
#include "client/base/log.h"
#include "client/base/status.h"
#include "client/base/status_code.h"
#include "client/base/uuid.h"
#include "client/file/file_io.h"
#include "client/file/file_state.h"
#include "client/meta/meta_ops.h"
#include "client/runtime/task.h"
#include "client/schema/meta.h"
#include "tools/connect.h"
#include "tools/volume_record.h"

namespace threefs::tools {
namespace {

constexpr uint64_t kRoot = 0;
constexpr uint32_t kVolumePerm = 0777;  // who may do what inside is the pods' business
constexpr uint32_t kParentPerm = 0755;
constexpr uint32_t kRecordFolderPerm = 0700;
constexpr uint32_t kRecordPerm = 0600;
constexpr int32_t kListPage = 256;
// x86-64 bits, as the wire wants them on any machine (3fs/meta.md §6).
constexpr int32_t kWriteOnly = 1;
constexpr int32_t kCreate = 0x40;
constexpr int32_t kExclusive = 0x80;

std::string RecordName(std::string_view id) { return std::string(id) + std::string(kRecordSuffix); }

std::string Join(const std::string& dir, std::string_view name) {
  return (dir == "/" ? "" : dir) + "/" + std::string(name);
}

std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

meta::PathAt AtPath(const std::string& path) {
  return path == "/" ? meta::At(kRoot) : meta::At(kRoot, path.substr(1));
}

Task<Result<schema::meta::Inode>> StatPath(Access access, std::string path) {
  CO_TRY(auto rsp, co_await meta::Stat(access.meta(), access.Op(), AtPath(path)));
  co_return std::move(rsp.stat);
}

// mkdir -p; fine when it is there.
Task<Status> MakeDirs(Access access, std::string path, uint32_t perm) {
  if (path == "/") co_return Status();
  auto made = co_await meta::Mkdirs(access.meta(), access.Op(), AtPath(path),
                                    {.perm = perm, .recursive = true});
  if (made.ok() || made.code() == Code::kMetaExists) co_return Status();
  co_return made.status().WithContext("cannot make the directory " + path);
}

// The inode of <base>/.threefs-csi; made when missing.
Task<Result<uint64_t>> RecordFolder(Access access, std::string base) {
  const std::string path = Join(base, kRecordFolder);
  auto found = co_await StatPath(access, path);
  if (found.ok()) co_return found->id;
  if (found.code() != Code::kMetaNotFound) co_return found.status();
  CO_TRY(co_await MakeDirs(access, base, kParentPerm));
  CO_TRY(co_await MakeDirs(access, path, kRecordFolderPerm));
  CO_TRY(const auto made, co_await StatPath(access, path));
  co_return made.id;
}

Task<Result<VolumeRecord>> ReadRecord(Access access, uint64_t folder, std::string id) {
  CO_TRY(const auto rsp,
         co_await meta::Stat(access.meta(), access.Op(), meta::At(folder, RecordName(id))));
  CO_TRY(auto file, file::FileState::FromInode(rsp.stat));
  // The length the meta server knows may lag behind a writer that died: ask the chunks.
  CO_TRY(const uint64_t length, co_await access.io().QueryLength(access.Op(), file));
  if (length > kMaxRecordBytes) {
    co_return Status(Code::kDataCorruption, "the record of volume " + id + " is too large");
  }
  CO_TRY(const auto data, co_await access.io().Read(access.Op(), file, 0, length, length));
  std::string text;
  for (const Bytes& piece : data.pieces) text += piece.text();
  auto record = VolumeRecord::FromJson(text);
  if (!record.ok()) co_return record.status().WithContext("volume " + id);
  if (record->id != id) {
    co_return Status(Code::kDataCorruption, "the record of volume " + id + " names another volume");
  }
  co_return record;
}

Task<Status> WriteNewFile(Access access, uint64_t folder, std::string name, std::string content) {
  const Uuid session = access.meta().NewUuid();
  CO_TRY(auto made, co_await meta::Create(
                        access.meta(), access.Op(), meta::At(folder, name),
                        {.open = {.flags = kWriteOnly | kCreate | kExclusive, .session = session},
                         .perm = kRecordPerm}));
  CO_TRY(auto file, file::FileState::FromInode(made.stat));
  const uint64_t size = content.size();
  std::vector<Bytes> pieces;
  pieces.push_back(Bytes::CopyOf(content));
  auto written = co_await access.io().Write(access.Op(), file, 0, std::move(pieces));
  auto closed = co_await access.io().Close(access.Op(), file, session, {.exact = true});
  if (!written.ok()) co_return written.status();
  if (*written != size) co_return Status(Code::kIOError, "the record was written only in part");
  co_return closed.status();
}

// Atomic: readers see the old record or the new one.
Task<Status> WriteRecord(Access access, uint64_t folder, VolumeRecord record) {
  const std::string temp = ".tmp-" + access.meta().NewUuid().ToString();
  CO_TRY(co_await WriteNewFile(access, folder, temp, record.ToJson()));
  auto moved = co_await meta::Rename(access.meta(), access.Op(), meta::At(folder, temp),
                                     meta::At(folder, RecordName(record.id)));
  if (moved.ok()) co_return Status();
  (void)co_await meta::Remove(access.meta(), access.Op(), meta::At(folder, temp),
                              meta::RemoveKind::kFile);
  co_return moved.status();
}

Task<Status> RemoveRecord(Access access, uint64_t folder, std::string id) {
  auto removed = co_await meta::Remove(access.meta(), access.Op(), meta::At(folder, RecordName(id)),
                                       meta::RemoveKind::kFile);
  if (removed.ok() || removed.code() == Code::kMetaNotFound) co_return Status();
  co_return removed.status();
}

// The layout of new files of the volume: the parent's, with what was asked put over it.
Task<Result<std::optional<schema::meta::Layout>>> PlanLayout(Access access, std::string parent,
                                                             CreateVolume create) {
  if (create.chunk_size == 0 && create.stripe_size == 0 && create.chain_table_id == 0) {
    co_return std::optional<schema::meta::Layout>();
  }
  CO_TRY(const auto inode, co_await StatPath(access, parent));
  const auto* dir = std::get_if<schema::meta::Directory>(&inode.type);
  if (dir == nullptr) co_return Status(Code::kMetaNotDirectory, parent + " is not a directory");
  schema::meta::Layout layout = dir->layout;
  if (create.chunk_size != 0) layout.chunk_size = create.chunk_size;
  if (create.stripe_size != 0) layout.stripe_size = create.stripe_size;
  if (create.chain_table_id != 0) layout.table_id = create.chain_table_id;
  layout.table_version = 0;  // the newest, chosen by the server for each file
  layout.chains = schema::meta::Layout::Empty{};
  co_return std::optional(layout);
}

Task<Status> MakeVolumeDirectory(Access access, VolumeRecord record, CreateVolume create) {
  const std::string parent = ParentOf(record.path);
  CO_TRY(co_await MakeDirs(access, parent, kParentPerm));
  CO_TRY(auto layout, co_await PlanLayout(access, parent, create));
  auto made = co_await meta::Mkdirs(
      access.meta(), access.Op(), AtPath(record.path),
      {.perm = kVolumePerm, .layout = std::move(layout), .request_id = record.mkdir_uuid});
  if (made.code() == Code::kMetaExists) {
    co_return Status(
        Code::kMetaExists,
        "the path " + record.path +
            " is taken by something that is not this volume: choose another pathPattern "
            "or remove it");
  }
  if (made.code() == Code::kMetaInvalidFileLayout) {
    co_return Status(
        Code::kInvalidArg,
        "the cluster refuses this layout: stripeSize must not exceed the chain table's "
        "chains, chunkSize must be a power of two, chainTableId must exist");
  }
  co_return made.status();
}

Task<Result<std::vector<std::string>>> RecordIds(Access access, uint64_t folder,
                                                 std::string after) {
  std::vector<std::string> ids;
  std::string prev;
  for (bool more = true; more;) {
    CO_TRY(auto page,
           co_await meta::List(access.meta(), access.Op(), meta::At(folder), prev, kListPage));
    more = page.more && !page.entries.empty();
    if (!page.entries.empty()) prev = page.entries.back().name;
    for (const auto& entry : page.entries) {
      const std::string_view name = entry.name;
      if (name.starts_with('.') || !name.ends_with(kRecordSuffix)) continue;
      std::string id(name.substr(0, name.size() - kRecordSuffix.size()));
      if (id > after) ids.push_back(std::move(id));
    }
  }
  // By id: names sort with their suffix ("a-b.json" < "a.json"), ids without.
  std::ranges::sort(ids);
  co_return ids;
}

// Does another volume live at or under `path`?
Task<Result<std::optional<std::string>>> VolumeUnder(Access access, uint64_t folder,
                                                     std::string path, std::string but) {
  CO_TRY(const auto ids, co_await RecordIds(access, folder, ""));
  for (const std::string& id : ids) {
    if (id == but) continue;
    const auto record = co_await ReadRecord(access, folder, id);
    if (record.ok() && IsUnder(record->path, path)) co_return std::optional(id);
  }
  co_return std::optional<std::string>();
}

}  // namespace

Task<Result<CreatedVolume>> CreateVolumeDirectory(Access access, std::string base,
                                                  CreateVolume create) {
  if (!IsUnder(create.record.path, base) || create.record.path == base ||
      IsUnder(create.record.path, Join(base, kRecordFolder))) {
    co_return Status(Code::kInvalidArg, "the volume's path must lie under the base path " + base);
  }
  CO_TRY(const uint64_t folder, co_await RecordFolder(access, base));
  CreatedVolume result;
  auto old = co_await ReadRecord(access, folder, create.record.id);
  if (old.ok()) {
    result.record = *std::move(old);
  } else if (old.code() == Code::kMetaNotFound) {
    result.created = true;
    result.record = create.record;
    result.record.mkdir_uuid = access.meta().NewUuid();
    result.record.created_us = access.loop->WallMicros();
    CO_TRY(co_await WriteRecord(access, folder, result.record));
  } else {
    co_return old.status();
  }
  // Also for an old record: whoever wrote it may have died before this.
  const Status made = co_await MakeVolumeDirectory(access, result.record, create);
  if (!made.ok()) {
    if (result.created) (void)co_await RemoveRecord(access, folder, create.record.id);
    co_return made;
  }
  co_return result;
}

Task<Result<VolumeRecord>> GetVolume(Access access, std::string base, std::string id) {
  CO_TRY(const auto inode, co_await StatPath(access, Join(base, kRecordFolder)));
  co_return co_await ReadRecord(access, inode.id, id);
}

Task<Result<bool>> DeleteVolumeDirectory(Access access, std::string base, std::string id) {
  const auto inode = co_await StatPath(access, Join(base, kRecordFolder));
  if (inode.code() == Code::kMetaNotFound) co_return false;
  if (!inode.ok()) co_return inode.status();
  const uint64_t folder = inode->id;
  const auto record = co_await ReadRecord(access, folder, id);
  if (record.code() == Code::kMetaNotFound) co_return false;
  if (!record.ok()) co_return record.status();

  CO_TRY(const auto inner, co_await VolumeUnder(access, folder, record->path, id));
  if (inner.has_value()) {
    co_return Status(Code::kMetaBusy,
                     fmt::format("volume {} lies inside volume {}: delete it first", *inner, id));
  }
  const auto tree = co_await StatPath(access, record->path);
  if (tree.ok()) {
    auto removed = co_await meta::Remove(access.meta(), access.Op(), AtPath(record->path),
                                         meta::RemoveKind::kTree, tree->id);
    if (!removed.ok() && removed.code() != Code::kMetaNotFound) co_return removed.status();
  } else if (tree.code() != Code::kMetaNotFound) {
    co_return tree.status();
  }
  CO_TRY(co_await RemoveRecord(access, folder, id));
  co_return true;
}

Task<Result<VolumeRecord>> ExpandVolume(Access access, std::string base, std::string id,
                                        uint64_t capacity_bytes) {
  CO_TRY(const auto inode, co_await StatPath(access, Join(base, kRecordFolder)));
  CO_TRY(auto record, co_await ReadRecord(access, inode.id, id));
  if (capacity_bytes > record.capacity_bytes) {
    record.capacity_bytes = capacity_bytes;
    CO_TRY(co_await WriteRecord(access, inode.id, record));
  }
  co_return record;
}

Task<Result<VolumeList>> ListVolumes(Access access, std::string base, std::string after,
                                     uint64_t max,
                                     std::function<void(uint64_t, uint64_t)> progress) {
  VolumeList list;
  const auto inode = co_await StatPath(access, Join(base, kRecordFolder));
  if (inode.code() == Code::kMetaNotFound) co_return list;
  if (!inode.ok()) co_return inode.status();
  CO_TRY(auto ids, co_await RecordIds(access, inode->id, after));
  const bool cut = max != 0 && ids.size() > max;
  if (cut) ids.resize(max);
  for (const std::string& id : ids) {
    auto record = co_await ReadRecord(access, inode->id, id);
    if (record.ok()) {
      list.volumes.push_back(*std::move(record));
    } else if (record.code() == Code::kDataCorruption) {
      LOG_WARN("left out: {}", record.status().ToString());
    } else if (record.code() != Code::kMetaNotFound) {  // deleted meanwhile
      co_return record.status();
    }
    if (progress) progress(list.volumes.size(), ids.size());
  }
  if (cut) list.next = ids.back();
  co_return list;
}

Task<Result<Capacity>> ClusterCapacity(Access access) {
  CO_TRY(const auto rsp, co_await meta::StatFs(access.meta(), access.Op()));
  co_return Capacity{.total = rsp.capacity, .available = rsp.free, .used = rsp.used};
}

}  // namespace threefs::tools

// SPDX-License-Identifier: Apache-2.0
#include "client/standalone/meta_gc.h"

#include <fmt/core.h>

#include <charconv>
#include <set>
#include <utility>

#include "client/base/log.h"
#include "client/standalone/meta_access.h"
#include "client/standalone/meta_ops.h"

namespace threefs::standalone::gc {

namespace wire = schema::meta;

namespace {

constexpr std::string_view kTrashName = "trash";
constexpr std::string_view kOrphansName = "gc-orphans";

// From "f-<16 hex digits>-…"; 0 when it is no such name, so that it is due.
int64_t RemovedAt(const std::string& name) {
  int64_t at = 0;
  if (name.size() > 18) std::from_chars(name.data() + 2, name.data() + 18, at, 16);
  return at;
}

// The directory `name` of `parent`, made when missing.
Result<wire::Inode> EnsureDirectory(MetaContext& ctx, const wire::Inode& parent,
                                    std::string_view name, uint32_t perm) {
  TRY(const std::optional<wire::DirEntry> found, records::FindEntry(ctx.txn, parent.id, name));
  if (found) return records::LoadInode(ctx.txn, found->id);
  TRY(const uint64_t id, records::NextInodeId(ctx.txn));
  wire::Inode inode;
  inode.id = id;
  inode.acl = {0, 0, perm, 0};
  inode.atime = inode.ctime = inode.mtime = ctx.stamp_us;
  inode.type = wire::Directory{
      .parent = parent.id, .layout = AsDirectory(parent)->layout, .name = std::string(name)};
  wire::DirEntry entry;
  entry.id = id;
  entry.type = wire::InodeType::kDirectory;
  entry.dir_acl = inode.acl;
  entry.parent = parent.id;
  entry.name = std::string(name);
  records::StoreInode(ctx.txn, inode);
  records::StoreEntry(ctx.txn, entry);
  return inode;
}

// A sub-directory its remover may not remove: the check before the removal did not reach it.
Status MoveToOrphans(MetaContext& ctx, wire::Inode dir, wire::DirEntry entry) {
  TRY(const wire::Inode root, records::LoadInode(ctx.txn, wire::kRootInodeId));
  TRY(const wire::Inode trash, EnsureDirectory(ctx, root, kTrashName, 0755));
  TRY(const wire::Inode orphans, EnsureDirectory(ctx, trash, kOrphansName, 0755));
  if (AsDirectory(orphans) == nullptr) {
    return {Code::kMetaNotDirectory, "/trash/gc-orphans is no directory"};
  }
  LOG_WARN("gc: directory {:x} is kept as /trash/gc-orphans/{:x}: its remover does not own it",
           dir.id, dir.id);
  entry.parent = orphans.id;
  entry.name = fmt::format("{:x}", dir.id);
  AsDirectory(dir)->parent = orphans.id;
  AsDirectory(dir)->name = entry.name;
  records::StoreEntry(ctx.txn, entry);
  records::StoreInode(ctx.txn, dir);
  return {};
}

Status CollectChild(MetaContext& ctx, const wire::DirEntry& dir, const wire::DirEntry& child) {
  const uint32_t remover = dir.gc_info ? dir.gc_info->user : 0;
  const std::string path = (dir.gc_info ? dir.gc_info->orig_path : "") + "/" + child.name;
  TRY(const std::optional<wire::Inode> inode, records::FindInode(ctx.txn, child.id));
  records::DeleteEntry(ctx.txn, child.parent, child.name);
  if (!inode) return {};
  if (AsDirectory(*inode) == nullptr) return ops::Unlink(ctx, *inode, path);
  const bool owns = remover == 0 || inode->acl.uid == remover;
  if (!owns && ctx.options.recursive_remove_check_owner) return MoveToOrphans(ctx, *inode, child);
  ops::MoveToGc(ctx, *inode, path, remover);
  return {};
}

}  // namespace

Result<std::vector<wire::DirEntry>> Due(MetaContext& ctx, int64_t file_before_us,
                                        const std::string& after, size_t limit) {
  std::vector<wire::DirEntry> due;
  TRY(records::ScanEntries(ctx.txn, wire::kGcRootInodeId, after, [&](wire::DirEntry entry) {
    // Directories ("d-") come first; files ("f-") are in the order of their removal.
    const bool file = entry.type != wire::InodeType::kDirectory;
    if (file && RemovedAt(entry.name) > file_before_us) return false;
    due.push_back(std::move(entry));
    return due.size() < limit;
  }));
  return due;
}

Result<bool> CollectDirectory(MetaContext& ctx, const wire::DirEntry& entry, size_t limit) {
  std::vector<wire::DirEntry> children;
  TRY(records::ScanEntries(ctx.txn, entry.id, "", [&](wire::DirEntry child) {
    children.push_back(std::move(child));
    return children.size() <= limit;
  }));
  const bool last = children.size() <= limit;
  if (!last) children.pop_back();
  for (const wire::DirEntry& child : children) TRY(CollectChild(ctx, entry, child));
  if (last) {
    records::DeleteInode(ctx.txn, entry.id);
    records::DeleteEntry(ctx.txn, entry.parent, entry.name);
  }
  return last;
}

Result<std::optional<wire::Inode>> ReadyFile(MetaContext& ctx, const wire::DirEntry& entry) {
  TRY(const bool open, records::HasSession(ctx.txn, entry.id));
  if (open) return std::optional<wire::Inode>();
  return records::FindInode(ctx.txn, entry.id);
}

Status FinishFile(MetaContext& ctx, const wire::DirEntry& entry) {
  records::DeleteInode(ctx.txn, entry.id);
  records::DeleteEntry(ctx.txn, entry.parent, entry.name);
  return {};
}

Result<size_t> PruneSessions(MetaContext& ctx, const std::map<Uuid, int64_t>* alive,
                             int64_t seen_before_us, int64_t young_after_us) {
  std::set<Uuid> marked;
  TRY(records::ScanPruneMarks(ctx.txn, [&](Uuid session) {
    marked.insert(session);
    return true;
  }));
  std::vector<FileSession> dead;
  TRY(records::ScanSessions(ctx.txn, [&](FileSession session) {
    bool gone = marked.contains(session.session);
    if (!gone && alive != nullptr && session.time_us <= young_after_us) {
      const auto client = alive->find(session.client.uuid);
      gone = client == alive->end() || client->second < seen_before_us;
    }
    if (gone) dead.push_back(std::move(session));
    return true;
  }));
  for (const FileSession& session : dead) {
    records::DeleteSession(ctx.txn, session.inode, session.session);
  }
  for (const Uuid& session : marked) records::DeletePruneMark(ctx.txn, session);
  return dead.size();
}

}  // namespace threefs::standalone::gc

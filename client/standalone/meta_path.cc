// SPDX-License-Identifier: Apache-2.0
#include "client/standalone/meta_path.h"

#include <algorithm>
#include <utility>

#include "client/standalone/meta_access.h"

namespace threefs::standalone {

using schema::meta::Directory;
using schema::meta::DirEntry;
using schema::meta::Inode;
using schema::meta::PathAt;
using schema::meta::Symlink;

namespace {

Result<std::optional<DirEntry>> Find(MetaTxn& txn, const Inode& dir, const std::string& name) {
  if (name.size() > kMaxNameLength)
    return Status(Code::kMetaNameTooLong, "a name is at most 255 bytes");
  return records::FindEntry(txn, dir.id, name);
}

Result<Inode> LoadNamed(MetaTxn& txn, const DirEntry& entry) {
  TRY(std::optional<Inode> inode, records::FindInode(txn, entry.id));
  if (!inode) return Status(Code::kMetaInconsistent, "an entry names an inode that does not exist");
  return *std::move(inode);
}

}  // namespace

SplitPath Split(std::string_view path) {
  SplitPath split;
  split.absolute = !path.empty() && path.front() == '/';
  size_t at = 0;
  while (at < path.size()) {
    const size_t slash = std::min(path.find('/', at), path.size());
    if (slash > at) split.names.emplace_back(path.substr(at, slash - at));
    at = slash + 1;
  }
  if (!split.names.empty() && path.back() == '/') split.names.emplace_back(".");
  return split;
}

Status PathWalker::Enter(const Inode& dir) const {
  if (AsDirectory(dir) == nullptr) return {Code::kMetaNotDirectory, "not a directory"};
  return CheckAccess(dir.acl, ctx_.user(), kExec);
}

Result<Inode> PathWalker::StartOf(const PathAt& at, const SplitPath& path) {
  trace_absolute_ = path.absolute;
  return records::LoadInode(ctx_.txn, path.absolute ? schema::meta::kRootInodeId : at.parent);
}

Result<Inode> PathWalker::Resolve(const PathAt& at, int32_t at_flags, bool check_refcount) {
  const bool by_inode =
      !at.path || (at.path->empty() && (at_flags & schema::meta::kAtEmptyPath) != 0);
  if (by_inode) {
    TRY(Inode inode, records::LoadInode(ctx_.txn, at.parent));
    if (check_refcount && inode.nlink == 0) {
      return Status(Code::kMetaNotFound, "the inode was removed");
    }
    return inode;
  }
  if (at.path->empty()) return Status(Code::kMetaNotFound, "empty path");
  const SplitPath path = Split(*at.path);
  TRY(Inode start, StartOf(at, path));
  return Walk(std::move(start), path, FollowsLast(at_flags), 0);
}

Result<Inode> PathWalker::Walk(Inode start, const SplitPath& path, bool follow_last,
                               uint32_t depth) {
  Inode current = std::move(start);
  for (size_t i = 0; i < path.names.size(); ++i) {
    const bool last = i + 1 == path.names.size();
    TRY(current, Step(current, path.names[i], !last || follow_last, last, depth));
  }
  return current;
}

Result<Inode> PathWalker::Step(const Inode& dir, const std::string& name, bool follow, bool last,
                               uint32_t depth) {
  last_missing_in_.reset();
  TRY(Enter(dir));
  if (name == ".") return dir;
  if (name == "..") {
    if (!trace_.empty() && trace_.back() != "..") {
      trace_.pop_back();
    } else if (!trace_absolute_) {
      trace_.emplace_back("..");
    }
    last_step_.reset();
    return records::LoadInode(ctx_.txn, AsDirectory(dir)->parent);
  }
  TRY(const std::optional<DirEntry> entry, Find(ctx_.txn, dir, name));
  if (!entry) {
    if (last) last_missing_in_ = dir;
    return Status(Code::kMetaNotFound, "no such file or directory");
  }
  TRY(Inode child, LoadNamed(ctx_.txn, *entry));
  const Symlink* link = AsSymlink(child);
  if (link == nullptr || !follow) {
    last_step_.emplace(dir.id, name);
    trace_.push_back(name);
    return child;
  }
  if (depth >= ctx_.options.max_symlink_depth || ++links_ > ctx_.options.max_symlink_count) {
    return Status(Code::kMetaTooManySymlinks, "too many symbolic links");
  }
  if (link->target.empty()) return Status(Code::kMetaNotFound, "an empty symbolic link");
  const SplitPath target = Split(link->target);
  if (target.absolute) {
    trace_.clear();
    trace_absolute_ = true;
    TRY(Inode root, records::LoadInode(ctx_.txn, schema::meta::kRootInodeId));
    Result<Inode> end = Walk(std::move(root), target, /*follow_last=*/true, depth + 1);
    if (!last) last_missing_in_.reset();
    return end;
  }
  Result<Inode> end = Walk(dir, target, /*follow_last=*/true, depth + 1);
  if (!last) last_missing_in_.reset();
  return end;
}

Result<EntryPlace> PathWalker::ResolveEntry(const PathAt& at, bool need_exec) {
  SplitPath path = Split(at.path.value_or(""));
  if (path.names.empty()) return Status(Code::kInvalidArg, "the path has no name");
  EntryPlace place;
  place.name = std::move(path.names.back());
  path.names.pop_back();
  TRY(Inode start, StartOf(at, path));
  TRY(place.parent, Walk(std::move(start), path, /*follow_last=*/true, 0));
  last_missing_in_.reset();
  if (AsDirectory(place.parent) == nullptr)
    return Status(Code::kMetaNotDirectory, "not a directory");
  if (need_exec) TRY(Enter(place.parent));
  TRY(place.entry, Find(ctx_.txn, place.parent, place.name));
  return place;
}

Result<MissingPath> PathWalker::ResolveMissing(const PathAt& at) {
  const SplitPath path = Split(at.path.value_or(""));
  MissingPath missing;
  TRY(missing.parent, StartOf(at, path));
  for (size_t i = 0; i < path.names.size(); ++i) {
    const std::string& name = path.names[i];
    const bool plain = name != "." && name != "..";
    if (plain) {
      TRY(Enter(missing.parent));
      TRY(std::optional<DirEntry> entry, Find(ctx_.txn, missing.parent, name));
      if (!entry) {
        missing.names.assign(path.names.begin() + static_cast<ptrdiff_t>(i), path.names.end());
        return missing;
      }
      if (i + 1 == path.names.size()) {
        missing.last = std::move(entry);
        return missing;
      }
    }
    TRY(missing.parent, Step(missing.parent, name, /*follow=*/true, /*last=*/false, 0));
  }
  return missing;
}

std::string PathWalker::Trace() const {
  std::string text = trace_absolute_ ? "/" : "";
  for (const std::string& name : trace_) {
    if (!text.empty() && text.back() != '/') text += '/';
    text += name;
  }
  return text.empty() ? "." : text;
}

Result<std::string> AbsolutePath(MetaTxn& txn, const Inode& directory) {
  std::string text;
  Inode current = directory;
  while (current.id != schema::meta::kRootInodeId) {
    const Directory* dir = AsDirectory(current);
    if (dir == nullptr) return Status(Code::kMetaNotDirectory, "not a directory");
    text.insert(0, "/" + dir->name);
    if (current.id == schema::meta::kGcRootInodeId) break;
    TRY(current, records::LoadInode(txn, dir->parent));
  }
  return text.empty() ? std::string("/") : text;
}

}  // namespace threefs::standalone

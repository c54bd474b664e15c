// SPDX-License-Identifier: Apache-2.0
// Path resolution (3fs/meta.md §7): names are raw bytes cut at '/'; a leading '/' starts at the
// root; EXEC is needed on every directory a name is looked up in; symbolic links are followed from
// the directory that holds them, absolute ones from the root; depth and number of links are
// bounded. Uses one transaction; one walker resolves one path.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/base/status.h"
#include "client/standalone/meta_context.h"

namespace threefs::standalone {

inline constexpr size_t kMaxNameLength = 255;

[[nodiscard]] inline bool FollowsLast(int32_t at_flags) {
  return (at_flags & schema::meta::kAtSymlinkFollow) != 0 &&
         (at_flags & schema::meta::kAtSymlinkNoFollow) == 0;
}

/// A path's components: "." stands for a trailing slash; "/" has none.
struct SplitPath {
  bool absolute = false;
  std::vector<std::string> names;
};
SplitPath Split(std::string_view path);

/// The place of a directory entry, there or not.
struct EntryPlace {
  schema::meta::Inode parent;  ///< a directory
  std::string name;
  std::optional<schema::meta::DirEntry> entry;
};

/// Where mkdirs has to begin: the deepest directory that exists and the names to make in it.
struct MissingPath {
  schema::meta::Inode parent;
  std::vector<std::string> names;  ///< empty: everything exists
  std::optional<schema::meta::DirEntry>
      last;  ///< when everything exists: the last entry, if the path ends in a name
};

class PathWalker {
 public:
  explicit PathWalker(const MetaContext& ctx) : ctx_(ctx) {}

  /// The inode at `at`. No path, or an empty one with AT_EMPTY_PATH: the inode `parent`, no
  /// permission asked, nlink 0 refused when `check_refcount`.
  Result<schema::meta::Inode> Resolve(const schema::meta::PathAt& at, int32_t at_flags,
                                      bool check_refcount);
  /// The entry at `at`, whose last name is not followed. `need_exec`: on the last directory too.
  Result<EntryPlace> ResolveEntry(const schema::meta::PathAt& at, bool need_exec);
  Result<MissingPath> ResolveMissing(const schema::meta::PathAt& at);

  /// After Resolve answered kMetaNotFound because only the last name is missing: the directory it
  /// is missing in.
  [[nodiscard]] const std::optional<schema::meta::Inode>& last_missing_in() const {
    return last_missing_in_;
  }
  /// After Resolve: the way walked, links replaced by where they lead, "." and ".." folded.
  [[nodiscard]] std::string Trace() const;
  /// After Resolve of a path that ends in a name: the directory that holds the last one walked, and
  /// that name.
  [[nodiscard]] const std::optional<std::pair<uint64_t, std::string>>& last_step() const {
    return last_step_;
  }

 private:
  Result<schema::meta::Inode> StartOf(const schema::meta::PathAt& at, const SplitPath& path);
  Result<schema::meta::Inode> Walk(schema::meta::Inode start, const SplitPath& path,
                                   bool follow_last, uint32_t depth);
  Result<schema::meta::Inode> Step(const schema::meta::Inode& dir, const std::string& name,
                                   bool follow, bool last, uint32_t depth);
  Status Enter(const schema::meta::Inode& dir) const;

  const MetaContext& ctx_;
  uint32_t links_ = 0;
  bool trace_absolute_ = false;
  std::vector<std::string> trace_;
  std::optional<schema::meta::Inode> last_missing_in_;
  std::optional<std::pair<uint64_t, std::string>> last_step_;
};

/// From the root to `directory` by its stored parents: "/a/b"; "/" for the root.
Result<std::string> AbsolutePath(MetaTxn& txn, const schema::meta::Inode& directory);

}  // namespace threefs::standalone

// SPDX-License-Identifier: Apache-2.0
// The reference model of a simulated run: what the file system must hold. Every acknowledged
// operation is in it. An operation whose outcome is unknown leaves two possible states; what it
// touched is left alone until the run has settled and the truth can be looked at, which must then
// be one of the two.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "client/base/status.h"
#include "client/file/file_io.h"
#include "client/runtime/sync.h"

namespace threefs::sim {

using Content = std::vector<uint8_t>;

struct FileModel {
  uint64_t inode = 0;
  Content data;
  int links = 1;
  /// The unknown outcome of one operation: the content when it has been carried out.
  bool unsure = false;
  Content other;
  /// Which client wrote since the last exact sync; -1: none.
  int dirty = -1;
  uint64_t version = 0;  ///< of data, for the clients' views

  AsyncMutex mutex;  ///< one operation at a time
  struct View {
    file::FileRef ref;
    uint64_t version = 0;
  };
  std::vector<View> views;  ///< by client

  void Write(uint64_t offset, const Content& bytes);
  void Resize(uint64_t length) { data.resize(length); }
  void Punch(uint64_t offset, uint64_t length);
};
using FilePtr = std::shared_ptr<FileModel>;

/// `content` with the change made.
Content Written(Content content, uint64_t offset, const Content& bytes);
Content Punched(Content content, uint64_t offset, uint64_t length);

/// Empty when `seen` is a state the file may be in, else what is wrong. A byte may be the old or
/// the new one; where one of the two contents ends or the change puts zeros, a half-done change
/// shows zeros.
std::string CheckContent(const FileModel& file, const Content& seen);

/// A name in a directory.
struct Slot {
  enum class Kind : uint8_t { kAbsent, kFile, kDirectory, kSymlink };
  Kind kind = Kind::kAbsent;
  FilePtr file{};        ///< kFile
  std::string target{};  ///< kSymlink

  [[nodiscard]] bool Same(const Slot& o) const {
    return kind == o.kind && file == o.file && target == o.target;
  }
};

/// Several names that change together, in one of two states.
struct UnsureNames {
  struct Entry {
    size_t dir;
    size_t name;
    Slot before;
    Slot after;  ///< a new file has no inode yet (0): taken over when found
  };
  std::vector<Entry> entries;
};

struct DirModel {
  std::string path;
  uint64_t inode = 0;
  AsyncMutex mutex;
  std::vector<Slot> slots;
  std::vector<bool> unsure;  ///< by slot
};

struct Model {
  std::vector<std::unique_ptr<DirModel>> dirs;
  std::vector<UnsureNames> unsure;

  static std::string Name(size_t slot) { return "n" + std::to_string(slot); }
};

}  // namespace threefs::sim

// SPDX-License-Identifier: Apache-2.0
// The mount table, read from /proc/self/mountinfo only: no call here ever touches a mounted file
// system, so none can hang on a dead one. Pure parsing plus one reader. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "client/base/status.h"

namespace threefs::keeper {

struct MountEntry {
  int id = 0;
  uint32_t device_major = 0;
  uint32_t device_minor =
      0;             ///< of a FUSE mount: its connection's number under /sys/fs/fuse/connections
  std::string root;  ///< the part of the file system that is mounted; "/" unless it is a bind mount
                     ///< of a part
  std::string path;  ///< unescaped
  bool read_only = false;  ///< of this mount (not of the super block)
  std::string type;        ///< "fuse.hf3fs"
  std::string source;      ///< "hf3fs.<cluster_id>"
};

/// Octal escapes (\040 …) of mountinfo undone.
std::string UnescapeMountField(std::string_view field);
/// Lines that do not look like mountinfo are skipped.
std::vector<MountEntry> ParseMountInfo(std::string_view text);
Result<std::vector<MountEntry>> ReadMountTable();
/// The topmost mount exactly at `path`, or nullptr.
const MountEntry* FindMount(const std::vector<MountEntry>& table, std::string_view path);

}  // namespace threefs::keeper

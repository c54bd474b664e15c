// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/model.h"

#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <utility>

namespace threefs::sim {

Content Written(Content content, uint64_t offset, const Content& bytes) {
  if (bytes.empty()) return content;
  if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size());
  std::copy(bytes.begin(), bytes.end(), content.begin() + static_cast<int64_t>(offset));
  return content;
}

Content Punched(Content content, uint64_t offset, uint64_t length) {
  const uint64_t end = std::min<uint64_t>(content.size(), offset + length);
  for (uint64_t i = offset; i < end; ++i) content[i] = 0;
  return content;
}

void FileModel::Write(uint64_t offset, const Content& bytes) {
  data = Written(std::move(data), offset, bytes);
}
void FileModel::Punch(uint64_t offset, uint64_t length) {
  data = Punched(std::move(data), offset, length);
}

std::string CheckContent(const FileModel& file, const Content& seen) {
  if (!file.unsure) {
    if (seen == file.data) return {};
    if (seen.size() != file.data.size()) {
      return fmt::format("inode {}: length {}, must be {}", file.inode, seen.size(),
                         file.data.size());
    }
    const auto at = std::mismatch(seen.begin(), seen.end(), file.data.begin()).first - seen.begin();
    const auto i = static_cast<size_t>(at);
    return fmt::format("inode {}: byte {} is {:#x}, must be {:#x}", file.inode, i, seen[i],
                       file.data[i]);
  }
  const auto [low, high] = std::minmax(file.data.size(), file.other.size());
  // A truncation that was interrupted may have taken the chunks behind its end and not made the
  // last one yet: when that is a hole, storage knows no length for it (3fs/meta.md §9.3). No byte
  // of data may be missing.
  size_t least = low;
  while (least > 0 && file.data[least - 1] == 0 && file.other[least - 1] == 0) --least;
  if (seen.size() < least || seen.size() > high) {
    return fmt::format("inode {}: length {}, must be in [{}, {}]", file.inode, seen.size(), least,
                       high);
  }
  for (size_t i = 0; i < seen.size(); ++i) {
    const bool old_one = i < file.data.size() && seen[i] == file.data[i];
    const bool new_one = i < file.other.size() && seen[i] == file.other[i];
    const bool hole = seen[i] == 0 && i >= low;
    if (!old_one && !new_one && !hole) {
      return fmt::format(
          "inode {}: byte {} is {:#x}, neither the old nor the new content of an operation with "
          "unknown outcome",
          file.inode, i, seen[i]);
    }
  }
  return {};
}

}  // namespace threefs::sim

// SPDX-License-Identifier: Apache-2.0
#include "csi/keeper/mount_table.h"

#include <charconv>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace threefs::keeper {
namespace {

std::vector<std::string_view> SplitSpaces(std::string_view line) {
  std::vector<std::string_view> fields;
  while (!line.empty()) {
    const size_t end = line.find(' ');
    fields.push_back(line.substr(0, end));
    if (end == std::string_view::npos) break;
    line.remove_prefix(end + 1);
  }
  return fields;
}

template <class T>
bool ToNumber(std::string_view text, T* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

bool HasOption(std::string_view options, std::string_view wanted) {
  while (!options.empty()) {
    const size_t comma = options.find(',');
    if (options.substr(0, comma) == wanted) return true;
    if (comma == std::string_view::npos) return false;
    options.remove_prefix(comma + 1);
  }
  return false;
}

// id parent major:minor root path options [tags…] - type source super-options
bool ParseLine(std::string_view line, MountEntry* entry) {
  const std::vector<std::string_view> fields = SplitSpaces(line);
  size_t dash = 6;
  while (dash < fields.size() && fields[dash] != "-") ++dash;
  if (dash + 2 >= fields.size()) return false;
  const std::string_view device = fields[2];
  const size_t colon = device.find(':');
  if (colon == std::string_view::npos || !ToNumber(fields[0], &entry->id) ||
      !ToNumber(device.substr(0, colon), &entry->device_major) ||
      !ToNumber(device.substr(colon + 1), &entry->device_minor)) {
    return false;
  }
  entry->root = UnescapeMountField(fields[3]);
  entry->path = UnescapeMountField(fields[4]);
  entry->read_only = HasOption(fields[5], "ro");
  entry->type = UnescapeMountField(fields[dash + 1]);
  entry->source = UnescapeMountField(fields[dash + 2]);
  return true;
}

}  // namespace

std::string UnescapeMountField(std::string_view field) {
  std::string text;
  text.reserve(field.size());
  const auto octal = [&](size_t i) { return field[i] >= '0' && field[i] <= '7'; };
  for (size_t i = 0; i < field.size(); ++i) {
    if (field[i] == '\\' && i + 3 < field.size() && octal(i + 1) && octal(i + 2) && octal(i + 3)) {
      text += static_cast<char>((field[i + 1] - '0') * 64 + (field[i + 2] - '0') * 8 +
                                (field[i + 3] - '0'));
      i += 3;
    } else {
      text += field[i];
    }
  }
  return text;
}

std::vector<MountEntry> ParseMountInfo(std::string_view text) {
  std::vector<MountEntry> table;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    MountEntry entry;
    if (ParseLine(text.substr(0, end), &entry)) table.push_back(std::move(entry));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return table;
}

Result<std::vector<MountEntry>> ReadMountTable() {
  std::ifstream file("/proc/self/mountinfo");
  std::ostringstream text;
  text << file.rdbuf();
  if (!file.good() && text.str().empty()) {
    return Status(Code::kOSError, "cannot read /proc/self/mountinfo: is /proc mounted?");
  }
  return ParseMountInfo(text.str());
}

const MountEntry* FindMount(const std::vector<MountEntry>& table, std::string_view path) {
  const MountEntry* found = nullptr;
  for (const MountEntry& entry : table) {
    if (entry.path == path) found = &entry;  // later lines are mounted over earlier ones
  }
  return found;
}

}  // namespace threefs::keeper

// SPDX-License-Identifier: Apache-2.0
#include "csi/keeper/journal.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "client/base/bytes.h"
#include "client/base/crc32c.h"
#include "client/base/log.h"
#include "csi/keeper/durable_file.h"

namespace threefs::keeper {
namespace {

constexpr std::string_view kMagic = "3fsKeep1";
constexpr std::string_view kSuffix = ".mount";

Status SystemError(std::string_view what) {
  return {Code::kOSError, fmt::format("{}: {}", what, std::strerror(errno))};
}

uint32_t Checksum(std::string_view body) { return Crc32cRaw(~0U, AsBytes(body)); }

bool Decode(std::string_view contents, mounter::MountRecord* record) {
  if (contents.size() < kMagic.size() + 4 || !contents.starts_with(kMagic)) return false;
  uint32_t sum = 0;
  std::memcpy(&sum, contents.data() + kMagic.size(), 4);
  const std::string_view body = contents.substr(kMagic.size() + 4);
  return Checksum(body) == sum &&
         record->ParseFromArray(body.data(), static_cast<int>(body.size()));
}

}  // namespace

Result<Journal> Journal::Open(std::string directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (::chmod(directory.c_str(), 0700) != 0) {
    return SystemError(fmt::format("state directory '{}'", directory));
  }
  return Journal(std::move(directory));
}

std::string Journal::FileName(std::string_view volume_id) {
  std::string name;
  for (const char c : volume_id.substr(0, 100)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    name += plain || c == '-' ? c : '_';
  }
  uint64_t hash = 14695981039346656037ULL;  // FNV-1a, tells apart what the plain part cannot
  for (const char c : volume_id) hash = (hash ^ static_cast<uint8_t>(c)) * 1099511628211ULL;
  return fmt::format("{}-{:016x}{}", name, hash, kSuffix);
}

Status Journal::Save(const mounter::MountRecord& record) const {
  const std::string body = record.SerializeAsString();
  const uint32_t sum = Checksum(body);
  std::string contents(kMagic);
  contents.append(reinterpret_cast<const char*>(&sum), 4);
  contents += body;
  return WriteFileDurably(directory_, FileName(record.spec().volume_id()), contents);
}

void Journal::Remove(std::string_view volume_id) const {
  const std::string path = fmt::format("{}/{}", directory_, FileName(volume_id));
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    LOG_WARN("cannot remove '{}': {}", path, std::strerror(errno));
  }
}

std::vector<mounter::MountRecord> Journal::LoadAll() const {
  std::vector<mounter::MountRecord> records;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory_, error)) {
    const std::string path = entry.path().string();
    if (!path.ends_with(kSuffix)) continue;
    std::ifstream file(path, std::ios::binary);
    std::ostringstream contents;
    contents << file.rdbuf();
    mounter::MountRecord record;
    if (Decode(contents.str(), &record)) {
      records.push_back(std::move(record));
      continue;
    }
    LOG_ERROR("state file '{}' is damaged: kept as .bad; check the node for a stale hf3fs mount",
              path);
    std::filesystem::rename(path, path + ".bad", error);
  }
  return records;
}

}  // namespace threefs::keeper

// SPDX-License-Identifier: Apache-2.0
#include "csi/volume_store.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/base/log.h"
#include "csi/keeper/durable_file.h"

namespace threefs::csi {
namespace {

using nlohmann::json;

constexpr std::string_view kSuffix = ".volume.json";

Status SystemError(std::string_view what) {
  return {Code::kOSError, fmt::format("{}: {}", what, std::strerror(errno))};
}

std::string Hex(const std::string& bytes) {
  std::string text;
  for (const char c : bytes) text += fmt::format("{:02x}", static_cast<uint8_t>(c));
  return text;
}

std::string Unhex(const std::string& text) {
  std::string bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes += static_cast<char>(std::strtoul(text.substr(i, 2).c_str(), nullptr, 16));
  }
  return bytes;
}

json ToJson(const VolumeRecord& record) {
  json targets = json::object();
  for (const auto& [path, target] : record.targets) {
    targets[path] = {{"readOnly", target.read_only},
                     {"noExec", target.no_exec},
                     {"accessMode", target.access_mode}};
  }
  return {{"version", 1},
          {"volumeId", record.volume_id},
          {"clusterId", record.cluster_id},
          {"stagingPath", record.staging_path},
          {"spec", Hex(record.spec)},
          {"accessMode", record.access_mode},
          {"staged", record.staged},
          {"targets", targets}};
}

std::optional<VolumeRecord> FromJson(const std::string& text) {
  const json object = json::parse(text, nullptr, false);
  if (!object.is_object()) return std::nullopt;
  try {
    VolumeRecord record;
    if (object.at("version").get<int>() != 1) return std::nullopt;
    record.volume_id = object.at("volumeId").get<std::string>();
    record.cluster_id = object.at("clusterId").get<std::string>();
    record.staging_path = object.at("stagingPath").get<std::string>();
    record.spec = Unhex(object.at("spec").get<std::string>());
    record.access_mode = object.at("accessMode").get<int>();
    record.staged = object.at("staged").get<bool>();
    for (const auto& [path, target] : object.at("targets").items()) {
      record.targets[path] = {.read_only = target.at("readOnly").get<bool>(),
                              .no_exec = target.at("noExec").get<bool>(),
                              .access_mode = target.at("accessMode").get<int>()};
    }
    return record;
  } catch (const json::exception&) {
    return std::nullopt;
  }
}

}  // namespace

Result<VolumeStore> VolumeStore::Open(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (::chmod(directory.c_str(), 0700) != 0) {
    return SystemError(fmt::format("state directory '{}'", directory));
  }
  VolumeStore store(directory);
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    const std::string path = entry.path().string();
    if (!path.ends_with(kSuffix)) continue;
    std::ifstream file(path, std::ios::binary);
    std::ostringstream contents;
    contents << file.rdbuf();
    auto record = FromJson(contents.str());
    if (record && store.PathOf(record->volume_id) == entry.path().filename()) {
      store.records_[record->volume_id] = std::move(*record);
      continue;
    }
    LOG_ERROR("volume record '{}' is damaged: kept as .bad", path);
    std::filesystem::rename(path, path + ".bad", error);
  }
  return store;
}

std::string VolumeStore::PathOf(const std::string& volume_id) const {
  std::string name;
  for (const char c : volume_id.substr(0, 100)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    name += plain || c == '-' ? c : '_';
  }
  uint64_t hash = 14695981039346656037ULL;  // FNV-1a, tells apart what the plain part cannot
  for (const char c : volume_id) hash = (hash ^ static_cast<uint8_t>(c)) * 1099511628211ULL;
  return fmt::format("{}-{:016x}{}", name, hash, kSuffix);
}

std::optional<VolumeRecord> VolumeStore::Find(const std::string& volume_id) const {
  const std::lock_guard<std::mutex> hold(mutex_);
  const auto it = records_.find(volume_id);
  return it == records_.end() ? std::nullopt : std::optional(it->second);
}

std::vector<VolumeRecord> VolumeStore::All() const {
  const std::lock_guard<std::mutex> hold(mutex_);
  std::vector<VolumeRecord> all;
  all.reserve(records_.size());
  for (const auto& [id, record] : records_) all.push_back(record);
  return all;
}

Status VolumeStore::Save(const VolumeRecord& record) {
  TRY(keeper::WriteFileDurably(
      directory_, PathOf(record.volume_id),
      ToJson(record).dump(-1, ' ', false, json::error_handler_t::replace)));
  const std::lock_guard<std::mutex> hold(mutex_);
  records_[record.volume_id] = record;
  return {};
}

Status VolumeStore::Remove(const std::string& volume_id) {
  const std::string path = fmt::format("{}/{}", directory_, PathOf(volume_id));
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return SystemError(fmt::format("remove '{}'", path));
  }
  const std::lock_guard<std::mutex> hold(mutex_);
  records_.erase(volume_id);
  return {};
}

}  // namespace threefs::csi

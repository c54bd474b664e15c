// SPDX-License-Identifier: Apache-2.0
#include "tools/volume_record.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "client/base/status.h"
#include "client/base/status_code.h"
#include "client/base/uuid.h"

namespace threefs::tools {
namespace {

using nlohmann::json;
constexpr int kVersion = 1;
constexpr size_t kMaxVolumeId = 200;
constexpr size_t kMaxName = 255;
constexpr size_t kMaxPath = 4095;

Status Damaged(std::string_view why) {
  return {Code::kDataCorruption,
          fmt::format("the volume's record is damaged ({}): restore or remove it by hand", why)};
}

}  // namespace

std::string VolumeRecord::ToJson() const {
  const json parsed = json::parse(parameters, nullptr, false);
  const json j{{"version", kVersion},
               {"id", id},
               {"name", name},
               {"path", path},
               {"capacityBytes", capacity_bytes},
               {"parameters", parsed.is_object() ? parsed : json::object()},
               {"createdUs", created_us},
               {"mkdirUuid", mkdir_uuid.ToString()}};
  return j.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<VolumeRecord> VolumeRecord::FromJson(std::string_view text) {
  if (text.size() > kMaxRecordBytes) return Damaged("too large");
  const json j = json::parse(text, nullptr, false);
  if (!j.is_object()) return Damaged("not a JSON object");
  const auto text_of = [&j](const char* key) -> std::string {
    const auto it = j.find(key);
    return it != j.end() && it->is_string() ? it->get<std::string>() : std::string();
  };
  const auto number_of = [&j](const char* key) -> int64_t {
    const auto it = j.find(key);
    return it != j.end() && it->is_number_integer() ? it->get<int64_t>() : 0;
  };
  if (number_of("version") != kVersion) return Damaged("unknown version");
  VolumeRecord r;
  r.id = text_of("id");
  r.name = text_of("name");
  r.path = text_of("path");
  r.capacity_bytes = static_cast<uint64_t>(std::max<int64_t>(0, number_of("capacityBytes")));
  if (const auto it = j.find("parameters"); it != j.end() && it->is_object()) {
    r.parameters = it->dump();
  }
  r.created_us = number_of("createdUs");
  if (const auto uuid = Uuid::Parse(text_of("mkdirUuid")); uuid.ok()) r.mkdir_uuid = *uuid;
  if (!CheckVolumeId(r.id).ok()) return Damaged("bad id");
  if (!CheckAbsolutePath(r.path, "path").ok()) return Damaged("bad path");
  return r;
}

Status CheckVolumeId(std::string_view id) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  if (id.empty() || id.size() > kMaxVolumeId || id[0] == '.' || !std::ranges::all_of(id, allowed)) {
    return {Code::kInvalidArg,
            fmt::format(
                "a volume id is 1 to {} letters, digits, '.', '_' or '-', not starting with '.'",
                kMaxVolumeId)};
  }
  return {};
}

Status CheckAbsolutePath(std::string_view path, std::string_view what) {
  const auto bad = [&](std::string_view why) {
    return Status(Code::kInvalidArg, fmt::format("{} {}", what, why));
  };
  if (path.empty() || path[0] != '/') return bad("must be an absolute path");
  if (path.size() > kMaxPath) return bad("is longer than 4095 bytes");
  if (std::ranges::any_of(
          path, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; })) {
    return bad("holds a control character");
  }
  if (path == "/") return {};
  for (size_t at = 1; at <= path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string_view name = path.substr(at, end - at);
    if (name.empty()) return bad("holds an empty name (a double or trailing slash)");
    if (name == "." || name == "..") return bad("holds \".\" or \"..\": write it without");
    if (name.size() > kMaxName) return bad("holds a name of more than 255 bytes");
    at = end + 1;
  }
  return {};
}

bool IsUnder(std::string_view path, std::string_view dir) {
  if (dir == "/") return true;
  return path.starts_with(dir) && (path.size() == dir.size() || path[dir.size()] == '/');
}

}  // namespace threefs::tools

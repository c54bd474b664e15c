// SPDX-License-Identifier: Apache-2.0
#include "csi/grammar.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace threefs::csi {
namespace {

constexpr size_t kLongestPart = 255;
constexpr size_t kLongestTreePath = 3840;  // leaves room below the kernel's 4096 for what is inside
constexpr size_t kLongestClusterId = 31;
constexpr size_t kLongestVolumeId = 96;
constexpr uint64_t kLongestDurationMs = 24ULL * 3600 * 1000;
constexpr size_t kMostAddresses = 64;

Status Bad(std::string sentence) { return {Code::kInvalidArg, std::move(sentence)}; }

/// Cuts a leading decimal number off `text`.
bool TakeNumber(std::string_view* text, uint64_t* value) {
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), *value);
  if (error != std::errc()) return false;
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  return true;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool IsPlain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

Status CheckParts(std::string_view key, std::string_view path) {
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (part.empty() || part == "." || part == "..") {
      return Bad(
          fmt::format("{} has an empty, '.' or '..' part: write the path without them", key));
    }
    if (part.size() > kLongestPart) {
      return Bad(fmt::format("{} has a part of {} bytes: 255 is the most", key, part.size()));
    }
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
    if (path.empty()) return Bad(fmt::format("{} ends with '/': leave it away", key));
  }
  return {};
}

Status CheckAddress(std::string_view key, std::string_view address) {
  const auto wrong = [&] {
    return Bad(fmt::format("{} holds '{}': write TCP://host:port or RDMA://host:port", key,
                           HasControlCharacter(address) ? "(control characters)" : address));
  };
  std::string_view rest = address;
  if (rest.starts_with("TCP://")) {
    rest.remove_prefix(6);
  } else if (rest.starts_with("RDMA://")) {
    rest.remove_prefix(7);
  } else {
    return wrong();
  }
  const size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return wrong();
  std::string_view port_text = rest.substr(colon + 1);
  uint64_t port = 0;
  if (!TakeNumber(&port_text, &port) || !port_text.empty() || port == 0 || port > 65535) {
    return wrong();
  }
  for (const char c : rest.substr(0, colon)) {
    if (!IsPlain(c) && c != ':' && c != '[' && c != ']') return wrong();
  }
  return {};
}

}  // namespace

bool HasControlCharacter(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

Result<uint64_t> ParseSize(std::string_view key, std::string_view text) {
  std::string_view rest = text;
  uint64_t value = 0;
  unsigned shift = 0;
  const bool number = TakeNumber(&rest, &value);
  if (number && !rest.empty()) {
    const size_t unit = std::string_view("KMGT").find(rest.front());
    if (unit != std::string_view::npos) {
      shift = 10 * (static_cast<unsigned>(unit) + 1);
      rest.remove_prefix(1);
      if (rest.starts_with('i')) rest.remove_prefix(1);
    }
    if (rest == "B") rest.remove_prefix(1);
  }
  if (!number || !rest.empty() || value > (std::numeric_limits<int64_t>::max() >> shift)) {
    return Bad(fmt::format("{} is '{}': write a size such as 524288, 512Ki or 1Mi", key, text));
  }
  return value << shift;
}

Result<uint32_t> ParseDurationMs(std::string_view key, std::string_view text) {
  static constexpr std::pair<std::string_view, uint64_t> kUnits[] = {
      {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}};
  std::string_view rest = text;
  uint64_t total = 0;
  bool good = !text.empty();
  while (good && !rest.empty()) {
    uint64_t value = 0;
    good = TakeNumber(&rest, &value) && value <= kLongestDurationMs;
    if (!good) break;
    const auto* unit = std::find_if(std::begin(kUnits), std::end(kUnits), [&](const auto& u) {
      return rest.starts_with(u.first) &&
             (rest.size() == u.first.size() ||
              (rest[u.first.size()] >= '0' && rest[u.first.size()] <= '9'));
    });
    good = unit != std::end(kUnits);
    if (!good) break;
    total += value * unit->second;
    rest.remove_prefix(unit->first.size());
  }
  if (!good || total == 0 || total > kLongestDurationMs) {
    return Bad(
        fmt::format("{} is '{}': write a time from 1ms to 24h such as 30s or 1m30s", key, text));
  }
  return static_cast<uint32_t>(total);
}

Result<uint32_t> ParseNumber(std::string_view key, std::string_view text, uint32_t least,
                             uint32_t most) {
  std::string_view rest = text;
  uint64_t value = 0;
  if (!TakeNumber(&rest, &value) || !rest.empty() || value < least || value > most) {
    return Bad(fmt::format("{} is '{}': write a number from {} to {}", key, text, least, most));
  }
  return static_cast<uint32_t>(value);
}

Result<std::vector<std::string>> ParseAddresses(std::string_view key, std::string_view text) {
  std::vector<std::string> addresses;
  std::string_view rest = text;
  while (true) {
    const size_t comma = rest.find(',');
    const std::string_view address = Trim(rest.substr(0, comma));
    TRY(CheckAddress(key, address));
    addresses.emplace_back(address);
    if (addresses.size() > kMostAddresses) return Bad(fmt::format("{} holds more than 64", key));
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  return addresses;
}

Result<std::string> CheckTreePath(std::string_view key, std::string_view text) {
  if (!text.starts_with('/')) return Bad(fmt::format("{} must start with '/'", key));
  if (HasControlCharacter(text)) return Bad(fmt::format("{} holds control characters", key));
  if (text.size() > kLongestTreePath) {
    return Bad(fmt::format("{} has {} bytes: {} is the most", key, text.size(), kLongestTreePath));
  }
  if (text.size() > 2 && text.ends_with('/')) text.remove_suffix(1);  // "//" stays wrong
  TRY(CheckParts(key, text.substr(1)));
  return std::string(text);
}

std::string JoinPath(std::string_view base, std::string_view relative) {
  return base == "/" ? fmt::format("/{}", relative) : fmt::format("{}/{}", base, relative);
}

Status CheckClusterId(std::string_view text) {
  if (text.empty()) return Bad("clusterId is missing: give the cluster's id");
  if (text.size() > kLongestClusterId) {
    return Bad(fmt::format("clusterId has {} characters: 3FS allows 31", text.size()));
  }
  if (!std::all_of(text.begin(), text.end(), IsPlain)) {
    return Bad("clusterId may hold letters, digits, '.', '_' and '-' only");
  }
  return {};
}

Result<std::string> ExpandPattern(std::string_view pattern, const StringMap& variables) {
  std::string expanded;
  std::string_view rest = pattern;
  while (!rest.empty()) {
    const size_t start = rest.find("${");
    expanded += rest.substr(0, start);
    if (start == std::string_view::npos) break;
    const size_t end = rest.find('}', start);
    if (end == std::string_view::npos) return Bad("pathPattern has '${' without '}'");
    const std::string name(rest.substr(start + 2, end - start - 2));
    const auto it = variables.find(name);
    if (it == variables.end()) {
      return Bad(
          fmt::format("pathPattern knows ${{pvc.namespace}}, ${{pvc.name}} and ${{pv.name}}, "
                      "not ${{{}}}",
                      name));
    }
    if (it->second.empty()) {
      return Bad(
          fmt::format("pathPattern needs ${{{}}}: run the provisioner with "
                      "--extra-create-metadata",
                      name));
    }
    if (it->second.find('/') != std::string::npos) {
      return Bad(fmt::format("the value of ${{{}}} holds '/'", name));
    }
    expanded += it->second;
    rest.remove_prefix(end + 1);
  }
  if (HasControlCharacter(expanded)) return Bad("pathPattern holds control characters");
  if (expanded.empty()) return Bad("pathPattern is empty: leave it away or give one");
  TRY(CheckParts("pathPattern", expanded));
  if (expanded == ".threefs-csi" || expanded.starts_with(".threefs-csi/")) {
    return Bad("pathPattern must not name .threefs-csi, where volumes are recorded");
  }
  return expanded;
}

std::string VolumeIdFromName(std::string_view name) {
  const bool good = !name.empty() && name.size() <= kLongestVolumeId && name.front() != '.' &&
                    std::all_of(name.begin(), name.end(), IsPlain);
  if (good) return std::string(name);
  uint64_t hash = 14695981039346656037ULL;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 1099511628211ULL;
  std::string id = "v-";
  for (const char c : name.substr(0, 60)) id += IsPlain(c) ? c : '-';
  return fmt::format("{}-{:016x}", id, hash);
}

Result<VolumeHandle> ParseHandle(std::string_view handle) {
  const size_t slash = handle.find('/');
  const bool split = slash != std::string_view::npos;
  VolumeHandle parsed{.cluster_id = std::string(handle.substr(0, slash)),
                      .volume_id = split ? std::string(handle.substr(slash + 1)) : ""};
  const std::string& id = parsed.volume_id;
  if (!split || !CheckClusterId(parsed.cluster_id).ok() || id.empty() ||
      id.size() > kLongestVolumeId || id.front() == '.' ||
      !std::all_of(id.begin(), id.end(), IsPlain)) {
    return Status(Code::kMetaNotFound,
                  "no volume has this handle: handles are <clusterId>/<volume id>");
  }
  return parsed;
}

}  // namespace threefs::csi

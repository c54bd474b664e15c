// SPDX-License-Identifier: Apache-2.0
#include "csi/parameters.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace threefs::csi {
namespace {

constexpr uint64_t kSmallestChunk = uint64_t{4} << 10;
constexpr uint64_t kLargestChunk = uint64_t{64} << 20;
constexpr uint32_t kMostStripes = 65535;
constexpr size_t kLongestToken = 4096;

constexpr std::array<std::string_view, 6> kMountKeys = {
    "clusterId", "mgmtdAddresses", "transport", "consistency", "identity", "ioTimeout"};
constexpr std::array<std::string_view, 5> kClassKeys = {"basePath", "pathPattern", "chunkSize",
                                                        "stripeSize", "chainTableId"};
/// Options of mount(8) that are always so, or that a network file system has no use for.
constexpr std::array<std::string_view, 7> kQuietOptions = {
    "rw", "nosuid", "nodev", "exec", "noatime", "relatime", "nodiratime"};
/// The mounter's own knobs that a PV may turn.
constexpr std::array<std::string_view, 7> kKnobs = {
    "attr_timeout",   "entry_timeout",    "negative_timeout", "symlink_timeout",
    "max_background", "verify_checksums", "log_level"};

Status Bad(std::string sentence) { return {Code::kInvalidArg, std::move(sentence)}; }

bool IsKubernetesKey(std::string_view key) {
  return key.starts_with("csi.storage.k8s.io/") || key.starts_with("storage.kubernetes.io/");
}

template <class List>
bool Contains(const List& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

Status OneOf(std::string_view key, std::string_view value,
             const std::vector<std::string_view>& known) {
  if (Contains(known, value)) return {};
  return Bad(fmt::format("{} is '{}': write one of {}", key, value, fmt::join(known, ", ")));
}

Status SetMountKey(const std::string& key, const std::string& value, MountParameters* mount) {
  if (key == "clusterId") {
    TRY(CheckClusterId(value));
    mount->cluster_id = value;
  } else if (key == "mgmtdAddresses") {
    TRY(mount->mgmtd_addresses, ParseAddresses(key, value));
  } else if (key == "transport") {
    TRY(OneOf(key, value, {"auto", "rdma", "tcp"}));
    mount->transport = value;
  } else if (key == "consistency") {
    TRY(OneOf(key, value, {"relaxed", "close-to-open", "strict"}));
    mount->consistency = value;
  } else if (key == "identity") {
    TRY(OneOf(key, value, {"caller", "token"}));
    mount->identity = value;
  } else {
    TRY(mount->io_timeout_ms, ParseDurationMs(key, value));
  }
  return {};
}

Status CheckComplete(const MountParameters& mount) {
  TRY(CheckClusterId(mount.cluster_id));
  if (mount.mgmtd_addresses.empty()) {
    return Bad("mgmtdAddresses is missing: give the cluster's, such as TCP://10.0.0.1:8000");
  }
  return {};
}

Status SetClassKey(const std::string& key, const std::string& value, StorageClass* storage_class) {
  if (key == "basePath") {
    TRY(storage_class->base_path, CheckTreePath(key, value));
  } else if (key == "chunkSize") {
    TRY(const uint64_t size, ParseSize(key, value));
    if (size < kSmallestChunk || size > kLargestChunk || (size & (size - 1)) != 0) {
      return Bad(fmt::format("chunkSize is '{}': write a power of two from 4Ki to 64Mi", value));
    }
    storage_class->chunk_size = size;
  } else if (key == "stripeSize") {
    TRY(storage_class->stripe_size, ParseNumber(key, value, 1, kMostStripes));
  } else if (key == "chainTableId") {
    TRY(storage_class->chain_table_id, ParseNumber(key, value, 1, 0xffffffffU));
  }
  return {};
}

std::string Value(const StringMap& map, const std::string& key) {
  const auto it = map.find(key);
  return it == map.end() ? std::string() : it->second;
}

/// A key a person typed, safe to print.
std::string Printable(std::string_view key) {
  std::string text(key.substr(0, 60));
  std::replace_if(
      text.begin(), text.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return text;
}

}  // namespace

Result<StorageClass> ParseStorageClass(const StringMap& parameters,
                                       const std::string& volume_name) {
  StorageClass storage_class;
  for (const auto& [key, value] : parameters) {
    if (IsKubernetesKey(key)) continue;
    if (Contains(kMountKeys, key)) {
      TRY(SetMountKey(key, value, &storage_class.mount));
    } else if (Contains(kClassKeys, key)) {
      TRY(SetClassKey(key, value, &storage_class));
    } else {
      return Bad(fmt::format("StorageClass parameter '{}' is unknown: known are {}, {}",
                             Printable(key), fmt::join(kMountKeys, ", "),
                             fmt::join(kClassKeys, ", ")));
    }
  }
  TRY(CheckComplete(storage_class.mount));
  if (const auto it = parameters.find("pathPattern"); it != parameters.end()) {
    const std::string pv = Value(parameters, "csi.storage.k8s.io/pv/name");
    TRY(storage_class.relative_path,
        ExpandPattern(it->second,
                      {{"pvc.namespace", Value(parameters, "csi.storage.k8s.io/pvc/namespace")},
                       {"pvc.name", Value(parameters, "csi.storage.k8s.io/pvc/name")},
                       {"pv.name", pv.empty() ? volume_name : pv}}));
  }
  return storage_class;
}

Result<VolumeContext> ParseVolumeContext(const StringMap& context) {
  VolumeContext parsed;
  for (const auto& [key, value] : context) {
    if (IsKubernetesKey(key)) continue;
    if (Contains(kMountKeys, key)) {
      TRY(SetMountKey(key, value, &parsed.mount));
    } else if (key == "path") {
      TRY(parsed.path, CheckTreePath(key, value));
    } else {
      return Bad(fmt::format("volume attribute '{}' is unknown: known are {}, path", Printable(key),
                             fmt::join(kMountKeys, ", ")));
    }
  }
  TRY(CheckComplete(parsed.mount));
  if (parsed.path.empty()) {
    return Bad("volume attribute path is missing: give the volume's directory in 3FS");
  }
  return parsed;
}

StringMap MakeVolumeContext(const StorageClass& storage_class, const std::string& path) {
  const MountParameters& mount = storage_class.mount;
  StringMap context = {{"clusterId", mount.cluster_id},
                       {"mgmtdAddresses", fmt::format("{}", fmt::join(mount.mgmtd_addresses, ","))},
                       {"path", path}};
  if (!mount.transport.empty()) context["transport"] = mount.transport;
  if (!mount.consistency.empty()) context["consistency"] = mount.consistency;
  if (!mount.identity.empty()) context["identity"] = mount.identity;
  if (mount.io_timeout_ms != 0) context["ioTimeout"] = fmt::format("{}ms", mount.io_timeout_ms);
  return context;
}

Result<MountOptions> ParseMountOptions(const std::vector<std::string>& flags) {
  MountOptions options;
  for (const std::string& flag : flags) {
    const size_t equals = flag.find('=');
    const std::string name = flag.substr(0, equals);
    if (equals == std::string::npos && name == "ro") {
      options.read_only = true;
    } else if (equals == std::string::npos && name == "noexec") {
      options.no_exec = true;
    } else if (equals == std::string::npos && Contains(kQuietOptions, name)) {
      continue;
    } else if (equals != std::string::npos && Contains(kKnobs, name) &&
               !HasControlCharacter(flag) && flag.size() - equals <= 64) {
      options.knobs[name] = flag.substr(equals + 1);
    } else {
      return Bad(fmt::format("mount option '{}' is unknown: known are ro, noexec, {}, {}=…",
                             Printable(flag), fmt::join(kQuietOptions, ", "),
                             fmt::join(kKnobs, "=…, ")));
    }
  }
  return options;
}

Result<std::string> TokenOf(const StringMap& secrets) {
  std::string token = Value(secrets, "token");
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
  while (!token.empty() && blank(token.back())) token.pop_back();
  const auto start = std::find_if_not(token.begin(), token.end(), blank);
  token.erase(token.begin(), start);
  if (token.size() > kLongestToken || HasControlCharacter(token)) {
    return Bad(
        "the secret's token is longer than 4096 bytes or holds line breaks: it should be "
        "the one line of token.txt");
  }
  return token;
}

}  // namespace threefs::csi

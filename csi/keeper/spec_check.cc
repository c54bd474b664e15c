// SPDX-License-Identifier: Apache-2.0
#include "csi/keeper/spec_check.h"

#include <fmt/core.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace threefs::keeper {
namespace {

constexpr size_t kLongestVolumeId = 256;
constexpr size_t kLongestClusterId = 31;  // 3FS itself aborts at 32
constexpr size_t kLongestPath = 4095;
constexpr int kMostAddresses = 64;

Status Bad(std::string sentence) { return {Code::kInvalidArg, std::move(sentence)}; }

bool HasControlCharacter(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

Status CheckPath(std::string_view what, std::string_view path) {
  if (!path.starts_with('/') || path.size() > kLongestPath || HasControlCharacter(path)) {
    return Bad(fmt::format("{} must be an absolute path without control characters", what));
  }
  std::string_view rest = path.substr(1);
  while (!rest.empty()) {
    const size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    if (part.empty() || part == "." || part == "..") {
      return Bad(fmt::format("{} must not have empty, '.' or '..' parts", what));
    }
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
    if (rest.empty()) return Bad(fmt::format("{} must not end with '/'", what));
  }
  return {};
}

}  // namespace

Status CheckSpec(const mounter::MountSpec& spec) {
  if (spec.volume_id().empty() || spec.volume_id().size() > kLongestVolumeId ||
      HasControlCharacter(spec.volume_id())) {
    return Bad("volume id must have 1 to 256 characters, none of them control characters");
  }
  const std::string& cluster = spec.cluster_id();
  if (cluster.empty() || cluster.size() > kLongestClusterId || HasControlCharacter(cluster)) {
    return Bad("cluster id must have 1 to 31 characters: use the one of the cluster's mgmtd");
  }
  if (spec.mgmtd_addresses().empty() || spec.mgmtd_addresses_size() > kMostAddresses) {
    return Bad("mgmtd addresses are missing: give 1 to 64 of the form TCP://host:port");
  }
  for (const std::string& address : spec.mgmtd_addresses()) {
    if (address.empty() || HasControlCharacter(address)) {
      return Bad("a mgmtd address is empty or holds control characters");
    }
  }
  TRY(CheckPath("volume path", spec.path()));
  if (spec.mount_path() == "/") return Bad("mount path must not be the root");
  return CheckPath("mount path", spec.mount_path());
}

std::string CanonicalSpec(const mounter::MountSpec& spec) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  spec.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

}  // namespace threefs::keeper

// SPDX-License-Identifier: Apache-2.0
#include "csi/call.h"

#include <fmt/core.h>

#include <chrono>
#include <exception>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "client/base/log.h"
#include "csi/errors.h"

namespace threefs::csi {
namespace {

namespace v1 = ::csi::v1;
using Mode = v1::VolumeCapability::AccessMode;

Status Bad(std::string sentence) { return {Code::kInvalidArg, std::move(sentence)}; }

std::string Printable(const std::string& text) {
  std::string out = text.substr(0, 300);
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return out;
}

}  // namespace

grpc::Status Serve(std::string_view method, const std::string& volume,
                   const std::function<grpc::Status()>& work) {
  const auto start = std::chrono::steady_clock::now();
  grpc::Status status;
  try {
    status = work();
  } catch (const std::exception& e) {  // a library's; ours return a status
    status = Error(grpc::StatusCode::INTERNAL, fmt::format("unexpected: {}", e.what()));
  }
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                      std::chrono::steady_clock::now() - start)
                      .count();
  if (status.ok()) {
    LOG_INFO("{} '{}': OK in {} ms", method, Printable(volume), ms);
  } else {
    LOG_WARN("{} '{}': code {} in {} ms: {}", method, Printable(volume),
             static_cast<int>(status.error_code()), ms, status.error_message());
  }
  return status;
}

StringMap ToMap(const google::protobuf::Map<std::string, std::string>& map) {
  return {map.begin(), map.end()};
}

Status CheckVolumeId(const std::string& volume_id) {
  if (volume_id.empty()) return Bad("volume_id is missing");
  if (volume_id.size() > 256) return Bad("volume_id has more than 256 bytes");
  if (HasControlCharacter(volume_id)) return Bad("volume_id holds control characters");
  return {};
}

Result<CapabilityPlan> CheckCapability(const v1::VolumeCapability& capability) {
  if (capability.has_block()) {
    return Bad("block volumes are not offered by 3FS: use volumeMode Filesystem");
  }
  if (!capability.has_mount()) return Bad("volume_capability has no access type: set mount");
  const std::string& type = capability.mount().fs_type();
  if (!type.empty() && type != "fuse.hf3fs" && type != "hf3fs") {
    return Bad(fmt::format("fsType is '{}': leave it away or write hf3fs", Printable(type)));
  }
  CapabilityPlan plan;
  plan.access_mode = capability.access_mode().mode();
  switch (capability.access_mode().mode()) {
    case Mode::SINGLE_NODE_READER_ONLY:
    case Mode::MULTI_NODE_READER_ONLY:
      plan.reader_only = true;
      break;
    case Mode::SINGLE_NODE_WRITER:
    case Mode::MULTI_NODE_SINGLE_WRITER:
    case Mode::MULTI_NODE_MULTI_WRITER:
    case Mode::SINGLE_NODE_SINGLE_WRITER:
    case Mode::SINGLE_NODE_MULTI_WRITER:
      break;
    default:
      return Bad("access mode is missing or unknown: give one of CSI's");
  }
  const auto& flags = capability.mount().mount_flags();
  TRY(plan.options, ParseMountOptions({flags.begin(), flags.end()}));
  return plan;
}

}  // namespace threefs::csi

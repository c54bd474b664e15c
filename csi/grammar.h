// SPDX-License-Identifier: Apache-2.0
// The small languages of StorageClass and PersistentVolume values: sizes, durations, addresses,
// tree paths, names. Pure, any thread. Every error is kInvalidArg with one sentence that names the
// value and what would be right.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "client/base/status.h"

namespace threefs::csi {

using StringMap = std::map<std::string, std::string>;

/// "4096", "64Ki", "1MiB", "1M" (K, M, G, T are binary, as in 3FS's own configuration). `key` names
/// it in the error.
Result<uint64_t> ParseSize(std::string_view key, std::string_view text);
/// "500ms", "30s", "2m", "1h", "1m30s" → milliseconds.
Result<uint32_t> ParseDurationMs(std::string_view key, std::string_view text);
Result<uint32_t> ParseNumber(std::string_view key, std::string_view text, uint32_t least,
                             uint32_t most);
/// "TCP://10.0.0.1:8000, RDMA://mgmtd.svc:8000" → the addresses, at least one.
Result<std::vector<std::string>> ParseAddresses(std::string_view key, std::string_view text);

/// An absolute path of the 3FS tree: no empty, `.` or `..` part, no control character, parts ≤ 255
/// bytes, all ≤ 3840. A trailing slash is dropped.
Result<std::string> CheckTreePath(std::string_view key, std::string_view text);
/// `a/b` + `c` → `a/b/c`; "/" + `c` → `/c`.
std::string JoinPath(std::string_view base, std::string_view relative);
/// 1 to 31 characters of letters, digits, `.`, `_`, `-`: 3FS itself aborts at 32.
Status CheckClusterId(std::string_view text);
[[nodiscard]] bool HasControlCharacter(std::string_view text);

/// `${pvc.namespace}`, `${pvc.name}`, `${pv.name}` replaced. An unknown or missing variable is an
/// error, as is a result that is not a clean relative path.
Result<std::string> ExpandPattern(std::string_view pattern, const StringMap& variables);

/// A volume's id from the name the orchestrator gave: the name itself when it can stand in a path
/// and a handle, else a shortened form with a hash, the same for the same name. At most 96
/// characters.
std::string VolumeIdFromName(std::string_view name);
struct VolumeHandle {
  std::string cluster_id;
  std::string volume_id;
};
/// `<clusterId>/<volume id>`; kMetaNotFound when it is not of that form (so no volume of ours).
Result<VolumeHandle> ParseHandle(std::string_view handle);

}  // namespace threefs::csi

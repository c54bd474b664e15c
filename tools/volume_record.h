// SPDX-License-Identifier: Apache-2.0
// VolumeRecord: what a volume is, as it stands in <base path>/.threefs-csi/<volume id>.json — the
// only store the controller has. JSON of foreign origin (any client of the cluster may have written
// it): bounded and checked.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "client/base/status.h"
#include "client/base/uuid.h"

namespace threefs::tools {

inline constexpr std::string_view kRecordFolder = ".threefs-csi";
inline constexpr std::string_view kRecordSuffix = ".json";
/// A record larger than this is refused (parameters are a handful of short strings).
inline constexpr size_t kMaxRecordBytes = 256U << 10;

struct VolumeRecord {
  std::string id;
  std::string name;
  std::string path;  ///< absolute, in the 3FS tree
  uint64_t capacity_bytes = 0;
  std::string parameters = "{}";  ///< a JSON object, kept as given
  int64_t created_us = 0;
  /// The idempotency uuid its directory was (or is to be) made with: a repeated mkdir with it
  /// succeeds on our own directory and on no other (3fs/meta.md §8.3).
  Uuid mkdir_uuid;

  [[nodiscard]] std::string ToJson() const;
  static Result<VolumeRecord> FromJson(std::string_view text);
};

/// A volume id is a file name: 1…200 bytes of letters, digits, '.', '_', '-', not starting with
/// '.'.
Status CheckVolumeId(std::string_view id);
/// Absolute, normalised (no "//", ".", "..", trailing slash), no control characters, each name ≤
/// 255 bytes, whole ≤ 4095.
Status CheckAbsolutePath(std::string_view path, std::string_view what);
/// Is `path` equal to or under `dir`? Both checked.
bool IsUnder(std::string_view path, std::string_view dir);

}  // namespace threefs::tools

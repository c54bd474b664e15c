// SPDX-License-Identifier: Apache-2.0
// VolumeStore: what the node service has promised about each volume on this node, one JSON file a
// volume, written with fsync and rename before anything is done. Holds no secret. Any thread; one
// volume's record is changed under its lock only.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "client/base/status.h"
#include "csi/grammar.h"

namespace threefs::csi {

/// One pod's use of a volume.
struct PublishRecord {
  bool read_only = false;
  bool no_exec = false;
  int access_mode = 0;  ///< csi.v1.VolumeCapability.AccessMode.Mode
};

struct VolumeRecord {
  std::string volume_id;
  std::string cluster_id;
  std::string staging_path;
  std::string spec;  ///< the MountSpec it was staged with, serialized deterministically
  int access_mode = 0;
  bool staged = false;  ///< false: the intent only; a crash came between
  std::map<std::string, PublishRecord> targets;
};

class VolumeStore {
 public:
  /// Reads every record in `directory` (made when missing). Damaged files are renamed to `*.bad`
  /// and reported.
  static Result<VolumeStore> Open(const std::string& directory);
  VolumeStore(VolumeStore&& other) noexcept
      : directory_(std::move(other.directory_)), records_(std::move(other.records_)) {}

  [[nodiscard]] std::optional<VolumeRecord> Find(const std::string& volume_id) const;
  [[nodiscard]] std::vector<VolumeRecord> All() const;
  /// Durable when it returns OK.
  Status Save(const VolumeRecord& record);
  Status Remove(const std::string& volume_id);

 private:
  explicit VolumeStore(std::string directory) : directory_(std::move(directory)) {}
  [[nodiscard]] std::string PathOf(const std::string& volume_id) const;

  std::string directory_;
  mutable std::mutex mutex_;
  std::map<std::string, VolumeRecord> records_;
};

}  // namespace threefs::csi

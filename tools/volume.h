// SPDX-License-Identifier: Apache-2.0
// Volumes as directories of the 3FS tree (the controller's work). Each function is one command,
// safe to repeat after any interruption: the record is written first, the directory is made with
// the record's own idempotency uuid. Tasks on the loop of `access`; `base` and all paths were
// checked by CheckAbsolutePath.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/base/status.h"
#include "client/runtime/task.h"
#include "tools/connect.h"
#include "tools/volume_record.h"

namespace threefs::tools {

struct CreateVolume {
  VolumeRecord record;
  /// 0: as the parent directory has it.
  uint32_t chunk_size = 0;
  uint32_t stripe_size = 0;
  uint32_t chain_table_id = 0;
};

struct CreatedVolume {
  bool created = false;  ///< false: a record of this id was there already; `record` is that one
  VolumeRecord record;
};

/// kMetaExists when the path is taken by something that is not this volume.
Task<Result<CreatedVolume>> CreateVolumeDirectory(Access access, std::string base,
                                                  CreateVolume create);
/// kMetaNotFound when there is no record.
Task<Result<VolumeRecord>> GetVolume(Access access, std::string base, std::string id);
/// Removes the tree, then the record. False when there was no record; kMetaBusy when another volume
/// lies inside.
Task<Result<bool>> DeleteVolumeDirectory(Access access, std::string base, std::string id);
/// Never shrinks: a smaller capacity leaves the record as it is.
Task<Result<VolumeRecord>> ExpandVolume(Access access, std::string base, std::string id,
                                        uint64_t capacity_bytes);

struct VolumeList {
  std::vector<VolumeRecord> volumes;  ///< by id, ascending
  std::string next;                   ///< pass as `after` to go on; empty at the end
};
/// At most `max` (0: all) with ids greater than `after`. Damaged records are left out with a
/// warning.
Task<Result<VolumeList>> ListVolumes(Access access, std::string base, std::string after,
                                     uint64_t max,
                                     std::function<void(uint64_t, uint64_t)> progress);

struct Capacity {
  uint64_t total = 0;
  uint64_t available = 0;
  uint64_t used = 0;
};
Task<Result<Capacity>> ClusterCapacity(Access access);

}  // namespace threefs::tools

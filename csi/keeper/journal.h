// SPDX-License-Identifier: Apache-2.0
// Journal: what the keeper's next life must know, one small file a mount
// (threefs.mounter.MountRecord behind a magic and a CRC), written with fsync and rename before the
// mount is made. Holds no secret. Keeper's thread only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "client/base/status.h"
#include "proto/mounter/control.pb.h"

namespace threefs::keeper {

class Journal {
 public:
  /// Makes `directory` (mode 0700) when it is missing.
  static Result<Journal> Open(std::string directory);

  Status Save(const mounter::MountRecord& record) const;
  void Remove(std::string_view volume_id) const;
  /// Every readable record. Unreadable files are reported in the log and renamed to `*.bad`: never
  /// silently dropped.
  [[nodiscard]] std::vector<mounter::MountRecord> LoadAll() const;
  /// The file a volume's record is in: unique for any volume id, however long or odd.
  [[nodiscard]] static std::string FileName(std::string_view volume_id);

 private:
  explicit Journal(std::string directory) : directory_(std::move(directory)) {}
  std::string directory_;
};

}  // namespace threefs::keeper

// SPDX-License-Identifier: Apache-2.0
// ClusterBook: how the controller reaches a cluster it has only an id of (DeleteVolume and
// ListVolumes carry no parameters). Known are the clusters of the administrator's file, read again
// at each question, and those CreateVolume has seen, kept in the state directory. Tokens come from
// the file's `tokenFile`, else from the last call that had one (memory only).
//   {"clusters": [{"clusterId": "stage", "mgmtdAddresses": ["TCP://…"], "basePath": "/volumes",
//   "transport": "tcp",
//                  "tokenFile": "/etc/threefs/token"}]}
// Any thread.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "client/base/status.h"
#include "csi/volume_ctl.h"

namespace threefs::csi {

class ClusterBook {
 public:
  /// `file`: the administrator's, empty = none. `state_directory` exists.
  static Result<ClusterBook> Open(std::string file, std::string state_directory);
  ClusterBook(ClusterBook&& other) noexcept
      : file_(std::move(other.file_)),
        state_directory_(std::move(other.state_directory_)),
        learned_(std::move(other.learned_)) {}

  /// A cluster and base path that CreateVolume used; durable when it returns OK. The token is kept
  /// in memory only.
  Status Learn(const CtlTarget& target);
  /// Every base path known of a cluster, tokens filled in; `token` goes before what is known when
  /// it is not empty.
  [[nodiscard]] std::vector<CtlTarget> Find(const std::string& cluster_id,
                                            const std::string& token) const;
  /// Everything known, sorted by cluster and base path.
  [[nodiscard]] std::vector<CtlTarget> All() const;

 private:
  ClusterBook(std::string file, std::string state_directory)
      : file_(std::move(file)), state_directory_(std::move(state_directory)) {}

  using Key = std::pair<std::string, std::string>;  // cluster id, base path
  std::string file_;
  std::string state_directory_;
  mutable std::mutex mutex_;
  std::map<Key, CtlTarget> learned_;
};

/// The entries of a clusters file; kInvalidConfig with a sentence when it is not one.
Result<std::vector<CtlTarget>> ParseClusters(const std::string& text);

}  // namespace threefs::csi

// SPDX-License-Identifier: Apache-2.0
// KeeperApi: what the node service asks of threefs-keeper, as one blocking call each. Any thread;
// the socket client opens a connection a call, so a restarted keeper is simply the next connection.
// Tests give a fake.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "client/base/clock.h"
#include "proto/mounter/control.pb.h"

namespace threefs::csi {

/// An answer, or why not. FAILURE_SYSTEM with a sentence when the keeper itself is not there.
struct KeeperAnswer {
  bool ok = false;
  bool away = false;  ///< no keeper was reached, or it did not answer: worth a repeat
  mounter::Failure failure;
  mounter::KeeperReply reply;
};

class KeeperApi {
 public:
  virtual ~KeeperApi() = default;
  /// Mounts, or finds mounted, and waits until the mounter is ready.
  virtual KeeperAnswer Mount(const mounter::MountSpec& spec, const std::string& token) = 0;
  virtual KeeperAnswer Unmount(const std::string& volume_id, const std::string& path) = 0;
  virtual KeeperAnswer GetStatus(const std::string& volume_id) = 0;
};

std::unique_ptr<KeeperApi> MakeKeeperClient(std::string socket_path, Duration ready_timeout);

}  // namespace threefs::csi

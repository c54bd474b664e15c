// SPDX-License-Identifier: Apache-2.0
// What the node's keeper knows: `threefsctl mounts` and `threefsctl status`. Blocking, main thread.
#pragma once

#include <string>
#include <vector>

#include "client/base/status.h"
#include "proto/mounter/control.pb.h"

namespace threefs::tools {

/// Every mount of the keeper at `socket`, by volume id. kRPCConnectFailed when nobody listens
/// there.
Result<std::vector<mounter::MountInfo>> QueryMounts(const std::string& socket);
/// One volume's mount; kMetaNotFound when the keeper has none.
Result<mounter::MountInfo> QueryMount(const std::string& socket, const std::string& volume_id);

std::string MountsTable(const std::vector<mounter::MountInfo>& mounts);
std::string MountsJson(const std::vector<mounter::MountInfo>& mounts);
/// Everything about one mount, a line each.
std::string MountDetails(const mounter::MountInfo& mount);

}  // namespace threefs::tools

// SPDX-License-Identifier: Apache-2.0
// From what went wrong to a gRPC code and one sentence: the only such table of the CSI service.
// Pure, any thread.
#pragma once

#include <grpcpp/support/status.h>

#include <string>

#include "client/base/status.h"
#include "csi/keeper_client.h"
#include "csi/volume_ctl.h"

namespace threefs::csi {

grpc::Status Error(grpc::StatusCode code, const std::string& sentence);
/// Checks of our own (kInvalidArg, kMetaNotFound, kOSError …).
grpc::Status ToGrpc(const Status& status);
/// What the keeper answered to Mount or Unmount.
grpc::Status ToGrpc(const KeeperAnswer& answer);
/// What threefsctl answered.
grpc::Status ToGrpc(const CtlAnswer& answer);
/// ABORTED: another call works on the volume.
grpc::Status Busy(const std::string& volume_id);

}  // namespace threefs::csi

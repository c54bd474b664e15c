// SPDX-License-Identifier: Apache-2.0
// What every RPC of the three services shares: one log line a call, no exception past the service,
// plain maps from protobuf's, the checks of a VolumeCapability. Any thread.
#pragma once

#include <google/protobuf/map.h>
#include <grpcpp/support/status.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "client/base/status.h"
#include "csi/grammar.h"
#include "csi/parameters.h"
#include "proto/csi/v1/csi.pb.h"

namespace threefs::csi {

/// Runs `work` and logs method, volume, outcome and time; never a request's contents.
grpc::Status Serve(std::string_view method, const std::string& volume,
                   const std::function<grpc::Status()>& work);

StringMap ToMap(const google::protobuf::Map<std::string, std::string>& map);

/// 1 to 256 bytes without control characters.
Status CheckVolumeId(const std::string& volume_id);

/// A capability in plain terms.
struct CapabilityPlan {
  int access_mode = 0;       ///< csi.v1.VolumeCapability.AccessMode.Mode
  bool reader_only = false;  ///< the mode allows no writer
  MountOptions options;
};
/// Block volumes, unknown modes, foreign file systems and unknown mount options are kInvalidArg.
Result<CapabilityPlan> CheckCapability(const ::csi::v1::VolumeCapability& capability);

}  // namespace threefs::csi

// SPDX-License-Identifier: Apache-2.0
// IdentityService: the plugin's name, what it offers, whether it is ready. Any thread.
#pragma once

#include <grpcpp/server_context.h>

#include <string>

#include "proto/csi/v1/csi.grpc.pb.h"

namespace threefs::csi {

inline constexpr const char* kDriverName = "csi.threefs.io";

class IdentityService final : public ::csi::v1::Identity::Service {
 public:
  /// `controller`: this process serves the Controller service, too.
  IdentityService(std::string version, bool controller);

  grpc::Status GetPluginInfo(grpc::ServerContext* context,
                             const ::csi::v1::GetPluginInfoRequest* request,
                             ::csi::v1::GetPluginInfoResponse* response) override;
  grpc::Status GetPluginCapabilities(grpc::ServerContext* context,
                                     const ::csi::v1::GetPluginCapabilitiesRequest* request,
                                     ::csi::v1::GetPluginCapabilitiesResponse* response) override;
  grpc::Status Probe(grpc::ServerContext* context, const ::csi::v1::ProbeRequest* request,
                     ::csi::v1::ProbeResponse* response) override;

 private:
  const std::string version_;
  const bool controller_;
};

}  // namespace threefs::csi

// SPDX-License-Identifier: Apache-2.0
#include "csi/identity_service.h"

#include <string>
#include <utility>

namespace threefs::csi {

namespace v1 = ::csi::v1;

IdentityService::IdentityService(std::string version, bool controller)
    : version_(std::move(version)), controller_(controller) {}

grpc::Status IdentityService::GetPluginInfo(grpc::ServerContext* /*context*/,
                                            const v1::GetPluginInfoRequest* /*request*/,
                                            v1::GetPluginInfoResponse* response) {
  response->set_name(kDriverName);
  response->set_vendor_version(version_);
  return grpc::Status::OK;
}

grpc::Status IdentityService::GetPluginCapabilities(
    grpc::ServerContext* /*context*/, const v1::GetPluginCapabilitiesRequest* /*request*/,
    v1::GetPluginCapabilitiesResponse* response) {
  if (controller_) {
    response->add_capabilities()->mutable_service()->set_type(
        v1::PluginCapability::Service::CONTROLLER_SERVICE);
  }
  response->add_capabilities()->mutable_volume_expansion()->set_type(
      v1::PluginCapability::VolumeExpansion::ONLINE);
  return grpc::Status::OK;
}

grpc::Status IdentityService::Probe(grpc::ServerContext* /*context*/,
                                    const v1::ProbeRequest* /*request*/,
                                    v1::ProbeResponse* response) {
  response->mutable_ready()->set_value(true);
  return grpc::Status::OK;
}

}  // namespace threefs::csi

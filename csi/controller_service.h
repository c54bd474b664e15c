// SPDX-License-Identifier: Apache-2.0
// ControllerService: the CSI Controller service. A volume is a directory `<basePath>/<pathPattern
// or volume id>` with a record in `<basePath>/.threefs-csi`; its handle is `<clusterId>/<volume
// id>`, and the volume id follows from the name, so a repeated CreateVolume finds the first one's
// work. Synchronous, many threads, a lock a handle.
#pragma once

#include <grpcpp/server_context.h>

#include <string>

#include "csi/cluster_book.h"
#include "csi/volume_ctl.h"
#include "csi/volume_locks.h"
#include "proto/csi/v1/csi.grpc.pb.h"

namespace threefs::csi {

class ControllerService final : public ::csi::v1::Controller::Service {
 public:
  /// Both outlive the service.
  ControllerService(VolumeCtl* ctl, ClusterBook* book) : ctl_(ctl), book_(book) {}

  grpc::Status CreateVolume(grpc::ServerContext* context,
                            const ::csi::v1::CreateVolumeRequest* request,
                            ::csi::v1::CreateVolumeResponse* response) override;
  grpc::Status DeleteVolume(grpc::ServerContext* context,
                            const ::csi::v1::DeleteVolumeRequest* request,
                            ::csi::v1::DeleteVolumeResponse* response) override;
  grpc::Status ValidateVolumeCapabilities(
      grpc::ServerContext* context, const ::csi::v1::ValidateVolumeCapabilitiesRequest* request,
      ::csi::v1::ValidateVolumeCapabilitiesResponse* response) override;
  grpc::Status ListVolumes(grpc::ServerContext* context,
                           const ::csi::v1::ListVolumesRequest* request,
                           ::csi::v1::ListVolumesResponse* response) override;
  grpc::Status GetCapacity(grpc::ServerContext* context,
                           const ::csi::v1::GetCapacityRequest* request,
                           ::csi::v1::GetCapacityResponse* response) override;
  grpc::Status ControllerExpandVolume(grpc::ServerContext* context,
                                      const ::csi::v1::ControllerExpandVolumeRequest* request,
                                      ::csi::v1::ControllerExpandVolumeResponse* response) override;
  grpc::Status ControllerGetCapabilities(
      grpc::ServerContext* context, const ::csi::v1::ControllerGetCapabilitiesRequest* request,
      ::csi::v1::ControllerGetCapabilitiesResponse* response) override;

 private:
  /// A volume and the base path it was found at.
  struct Found {
    CtlTarget target;
    CtlVolume volume;
  };
  grpc::Status Create(const ::csi::v1::CreateVolumeRequest& request,
                      ::csi::v1::CreateVolumeResponse* response);
  grpc::Status Delete(const ::csi::v1::DeleteVolumeRequest& request);
  grpc::Status List(const ::csi::v1::ListVolumesRequest& request,
                    ::csi::v1::ListVolumesResponse* response);
  grpc::Status Expand(const ::csi::v1::ControllerExpandVolumeRequest& request,
                      ::csi::v1::ControllerExpandVolumeResponse* response);
  grpc::Status FindVolume(const std::string& handle, const std::string& token, Found* found);

  VolumeCtl* const ctl_;
  ClusterBook* const book_;
  VolumeLocks locks_;
};

}  // namespace threefs::csi

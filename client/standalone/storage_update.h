// SPDX-License-Identifier: Apache-2.0
// StorageUpdate: one update on its way through one target: checks, prepare, pass on, commit. Made
// for the call, used once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "client/base/status.h"
#include "client/runtime/task.h"
#include "client/schema/storage_rpc.h"
#include "client/standalone/storage_service.h"
#include "client/standalone/storage_target.h"

namespace threefs::standalone {

class StorageUpdate {
 public:
  /// `req` outlives the update. options.from_client tells a client's update from a predecessor's.
  StorageUpdate(StorageService* service, const schema::storage::UpdateReq* req)
      : service_(service), req_(req), io_(req->payload) {}

  /// The whole of it, exactly once by the request's channel.
  Task<schema::storage::IOResult> Run();

 private:
  using IOResult = schema::storage::IOResult;
  Task<IOResult> Execute();
  Task<IOResult> Apply();
  [[nodiscard]] Status CheckInline() const;
  [[nodiscard]] Status CheckShape() const;
  [[nodiscard]] Status CheckBase() const;
  [[nodiscard]] Status CheckNewChunk() const;
  void FailTarget(Code code);
  Status ChooseVersion();
  [[nodiscard]] ChunkChange MakeChange() const;
  Task<Status> Replicate();
  Task<Status> ForwardOnce(std::shared_ptr<const ChainView> view);
  Task<Result<schema::storage::UpdateReq>> MakeForward(std::shared_ptr<const ChainView> view);
  Status JudgeForward(const Result<schema::storage::UpdateRsp>& rsp);
  Task<Status> Commit();
  [[nodiscard]] IOResult Failure(Status status) const;
  [[nodiscard]] IOResult Success() const;
  [[nodiscard]] bool removing() const {
    return io_.update_type == schema::storage::UpdateType::kRemove;
  }

  StorageService* service_;
  const schema::storage::UpdateReq* req_;
  const schema::storage::UpdateIO& io_;
  TargetPtr target_;
  uint64_t generation_ = 0;
  ChunkPtr base_;   ///< committed image, null when the chunk is new
  ChunkPtr image_;  ///< prepared image, null when removing
  uint32_t version_ = 0;
  bool passed_on_ = false;     ///< some successor has committed it: there is no way back
  bool forward_full_ = false;  ///< the successor needs the whole chunk, not the change
};

/// The wire's checksum of an image as results carry it.
schema::storage::ChecksumInfo ChecksumOf(const ChunkImage& image);
/// "ChunkId(00000000-00000000-07770000-00000000)", as 3FS prints it.
std::string PrintChunkId(const std::string& id);

}  // namespace threefs::standalone

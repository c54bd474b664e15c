// SPDX-License-Identifier: Apache-2.0
#include "client/storage/errors.h"

namespace threefs::storage {

Code ToClientCode(Code code) {
  switch (code) {
    case Code::kOk:
      return Code::kOk;
    case Code::kInvalidArg:
      return Code::kStorageClientInvalidArg;
    case Code::kReadOnlyMode:
      return Code::kStorageClientReadOnlyServer;
    case Code::kRPCTimeout:
      return Code::kStorageClientTimeout;
    case Code::kRPCSendFailed:
    case Code::kRPCRequestRefused:
    // 3FS turns these two into ServerError and then does not fail over; they say the same as the
    // two above.
    case Code::kRPCSocketClosed:
    case Code::kRPCConnectFailed:
      return Code::kStorageClientCommError;
    case Code::kRPCVerifyRequestFailed:
    case Code::kRPCVerifyResponseFailed:
      return Code::kStorageClientProtocolMismatch;
    case Code::kStorageChunkMetadataNotFound:
      return Code::kStorageClientChunkNotFound;
    case Code::kStorageChunkNotCommit:
      return Code::kStorageClientChunkNotCommit;
    case Code::kStorageChunkReadFailed:
      return Code::kStorageClientRemoteIOError;
    case Code::kStorageChecksumMismatch:
      return Code::kStorageClientChecksumMismatch;
    case Code::kStorageChainVersionMismatch:
      return Code::kStorageClientRoutingVersionMismatch;
    case Code::kStorageChannelIsLocked:
      return Code::kStorageClientResourceBusy;
    // Neither can ever succeed; 3FS's own client repeats them until its time is up.
    case Code::kStorageChunkInvalidChunkSize:
    case Code::kStorageChunkSizeMismatch:
      return Code::kStorageClientBadConfig;
    default:
      break;
  }
  if (Raw(code) >= 7000 && Raw(code) < 8000) return code;
  return Code::kStorageClientServerError;
}

Status ToClientStatus(const Status& status) {
  const Code code = ToClientCode(status.code());
  if (code == status.code()) return status;
  const std::string name(CodeName(status.code()));
  return {code, status.message().empty() ? name : name + ": " + status.message(), status.origin()};
}

Severity SeverityOf(Code client_code) {
  switch (client_code) {
    case Code::kStorageClientMemoryError:
    case Code::kStorageClientInvalidArg:
    case Code::kStorageClientChunkNotFound:
    case Code::kStorageClientBadConfig:
    case Code::kStorageClientChecksumMismatch:
    case Code::kStorageClientProtocolMismatch:
    case Code::kStorageClientRequestCanceled:
    case Code::kStorageClientReadOnlyServer:
    case Code::kStorageClientNoSpace:
    case Code::kStorageClientFoundBug:
      return Severity::kPermanent;
    case Code::kStorageClientRoutingError:
    case Code::kStorageClientNotAvailable:
    case Code::kStorageClientRoutingVersionMismatch:
      return Severity::kRouting;
    case Code::kStorageClientChunkNotCommit:
      return Severity::kFast;
    default:
      return Severity::kPlain;
  }
}

}  // namespace threefs::storage

// SPDX-License-Identifier: Apache-2.0
#include "mounter/fs/errno_map.h"

#include <cerrno>

namespace threefs::fs {
namespace {

// Local statuses that stand for one errno carry it above every code of the wire.
constexpr uint16_t kErrnoBase = 60000;
constexpr int kMaxErrno = 4095;

}  // namespace

Status ErrnoStatus(int error, std::string sentence) {
  CHECK(error > 0 && error <= kMaxErrno);
  return {static_cast<Code>(kErrnoBase + error), std::move(sentence)};
}

int ToErrno(const Status& status, OpKind kind) {
  const Code code = status.code();
  const uint16_t raw = Raw(code);
  if (status.origin() == Origin::kLocal && raw > kErrnoBase && raw <= kErrnoBase + kMaxErrno) {
    return raw - kErrnoBase;
  }
  if (raw >= 2000 && raw < 3000) return EREMOTEIO;
  switch (code) {
    case Code::kOk:
      return 0;
    case Code::kInvalidArg:
      return EINVAL;
    case Code::kNotImplemented:
      return EOPNOTSUPP;  // ENOSYS would make the kernel stop asking for ever
    case Code::kNotEnoughMemory:
      return ENOMEM;
    case Code::kAuthenticationFail:
      return EPERM;
    case Code::kMetaNoPermission:
      return kind == OpKind::kSetAttr || status.origin() == Origin::kLocal ? EPERM : EACCES;
    case Code::kReadOnlyMode:
    case Code::kStorageClientReadOnlyServer:
      return EROFS;
    case Code::kInterrupted:
    case Code::kMetaRequestCanceled:
    case Code::kStorageClientRequestCanceled:
      return EINTR;
    case Code::kStorageClientNoSpace:
      return ENOSPC;
    case Code::kMetaNotFound:
      return ENOENT;
    case Code::kMetaNotEmpty:
      return ENOTEMPTY;
    case Code::kMetaNotDirectory:
      return ENOTDIR;
    case Code::kMetaTooManySymlinks:
      return ELOOP;
    case Code::kMetaIsDirectory:
      return EISDIR;
    case Code::kMetaExists:
      return EEXIST;
    case Code::kMetaNotFile:
      return kind == OpKind::kData ? EBADF : EINVAL;
    case Code::kMetaMoreChunksToRemove:
      return EAGAIN;
    case Code::kMetaNameTooLong:
      return ENAMETOOLONG;
    case Code::kMetaNoLock:
      return ENOLCK;
    case Code::kMetaFileTooLarge:
      return EFBIG;
    case Code::kClientAgentTooManyOpenFiles:
      return EMFILE;
    case Code::kClientAgentHoleInIoOutcome:
      return ENODATA;
    case Code::kClientAgentOperationDisabled:
      return EOPNOTSUPP;
    case Code::kClientAgentIovNotRegistered:
    case Code::kClientAgentIovShmFail:
      return EACCES;
    default:
      return EIO;  // kMetaInconsistent, kDataCorruption, storage and mgmtd failures, unknown codes
  }
}

bool IsOrdinary(int error) {
  switch (error) {
    case 0:
    case ENOENT:
    case EEXIST:
    case ENOTEMPTY:
    case ENODATA:
    case ENOTDIR:
    case EISDIR:
    case EACCES:
    case EPERM:
    case EINVAL:
    case EINTR:
    case ENOTSUP:
    case ENOTTY:
    case ENXIO:
    case ELOOP:
    case EROFS:
    case ENAMETOOLONG:
    case ESTALE:
      return true;
    default:
      return false;
  }
}

}  // namespace threefs::fs

// SPDX-License-Identifier: Apache-2.0
#include "csi/errors.h"

#include <fmt/core.h>

#include <array>
#include <string>
#include <string_view>

namespace threefs::csi {
namespace {

using grpc::StatusCode;

struct KindCode {
  std::string_view kind;
  StatusCode code;
};
constexpr std::array<KindCode, 11> kCtlCodes = {{
    {"bad-argument", StatusCode::INVALID_ARGUMENT},
    {"unreachable", StatusCode::UNAVAILABLE},
    {"bad-token", StatusCode::UNAUTHENTICATED},
    {"wrong-cluster", StatusCode::FAILED_PRECONDITION},
    {"not-found", StatusCode::NOT_FOUND},
    {"exists", StatusCode::ALREADY_EXISTS},
    {"no-space", StatusCode::RESOURCE_EXHAUSTED},
    {"timeout", StatusCode::DEADLINE_EXCEEDED},
    {"busy", StatusCode::FAILED_PRECONDITION},
    {"permission", StatusCode::PERMISSION_DENIED},
    {"system", StatusCode::INTERNAL},
}};

StatusCode CodeOf(mounter::FailureKind kind) {
  switch (kind) {
    case mounter::FAILURE_BAD_SPEC:
      return StatusCode::INVALID_ARGUMENT;
    case mounter::FAILURE_UNREACHABLE:
      return StatusCode::UNAVAILABLE;
    case mounter::FAILURE_BAD_TOKEN:
      return StatusCode::UNAUTHENTICATED;
    case mounter::FAILURE_WRONG_CLUSTER:
      return StatusCode::FAILED_PRECONDITION;
    case mounter::FAILURE_NO_SUCH_PATH:
    case mounter::FAILURE_NOT_FOUND:
      return StatusCode::NOT_FOUND;
    case mounter::FAILURE_TIMEOUT:
      return StatusCode::DEADLINE_EXCEEDED;
    case mounter::FAILURE_CONFLICT:
      return StatusCode::ALREADY_EXISTS;
    case mounter::FAILURE_BUSY:
      return StatusCode::ABORTED;
    case mounter::FAILURE_UNKNOWN:
    case mounter::FAILURE_CRASHED:
    case mounter::FAILURE_SYSTEM:
    default:
      return StatusCode::INTERNAL;
  }
}

}  // namespace

grpc::Status Error(StatusCode code, const std::string& sentence) { return {code, sentence}; }

grpc::Status ToGrpc(const Status& status) {
  switch (status.code()) {
    case Code::kOk:
      return grpc::Status::OK;
    case Code::kInvalidArg:
      return Error(StatusCode::INVALID_ARGUMENT, status.message());
    case Code::kMetaNotFound:
      return Error(StatusCode::NOT_FOUND, status.message());
    case Code::kRPCTimeout:
      return Error(StatusCode::DEADLINE_EXCEEDED, status.message());
    default:
      return Error(StatusCode::INTERNAL, status.message());
  }
}

grpc::Status ToGrpc(const KeeperAnswer& answer) {
  if (answer.ok) return grpc::Status::OK;
  if (answer.away) return Error(StatusCode::UNAVAILABLE, answer.failure.sentence());
  return Error(CodeOf(answer.failure.kind()), answer.failure.sentence());
}

grpc::Status ToGrpc(const CtlAnswer& answer) {
  if (answer.ok) return grpc::Status::OK;
  for (const KindCode& entry : kCtlCodes) {
    if (entry.kind == answer.kind) return Error(entry.code, answer.sentence);
  }
  return Error(StatusCode::INTERNAL, answer.sentence);
}

grpc::Status Busy(const std::string& volume_id) {
  return Error(StatusCode::ABORTED,
               fmt::format("another call works on volume '{}': repeat it later", volume_id));
}

}  // namespace threefs::csi

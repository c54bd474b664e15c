// SPDX-License-Identifier: Apache-2.0
// What a raw answer says before its body is decoded: OK, or the server's error. Pure, any thread.
#pragma once

#include "client/base/bytes.h"
#include "client/base/status.h"
#include "client/serde/serde.h"

namespace threefs::mgmtd {

/// `payload` is a serialized Result<T>. OK, the peer's error (Origin::kPeer), or
/// kRPCVerifyResponseFailed when it is neither.
inline Status PeekAnswer(const Bytes& payload) {
  if (payload.empty() || payload.data()[0] > 1) {
    return {Code::kRPCVerifyResponseFailed, "the answer is no result"};
  }
  if (payload.data()[0] == 1) return {};
  auto decoded = serde::Decode<Result<serde::Void>>(payload);
  if (!decoded.ok()) return {Code::kRPCVerifyResponseFailed, "the answer's error does not decode"};
  const Status status = decoded->status();
  return {status.code(), status.message(), Origin::kPeer};
}

}  // namespace threefs::mgmtd

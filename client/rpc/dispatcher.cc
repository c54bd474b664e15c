// SPDX-License-Identifier: Apache-2.0
#include "client/rpc/dispatcher.h"

#include <utility>

#include "client/base/check.h"

namespace threefs::rpc {
namespace {
uint32_t Key(uint16_t service, uint16_t method) { return uint32_t{service} << 16 | method; }
}  // namespace

void Dispatcher::Add(uint16_t service, uint16_t method, RawHandler handler) {
  CHECK(handlers_.emplace(Key(service, method), std::move(handler)).second);
}

Task<serde::Encoded> Dispatcher::Run(uint16_t service, uint16_t method, CallInfo info,
                                     Bytes payload) const {
  const auto found = handlers_.find(Key(service, method));
  if (found == handlers_.end()) co_return ErrorPayload(Code::kRPCInvalidMethodID);
  co_return co_await found->second(info, std::move(payload));
}

serde::Encoded ErrorPayload(Status error) {
  return serde::Encode(Result<serde::Void>(std::move(error)));
}

}  // namespace threefs::rpc

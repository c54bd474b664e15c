// SPDX-License-Identifier: Apache-2.0
// Method: the type-level name of one RPC. client/schema/*.h list them in a nested namespace
// `method`:
//   using Stat = schema::Method<4, 2, StatReq, StatRsp>;   // MetaSerde.stat
// Each header has one list X(Name, id, Req, Rsp) of its service, from which the aliases, the
// instantiations of the codec and the golden test's registry are made.
#pragma once

#include <cstdint>

#include "client/base/status.h"
#include "client/serde/serde.h"

namespace threefs::schema {

template <uint16_t kService, uint16_t kMethod, class ReqT, class RspT>
struct Method {
  static constexpr uint16_t kServiceId = kService;
  static constexpr uint16_t kMethodId = kMethod;
  using Req = ReqT;
  using Rsp = RspT;
};

}  // namespace threefs::schema

// What is encoded and decoded for one method: the request and the Result of the response.
#define SCHEMA_EXTERN_METHOD(Req, Rsp) SERDE_EXTERN(Req) SERDE_EXTERN(::threefs::Result<Rsp>)
#define SCHEMA_INSTANTIATE_METHOD(Req, Rsp) \
  SERDE_INSTANTIATE(Req) SERDE_INSTANTIATE(::threefs::Result<Rsp>)

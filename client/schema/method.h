// SPDX-License-Identifier: Apache-2.0
// Method: the type-level name of one RPC. client/schema/*.h list them in a nested namespace `method`:
//   using Stat = schema::Method<4, 2, StatReq, StatRsp>;   // MetaSerde.stat
#pragma once

#include <cstdint>

namespace threefs::schema {

template <uint16_t kService, uint16_t kMethod, class ReqT, class RspT>
struct Method {
  static constexpr uint16_t kServiceId = kService;
  static constexpr uint16_t kMethodId = kMethod;
  using Req = ReqT;
  using Rsp = RspT;
};

}  // namespace threefs::schema

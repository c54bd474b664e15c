// SPDX-License-Identifier: Apache-2.0
#include "client/schema/mgmtd_rpc.h"

#define X(Name, id, Req, Rsp) \
  SCHEMA_INSTANTIATE_METHOD(::threefs::schema::mgmtd::Req, ::threefs::schema::mgmtd::Rsp)
THREEFS_MGMTD_METHODS(X)
#undef X
SERDE_INSTANTIATE(::threefs::schema::mgmtd::RoutingInfo)

// SPDX-License-Identifier: Apache-2.0
#include "client/schema/storage_rpc.h"

#define X(Name, id, Req, Rsp) \
  SCHEMA_INSTANTIATE_METHOD(::threefs::schema::storage::Req, ::threefs::schema::storage::Rsp)
THREEFS_STORAGE_METHODS(X)
#undef X

// SPDX-License-Identifier: Apache-2.0
#include "client/schema/meta_rpc.h"

#define X(Name, id, Req, Rsp) \
  SCHEMA_INSTANTIATE_METHOD(::threefs::schema::meta::Req, ::threefs::schema::meta::Rsp)
THREEFS_META_METHODS(X)
#undef X
SERDE_INSTANTIATE(::threefs::schema::meta::Inode)
SERDE_INSTANTIATE(::threefs::schema::meta::DirEntry)

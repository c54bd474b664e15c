// SPDX-License-Identifier: Apache-2.0
// MetaSerde, service 4: the methods (3fs/meta.md §3).
#pragma once

#include <cstdint>

#include "client/schema/meta_req.h"
#include "client/schema/meta_rsp.h"

namespace threefs::schema::meta {

inline constexpr uint16_t kServiceId = 4;

}  // namespace threefs::schema::meta

#define THREEFS_META_METHODS(X)                                  \
  X(StatFs, 1, StatFsReq, StatFsRsp)                             \
  X(Stat, 2, StatReq, StatRsp)                                   \
  X(Create, 3, CreateReq, CreateRsp)                             \
  X(Mkdirs, 4, MkdirsReq, MkdirsRsp)                             \
  X(Symlink, 5, SymlinkReq, SymlinkRsp)                          \
  X(HardLink, 6, HardLinkReq, HardLinkRsp)                       \
  X(Remove, 7, RemoveReq, RemoveRsp)                             \
  X(Open, 8, OpenReq, OpenRsp)                                   \
  X(Sync, 9, SyncReq, SyncRsp)                                   \
  X(Close, 10, CloseReq, CloseRsp)                               \
  X(Rename, 11, RenameReq, RenameRsp)                            \
  X(List, 12, ListReq, ListRsp)                                  \
  X(Truncate, 13, TruncateReq, TruncateRsp)                      \
  X(GetRealPath, 14, GetRealPathReq, GetRealPathRsp)             \
  X(SetAttr, 15, SetAttrReq, SetAttrRsp)                         \
  X(PruneSession, 16, PruneSessionReq, PruneSessionRsp)          \
  X(DropUserCache, 17, DropUserCacheReq, DropUserCacheRsp)       \
  X(Authenticate, 18, AuthReq, AuthRsp)                          \
  X(LockDirectory, 19, LockDirectoryReq, LockDirectoryRsp)       \
  X(BatchStat, 20, BatchStatReq, BatchStatRsp)                   \
  X(BatchStatByPath, 21, BatchStatByPathReq, BatchStatByPathRsp) \
  X(TestRpc, 50, TestRpcReq, TestRpcRsp)

namespace threefs::schema::meta::method {
#define X(Name, id, Req, Rsp) using Name = Method<kServiceId, id, Req, Rsp>;
THREEFS_META_METHODS(X)
#undef X
}  // namespace threefs::schema::meta::method

#define X(Name, id, Req, Rsp) \
  SCHEMA_EXTERN_METHOD(::threefs::schema::meta::Req, ::threefs::schema::meta::Rsp)
THREEFS_META_METHODS(X)
#undef X

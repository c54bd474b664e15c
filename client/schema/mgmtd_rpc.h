// SPDX-License-Identifier: Apache-2.0
// Mgmtd, service 217: the methods (3fs/mgmtd.md §4).
#pragma once

#include <cstdint>

#include "client/schema/mgmtd_req.h"
#include "client/schema/mgmtd_rsp.h"

namespace threefs::schema::mgmtd {

inline constexpr uint16_t kServiceId = 217;

}  // namespace threefs::schema::mgmtd

#define THREEFS_MGMTD_METHODS(X)                                                         \
  X(GetPrimaryMgmtd, 1, GetPrimaryMgmtdReq, GetPrimaryMgmtdRsp)                          \
  X(Heartbeat, 3, HeartbeatReq, HeartbeatRsp)                                            \
  X(RegisterNode, 4, RegisterNodeReq, RegisterNodeRsp)                                   \
  X(GetRoutingInfo, 5, GetRoutingInfoReq, GetRoutingInfoRsp)                             \
  X(SetConfig, 6, SetConfigReq, SetConfigRsp)                                            \
  X(GetConfig, 7, GetConfigReq, GetConfigRsp)                                            \
  X(SetChainTable, 8, SetChainTableReq, SetChainTableRsp)                                \
  X(EnableNode, 9, EnableNodeReq, EnableNodeRsp)                                         \
  X(DisableNode, 10, DisableNodeReq, DisableNodeRsp)                                     \
  X(ExtendClientSession, 11, ExtendClientSessionReq, ExtendClientSessionRsp)             \
  X(ListClientSessions, 12, ListClientSessionsReq, ListClientSessionsRsp)                \
  X(SetNodeTags, 13, SetNodeTagsReq, SetNodeTagsRsp)                                     \
  X(UnregisterNode, 14, UnregisterNodeReq, UnregisterNodeRsp)                            \
  X(SetChains, 15, SetChainsReq, SetChainsRsp)                                           \
  X(SetUniversalTags, 16, SetUniversalTagsReq, SetUniversalTagsRsp)                      \
  X(GetUniversalTags, 17, GetUniversalTagsReq, GetUniversalTagsRsp)                      \
  X(GetConfigVersions, 18, GetConfigVersionsReq, GetConfigVersionsRsp)                   \
  X(GetClientSession, 19, GetClientSessionReq, GetClientSessionRsp)                      \
  X(RotateLastSrv, 20, RotateLastSrvReq, RotateLastSrvRsp)                               \
  X(ListOrphanTargets, 21, ListOrphanTargetsReq, ListOrphanTargetsRsp)                   \
  X(SetPreferredTargetOrder, 22, SetPreferredTargetOrderReq, SetPreferredTargetOrderRsp) \
  X(RotateAsPreferredOrder, 23, RotateAsPreferredOrderReq, RotateAsPreferredOrderRsp)    \
  X(UpdateChain, 24, UpdateChainReq, UpdateChainRsp)

namespace threefs::schema::mgmtd::method {
#define X(Name, id, Req, Rsp) using Name = Method<kServiceId, id, Req, Rsp>;
THREEFS_MGMTD_METHODS(X)
#undef X
}  // namespace threefs::schema::mgmtd::method

#define X(Name, id, Req, Rsp) \
  SCHEMA_EXTERN_METHOD(::threefs::schema::mgmtd::Req, ::threefs::schema::mgmtd::Rsp)
THREEFS_MGMTD_METHODS(X)
#undef X

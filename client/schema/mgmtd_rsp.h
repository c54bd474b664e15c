// SPDX-License-Identifier: Apache-2.0
// Responses of Mgmtd (3fs/mgmtd.md §4).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/schema/mgmtd.h"

namespace threefs::schema::mgmtd {

struct GetPrimaryMgmtdRsp {
  std::optional<PersistentNodeInfo> primary{};
  SERDE_FIELDS(primary)
};

struct HeartbeatRsp {
  std::optional<ConfigInfo> config{};
  SERDE_FIELDS(config)
};

struct RegisterNodeRsp {
  SERDE_FIELDS()
};

struct GetRoutingInfoRsp {
  std::optional<RoutingInfo> info{};
  SERDE_FIELDS(info)
};

struct SetConfigRsp {
  uint64_t config_version = 0;
  SERDE_FIELDS(config_version)
};

struct GetConfigRsp {
  std::optional<ConfigInfo> info{};
  SERDE_FIELDS(info)
};

struct SetChainTableRsp {
  uint32_t chain_table_version = 0;
  SERDE_FIELDS(chain_table_version)
};

struct EnableNodeRsp {
  SERDE_FIELDS()
};

struct DisableNodeRsp {
  SERDE_FIELDS()
};

struct ExtendClientSessionRsp {
  std::optional<ConfigInfo> config{};
  std::vector<TagPair> tags{};
  SERDE_FIELDS(config, tags)
};

struct ListClientSessionsRsp {
  bool bootstrapping = false;
  std::vector<ClientSession> sessions{};
  serde::PairMap<std::string, std::vector<TagPair>> referenced_tags{};
  SERDE_FIELDS(bootstrapping, sessions, referenced_tags)
};

struct SetNodeTagsRsp {
  NodeInfo info{};
  SERDE_FIELDS(info)
};

struct UnregisterNodeRsp {
  SERDE_FIELDS()
};

struct SetChainsRsp {
  SERDE_FIELDS()
};

struct SetUniversalTagsRsp {
  std::vector<TagPair> tags{};
  SERDE_FIELDS(tags)
};

struct GetUniversalTagsRsp {
  std::vector<TagPair> tags{};
  SERDE_FIELDS(tags)
};

struct GetConfigVersionsRsp {
  serde::PairMap<std::string, uint64_t> versions{};
  SERDE_FIELDS(versions)
};

struct GetClientSessionRsp {
  bool bootstrapping = false;
  std::optional<ClientSession> session{};
  std::vector<TagPair> referenced_tags{};
  SERDE_FIELDS(bootstrapping, session, referenced_tags)
};

struct RotateLastSrvRsp {
  ChainInfo chain{};
  SERDE_FIELDS(chain)
};

struct ListOrphanTargetsRsp {
  std::vector<TargetInfo> targets{};
  SERDE_FIELDS(targets)
};

struct SetPreferredTargetOrderRsp {
  ChainInfo chain{};
  SERDE_FIELDS(chain)
};

struct RotateAsPreferredOrderRsp {
  ChainInfo chain{};
  SERDE_FIELDS(chain)
};

struct UpdateChainRsp {
  ChainInfo chain{};
  SERDE_FIELDS(chain)
};

}  // namespace threefs::schema::mgmtd

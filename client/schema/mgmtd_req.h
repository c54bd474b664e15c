// SPDX-License-Identifier: Apache-2.0
// Requests of Mgmtd (3fs/mgmtd.md §4). `cluster_id` comes first everywhere; clients send an
// all-default user except in admin calls.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "client/schema/mgmtd.h"

namespace threefs::schema::mgmtd {

struct GetPrimaryMgmtdReq {
  std::string cluster_id{};
  UserInfo user{};
  SERDE_FIELDS(cluster_id, user)
};

struct HeartbeatReq {
  std::string cluster_id{};
  HeartbeatInfo info{};
  int64_t timestamp = 0;
  UserInfo user{};
  SERDE_FIELDS(cluster_id, info, timestamp, user)
};

struct RegisterNodeReq {
  std::string cluster_id{};
  uint32_t node_id = 0;
  NodeType type = NodeType::kMgmtd;
  UserInfo user{};
  SERDE_FIELDS(cluster_id, node_id, type, user)
};

struct GetRoutingInfoReq {
  std::string cluster_id{};
  uint64_t routing_info_version = 0;
  UserInfo user{};
  SERDE_FIELDS(cluster_id, routing_info_version, user)
};

struct SetConfigReq {
  std::string cluster_id{};
  NodeType node_type = NodeType::kMgmtd;
  std::string content{};
  std::string desc{};
  UserInfo user{};
  SERDE_FIELDS(cluster_id, node_type, content, desc, user)
};

struct GetConfigReq {
  std::string cluster_id{};
  NodeType node_type = NodeType::kMgmtd;
  uint64_t config_version = 0;
  bool exact_version = false;
  UserInfo user{};
  SERDE_FIELDS(cluster_id, node_type, config_version, exact_version, user)
};

struct SetChainTableReq {
  std::string cluster_id{};
  uint32_t chain_table_id = 0;
  std::vector<uint32_t> chains{};
  std::string desc{};
  UserInfo user{};
  SERDE_FIELDS(cluster_id, chain_table_id, chains, desc, user)
};

struct EnableNodeReq {
  std::string cluster_id{};
  uint32_t node_id = 0;
  UserInfo user{};
  SERDE_FIELDS(cluster_id, node_id, user)
};

struct DisableNodeReq {
  std::string cluster_id{};
  uint32_t node_id = 0;
  UserInfo user{};
  SERDE_FIELDS(cluster_id, node_id, user)
};

struct ExtendClientSessionReq {
  std::string cluster_id{};
  std::string client_id{};
  uint64_t client_session_version = 1;
  uint64_t config_version = 0;
  ClientSessionData data{};
  ConfigStatus config_status = ConfigStatus::kNormal;
  NodeType type = NodeType::kClient;
  UserInfo user{};
  int64_t client_start = 0;
  SERDE_FIELDS(cluster_id, client_id, client_session_version, config_version, data, config_status,
               type, user, client_start)
};

struct ListClientSessionsReq {
  std::string cluster_id{};
  UserInfo user{};
  SERDE_FIELDS(cluster_id, user)
};

struct SetNodeTagsReq {
  std::string cluster_id{};
  uint32_t node_id = 0;
  std::vector<TagPair> tags{};
  SetTagMode mode = SetTagMode::kReplace;
  UserInfo user{};
  SERDE_FIELDS(cluster_id, node_id, tags, mode, user)
};

struct UnregisterNodeReq {
  std::string cluster_id{};
  uint32_t node_id = 0;
  UserInfo user{};
  SERDE_FIELDS(cluster_id, node_id, user)
};

struct SetChainsReq {
  std::string cluster_id{};
  std::vector<ChainSetting> chains{};
  UserInfo user{};
  SERDE_FIELDS(cluster_id, chains, user)
};

struct SetUniversalTagsReq {
  std::string cluster_id{};
  std::string universal_id{};
  std::vector<TagPair> tags{};
  SetTagMode mode = SetTagMode::kReplace;
  UserInfo user{};
  SERDE_FIELDS(cluster_id, universal_id, tags, mode, user)
};

struct GetUniversalTagsReq {
  std::string cluster_id{};
  std::string universal_id{};
  UserInfo user{};
  SERDE_FIELDS(cluster_id, universal_id, user)
};

struct GetConfigVersionsReq {
  std::string cluster_id{};
  UserInfo user{};
  SERDE_FIELDS(cluster_id, user)
};

struct GetClientSessionReq {
  std::string cluster_id{};
  std::string client_id{};
  UserInfo user{};
  SERDE_FIELDS(cluster_id, client_id, user)
};

struct RotateLastSrvReq {
  std::string cluster_id{};
  uint32_t chain_id = 0;
  UserInfo user{};
  SERDE_FIELDS(cluster_id, chain_id, user)
};

struct ListOrphanTargetsReq {
  std::string cluster_id{};
  UserInfo user{};
  SERDE_FIELDS(cluster_id, user)
};

struct SetPreferredTargetOrderReq {
  std::string cluster_id{};
  uint32_t chain_id = 0;
  std::vector<uint64_t> preferred_target_order{};
  UserInfo user{};
  SERDE_FIELDS(cluster_id, chain_id, preferred_target_order, user)
};

struct RotateAsPreferredOrderReq {
  std::string cluster_id{};
  uint32_t chain_id = 0;
  UserInfo user{};
  SERDE_FIELDS(cluster_id, chain_id, user)
};

struct UpdateChainReq {
  enum class Mode : uint8_t { kAdd = 0, kRemove = 1 };
  std::string cluster_id{};
  UserInfo user{};
  uint32_t chain_id = 0;
  uint64_t target_id = 0;
  Mode mode = Mode::kAdd;
  SERDE_FIELDS(cluster_id, user, chain_id, target_id, mode)
};

}  // namespace threefs::schema::mgmtd

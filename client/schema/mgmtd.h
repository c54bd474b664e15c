// SPDX-License-Identifier: Apache-2.0
// The management service's data (3fs/mgmtd.md §2, §3): nodes, chains, targets, routing information,
// sessions, configuration texts. Its requests and methods are in mgmtd_rpc.h.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "client/schema/common.h"

namespace threefs::schema::mgmtd {

enum class NodeType : uint8_t { kMgmtd = 0, kMeta = 1, kStorage = 2, kClient = 3, kFuse = 4 };
enum class NodeStatus : uint8_t {
  kPrimaryMgmtd = 0,
  kHeartbeatConnected = 1,
  kHeartbeatConnecting = 2,
  kHeartbeatFailed = 3,
  kDisabled = 4,
};
enum class PublicTargetState : uint8_t {
  kInvalid = 0,
  kServing = 1,
  kLastsrv = 2,
  kSyncing = 4,
  kWaiting = 8,
  kOffline = 16,
};
enum class LocalTargetState : uint8_t { kInvalid = 0, kUptodate = 1, kOnline = 2, kOffline = 4 };
enum class SetTagMode : uint8_t { kReplace = 0, kUpsert = 1, kRemove = 2 };
enum class ConfigStatus : uint8_t {
  kNormal = 0,
  kDirty = 1,
  kFailed = 2,
  kUnknown = 3,
  kStale = 4,
};

struct FbsAppInfo {
  uint32_t node_id = 0;
  std::string hostname{};
  uint32_t pid = 0;
  std::vector<ServiceGroupInfo> service_groups{};
  ReleaseVersion release_version{};
  std::string podname{};
  SERDE_FIELDS(node_id, hostname, pid, service_groups, release_version, podname)
};
struct PersistentNodeInfo {
  uint32_t node_id = 0;
  NodeType type = NodeType::kMgmtd;
  std::vector<ServiceGroupInfo> service_groups{};
  std::vector<TagPair> tags{};
  std::string hostname{};
  SERDE_FIELDS(node_id, type, service_groups, tags, hostname)
};
struct NodeInfo {
  FbsAppInfo app{};
  NodeType type = NodeType::kMgmtd;
  NodeStatus status = NodeStatus::kHeartbeatConnecting;
  int64_t last_heartbeat_ts = 0;
  std::vector<TagPair> tags{};
  uint64_t config_version = 0;
  ConfigStatus config_status = ConfigStatus::kNormal;
  SERDE_FIELDS(app, type, status, last_heartbeat_ts, tags, config_version, config_status)
};
struct ChainTargetInfo {
  uint64_t target_id = 0;
  PublicTargetState public_state = PublicTargetState::kInvalid;
  SERDE_FIELDS(target_id, public_state)
};
struct ChainInfo {
  uint32_t chain_id = 0;
  uint32_t chain_version = 0;
  std::vector<ChainTargetInfo> targets{};
  std::vector<uint64_t> preferred_target_order{};
  SERDE_FIELDS(chain_id, chain_version, targets, preferred_target_order)
};
struct ChainTable {
  uint32_t chain_table_id = 0;
  uint32_t chain_table_version = 0;
  std::vector<uint32_t> chains{};
  std::string desc{};
  SERDE_FIELDS(chain_table_id, chain_table_version, chains, desc)
};
struct TargetInfo {
  uint64_t target_id = 0;
  PublicTargetState public_state = PublicTargetState::kInvalid;
  LocalTargetState local_state = LocalTargetState::kInvalid;
  uint32_t chain_id = 0;
  std::optional<uint32_t> node_id{};
  std::optional<uint32_t> disk_index{};
  uint64_t used_size = 0;
  SERDE_FIELDS(target_id, public_state, local_state, chain_id, node_id, disk_index, used_size)
};
/// The cluster as clients need it. Hash maps of the wire keep the order they came in.
struct RoutingInfo {
  uint64_t routing_info_version = 0;
  bool bootstrapping = false;
  serde::PairMap<uint32_t, NodeInfo> nodes{};
  /// table id → table version → table
  serde::PairMap<uint32_t, std::map<uint32_t, ChainTable>> chain_tables{};
  serde::PairMap<uint32_t, ChainInfo> chains{};
  serde::PairMap<uint64_t, TargetInfo> targets{};
  SERDE_FIELDS(routing_info_version, bootstrapping, nodes, chain_tables, chains, targets)
};

struct LocalTargetInfo {
  uint64_t target_id = 0;
  LocalTargetState local_state = LocalTargetState::kInvalid;
  std::optional<uint32_t> disk_index{};
  uint64_t used_size = 0;
  uint32_t chain_version = 0;
  bool low_space = false;
  SERDE_FIELDS(target_id, local_state, disk_index, used_size, chain_version, low_space)
};
struct MetaHeartbeatInfo {
  SERDE_NAME("MetaHeartbeatInfo")
  SERDE_FIELDS()
};
struct StorageHeartbeatInfo {
  std::vector<LocalTargetInfo> targets{};
  SERDE_NAME("StorageHeartbeatInfo")
  SERDE_FIELDS(targets)
};
struct MgmtdHeartbeatInfo {
  SERDE_NAME("MgmtdHeartbeatInfo")
  SERDE_FIELDS()
};
struct HeartbeatInfo {
  std::variant<MetaHeartbeatInfo, StorageHeartbeatInfo, MgmtdHeartbeatInfo> info{};
  FbsAppInfo app{};
  uint64_t hb_version = 1;
  uint64_t config_version = 0;
  ConfigStatus config_status = ConfigStatus::kNormal;
  SERDE_FIELDS(info, app, hb_version, config_version, config_status)
};

struct ConfigInfo {
  uint64_t config_version = 0;
  std::string content{};
  std::string desc{};
  SERDE_FIELDS(config_version, content, desc)
};
struct ClientSessionData {
  std::string universal_id{};
  std::string description{};
  std::vector<ServiceGroupInfo> service_groups{};
  ReleaseVersion release_version{};
  SERDE_FIELDS(universal_id, description, service_groups, release_version)
};
struct ClientSession {
  std::string client_id{};
  uint64_t config_version = 0;
  int64_t start = 0;
  int64_t last_extend = 0;
  std::string universal_id{};
  std::string description{};
  std::vector<ServiceGroupInfo> service_groups{};
  ReleaseVersion release_version{};
  ConfigStatus config_status = ConfigStatus::kNormal;
  NodeType type = NodeType::kClient;
  int64_t client_start = 0;
  SERDE_FIELDS(client_id, config_version, start, last_extend, universal_id, description,
               service_groups, release_version, config_status, type, client_start)
};
struct ChainTargetSetting {
  uint64_t target_id = 0;
  SERDE_FIELDS(target_id)
};
struct ChainSetting {
  uint32_t chain_id = 0;
  std::vector<ChainTargetSetting> targets{};
  bool set_preferred_target_order = false;
  SERDE_FIELDS(chain_id, targets, set_preferred_target_order)
};
/// Stored only.
struct MgmtdLeaseInfo {
  PersistentNodeInfo primary{};
  int64_t lease_start = 0;
  int64_t lease_end = 0;
  ReleaseVersion release_version{};
  SERDE_FIELDS(primary, lease_start, lease_end, release_version)
};

}  // namespace threefs::schema::mgmtd

SERDE_EXTERN(::threefs::schema::mgmtd::RoutingInfo)

// SPDX-License-Identifier: Apache-2.0
// MgmtdRecord: what mgmtd must not forget (the routing version, nodes, chains, tables,
// configuration texts, tags), and the small durable file it lies in. Everything else mgmtd knows is
// told again by heartbeats and sessions.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client/base/status.h"
#include "client/schema/mgmtd.h"

namespace threefs::standalone {

struct StoredNode {
  schema::mgmtd::PersistentNodeInfo info{};
  bool disabled = false;
  SERDE_FIELDS(info, disabled)
};

struct MgmtdRecord {
  std::string cluster_id{};
  uint64_t routing_version = 0;
  std::map<uint32_t, StoredNode> nodes{};
  std::map<uint32_t, std::map<uint32_t, schema::mgmtd::ChainTable>> chain_tables{};
  std::map<uint32_t, schema::mgmtd::ChainInfo> chains{};
  std::map<uint64_t, uint32_t> target_nodes{};  ///< where a target was last seen
  std::map<uint8_t, std::vector<schema::mgmtd::ConfigInfo>> configs{};  ///< by NodeType
  std::map<std::string, std::vector<schema::TagPair>> universal_tags{};
  SERDE_FIELDS(cluster_id, routing_version, nodes, chain_tables, chains, target_nodes, configs,
               universal_tags)
};

/// Where the record lies. Blocking; any thread, one call at a time.
class MgmtdFile {
 public:
  /// A file replaced atomically and synced; or, with an empty path, `*memory` (which outlives a
  /// restart in a test).
  MgmtdFile(std::string path, std::shared_ptr<std::string> memory)
      : path_(std::move(path)), memory_(std::move(memory)) {}
  /// kMgmtdNodeNotFound when there is none yet; kDataCorruption when it is damaged.
  Result<MgmtdRecord> Load() const;
  Status Save(const MgmtdRecord& record) const;

 private:
  std::string path_;
  std::shared_ptr<std::string> memory_;
};

/// Replaces `path` by `content`, durably: either the old or the new content is there after a crash.
Status ReplaceFile(const std::string& path, std::string_view content, uint32_t mode);
/// kKVStoreNotFound when there is no such file.
Result<std::string> ReadWholeFile(const std::string& path, size_t limit);

}  // namespace threefs::standalone

// SPDX-License-Identifier: Apache-2.0
// CoreService: service 10001 of a node (3fs/mgmtd.md §10): echo, its configuration as TOML, hot
// updates, shutdown. The configuration is a flat list of items; an update is taken whole or not at
// all. Loop-confined.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/base/clock.h"
#include "client/base/status.h"
#include "client/rpc/server.h"
#include "client/schema/core.h"

namespace threefs::standalone {

struct ConfigItem {
  std::string key;    ///< dotted: "storage.read_only"
  std::string value;  ///< TOML: "true", "12", "'text'"
  /// Takes a new value; null: not hot-updatable.
  std::function<Status(std::string_view value)> set;
};

/// `key = value` lines and `[section]` heads → dotted keys. kSerdeInvalidToml with the line.
Result<std::map<std::string, std::string>> ParseFlatToml(std::string_view text);

class CoreService {
 public:
  /// `shutdown(graceful)` is called once per request to do so.
  CoreService(const Clock& clock, std::vector<ConfigItem> items,
              std::function<void(bool graceful)> shutdown);
  void RegisterMethods(rpc::Server& server);

  /// The TOML of everything under `key`. kConfigKeyNotFound.
  [[nodiscard]] Result<std::string> Render(const std::string& key) const;
  Status HotUpdate(std::string_view text);

 private:
  Status Check(const std::map<std::string, std::string>& wanted) const;
  ConfigItem* Find(const std::string& key);

  const Clock& clock_;
  std::vector<ConfigItem> items_;
  std::function<void(bool)> shutdown_;
  std::optional<schema::core::ConfigUpdateRecord> last_;
};

}  // namespace threefs::standalone

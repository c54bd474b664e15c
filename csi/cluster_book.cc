// SPDX-License-Identifier: Apache-2.0
#include "csi/cluster_book.h"

#include <fmt/core.h>

#include <fstream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "client/base/log.h"
#include "csi/grammar.h"
#include "csi/keeper/durable_file.h"
#include "csi/parameters.h"
#include "csi/volume_store.h"

namespace threefs::csi {
namespace {

using nlohmann::json;

constexpr const char* kLearnedFile = "clusters.json";

Status Bad(std::string sentence) { return {Code::kInvalidConfig, std::move(sentence)}; }

bool ReadFile(const std::string& path, std::string* text) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return false;
  std::ostringstream contents;
  contents << file.rdbuf();
  *text = contents.str();
  return true;
}

Result<CtlTarget> ParseEntry(const json& entry) {
  CtlTarget target;
  target.base_path = "/";
  for (const auto& [key, value] : entry.items()) {
    if (key == "mgmtdAddresses" && value.is_array()) {
      for (const json& address : value) {
        if (!address.is_string()) return Bad("mgmtdAddresses must be a list of texts");
        TRY(const auto parsed, ParseAddresses(key, address.get<std::string>()));
        target.mgmtd_addresses.insert(target.mgmtd_addresses.end(), parsed.begin(), parsed.end());
      }
    } else if (!value.is_string()) {
      return Bad(fmt::format("'{}' must be a text", key));
    } else if (key == "clusterId") {
      target.cluster_id = value.get<std::string>();
    } else if (key == "basePath") {
      TRY(target.base_path, CheckTreePath(key, value.get<std::string>()));
    } else if (key == "transport") {
      target.transport = value.get<std::string>();
    } else if (key == "tokenFile") {
      std::string token;
      if (!ReadFile(value.get<std::string>(), &token)) {
        return Bad(fmt::format("tokenFile '{}' cannot be read", value.get<std::string>()));
      }
      TRY(target.token, TokenOf({{"token", token}}));
    } else {
      return Bad(
          fmt::format("'{}' is unknown: known are clusterId, mgmtdAddresses, basePath, "
                      "transport, tokenFile",
                      key));
    }
  }
  TRY(CheckClusterId(target.cluster_id));
  if (target.mgmtd_addresses.empty()) return Bad("mgmtdAddresses is missing");
  return target;
}

json ToJson(const CtlTarget& target) {
  json entry = {{"clusterId", target.cluster_id},
                {"mgmtdAddresses", target.mgmtd_addresses},
                {"basePath", target.base_path}};
  if (!target.transport.empty()) entry["transport"] = target.transport;
  return entry;
}

}  // namespace

Result<std::vector<CtlTarget>> ParseClusters(const std::string& text) {
  const json object = json::parse(text, nullptr, false);
  const auto clusters = object.is_object() ? object.find("clusters") : object.end();
  if (!object.is_object() || clusters == object.end() || !clusters->is_array()) {
    return Bad("a clusters file is {\"clusters\": [{\"clusterId\": …, \"mgmtdAddresses\": […]}]}");
  }
  std::vector<CtlTarget> targets;
  for (const json& entry : *clusters) {
    if (!entry.is_object()) return Bad("an entry of clusters must be an object");
    auto target = ParseEntry(entry);
    if (!target.ok()) return target.status().WithContext("clusters file");
    targets.push_back(std::move(*target));
  }
  return targets;
}

Result<ClusterBook> ClusterBook::Open(std::string file, std::string state_directory) {
  ClusterBook book(std::move(file), std::move(state_directory));
  std::string text;
  if (ReadFile(fmt::format("{}/{}", book.state_directory_, kLearnedFile), &text)) {
    TRY(std::vector<CtlTarget> learned, ParseClusters(text));
    for (CtlTarget& target : learned) {
      const Key key(target.cluster_id, target.base_path);
      book.learned_[key] = std::move(target);
    }
  }
  if (!book.file_.empty()) {
    if (!ReadFile(book.file_, &text)) {
      return Bad(fmt::format("--clusters '{}' cannot be read", book.file_));
    }
    TRY(ParseClusters(text));
  }
  return book;
}

Status ClusterBook::Learn(const CtlTarget& target) {
  const std::lock_guard<std::mutex> hold(mutex_);
  CtlTarget& known = learned_[{target.cluster_id, target.base_path}];
  const bool changed =
      known.mgmtd_addresses != target.mgmtd_addresses || known.transport != target.transport;
  known = target;
  if (!changed) return {};
  json clusters = json::array();
  for (const auto& [key, entry] : learned_) clusters.push_back(ToJson(entry));
  return keeper::WriteFileDurably(state_directory_, kLearnedFile,
                                  json{{"clusters", clusters}}.dump(1));
}

std::vector<CtlTarget> ClusterBook::All() const {
  std::map<Key, CtlTarget> all;
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    all = learned_;
  }
  std::string text;
  if (!file_.empty() && ReadFile(file_, &text)) {
    auto listed = ParseClusters(text);
    if (!listed.ok()) LOG_ERROR("{}", listed.status().message());
    if (listed.ok()) {
      for (CtlTarget& target : *listed) {
        CtlTarget& entry = all[{target.cluster_id, target.base_path}];
        if (target.token.empty()) target.token = entry.token;
        entry = std::move(target);
      }
    }
  }
  std::vector<CtlTarget> targets;
  targets.reserve(all.size());
  for (auto& [key, target] : all) targets.push_back(std::move(target));
  return targets;
}

std::vector<CtlTarget> ClusterBook::Find(const std::string& cluster_id,
                                         const std::string& token) const {
  std::vector<CtlTarget> targets = All();
  std::erase_if(targets, [&](const CtlTarget& t) { return t.cluster_id != cluster_id; });
  for (CtlTarget& target : targets) {
    if (!token.empty()) target.token = token;
  }
  return targets;
}

}  // namespace threefs::csi

// SPDX-License-Identifier: Apache-2.0
// 3FS's launcher TOML as it is (3fs/fuse.md §1.2), for drop-in use. Its mount keeps 3FS's cache
// times.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <sstream>

// toml++ does not compile clean under our warnings.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <toml++/toml.h>
#pragma clang diagnostic pop

#include "mounter/config/mount_config.h"

namespace threefs::config {
namespace {

Status Bad(std::string_view source, int64_t line, std::string_view why) {
  return {Code::kInvalidConfig, line > 0 ? fmt::format("{} line {}: {}", source, line, why)
                                         : fmt::format("{}: {}", source, why)};
}

Status ReadAddresses(const toml::node& node, std::string_view source, MountConfig* config) {
  const auto line = static_cast<int64_t>(node.source().begin.line);
  const toml::array* list = node.as_array();
  if (list == nullptr)
    return Bad(source, line, "mgmtd_server_addresses must be a list of addresses");
  std::vector<std::string> out;
  for (const auto& item : *list) {
    const auto text = item.value<std::string>();
    if (!text.has_value())
      return Bad(source, line, "mgmtd_server_addresses must be a list of addresses");
    out.push_back(*text);
  }
  const Status set = SetListOption(config, "mgmtd_addresses", std::move(out));
  return set.ok() ? Status() : Bad(source, line, set.message());
}

Status ReadText(const toml::node& node, std::string_view source, std::string_view key,
                std::string* out) {
  const auto text = node.value<std::string>();
  if (!text.has_value()) {
    return Bad(source, static_cast<int64_t>(node.source().begin.line),
               fmt::format("{} must be a text in quotes", key));
  }
  *out = *text;
  return {};
}

Status ReadMgmtd(const toml::node& node, std::string_view source, MountConfig* config) {
  const toml::table* table = node.as_table();
  if (table == nullptr)
    return Bad(source, static_cast<int64_t>(node.source().begin.line),
               "mgmtd_client must be a table");
  for (const auto& [key, value] : *table) {
    // The rest tunes 3FS's own client (refresh intervals, retries).
    if (key.str() == "mgmtd_server_addresses") TRY(ReadAddresses(value, source, config));
  }
  return {};
}

Status ReadTop(const toml::table& root, std::string_view source, MountConfig* config) {
  for (const auto& [key, value] : root) {
    const auto line = static_cast<int64_t>(value.source().begin.line);
    const std::string_view name = key.str();
    if (name == "cluster_id") {
      TRY(ReadText(value, source, name, &config->cluster_id));
    } else if (name == "mountpoint") {
      TRY(ReadText(value, source, name, &config->mountpoint));
    } else if (name == "token_file") {
      TRY(ReadText(value, source, name, &config->token_file));
    } else if (name == "allow_other") {
      const auto on = value.value<bool>();
      if (!on.has_value()) return Bad(source, line, "allow_other must be true or false");
      config->allow_other = *on;
    } else if (name == "mgmtd_client") {
      TRY(ReadMgmtd(value, source, config));
    } else if (name != "client" && name != "ib_devices") {
      return Bad(source, line,
                 fmt::format("unknown key \"{}\"; remove it or correct its spelling", name));
    }
  }
  return {};
}

// "a.b.c" = v as a TOML line; a value that is no TOML is taken as text, as gflags users write it.
Status ApplyOverride(const std::string& key, const std::string& value, std::string_view source,
                     MountConfig* config) {
  if (key.empty() ||
      key.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_.") != std::string::npos) {
    return Bad(source, 0, fmt::format("\"{}\" is no configuration key", key));
  }
  std::string quoted = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  quoted += '"';
  for (const std::string& text : {value, quoted}) {
    try {
      const toml::table table = toml::parse(fmt::format("{} = {}\n", key, text));
      return ReadTop(table, source, config);
    } catch (const toml::parse_error&) {
      continue;
    }
  }
  return Bad(source, 0, fmt::format("the value of {} is not understood", key));
}

}  // namespace

Status ParseLauncherToml(std::string_view text, std::string_view source, const Overrides& overrides,
                         MountConfig* config) {
  config->consistency = Consistency::kRelaxed;
  try {
    const toml::table root = toml::parse(text);
    TRY(ReadTop(root, source, config));
  } catch (const toml::parse_error& e) {
    return Bad(source, static_cast<int64_t>(e.source().begin.line), e.description());
  }
  for (const auto& [key, value] : overrides)
    TRY(ApplyOverride(key, value, "--launcher_config", config));
  return {};
}

}  // namespace threefs::config

// SPDX-License-Identifier: Apache-2.0
// The mounter's YAML: one flat mapping of option names. Walks the document only; the option table
// knows what is legal.
#include <fmt/core.h>
#include <yaml-cpp/yaml.h>

#include <set>

#include "mounter/config/mount_config.h"

namespace threefs::config {
namespace {

// yaml-cpp recurses over nesting: an adversary's "[[[[…" would overflow the stack.
constexpr size_t kMaxNesting = 32;

Status At(std::string_view source, int line, const Status& why) {
  return {Code::kInvalidConfig, fmt::format("{} line {}: {}", source, line, why.message())};
}

bool TooDeep(std::string_view text) {
  size_t flow = 0;
  size_t dashes = 0;
  size_t indent = 0;
  bool at_start = true;
  for (const char c : text) {
    if (c == '[' || c == '{') ++flow;
    if (flow > kMaxNesting) return true;
    if (c == '\n') {
      at_start = true;
      dashes = indent = 0;
      continue;
    }
    if (at_start && (c == '-' || c == '?' || c == ':')) ++dashes;
    if (at_start && c == ' ') ++indent;
    if (c != '-' && c != ' ' && c != '?' && c != ':') at_start = false;
    if (dashes > kMaxNesting || indent > 8 * kMaxNesting) return true;
  }
  return false;
}

Status Apply(const YAML::Node& root, std::string_view source, MountConfig* config) {
  if (root.IsNull()) return {};
  if (!root.IsMap())
    return {Code::kInvalidConfig, fmt::format("{} is not a list of `key: value` lines", source)};
  std::set<std::string> seen;
  for (const auto& pair : root) {
    const int line = pair.first.Mark().line + 1;
    if (!pair.first.IsScalar())
      return At(source, line, {Code::kInvalidConfig, "a key must be a plain word"});
    const std::string& key = pair.first.Scalar();
    if (!seen.insert(key).second) {
      return At(source, line,
                {Code::kInvalidConfig, fmt::format("{} is given twice; keep one", key)});
    }
    Status status;
    if (pair.second.IsSequence()) {
      std::vector<std::string> values;
      for (const auto& item : pair.second) {
        if (!item.IsScalar())
          return At(source, line, {Code::kInvalidConfig, fmt::format("{} takes plain words", key)});
        values.push_back(item.Scalar());
      }
      status = SetListOption(config, key, std::move(values));
    } else if (pair.second.IsScalar()) {
      status = SetOption(config, key, pair.second.Scalar());
    } else {
      MountConfig scratch;
      // An unknown key is the more useful complaint than a missing value.
      status = SetOption(&scratch, key, "");
      if (status.message().find("unknown key") == std::string::npos) {
        status = {Code::kInvalidConfig,
                  fmt::format("{} has no value; give one or remove the line", key)};
      }
    }
    if (!status.ok()) return At(source, line, status);
  }
  return {};
}

}  // namespace

Status ParseYaml(std::string_view text, std::string_view source, MountConfig* config) {
  if (TooDeep(text))
    return {Code::kInvalidConfig,
            fmt::format("{} is nested too deeply; write `key: value` lines", source)};
  try {
    const YAML::Node root = YAML::Load(std::string(text));
    return Apply(root, source, config);
  } catch (const YAML::Exception& e) {
    return {Code::kInvalidConfig, fmt::format("{} line {}: {}", source, e.mark.line + 1, e.msg)};
  }
}

}  // namespace threefs::config

// SPDX-License-Identifier: Apache-2.0
#include "client/standalone/core_service.h"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/runtime/task.h"

namespace threefs::standalone {

namespace co = schema::core;

namespace {

std::string_view Trim(std::string_view s) {
  constexpr std::string_view kBlank = " \t\r";
  const size_t first = s.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return s.substr(first, s.find_last_not_of(kBlank) - first + 1);
}

template <class M>
Task<Result<typename M::Rsp>> Ready(Result<typename M::Rsp> rsp) {
  co_return rsp;
}

}  // namespace

Result<std::map<std::string, std::string>> ParseFlatToml(std::string_view text) {
  std::map<std::string, std::string> out;
  std::string section;
  size_t number = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = Trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    const Status bad(Code::kSerdeInvalidToml, "line " + std::to_string(number) + " is no TOML");
    if (line.empty() || line[0] == '#') continue;
    if (line[0] == '[') {
      if (line.size() < 3 || line.back() != ']' || line[1] == '[') return bad;
      section = std::string(Trim(line.substr(1, line.size() - 2))) + ".";
      continue;
    }
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) return bad;
    const std::string_view key = Trim(line.substr(0, equals));
    const std::string_view value = Trim(line.substr(equals + 1));
    if (key.empty() || value.empty()) return bad;
    if (!out.emplace(section + std::string(key), value).second) return bad;
  }
  return out;
}

CoreService::CoreService(const Clock& clock, std::vector<ConfigItem> items,
                         std::function<void(bool graceful)> shutdown)
    : clock_(clock), items_(std::move(items)), shutdown_(std::move(shutdown)) {
  std::sort(items_.begin(), items_.end(),
            [](const ConfigItem& a, const ConfigItem& b) { return a.key < b.key; });
}

Result<std::string> CoreService::Render(const std::string& key) const {
  std::string out;
  std::string section;
  for (const ConfigItem& item : items_) {
    if (!key.empty() && item.key != key && !item.key.starts_with(key + ".")) continue;
    if (item.key == key) return item.value;
    const std::string relative = key.empty() ? item.key : item.key.substr(key.size() + 1);
    const size_t dot = relative.rfind('.');
    const std::string head = dot == std::string::npos ? "" : relative.substr(0, dot);
    if (head != section) {
      section = head;
      out += "[" + head + "]\n";
    }
    out += (dot == std::string::npos ? relative : relative.substr(dot + 1)) + " = " + item.value +
           "\n";
  }
  if (out.empty() && !key.empty()) return Status(Code::kConfigKeyNotFound, key);
  return out;
}

ConfigItem* CoreService::Find(const std::string& key) {
  const auto it = std::find_if(items_.begin(), items_.end(),
                               [&](const ConfigItem& item) { return item.key == key; });
  return it == items_.end() ? nullptr : &*it;
}

Status CoreService::Check(const std::map<std::string, std::string>& wanted) const {
  for (const auto& [key, value] : wanted) {
    const auto item = std::find_if(items_.begin(), items_.end(),
                                   [&](const ConfigItem& i) { return i.key == key; });
    if (item == items_.end()) {
      const bool section = std::any_of(items_.begin(), items_.end(), [&](const ConfigItem& i) {
        return i.key.starts_with(key + ".");
      });
      return Status(section ? Code::kConfigInvalidType : Code::kConfigRedundantKey,
                    key + (section ? " is a section" : " is no key of this node"));
    }
    if (item->value != value && !item->set) {
      return Status(Code::kConfigUpdateFailed, key + " cannot be changed while the node runs");
    }
  }
  return {};
}

Status CoreService::HotUpdate(std::string_view text) {
  const auto apply = [&]() -> Status {
    TRY(const auto wanted, ParseFlatToml(text));
    TRY(Check(wanted));
    for (const auto& [key, value] : wanted) {
      ConfigItem* item = Find(key);
      if (item->value == value) continue;
      TRY(item->set(value));
      item->value = value;
    }
    return {};
  };
  const Status status = apply();
  last_ = co::ConfigUpdateRecord{
      .update_time = clock_.WallMicros(), .result = status, .description = "hot update"};
  return status;
}

void CoreService::RegisterMethods(rpc::Server& server) {
  using rpc::CallInfo;
  server.Handle<co::method::Echo>([](const CallInfo&, schema::EchoMessage req) {
    return Ready<co::method::Echo>(std::move(req));
  });
  server.Handle<co::method::GetConfig>([this](const CallInfo&, const co::GetConfigReq& req) {
    auto text = Render(req.config_key);
    if (!text.ok()) return Ready<co::method::GetConfig>(text.status());
    return Ready<co::method::GetConfig>(co::GetConfigRsp{.config = *std::move(text)});
  });
  server.Handle<co::method::RenderConfig>([this](const CallInfo&, co::RenderConfigReq req) {
    co::RenderConfigRsp rsp;
    if (req.test_update) {
      auto wanted = ParseFlatToml(req.config_template);
      rsp.update_status = wanted.ok() ? Check(*wanted) : wanted.status();
      if (rsp.update_status.ok()) rsp.config_after_update = *Render("");
    }
    rsp.config_after_render = std::move(req.config_template);  // nothing is substituted
    return Ready<co::method::RenderConfig>(std::move(rsp));
  });
  server.Handle<co::method::HotUpdateConfig>(
      [this](const CallInfo&, const co::HotUpdateConfigReq& req) {
        const Status status = HotUpdate(req.update);
        if (!status.ok()) return Ready<co::method::HotUpdateConfig>(status);
        return Ready<co::method::HotUpdateConfig>(co::HotUpdateConfigRsp{});
      });
  server.Handle<co::method::GetLastConfigUpdateRecord>(
      [this](const CallInfo&, const co::GetLastConfigUpdateRecordReq&) {
        return Ready<co::method::GetLastConfigUpdateRecord>(
            co::GetLastConfigUpdateRecordRsp{.record = last_});
      });
  server.Handle<co::method::Shutdown>([this](const CallInfo&, const co::ShutdownReq& req) {
    shutdown_(req.graceful);
    return Ready<co::method::Shutdown>(co::ShutdownRsp{});
  });
}

}  // namespace threefs::standalone

// SPDX-License-Identifier: Apache-2.0
#include "tools/mounts.h"

#include <fmt/core.h>

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/base/status.h"
#include "client/base/status_code.h"
#include "proto/channel/channel.h"
#include "proto/mounter/control.pb.h"
#include "tools/report.h"

namespace threefs::tools {
namespace {

constexpr std::chrono::milliseconds kAnswerTimeout{5000};

Result<mounter::KeeperReply> Ask(const std::string& socket, mounter::KeeperRequest request) {
  auto channel = control::Channel::Connect(socket);
  if (!channel.ok()) {
    return Status(
        Code::kRPCConnectFailed,
        fmt::format("no keeper answers at {} ({}): is threefs-keeper running on this node, "
                    "and is --keeper its socket?",
                    socket, channel.status().message()));
  }
  request.set_id(1);
  TRY(channel->Send(request));
  mounter::KeeperReply reply;
  for (;;) {
    if (!channel->WaitReadable(kAnswerTimeout)) {
      return Status(Code::kRPCTimeout, "the keeper does not answer within 5 s: look at its log");
    }
    TRY(const auto received, channel->Receive(&reply));
    if (received == control::Received::kClosed) {
      return Status(Code::kRPCSocketClosed,
                    "the keeper closed the connection: run this as root or as its user");
    }
    if (received == control::Received::kMessage) break;
  }
  if (reply.has_failure()) {
    const bool missing = reply.failure().kind() == mounter::FAILURE_NOT_FOUND;
    return Status(missing ? Code::kMetaNotFound : Code::kOSError, reply.failure().sentence());
  }
  return reply;
}

std::string_view StateName(mounter::MountState state) {
  switch (state) {
    case mounter::MOUNT_STARTING:
      return "starting";
    case mounter::MOUNT_READY:
      return "ready";
    case mounter::MOUNT_RESTARTING:
      return "restarting";
    case mounter::MOUNT_CRASH_LOOP:
      return "crash-loop";
    case mounter::MOUNT_STOPPING:
      return "stopping";
    default:
      return "unknown";
  }
}

std::string Since(int64_t since_us) {
  const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  const int64_t s = since_us > 0 && now > since_us ? (now - since_us) / 1'000'000 : 0;
  if (s < 120) return fmt::format("{}s", s);
  if (s < 7200) return fmt::format("{}m", s / 60);
  return fmt::format("{}h", s / 3600);
}

}  // namespace

Result<std::vector<mounter::MountInfo>> QueryMounts(const std::string& socket) {
  std::vector<mounter::MountInfo> all;
  std::string after;
  for (bool more = true; more;) {
    mounter::KeeperRequest request;
    request.mutable_list()->set_after(after);
    TRY(const auto reply, Ask(socket, request));
    more = reply.list().more() && reply.list().mounts_size() > 0;
    for (const auto& mount : reply.list().mounts()) all.push_back(mount);
    if (!all.empty()) after = all.back().spec().volume_id();
  }
  return all;
}

Result<mounter::MountInfo> QueryMount(const std::string& socket, const std::string& volume_id) {
  mounter::KeeperRequest request;
  request.mutable_status()->set_volume_id(volume_id);
  TRY(auto reply, Ask(socket, request));
  return std::move(*reply.mutable_mount());
}

std::string MountsTable(const std::vector<mounter::MountInfo>& mounts) {
  Table table({"VOLUME", "STATE", "SINCE", "PID", "RESTARTS", "OPERATIONS", "ERRORS", "READ",
               "WRITTEN", "RSS", "MOUNTED AT"});
  for (const auto& m : mounts) {
    const auto& s = m.stats();
    table.Add({m.spec().volume_id(), std::string(StateName(m.state())), Since(m.since_us()),
               std::to_string(m.pid()), std::to_string(m.restarts()),
               std::to_string(s.operations()), std::to_string(s.errors()),
               HumanBytes(s.read_bytes()), HumanBytes(s.written_bytes()), HumanBytes(s.rss_bytes()),
               m.spec().mount_path()});
  }
  return table.ToString();
}

std::string MountsJson(const std::vector<mounter::MountInfo>& mounts) {
  auto list = nlohmann::json::array();
  for (const auto& m : mounts) {
    list.push_back({{"volume", m.spec().volume_id()},
                    {"clusterId", m.spec().cluster_id()},
                    {"path", m.spec().path()},
                    {"state", StateName(m.state())},
                    {"sinceUs", m.since_us()},
                    {"pid", m.pid()},
                    {"restarts", m.restarts()},
                    {"lastError", m.last_error()},
                    {"mountPath", m.spec().mount_path()},
                    {"operations", m.stats().operations()},
                    {"errors", m.stats().errors()},
                    {"readBytes", m.stats().read_bytes()},
                    {"writtenBytes", m.stats().written_bytes()},
                    {"resent", m.stats().resent()},
                    {"rssBytes", m.stats().rss_bytes()}});
  }
  return nlohmann::json{{"ok", true}, {"mounts", list}}.dump(
      -1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string MountDetails(const mounter::MountInfo& m) {
  std::string servers;
  for (const auto& address : m.spec().mgmtd_addresses()) {
    servers += (servers.empty() ? "" : ", ") + address;
  }
  Table table({"volume", m.spec().volume_id()});
  const auto or_default = [](const std::string& text, const char* fallback) {
    return text.empty() ? std::string(fallback) : text;
  };
  table.Add({"state", fmt::format("{} for {}", StateName(m.state()), Since(m.since_us()))});
  table.Add({"mounted at", m.spec().mount_path()});
  table.Add({"cluster", m.spec().cluster_id()});
  table.Add({"mgmtd", servers});
  table.Add({"path in 3FS", m.spec().path()});
  table.Add({"read-only", m.spec().read_only() ? "yes" : "no"});
  table.Add({"transport", or_default(m.spec().transport(), "auto")});
  table.Add({"consistency", or_default(m.spec().consistency(), "close-to-open")});
  table.Add({"identity", or_default(m.spec().identity(), "caller")});
  table.Add({"mounter pid", std::to_string(m.pid())});
  table.Add({"restarts", std::to_string(m.restarts())});
  table.Add({"operations", std::to_string(m.stats().operations())});
  table.Add({"errors", std::to_string(m.stats().errors())});
  table.Add({"read", HumanBytes(m.stats().read_bytes())});
  table.Add({"written", HumanBytes(m.stats().written_bytes())});
  table.Add({"resent", std::to_string(m.stats().resent())});
  table.Add({"memory", HumanBytes(m.stats().rss_bytes())});
  if (!m.last_error().empty()) table.Add({"last error", m.last_error()});
  return table.ToString();
}

}  // namespace threefs::tools

// SPDX-License-Identifier: Apache-2.0
#include "mounter/fs/identity.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <string>

namespace threefs::fs {
namespace {

// A process that changes its groups and goes on at once is rare; asking /proc for each request is
// dear.
constexpr Duration kGroupsLive = 200ms;
constexpr size_t kMaxCached = 4096;

int Base64Value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  if (c == '/' || c == '_') return 63;
  return -1;
}

}  // namespace

std::vector<uint32_t> ParseGroups(std::string_view status) {
  std::vector<uint32_t> groups;
  const size_t at = status.find("\nGroups:");
  if (at == std::string_view::npos) return groups;
  std::string_view line = status.substr(at + 8);
  line = line.substr(0, line.find('\n'));
  while (!line.empty()) {
    if (line[0] < '0' || line[0] > '9') {
      line.remove_prefix(1);
      continue;
    }
    uint32_t gid = 0;
    const auto [end, ec] = std::from_chars(line.data(), line.data() + line.size(), gid);
    if (ec != std::errc{}) break;
    groups.push_back(gid);
    line.remove_prefix(static_cast<size_t>(end - line.data()));
  }
  return groups;
}

std::vector<uint32_t> GroupsOf(pid_t pid) {
  if (pid <= 0) return {};
  const int fd = ::open(fmt::format("/proc/{}/status", pid).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  std::string text;
  std::array<char, 4096> piece;
  ssize_t n = 0;
  while (text.size() < (1U << 20) && (n = ::read(fd, piece.data(), piece.size())) > 0) {
    text.append(piece.data(), static_cast<size_t>(n));
  }
  ::close(fd);
  return ParseGroups(text);
}

std::optional<uint32_t> UidOfToken(std::string_view token) {
  // base64 of 18 bytes; byte i of the plain text stands at position kPlace[i].
  static constexpr std::array<size_t, 18> kPlace{12, 6, 0, 13, 7,  1, 14, 8,  2,
                                                 15, 9, 3, 16, 10, 4, 17, 11, 5};
  if (token.size() != 24) return std::nullopt;
  std::array<uint8_t, 18> stored{};
  for (size_t i = 0; i < 6; ++i) {
    uint32_t v = 0;
    for (size_t j = 0; j < 4; ++j) {
      const int digit = Base64Value(token[i * 4 + j]);
      if (digit < 0) return std::nullopt;
      v = v << 6 | static_cast<uint32_t>(digit);
    }
    stored[i * 3] = static_cast<uint8_t>(v >> 16);
    stored[i * 3 + 1] = static_cast<uint8_t>(v >> 8);
    stored[i * 3 + 2] = static_cast<uint8_t>(v);
  }
  std::array<uint8_t, 18> plain{};
  for (size_t i = 0; i < plain.size(); ++i) plain[i] = stored[kPlace[i]];
  if (plain[0] != 0xDB || plain[1] != 0xF1) return std::nullopt;
  uint32_t uid = 0;
  for (size_t i = 0; i < 4; ++i) uid |= static_cast<uint32_t>(plain[2 + i]) << (8 * i);
  return uid;
}

UserRef Identity::Of(const Caller& caller, TimePoint now) {
  if (mode_ == config::Identity::kToken) {
    if (token_user_ == nullptr) {
      token_user_ =
          cluster_->MakeUser(cluster_->options().token_uid, cluster_->options().token_gid, {});
    }
    return token_user_;
  }
  if (caller.uid == 0 || caller.pid <= 0) {
    if (without_groups_.size() > kMaxCached) without_groups_.clear();
    UserRef& user = without_groups_[static_cast<uint64_t>(caller.uid) << 32 | caller.gid];
    if (user == nullptr) user = cluster_->MakeUser(caller.uid, caller.gid, {});
    return user;
  }
  if (by_pid_.size() > kMaxCached) by_pid_.clear();
  Cached& c = by_pid_[caller.pid];
  if (c.user == nullptr || c.uid != caller.uid || c.gid != caller.gid || now >= c.until) {
    c = {caller.uid, caller.gid, now + kGroupsLive,
         cluster_->MakeUser(caller.uid, caller.gid, GroupsOf(caller.pid))};
  }
  return c.user;
}

}  // namespace threefs::fs

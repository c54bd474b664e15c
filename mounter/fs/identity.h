// SPDX-License-Identifier: Apache-2.0
// Identity: who a request acts as. With `caller`: the calling uid and gid, and the supplementary
// groups of the calling process from /proc (uid 0 needs none: it passes every check). With `token`:
// always the token's user. One per loop, on it.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "client/base/clock.h"
#include "client/file/cluster.h"
#include "client/mgmtd/op_context.h"
#include "mounter/config/mount_config.h"
#include "mounter/fs/types.h"

namespace threefs::fs {

class Identity {
 public:
  Identity(const file::Cluster* cluster, config::Identity mode) : cluster_(cluster), mode_(mode) {}
  UserRef Of(const Caller& caller, TimePoint now);

 private:
  struct Cached {
    uint32_t uid, gid;
    TimePoint until;
    UserRef user;
  };
  const file::Cluster* cluster_;
  const config::Identity mode_;
  UserRef token_user_;
  std::unordered_map<pid_t, Cached> by_pid_;
  std::unordered_map<uint64_t, UserRef> without_groups_;  // uid << 32 | gid
};

/// The supplementary groups of a process; empty when it is gone or hidden from us.
std::vector<uint32_t> GroupsOf(pid_t pid);
/// "Groups:" line of a /proc/<pid>/status text.
std::vector<uint32_t> ParseGroups(std::string_view status);

/// uid of a token (3fs/fuse.md §10); nullopt when it is none.
std::optional<uint32_t> UidOfToken(std::string_view token);

}  // namespace threefs::fs

// SPDX-License-Identifier: Apache-2.0
// ClientSessions: who is mounted (3fs/mgmtd.md §7). Soft state in memory, as in 3FS: recreated by
// the next extension after a restart. Loop-confined.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "client/base/clock.h"
#include "client/base/status.h"
#include "client/schema/mgmtd_rpc.h"

namespace threefs::standalone {

class ClientSessions {
 public:
  /// The request's effect; the caller has checked cluster id and configuration version.
  /// kInvalidArg, kMgmtdClientSessionVersionStale (message: stored version),
  /// kMgmtdExtendClientSessionMismatch.
  Status Extend(const schema::mgmtd::ExtendClientSessionReq& req, int64_t now_us);
  /// Drops sessions not extended for `timeout`.
  void Expire(int64_t now_us, Duration timeout);
  [[nodiscard]] const schema::mgmtd::ClientSession* Find(const std::string& client_id) const;
  [[nodiscard]] std::vector<schema::mgmtd::ClientSession> List() const;

 private:
  struct Session {
    schema::mgmtd::ClientSession info;
    uint64_t version = 0;
  };
  std::map<std::string, Session> sessions_;
};

}  // namespace threefs::standalone

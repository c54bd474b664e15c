// SPDX-License-Identifier: Apache-2.0
#include "client/standalone/mgmtd_sessions.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "client/serde/serde.h"

namespace threefs::standalone {
namespace {

using schema::mgmtd::ClientSession;
using schema::mgmtd::ExtendClientSessionReq;
using schema::mgmtd::NodeType;

template <class T>
bool SameOnWire(const T& a, const T& b) {
  return serde::Encode(a).Flatten() == serde::Encode(b).Flatten();
}

bool SameClient(const ClientSession& s, const ExtendClientSessionReq& req) {
  return s.universal_id == req.data.universal_id && s.description == req.data.description &&
         SameOnWire(s.service_groups, req.data.service_groups) &&
         SameOnWire(s.release_version, req.data.release_version) && s.type == req.type &&
         s.client_start == req.client_start;
}

}  // namespace

Status ClientSessions::Extend(const ExtendClientSessionReq& req, int64_t now_us) {
  if (req.client_id.empty()) return Status(Code::kInvalidArg, "clientId is empty");
  if (req.type != NodeType::kClient && req.type != NodeType::kFuse) {
    return Status(Code::kInvalidArg, "only CLIENT and FUSE have sessions");
  }
  const auto [it, created] = sessions_.try_emplace(req.client_id);
  Session& session = it->second;
  if (created) {
    session.info = ClientSession{.client_id = req.client_id,
                                 .config_version = req.config_version,
                                 .start = now_us,
                                 .last_extend = now_us,
                                 .universal_id = req.data.universal_id,
                                 .description = req.data.description,
                                 .service_groups = req.data.service_groups,
                                 .release_version = req.data.release_version,
                                 .config_status = req.config_status,
                                 .type = req.type,
                                 .client_start = req.client_start};
    return {};  // the stored version stays 0, not the request's
  }
  if (req.client_session_version <= session.version) {
    return Status(Code::kMgmtdClientSessionVersionStale, std::to_string(session.version));
  }
  if (!SameClient(session.info, req)) {
    return Status(Code::kMgmtdExtendClientSessionMismatch,
                  "the session of this client id was opened with other data");
  }
  session.version = req.client_session_version;
  session.info.config_version = req.config_version;
  session.info.config_status = req.config_status;
  session.info.last_extend = now_us;
  return {};
}

void ClientSessions::Expire(int64_t now_us, Duration timeout) {
  const auto limit = std::chrono::duration_cast<std::chrono::microseconds>(timeout).count();
  std::erase_if(sessions_,
                [&](const auto& s) { return now_us - s.second.info.last_extend > limit; });
}

const ClientSession* ClientSessions::Find(const std::string& client_id) const {
  const auto it = sessions_.find(client_id);
  return it == sessions_.end() ? nullptr : &it->second.info;
}

std::vector<ClientSession> ClientSessions::List() const {
  std::vector<ClientSession> all;
  all.reserve(sessions_.size());
  for (const auto& [id, session] : sessions_) all.push_back(session.info);
  return all;
}

}  // namespace threefs::standalone

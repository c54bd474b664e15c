// SPDX-License-Identifier: Apache-2.0
#include "client/standalone/node_agent.h"

#include <charconv>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "client/base/log.h"

namespace threefs::standalone {

namespace mg = schema::mgmtd;

NodeAgent::NodeAgent(Loop& loop, rpc::Client& client, NodeAgentOptions options, Callbacks callbacks)
    : loop_(loop),
      client_(client),
      options_(std::move(options)),
      callbacks_(std::move(callbacks)),
      lease_until_(loop.Now()),
      routing_(std::make_shared<mg::RoutingInfo>()) {}

void NodeAgent::Start() {
  Spawn(HeartbeatLoop());
  Spawn(RoutingLoop());
}

Task<void> NodeAgent::Stop() {
  stopping_ = true;
  cancel_.Cancel();
  kick_.Set();
  stop_.Set();
  co_await ops_.Drain();
}

NodeAgent::RoutingPtr NodeAgent::routing() const {
  const std::lock_guard lock(shared_mutex_);
  return routing_;
}

Task<void> NodeAgent::HeartbeatLoop() {
  const auto op = ops_.Enter();
  while (!stopping_) {
    // Targets can only be reported once it is known what is expected of them.
    if (!paused_ && routing()->routing_info_version != 0) co_await HeartbeatOnce();
    co_await kick_.WaitUntil(loop_.Now() + options_.heartbeat_interval);
    kick_.Reset();
  }
}

Task<void> NodeAgent::HeartbeatOnce() {
  mg::HeartbeatReq req{.cluster_id = options_.cluster_id,
                       .info = {.info = callbacks_.report(),
                                .app = options_.app,
                                .hb_version = hb_version_,
                                .config_version = 0,
                                .config_status = mg::ConfigStatus::kNormal},
                       .timestamp = loop_.WallMicros(),
                       .user = {}};
  const TimePoint sent = loop_.Now();
  const rpc::CallOptions options{.ctx = {.deadline = kNever, .cancel = &cancel_, .trace = 0},
                                 .timeout = options_.call_timeout};
  const auto rsp =
      co_await client_.Call<mg::method::Heartbeat>(options_.mgmtd[current_], req, options);
  if (rsp.ok()) {
    ++hb_version_;
    lease_until_ = sent + options_.lease;
    co_return;
  }
  const Status status = rsp.status();
  if (status.code() == Code::kMgmtdHeartbeatVersionStale) {
    const std::string& text = status.message();
    uint64_t last = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), last).ec == std::errc()) {
      hb_version_ = last + 1;
      kick_.Set();
    }
  } else if (!stopping_) {
    LOG_DEBUG("heartbeat of node {}: {}", options_.app.node_id, status.ToString());
    if (status.origin() == Origin::kLocal) current_ = (current_ + 1) % options_.mgmtd.size();
  }
}

Task<void> NodeAgent::RoutingLoop() {
  const auto op = ops_.Enter();
  while (!stopping_) {
    if (!paused_) co_await Refresh();
    co_await stop_.WaitUntil(loop_.Now() + options_.routing_interval);
  }
}

Task<Result<mg::GetRoutingInfoRsp>> NodeAgent::Fetch(uint64_t version) {
  const mg::GetRoutingInfoReq req{
      .cluster_id = options_.cluster_id, .routing_info_version = version, .user = {}};
  const rpc::CallOptions options{.ctx = {.deadline = kNever, .cancel = &cancel_, .trace = 0},
                                 .timeout = options_.call_timeout};
  co_return co_await client_.Call<mg::method::GetRoutingInfo>(options_.mgmtd[current_], req,
                                                              options);
}

Task<void> NodeAgent::Refresh() {
  if (fetching_ || stopping_ || paused_) co_return;
  const auto op = ops_.Enter();
  fetching_ = true;
  const uint64_t have = routing()->routing_info_version;
  auto rsp = co_await Fetch(have);
  if (!rsp.ok() && rsp.code() == Code::kMgmtdInvalidRoutingInfoVersion) rsp = co_await Fetch(0);
  fetching_ = false;
  if (!rsp.ok() || !rsp->info.has_value() || paused_ || stopping_) co_return;
  const auto next = std::make_shared<const mg::RoutingInfo>(*std::move(rsp->info));
  {
    const std::lock_guard lock(shared_mutex_);
    routing_ = next;
  }
  if (callbacks_.on_routing) callbacks_.on_routing(next);
  kick_.Set();  // new states are confirmed at once
}

}  // namespace threefs::standalone

// SPDX-License-Identifier: Apache-2.0
#include "client/mgmtd/mgmtd_client.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "client/base/log.h"
#include "client/mgmtd/answer.h"
#include "client/mgmtd/primary_finder.h"

namespace threefs::mgmtd {
namespace {

namespace method = schema::mgmtd::method;
using schema::mgmtd::ConfigStatus;

constexpr Duration kFirstBackoff = 50ms;
constexpr Duration kMaxBackoff = 1s;
// Between two refreshes that callers asked for; doubles while they keep asking in vain.
constexpr Duration kFirstPoll = 100ms;
// A background round gives up after this and lets the next one start.
constexpr Duration kRoundTimeout = 10s;

bool IsRpcError(Code code) { return Raw(code) >= 2000 && Raw(code) < 3000; }

// The errors after which another mgmtd, or the same one later, may answer.
bool MoveOn(const Status& s) { return IsRpcError(s.code()) || s.code() == Code::kMgmtdNotPrimary; }

class MgmtdClientImpl final : public MgmtdClient {
 public:
  MgmtdClientImpl(Loop& home, rpc::Client& rpc, BlockingPool& pool, MgmtdOptions options)
      : home_(home),
        rpc_(rpc),
        options_(std::move(options)),
        finder_(rpc, pool,
                {.cluster_id = options_.cluster_id,
                 .addresses = options_.addresses,
                 .call_timeout = options_.call_timeout}) {}

  Task<Status> Start(CallContext ctx) override;
  Task<void> Stop() override;
  [[nodiscard]] RoutingRef routing() const override {
    const std::lock_guard lock(mutex_);
    return routing_;
  }
  Task<RoutingRef> NewerThan(uint64_t version, TimePoint until) override;
  [[nodiscard]] const std::string& cluster_id() const override { return options_.cluster_id; }
  [[nodiscard]] net::Address primary() const override {
    const std::lock_guard lock(mutex_);
    return primary_;
  }

 protected:
  Task<Result<Bytes>> CallPrimary(CallContext ctx, uint16_t service, uint16_t method,
                                  serde::Encoded payload) override;

 private:
  Task<void> RefreshLoop();
  Task<void> SessionLoop();
  Task<Status> Refresh(CallContext ctx);
  Task<Status> ExtendSession(CallContext ctx);
  method::ExtendClientSession::Req SessionRequest() const;
  void OnSessionError(const Status& error);
  Status Adopt(schema::mgmtd::RoutingInfo info);
  void SetPrimary(net::Address address) {
    const std::lock_guard lock(mutex_);
    primary_ = address;
  }
  CallContext Round() { return {.deadline = home_.Now() + kRoundTimeout, .cancel = &stop_}; }
  Status Explain(const Status& last) const;

  Loop& home_;
  rpc::Client& rpc_;
  const MgmtdOptions options_;
  PrimaryFinder finder_;
  TaskScope background_;
  CancelSource stop_;
  Event stopping_;
  Event wanted_;  // somebody asked for a refresh

  // The home loop's own.
  bool ask_from_zero_ = true;  // the next getRoutingInfo asks version 0
  uint64_t session_version_ = 1;
  uint64_t config_version_ = 0;
  bool session_warned_ = false;

  mutable std::mutex mutex_;
  net::Address primary_;
  RoutingRef routing_;
  // Set and replaced whenever a refresh ended, whatever it brought.
  std::shared_ptr<Event> refreshed_ = std::make_shared<Event>();
};

// --- finding and calling the primary
// -----------------------------------------------------------------------------------

Task<Result<Bytes>> MgmtdClientImpl::CallPrimary(CallContext ctx, uint16_t service, uint16_t method,
                                                 serde::Encoded payload) {
  Duration backoff = kFirstBackoff;
  uint32_t hint = 0;
  Status last;
  for (;;) {
    net::Address to = primary();
    if (to.port == 0) {
      auto found = co_await finder_.Find(ctx, hint);
      if (found.ok()) {
        to = *found;
        SetPrimary(to);
      } else {
        last = found.status();
        if (last.code() == Code::kMgmtdClusterIdMismatch) co_return last;
      }
    }
    if (to.port != 0) {
      auto raw = co_await rpc_.CallRaw(to, service, method, payload,
                                       {.ctx = ctx, .timeout = options_.call_timeout});
      Status status = raw.ok() ? PeekAnswer(*raw) : raw.status();
      if (!MoveOn(status)) co_return raw;
      hint = status.code() == Code::kMgmtdNotPrimary ? PrimaryFinder::HintOf(status.message()) : 0;
      last = status.WithContext(to.ToString());
      SetPrimary({});
      // Somebody else may be found at once; a wait comes only when that fails too.
      if (backoff == kFirstBackoff) {
        backoff *= 2;
        continue;
      }
    }
    const TimePoint next = home_.Now() + backoff;
    backoff = std::min(backoff * 2, kMaxBackoff);
    if (ctx.cancelled()) co_return Status(Code::kMgmtdClientExit, "the client is closing");
    if (next >= ctx.deadline) co_return Explain(last);
    if (ctx.cancel != nullptr) {
      Event never;
      co_await never.WaitUntil(next, ctx.cancel);
    } else {
      co_await SleepUntil(next);
    }
  }
}

Status MgmtdClientImpl::Explain(const Status& last) const {
  return {Code::kMgmtdClientPrimaryMgmtdNotFound,
          fmt::format("no primary mgmtd of cluster '{}' answers at {} (last: {}); check the mgmtd "
                      "addresses and that their ports can be reached from this node",
                      options_.cluster_id, fmt::join(options_.addresses, ", "), last.ToString())};
}

// --- routing
// -------------------------------------------------------------------------------------------------------------

Status MgmtdClientImpl::Adopt(schema::mgmtd::RoutingInfo info) {
  const RoutingRef old = routing();
  const uint64_t version = info.routing_info_version;
  if (old != nullptr && version < old->version()) {
    // A database restored from a backup, or nonsense. Servers check exact chain versions, so a
    // newer-than-true snapshot is useless: believe mgmtd once it says the same to a question from
    // version 0.
    if (!ask_from_zero_) {
      ask_from_zero_ = true;
      return {Code::kMgmtdInvalidRoutingInfoVersion,
              fmt::format("mgmtd sent routing version {} after {}", version, old->version())};
    }
    LOG_WARN("routing version went back from {} to {}", old->version(), version);
  }
  TRY(RoutingRef table, RoutingTable::Build(std::move(info)));
  finder_.Learn(table->mgmtd_servers());
  ask_from_zero_ = false;
  if (old == nullptr || old->version() != version) {
    LOG_INFO("routing version {}: {} meta, {} storage servers", version,
             table->meta_servers().size(), table->storage_servers().size());
  }
  const std::lock_guard lock(mutex_);
  routing_ = std::move(table);
  return {};
}

Task<Status> MgmtdClientImpl::Refresh(CallContext ctx) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    method::GetRoutingInfo::Req req;
    const RoutingRef old = routing();
    req.routing_info_version = ask_from_zero_ || old == nullptr ? 0 : old->version();
    auto rsp = co_await Call<method::GetRoutingInfo>(ctx, std::move(req));
    if (rsp.code() == Code::kMgmtdInvalidRoutingInfoVersion) {
      ask_from_zero_ = true;  // ours is newer than theirs: start over
      continue;
    }
    if (!rsp.ok()) co_return rsp.status();
    if (!(*rsp).info.has_value()) {
      if (old != nullptr) co_return Status();
      co_return Status(Code::kMgmtdClientRoutingInfoNotReady, "mgmtd has no routing information");
    }
    const Status adopted = Adopt(*std::move((*rsp).info));
    if (adopted.code() == Code::kMgmtdInvalidRoutingInfoVersion) continue;
    co_return adopted;
  }
  co_return Status(Code::kMgmtdInvalidRoutingInfoVersion,
                   "mgmtd does not agree with itself about the routing version");
}

Task<void> MgmtdClientImpl::RefreshLoop() {
  Duration poll = kFirstPoll;
  TimePoint started = home_.Now();
  while (!stopping_.is_set()) {
    const TimePoint due = started + options_.refresh_interval;
    const bool asked = co_await wanted_.WaitUntil(due, &stop_);
    if (stop_.cancelled()) break;
    if (asked) {
      // Not faster than `poll` after the last one, which grows while asking brings nothing new.
      const TimePoint allowed = started + poll;
      if (home_.Now() < allowed) co_await stopping_.WaitUntil(allowed, &stop_);
      if (stop_.cancelled()) break;
    }
    wanted_.Reset();
    started = home_.Now();
    const uint64_t before = routing()->version();
    const Status status = co_await Refresh(Round());
    if (!status.ok() && !stop_.cancelled()) {
      LOG_WARN("routing not refreshed, version {} stays: {}", before, status.ToString());
    }
    poll = !asked || routing()->version() != before ? kFirstPoll : std::min(poll * 2, kMaxBackoff);
    std::shared_ptr<Event> done = std::make_shared<Event>();
    {
      const std::lock_guard lock(mutex_);
      done.swap(refreshed_);
    }
    done->Set();
  }
}

Task<RoutingRef> MgmtdClientImpl::NewerThan(uint64_t version, TimePoint until) {
  for (;;) {
    std::shared_ptr<Event> refreshed;
    {
      const std::lock_guard lock(mutex_);
      if (routing_->version() > version) co_return routing_;
      refreshed = refreshed_;
    }
    wanted_.Set();
    if (!co_await refreshed->WaitUntil(until, &stop_)) co_return routing();
  }
}

// --- session
// -------------------------------------------------------------------------------------------------------------

method::ExtendClientSession::Req MgmtdClientImpl::SessionRequest() const {
  method::ExtendClientSession::Req req;
  req.client_id = options_.client_id.ToString();
  req.client_session_version = session_version_;
  req.config_version = config_version_;
  // No field of `data` may ever change for one client id, not by an upgrade either (3fs/mgmtd.md
  // §7), so the release version is the wire's default.
  req.data.universal_id = options_.universal_id;
  req.data.description = options_.description;
  // Seen, not applied: the cluster's FUSE configuration is for 3FS's own client.
  req.config_status = config_version_ == 0 ? ConfigStatus::kNormal : ConfigStatus::kDirty;
  req.type = options_.node_type;
  req.client_start = options_.client_start;
  return req;
}

Task<Status> MgmtdClientImpl::ExtendSession(CallContext ctx) {
  auto rsp = co_await Call<method::ExtendClientSession>(ctx, SessionRequest());
  if (!rsp.ok()) {
    OnSessionError(rsp.status());
    co_return rsp.status();
  }
  ++session_version_;
  session_warned_ = false;
  if ((*rsp).config.has_value()) config_version_ = (*rsp).config->config_version;
  co_return Status();
}

void MgmtdClientImpl::OnSessionError(const Status& error) {
  if (error.code() == Code::kMgmtdClientSessionVersionStale) {
    const std::string& text = error.message();
    uint64_t stored = 0;
    const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), stored);
    // An answer without a number, or with one at the top of the range, must not stop the count.
    session_version_ = bad == std::errc{} && stored < UINT64_MAX / 2
                           ? std::max(stored + 1, session_version_)
                           : session_version_ * 2;
  } else if (error.code() == Code::kMgmtdInvalidConfigVersion) {
    config_version_ = 0;
  }
  if (!session_warned_ && error.code() != Code::kMgmtdClientExit) {
    session_warned_ = true;
    LOG_WARN("client session not extended: {}", error.ToString());
  }
}

Task<void> MgmtdClientImpl::SessionLoop() {
  TimePoint next = home_.Now() + options_.refresh_interval;
  while (!co_await stopping_.WaitUntil(next, &stop_)) {
    if (stop_.cancelled()) break;
    const TimePoint started = home_.Now();
    const Status status = co_await ExtendSession(Round());
    const bool again = status.code() == Code::kMgmtdClientSessionVersionStale ||
                       status.code() == Code::kMgmtdInvalidConfigVersion;
    next = started + (again ? kMaxBackoff : options_.refresh_interval);
  }
}

// --- life
// ----------------------------------------------------------------------------------------------------------------

Task<Status> MgmtdClientImpl::Start(CallContext ctx) {
  Duration backoff = kFirstBackoff;
  bool have_routing = false;
  for (;;) {
    Status status;
    if (!have_routing) status = co_await Refresh(ctx);
    have_routing = have_routing || status.ok();
    if (status.ok() && options_.keep_session) status = co_await ExtendSession(ctx);
    if (status.ok()) break;
    if (status.code() == Code::kMgmtdClusterIdMismatch) {
      co_return Status(Code::kMgmtdClusterIdMismatch,
                       fmt::format("the mgmtd at {} belongs to another cluster than '{}'; set the "
                                   "cluster id the servers were started with",
                                   fmt::join(options_.addresses, ", "), options_.cluster_id));
    }
    if (status.code() == Code::kMgmtdClientPrimaryMgmtdNotFound) co_return status;
    if (status.code() == Code::kMgmtdExtendClientSessionMismatch) {
      co_return status.WithContext(
          "mgmtd knows this client id with other properties; start with a new client id");
    }
    if (ctx.cancelled() || home_.Now() + backoff >= ctx.deadline) co_return status;
    co_await SleepFor(backoff);
    backoff = std::min(backoff * 2, kMaxBackoff);
  }
  background_.Start(RefreshLoop());
  if (options_.keep_session) background_.Start(SessionLoop());
  co_return Status();
}

Task<void> MgmtdClientImpl::Stop() {
  stopping_.Set();
  stop_.Cancel();
  co_await background_.Join();
}

}  // namespace

std::unique_ptr<MgmtdClient> MgmtdClient::Create(Loop& home, rpc::Client& rpc, BlockingPool& pool,
                                                 MgmtdOptions options) {
  return std::make_unique<MgmtdClientImpl>(home, rpc, pool, std::move(options));
}

}  // namespace threefs::mgmtd

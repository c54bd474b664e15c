// SPDX-License-Identifier: Apache-2.0
#include "client/meta/meta_client.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "client/base/log.h"
#include "client/meta/server_picker.h"
#include "client/mgmtd/answer.h"

namespace threefs::meta {
namespace {

namespace method = schema::meta::method;

// How long a pruning may delay the error it follows.
constexpr Duration kPruneTimeout = 1s;
// Of a server that failed before: it must not cost a whole try again.
constexpr Duration kProbationTimeout = 1s;
// Sessions whose pruning failed and is tried again later; beyond this the oldest are left to the
// servers' own scan.
constexpr size_t kMaxPendingPrunes = 1024;

class MetaClientImpl final : public MetaClient {
 public:
  MetaClientImpl(Loop& loop, rpc::Client& rpc, mgmtd::MgmtdClient& mgmtd, MetaOptions options)
      : loop_(loop),
        rpc_(rpc),
        mgmtd_(mgmtd),
        options_(std::move(options)),
        rng_(options_.seed != 0 ? Rng(options_.seed) : Rng::FromKernel()),
        picker_(rng_.Next()) {}

  [[nodiscard]] const schema::ClientId& client() const override { return options_.client; }
  Uuid NewUuid() override { return Uuid::Random(rng_); }
  [[nodiscard]] mgmtd::MgmtdClient& mgmtd() override { return mgmtd_; }

 protected:
  schema::meta::ReqBase MakeBase(const OpContext& op, Uuid request_id, bool idempotent) override {
    schema::meta::ReqBase base;
    if (op.user != nullptr) base.user = *op.user;
    base.client = options_.client;
    if (idempotent) base.uuid = request_id.IsZero() ? NewUuid() : request_id;
    return base;
  }
  Task<Result<Bytes>> CallAny(OpContext op, uint16_t method, serde::Encoded payload,
                              Uuid prune) override;

 private:
  struct Tries {
    Status last;
    bool outcome_unknown = false;
    uint32_t count = 0;
    TimePoint started;
  };
  Task<Result<Bytes>> Repeat(CallContext ctx, uint16_t method, serde::Encoded payload,
                             Tries* tries);
  Task<Result<Bytes>> Try(CallContext ctx, uint16_t method, serde::Encoded payload,
                          ServerPicker::Choice choice, Tries* tries);
  Task<bool> Wait(CallContext ctx, Duration backoff, const Tries* tries);
  Status GiveUp(const CallContext& ctx, const Tries& tries) const;
  Task<void> Prune(OpContext op, Uuid session);

  Loop& loop_;
  rpc::Client& rpc_;
  mgmtd::MgmtdClient& mgmtd_;
  const MetaOptions options_;
  Rng rng_;
  ServerPicker picker_;
  std::vector<Uuid> pending_prunes_;
};

// One try at one server. The raw payload when the server answered anything at all.
Task<Result<Bytes>> MetaClientImpl::Try(CallContext ctx, uint16_t method, serde::Encoded payload,
                                        ServerPicker::Choice choice, Tries* tries) {
  const Duration timeout = choice.on_probation ? std::min(kProbationTimeout, options_.rpc_timeout)
                                               : options_.rpc_timeout;
  ++tries->count;
  auto raw = co_await rpc_.CallRaw(choice.server.address, schema::meta::kServiceId, method,
                                   std::move(payload), {.ctx = ctx, .timeout = timeout});
  const Status status = raw.ok() ? mgmtd::PeekAnswer(*raw) : raw.status();
  if (IsServerError(status.code())) {
    picker_.OnServerError(choice.server.node_id, loop_.Now());
  } else {
    picker_.OnSuccess(choice.server.node_id);
  }
  tries->last =
      status.ok()
          ? status
          : status.WithContext(fmt::format("meta server {}", choice.server.address.ToString()));
  tries->outcome_unknown = tries->outcome_unknown || IsOutcomeUnknown(status.code());
  co_return raw;
}

// False: the deadline or cancellation comes first.
Task<bool> MetaClientImpl::Wait(CallContext ctx, Duration backoff, const Tries* tries) {
  if (ctx.cancelled()) co_return false;
  const TimePoint until =
      loop_.Now() + backoff -
      Duration(static_cast<int64_t>(0.5 * rng_.Unit() * static_cast<double>(backoff.count())));
  if (until >= ctx.deadline) co_return false;
  if (tries->last.code() == Code::kMgmtdClientMetaServiceNotAvailable) {
    co_await mgmtd_.NewerThan(mgmtd_.routing()->version(), until);
    co_return true;
  }
  if (ctx.cancel == nullptr) {
    co_await SleepUntil(until);
    co_return true;
  }
  Event never;
  co_await never.WaitUntil(until, ctx.cancel);
  co_return !ctx.cancelled();
}

Status MetaClientImpl::GiveUp(const CallContext& ctx, const Tries& tries) const {
  if (ctx.cancelled()) return {Code::kMetaRequestCanceled, "the operation was interrupted"};
  const auto took =
      std::chrono::duration_cast<std::chrono::milliseconds>(loop_.Now() - tries.started);
  return {tries.last.code(),
          fmt::format("gave up after {} tries in {} ms: {}", tries.count, took.count(),
                      tries.last.message()),
          tries.last.origin()};
}

Task<Result<Bytes>> MetaClientImpl::Repeat(CallContext ctx, uint16_t method, serde::Encoded payload,
                                           Tries* tries) {
  Duration backoff = options_.first_backoff;
  uint32_t hops = 0;  // moves to another server without waiting
  for (;;) {
    const mgmtd::RoutingRef routing = mgmtd_.routing();
    const auto choice = picker_.Pick(*routing, loop_.Now());
    if (choice) {
      const bool can_hop = hops < routing->meta_servers().size();
      auto raw = co_await Try(ctx, method, payload, *choice, tries);
      const Code code = tries->last.code();
      if (code == Code::kInterrupted && ctx.cancelled()) co_return GiveUp(ctx, *tries);
      if (code == Code::kAuthenticationFail) {
        co_return Status(code,
                         fmt::format("token refused: {}; give the token of a user who may act as "
                                     "this uid and gid (root's may act as anybody)",
                                     tries->last.message()),
                         Origin::kPeer);
      }
      switch (Classify(code)) {
        case Verdict::kFinal:
          co_return raw;
        case Verdict::kNotRetryable:
          co_return tries->last;
        case Verdict::kRetryable:
          break;
      }
      if (IsServerError(code) && can_hop && !ctx.cancelled() && loop_.Now() < ctx.deadline) {
        const auto next = picker_.Pick(*routing, loop_.Now());
        if (next && !next->known_bad) {
          ++hops;
          continue;
        }
      }
    } else {
      tries->last = {Code::kMgmtdClientMetaServiceNotAvailable,
                     "no active meta server is in the routing information"};
    }
    if (!co_await Wait(ctx, backoff, tries)) co_return GiveUp(ctx, *tries);
    backoff = std::min(backoff * 2, options_.max_backoff);
  }
}

Task<Result<Bytes>> MetaClientImpl::CallAny(OpContext op, uint16_t method, serde::Encoded payload,
                                            Uuid prune) {
  if (op.call.deadline == kNever) op.call.deadline = loop_.Now() + options_.io_timeout;
  Tries tries{.last = {}, .started = loop_.Now()};
  auto raw = co_await Repeat(op.call, method, std::move(payload), &tries);
  const bool failed = !raw.ok() || !tries.last.ok();
  if (!prune.IsZero() && failed && tries.outcome_unknown) co_await Prune(op, prune);
  if (!failed && !pending_prunes_.empty()) co_await Prune(op, {});
  co_return raw;
}

// The sessions that may have been left open at the server: this one and those whose pruning failed
// before.
Task<void> MetaClientImpl::Prune(OpContext op, Uuid session) {
  if (!session.IsZero()) pending_prunes_.push_back(session);
  if (pending_prunes_.size() > kMaxPendingPrunes) pending_prunes_.erase(pending_prunes_.begin());
  std::vector<Uuid> sessions;
  sessions.swap(pending_prunes_);
  method::PruneSession::Req req;
  if (op.user != nullptr) req.base.user = *op.user;
  req.client = options_.client;
  req.sessions = sessions;
  const CallContext ctx{.deadline = loop_.Now() + kPruneTimeout, .trace = op.call.trace};
  Tries tries{.last = {}, .started = loop_.Now()};
  auto raw = co_await Repeat(ctx, method::PruneSession::kMethodId, serde::Encode(req), &tries);
  if (raw.ok() && tries.last.ok()) co_return;
  LOG_WARN("{} write sessions not pruned, tried again later: {}", sessions.size(),
           tries.last.ToString());
  pending_prunes_.insert(pending_prunes_.end(), sessions.begin(), sessions.end());
}

bool IsRpc(Code code) { return Raw(code) >= 2000 && Raw(code) < 3000; }

}  // namespace

Verdict Classify(Code code) {
  const uint16_t n = Raw(code);
  switch (code) {
    case Code::kOk:
    case Code::kInvalidArg:
    case Code::kAuthenticationFail:
    case Code::kMetaNotFound:
    case Code::kMetaNotEmpty:
    case Code::kMetaNotDirectory:
    case Code::kMetaTooManySymlinks:
    case Code::kMetaIsDirectory:
    case Code::kMetaExists:
    case Code::kMetaNoPermission:
    case Code::kMetaNotFile:
    case Code::kMetaInvalidFileLayout:
    case Code::kMetaMoreChunksToRemove:
    case Code::kMetaNameTooLong:
      return Verdict::kFinal;
    case Code::kMetaInconsistent:
    case Code::kMetaBadFileSystem:
    case Code::kMetaFileHasHole:
    case Code::kMetaRequestCanceled:
    case Code::kStorageClientChunkNotFound:
    case Code::kStorageClientChecksumMismatch:
    case Code::kStorageClientReadOnlyServer:
    case Code::kStorageClientFoundBug:
    case Code::kRPCInvalidMethodID:
      return Verdict::kNotRetryable;
    default:
      break;
  }
  if (n >= 3100 && n < 3200) return Verdict::kFinal;
  if (n < 1000 || (n >= 3300 && n < 4000)) return Verdict::kNotRetryable;
  return Verdict::kRetryable;
}

bool IsServerError(Code code) { return IsRpc(code) || code == Code::kTransactionNetworkError; }

bool IsOutcomeUnknown(Code code) {
  if (code == Code::kTransactionMaybeCommitted || code == Code::kMetaOTruncFailed) return true;
  if (code == Code::kInterrupted) return true;  // we stopped waiting, the server goes on
  return IsRpc(code) && code != Code::kRPCSendFailed && code != Code::kRPCConnectFailed &&
         code != Code::kRPCIBInitFailed && code != Code::kRPCInvalidMethodID;
}

std::unique_ptr<MetaClient> MetaClient::Create(Loop& loop, rpc::Client& rpc,
                                               mgmtd::MgmtdClient& mgmtd, MetaOptions options) {
  return std::make_unique<MetaClientImpl>(loop, rpc, mgmtd, std::move(options));
}

}  // namespace threefs::meta

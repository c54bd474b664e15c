// SPDX-License-Identifier: Apache-2.0
// MetaClient: calls to the metadata service from one loop. Picks a meta server and stays with it,
// moves to another after a server error, repeats what may be repeated until the deadline
// (3fs/meta.md §12), and says in the error what came last. One per loop, on that loop. What to
// call: client/meta/meta_ops.h. Repeats are safe: create, mkdirs, symlink, hardLink, remove and
// rename carry one idempotency uuid over all tries. When an open or create ends without a known
// outcome its write session is pruned, so nothing is left open.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "client/base/rng.h"
#include "client/base/status.h"
#include "client/base/uuid.h"
#include "client/mgmtd/mgmtd_client.h"
#include "client/mgmtd/op_context.h"
#include "client/rpc/client.h"
#include "client/runtime/loop.h"
#include "client/runtime/sync.h"
#include "client/runtime/task.h"
#include "client/schema/meta_rpc.h"

namespace threefs::meta {

struct MetaOptions {
  uint64_t seed = 0;               ///< of every random choice; 0: the kernel's
  schema::ClientId client;         ///< sent with every request
  Duration io_timeout = 60s;       ///< when the caller set no deadline
  Duration rpc_timeout = 5s;       ///< one try (3fs/meta.md §12.2)
  Duration first_backoff = 100ms;  ///< doubles up to max_backoff; shorter than 3FS's 500 ms
  Duration max_backoff = 2s;
};

/// 3fs/meta.md §12.3.
enum class Verdict : uint8_t {
  kFinal,         ///< the server's answer, whatever it says: hand it up
  kNotRetryable,  ///< an error that repeating does not cure
  kRetryable,
};
Verdict Classify(Code code);
/// The try failed in a way that points at the server: pick another (any 2xxx, 1004).
bool IsServerError(Code code);
/// The server may or may not have done it (open/create: prune the session).
bool IsOutcomeUnknown(Code code);

class MetaClient {
 public:
  /// All references outlive this.
  static std::unique_ptr<MetaClient> Create(Loop& loop, rpc::Client& rpc, mgmtd::MgmtdClient& mgmtd,
                                            MetaOptions options);
  virtual ~MetaClient() = default;

  /// One operation, tries included. `req.base` is filled here; `request_id` zero: a random one
  /// where the method takes one (3fs/meta.md §11). Errors: the server's answer (Origin::kPeer), or
  /// the last cause with the deadline's code.
  template <class M>
  Task<Result<typename M::Rsp>> Call(OpContext op, typename M::Req req, Uuid request_id = {}) {
    Uuid session{};
    if constexpr (requires { req.session->session; }) {
      if (req.session.has_value()) session = req.session->session;
    }
    req.base = MakeBase(op, request_id, kIdempotent<M>);
    serde::Encoded payload = serde::Encode(req);
    constexpr bool kOpens = M::kMethodId == schema::meta::method::Create::kMethodId ||
                            M::kMethodId == schema::meta::method::Open::kMethodId;
    auto raw = co_await CallAny(op, M::kMethodId, std::move(payload), kOpens ? session : Uuid{});
    if (!raw.ok()) co_return raw.status();
    auto decoded = serde::Decode<Result<typename M::Rsp>>(*raw);
    if (!decoded.ok()) co_return decoded.status().WithContext("the answer does not decode");
    co_return *std::move(decoded);
  }

  [[nodiscard]] virtual const schema::ClientId& client() const = 0;
  /// A fresh random uuid (write sessions, request ids).
  virtual Uuid NewUuid() = 0;
  [[nodiscard]] virtual mgmtd::MgmtdClient& mgmtd() = 0;

 protected:
  template <class M>
  static constexpr bool kIdempotent = M::kMethodId == schema::meta::method::Create::kMethodId ||
                                      M::kMethodId == schema::meta::method::Mkdirs::kMethodId ||
                                      M::kMethodId == schema::meta::method::Symlink::kMethodId ||
                                      M::kMethodId == schema::meta::method::HardLink::kMethodId ||
                                      M::kMethodId == schema::meta::method::Remove::kMethodId ||
                                      M::kMethodId == schema::meta::method::Rename::kMethodId;

  virtual schema::meta::ReqBase MakeBase(const OpContext& op, Uuid request_id, bool idempotent) = 0;
  /// The payload of a decisive answer. `prune`: the write session to prune when the outcome stays
  /// unknown (zero: none).
  virtual Task<Result<Bytes>> CallAny(OpContext op, uint16_t method, serde::Encoded payload,
                                      Uuid prune) = 0;
};

}  // namespace threefs::meta

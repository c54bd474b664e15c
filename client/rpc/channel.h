// SPDX-License-Identifier: Apache-2.0
// Channel: the calls on one connection (3fs/wire.md §2.3, §5). Sends requests, matches answers by
// uuid, ends each call at its deadline, by cancellation or with the connection. On one loop; shared
// by the client and the calls under way.
#pragma once

#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>

#include "client/base/bytes.h"
#include "client/base/status.h"
#include "client/net/transport.h"
#include "client/rpc/responder.h"
#include "client/rpc/stats.h"
#include "client/runtime/loop.h"
#include "client/runtime/sync.h"
#include "client/runtime/task.h"

namespace threefs::rpc {

class Channel final : public net::TransportHandler, public std::enable_shared_from_this<Channel> {
 public:
  struct Deps {
    Loop* loop = nullptr;
    std::shared_ptr<ResponderHost> host;  ///< answers requests of the server
    std::shared_ptr<ClientStats> stats;
    /// Once, when the connection is of no use for new calls any more: it ended, or went silent.
    std::function<void(Channel*)> on_unusable;
  };
  Channel(std::unique_ptr<net::Transport> transport, Deps deps);
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel() override;

  /// Once, right after construction.
  void Start() { transport_->Start(this); }
  /// Sends `frame`, the request with `uuid`, and gives the answer's payload, or kRPCTimeout
  /// (deadline, or the connection ended after sending), kRPCSendFailed (it ended before a byte was
  /// sent), kInterrupted (cancelled). `self` is this channel.
  static Task<Result<Bytes>> Roundtrip(std::shared_ptr<Channel> self, uint64_t uuid,
                                       net::OutFrame frame, CallContext ctx);
  /// Ends the connection and its calls.
  void Close(Status why);
  [[nodiscard]] bool usable() const { return usable_; }
  [[nodiscard]] size_t calls() const { return calls_.size(); }

  void OnFrame(net::InFrame frame) override;
  void OnClosed(Status why) override;

 private:
  struct Call;
  struct Awaiter;
  enum class Resume : uint8_t { kNow, kSoon };
  void Begin(Call* call, net::OutFrame frame);
  void Finish(Call* call, Result<Bytes> result, Resume when);
  void Expire(uint64_t uuid);
  void Retire();
  void FailAll(const Status& why);
  [[nodiscard]] Status BrokenStatus(const Call& call, const Status& why) const;

  Deps deps_;
  std::unique_ptr<net::Transport> transport_;
  std::shared_ptr<Responder> responder_;
  const net::Address peer_;
  bool usable_ = true;
  bool open_ = true;
  uint64_t sent_ = 0;          // bytes given to the transport since the start
  TimePoint last_received_{};  // when the last frame came
  std::unordered_map<uint64_t, Call*> calls_;
};

}  // namespace threefs::rpc

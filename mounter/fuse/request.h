// SPDX-License-Identifier: Apache-2.0
// Request: one kernel request under way; answered exactly once, by type. Move-only: whoever holds
// it owes the answer. Its destructor answers EIO and counts a bug when nobody did. Used on the
// queue's loop only.
#pragma once

#include <linux/fuse.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/base/status.h"
#include "client/runtime/sync.h"
#include "mounter/fs/file_system.h"

struct fuse_req;

namespace threefs::fuse {

class DevQueue;

/// A slot of a queue's pool: what a request needs until it is answered.
struct RequestState {
  DevQueue* queue = nullptr;
  fuse_req* req = nullptr;
  uint64_t unique = 0;  ///< as received, the resent bit included
  uint32_t opcode = 0;
  uint64_t node = 0;
  fs::Op op;
  TimePoint started;
  std::optional<CancelSource> cancel;
  RequestState* prev = nullptr;  // the queue's list of requests under way
  RequestState* next = nullptr;
};

class Request {
 public:
  explicit Request(RequestState* state) : state_(state) {}
  Request(Request&& o) noexcept : state_(std::exchange(o.state_, nullptr)) {}
  Request& operator=(Request&& o) = delete;
  ~Request();

  [[nodiscard]] const fs::Op& op() const { return state_->op; }
  [[nodiscard]] const fs::FileSystem& fs() const;

  /// The errno of `status` (0 when OK), logged when it is out of the ordinary.
  void Error(const Status& status, fs::OpKind kind = fs::OpKind::kOther) &&;
  /// Ends the request's life here: out of the queue's books. For replies.cc; the caller answers
  /// libfuse's handle at once.
  fuse_req* Finish(int error) &&;
  [[nodiscard]] const RequestState& state() const { return *state_; }

 private:
  fuse_req* End(int error);
  RequestState* state_;
};

}  // namespace threefs::fuse

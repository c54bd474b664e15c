// SPDX-License-Identifier: Apache-2.0
#include "mounter/fuse/request.h"

#include <cerrno>

#include "client/base/log.h"
#include "mounter/fs/errno_map.h"
#include "mounter/fuse/dev_queue.h"
#include "mounter/fuse/lowlevel.h"

namespace threefs::fuse {

using metrics::Counters;

Request::~Request() {
  if (state_ == nullptr) return;
  Counters::Slot::Add(state_->queue->counters().unanswered, 1);
  LOG_ERROR("request {} (opcode {}) was left without an answer; this is a bug", state_->unique,
            state_->opcode);
  fuse_reply_err(End(EIO), EIO);
}

const fs::FileSystem& Request::fs() const { return state_->queue->options().fs; }

fuse_req* Request::Finish(int error) && { return End(error); }

fuse_req* Request::End(int error) {
  RequestState* s = std::exchange(state_, nullptr);
  return s->queue->End(s, error);
}

void Request::Error(const Status& status, fs::OpKind kind) && {
  const int error = fs::ToErrno(status, kind);
  if (!fs::IsOrdinary(error)) {
    LOG_WARN("request {} opcode {} node {} uid {} pid {}: {} → errno {}", state_->unique,
             state_->opcode, state_->node, state_->op.caller.uid, state_->op.caller.pid,
             status.ToString(), error);
  }
  fuse_reply_err(End(fs::IsOrdinary(error) ? 0 : error), error);
}

}  // namespace threefs::fuse

// SPDX-License-Identifier: Apache-2.0
#include "mounter/fuse/dev_queue.h"

#include <linux/fuse.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "client/base/check.h"
#include "client/base/log.h"
#include "mounter/fuse/lowlevel.h"

namespace threefs::fuse {
namespace {

// Requests answered in one turn before others on the loop (the network) get theirs.
constexpr int kTurn = 64;
// An interrupted operation that would end soon anyway ends on its own: EINTR from a file surprises
// programs with timers.
constexpr Duration kInterruptGrace = 2s;
constexpr uint64_t kResentBit = 1ULL << 63;

// INIT flags newer than libfuse 3.14 or without a word there.
constexpr uint64_t kWanted =
    FUSE_HANDLE_KILLPRIV_V2 | FUSE_PARALLEL_DIROPS | FUSE_CACHE_SYMLINKS | (1ULL << 36);
constexpr uint64_t kDirectIoAllowMmap = 1ULL << 36;
static_assert((kWanted & kDirectIoAllowMmap) != 0);

ssize_t CustomRead(int fd, void* buf, size_t size, void*) { return ::read(fd, buf, size); }

ssize_t CustomWrite(int, iovec* pieces, int count, void* queue) {
  return static_cast<DevQueue*>(queue)->WriteOut(pieces, count);
}

}  // namespace

DevQueue::DevQueue(QueueOptions options)
    : options_(std::move(options)),
      slot_(&options_.counters->slot(options_.index)),
      pool_(BufferPool::Create()) {
  session_ = NewSession(this);
  CHECK(session_ != nullptr);
  static constexpr fuse_custom_io kIo = {
      .writev = CustomWrite, .read = CustomRead, .splice_receive = nullptr, .splice_send = nullptr};
  // The session closes its descriptor at its end; ours belongs to somebody else.
  const int fd = options_.fd >= 0 ? ::dup(options_.fd) : ::dup(2);
  CHECK(fuse_session_custom_io(session_, &kIo, fd) == 0);
}

DevQueue::~DevQueue() {
  CHECK(under_way_ == 0);
  watch_.reset();
  if (session_ != nullptr) fuse_session_destroy(session_);
}

bool DevQueue::Prime(const std::vector<uint8_t>& init) {
  if (init.size() < sizeof(fuse_in_header) || init.size() > BufferPool::kSize) return false;
  swallow_ = true;
  BufferPool::Buffer buffer = pool_->Take();
  std::memcpy(buffer.data(), init.data(), init.size());
  Dispatch(std::move(buffer), init.size());
  swallow_ = false;
  return primed_;
}

void DevQueue::Start() {
  watch_ = options_.loop->Watch(options_.fd);
  Pump();
}

void DevQueue::Halt() {
  halted_ = true;
  watch_.reset();
}

void DevQueue::Arm() {
  if (!halted_) watch_->OnReadable([this] { Pump(); });
}

void DevQueue::Pump() {
  for (int i = 0; i < kTurn; ++i) {
    if (halted_) return;
    BufferPool::Buffer buffer = buffer_.held() ? std::move(buffer_) : pool_->Take();
    const ssize_t n = ::read(options_.fd, buffer.data(), BufferPool::kSize);
    if (n >= 0) {
      Dispatch(std::move(buffer), static_cast<size_t>(n));
      continue;
    }
    const int error = errno;
    buffer_ = std::move(buffer);
    if (error == EINTR || error == ENOENT)
      continue;  // ENOENT: the request was given up before it was read
    if (error == EAGAIN) {
      Arm();
      return;
    }
    if (error != ENODEV) LOG_ERROR("reading /dev/fuse failed: {}", std::strerror(error));
    Halt();
    if (options_.on_gone) options_.on_gone();
    return;
  }
  options_.loop->Post([this] { Pump(); });
}

void DevQueue::Dispatch(BufferPool::Buffer buffer, size_t size) {
  buffer_ = std::move(buffer);
  current_size_ = size;
  fuse_in_header header{};
  if (size < sizeof(header)) return;
  std::memcpy(&header, buffer_.data(), sizeof(header));
  if (header.len != size) return;  // not from a kernel: libfuse would read past the end
  if (header.opcode == FUSE_INTERRUPT) {
    fuse_interrupt_in in{};
    if (size < sizeof(header) + sizeof(in)) return;
    std::memcpy(&in, buffer_.data() + sizeof(header), sizeof(in));
    // The kernel hands interrupts to any queue; libfuse would look in this session only.
    if (options_.on_interrupt) options_.on_interrupt(in.unique);
    return;
  }
  if (!RequestIsWhole(current())) {
    fuse_out_header out{sizeof(out), -EINVAL, header.unique};
    iovec piece{&out, sizeof(out)};
    WriteOut(&piece, 1);
    return;
  }
  if ((header.unique & kResentBit) != 0) metrics::Counters::Slot::Add(slot_->resent, 1);
  std::vector<uint8_t> init;
  if (header.opcode == FUSE_INIT) {
    init.assign(buffer_.data(), buffer_.data() + size);
    primed_ = true;
  }
  fuse_buf request{};
  request.size = size;
  request.mem = buffer_.data();
  fuse_session_process_buf(session_, &request);
  current_size_ = 0;
  if (!init.empty() && !swallow_ && options_.on_init) options_.on_init(std::move(init));
}

Bytes DevQueue::TakePayload(const char* payload, size_t size) {
  const auto* at = reinterpret_cast<const uint8_t*>(payload);
  CHECK(buffer_.held() && at >= buffer_.data() && at + size <= buffer_.data() + current_size_);
  return std::move(buffer_).Share(static_cast<size_t>(at - buffer_.data()), size);
}

DevQueue* DevQueue::From(fuse_req* req) { return static_cast<DevQueue*>(fuse_req_userdata(req)); }

Request DevQueue::Begin(fuse_req* req, uint64_t node) {
  if (spare_.empty()) spare_.push_back(std::make_unique<RequestState>());
  RequestState* s = spare_.back().release();
  spare_.pop_back();
  const fuse_ctx* ctx = fuse_req_ctx(req);
  fuse_in_header header{};
  std::memcpy(&header, buffer_.data(), sizeof(header));
  s->queue = this;
  s->req = req;
  s->unique = header.unique;
  s->opcode = header.opcode;
  s->node = node;
  s->started = options_.loop->Now();
  s->cancel.emplace();
  s->op.caller = {ctx->uid, ctx->gid, ctx->pid};
  s->op.call = {s->started + options_.io_timeout, &*s->cancel, header.unique};
  s->op.unique = header.unique & ~kResentBit;
  s->op.loop = options_.index;
  s->prev = nullptr;
  s->next = first_;
  if (first_ != nullptr) first_->prev = s;
  first_ = s;
  ++under_way_;
  metrics::Counters::Slot::Add(slot_->operations, 1);
  return Request(s);
}

fuse_req* DevQueue::End(RequestState* s, int error) {
  fuse_req* req = s->req;
  if (s->prev != nullptr) {
    s->prev->next = s->next;
  } else {
    first_ = s->next;
  }
  if (s->next != nullptr) s->next->prev = s->prev;
  --under_way_;
  if (error != 0) metrics::Counters::Slot::Add(slot_->errors, 1);
  s->req = nullptr;
  s->cancel.reset();
  spare_.emplace_back(s);
  return req;
}

void DevQueue::Interrupt(uint64_t unique) {
  for (RequestState* s = first_; s != nullptr; s = s->next) {
    if (s->unique != unique) continue;
    const TimePoint at = s->started + kInterruptGrace;
    if (options_.loop->Now() >= at) {
      s->cancel->Cancel();
    } else if (!halted_) {
      options_.loop->At(at, [this, unique] { Interrupt(unique); });
    }
    return;
  }
}

void DevQueue::EditInit(uint8_t* out, size_t size) const {
  fuse_init_out reply{};
  const size_t n = std::min(size, sizeof(reply));
  std::memcpy(&reply, out, n);
  fuse_init_in in{};
  std::memcpy(&in, buffer_.data() + sizeof(fuse_in_header),
              std::min(sizeof(in), current_size_ - sizeof(fuse_in_header)));
  uint64_t offered = in.flags;
  if ((in.flags & FUSE_INIT_EXT) != 0) offered |= static_cast<uint64_t>(in.flags2) << 32;
  const uint64_t added = offered & kWanted;
  reply.flags |= static_cast<uint32_t>(added);
  if ((offered & FUSE_INIT_EXT) != 0) {
    reply.flags |= FUSE_INIT_EXT;
    reply.flags2 |= static_cast<uint32_t>(added >> 32);
  }
  if (options_.explicit_invalidation) {
    reply.flags &= ~static_cast<uint32_t>(FUSE_AUTO_INVAL_DATA);
    reply.flags |= static_cast<uint32_t>(offered) & FUSE_EXPLICIT_INVAL_DATA;
  }
  reply.time_gran = 1000;  // the wire has microseconds
  std::memcpy(out, &reply, n);
}

ssize_t DevQueue::WriteOut(iovec* pieces, int count) {
  size_t size = 0;
  for (int i = 0; i < count; ++i) size += pieces[i].iov_len;
  fuse_in_header asked{};
  if (current_size_ >= sizeof(asked) && buffer_.held())
    std::memcpy(&asked, buffer_.data(), sizeof(asked));
  std::array<uint8_t, 256> edited;
  if (count == 2 && pieces[1].iov_len <= edited.size() && pieces[1].iov_len >= 16) {
    const bool init = asked.opcode == FUSE_INIT;
    if (init || patch_open_flags_ != 0) {
      const size_t n = pieces[1].iov_len;
      std::memcpy(edited.data(), pieces[1].iov_base, n);
      if (init) {
        EditInit(edited.data(), n);
      } else {  // fuse_open_out ends the answer of OPEN and CREATE alike
        uint32_t flags = 0;
        uint8_t* at =
            edited.data() + n - sizeof(fuse_open_out) + offsetof(fuse_open_out, open_flags);
        std::memcpy(&flags, at, sizeof(flags));
        flags |= patch_open_flags_;
        std::memcpy(at, &flags, sizeof(flags));
      }
      pieces[1].iov_base = edited.data();
    }
  }
  patch_open_flags_ = 0;
  if (swallow_) return static_cast<ssize_t>(size);
  if (options_.write_out) return options_.write_out(pieces, count);
  return ::writev(options_.fd, pieces, count);
}

}  // namespace threefs::fuse

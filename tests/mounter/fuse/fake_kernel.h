// SPDX-License-Identifier: Apache-2.0
// FakeKernel: a DevQueue without a device: requests are bytes given to Dispatch, answers are caught
// on their way out. Everything runs on one production loop; the null file system never suspends, so
// an answer is there when Ask returns.
#pragma once

#include <linux/fuse.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "client/runtime/loop.h"
#include "client/runtime/sync_wait.h"
#include "mounter/config/mount_config.h"
#include "mounter/fs/null_fs.h"
#include "mounter/fuse/dev_queue.h"
#include "mounter/metrics/counters.h"

namespace threefs::fuse {

struct Answer {
  int32_t error = 0;
  uint64_t unique = 0;
  std::vector<uint8_t> body;
  template <class T>
  [[nodiscard]] T As() const {
    T t{};
    std::memcpy(&t, body.data(), std::min(sizeof(t), body.size()));
    return t;
  }
};

inline config::MountConfig NullConfig() {
  config::MountConfig c;
  c.backend = config::Backend::kNull;
  c.null_files = 3;
  c.null_file_size = 1U << 20;
  c.attr_timeout = 1s;
  return c;
}

class FakeKernel {
 public:
  FakeKernel() : FakeKernel(fs::FileSystem{}) {}
  explicit FakeKernel(fs::FileSystem other)
      : thread_(LoopThread::Start("kernel")), null_(NullConfig()) {
    QueueOptions o;
    o.loop = &thread_->loop();
    o.fs = other.names != nullptr ? other : null_.sides();
    o.counters = &counters_;
    o.write_out = [this](const iovec* pieces, int count) { return Catch(pieces, count); };
    o.on_init = [this](std::vector<uint8_t> init) { init_ = std::move(init); };
    o.on_interrupt = [this](uint64_t unique) { interrupts_.push_back(unique); };
    Run([&] { queue_ = std::make_unique<DevQueue>(std::move(o)); });
  }
  ~FakeKernel() {
    Run([this] { queue_.reset(); });
  }

  /// Runs `fn` on the loop and waits.
  template <class F>
  void Run(F fn) {
    SyncWait(thread_->loop(), [&]() -> Task<void> { return Wrap(&fn); });
  }
  /// One request; its answers (usually one) in `answers()`.
  void Send(std::vector<uint8_t> bytes) {
    answers_.clear();
    Run([&] {
      const auto pool = BufferPool::Create();
      auto buffer = pool->Take();
      std::copy(bytes.begin(), bytes.end(), buffer.data());
      queue_->Dispatch(std::move(buffer), bytes.size());
    });
  }
  template <class T>
    requires(!std::is_convertible_v<T, std::string_view>)
  Answer Ask(uint32_t opcode, uint64_t node, const T& in, std::string_view tail = {}) {
    Send(Make(opcode, node, &in, sizeof(in), tail));
    return answers_.empty() ? Answer{} : answers_[0];
  }
  Answer Ask(uint32_t opcode, uint64_t node, std::string_view tail = {}) {
    Send(Make(opcode, node, nullptr, 0, tail));
    return answers_.empty() ? Answer{} : answers_[0];
  }
  std::vector<uint8_t> Make(uint32_t opcode, uint64_t node, const void* in, size_t size,
                            std::string_view tail) {
    fuse_in_header h{};
    h.len = static_cast<uint32_t>(sizeof(h) + size + tail.size());
    h.opcode = opcode;
    h.unique = unique_ += 2;
    h.nodeid = node;
    std::vector<uint8_t> out(h.len);
    std::memcpy(out.data(), &h, sizeof(h));
    if (size > 0) std::memcpy(out.data() + sizeof(h), in, size);
    if (!tail.empty()) std::memcpy(out.data() + sizeof(h) + size, tail.data(), tail.size());
    return out;
  }
  static fuse_init_in InitIn() {
    fuse_init_in in{};
    in.major = 7;
    in.minor = 38;
    in.max_readahead = 1U << 17;
    in.flags = 0xFFFFFFFF & ~static_cast<uint32_t>(FUSE_INIT_RESERVED);
    in.flags2 = 0xFFFFFFFF;
    return in;
  }
  Answer Init() { return Ask(FUSE_INIT, 0, InitIn()); }

  [[nodiscard]] const std::vector<Answer>& answers() const { return answers_; }
  [[nodiscard]] const std::vector<uint8_t>& init() const { return init_; }
  [[nodiscard]] const std::vector<uint64_t>& interrupts() const { return interrupts_; }
  [[nodiscard]] uint64_t last_unique() const { return unique_; }
  DevQueue& queue() { return *queue_; }
  [[nodiscard]] metrics::Totals totals() const { return counters_.Sum(); }

 private:
  template <class F>
  static Task<void> Wrap(F* fn) {
    (*fn)();
    co_return;
  }
  ssize_t Catch(const iovec* pieces, int count) {
    std::vector<uint8_t> all;
    for (int i = 0; i < count; ++i) {
      const auto* p = static_cast<const uint8_t*>(pieces[i].iov_base);
      all.insert(all.end(), p, p + pieces[i].iov_len);
    }
    fuse_out_header h{};
    std::memcpy(&h, all.data(), std::min(sizeof(h), all.size()));
    lengths_agree_ &= h.len == all.size();
    answers_.push_back({h.error, h.unique, {all.begin() + sizeof(h), all.end()}});
    return static_cast<ssize_t>(all.size());
  }

  metrics::Counters counters_;
  std::unique_ptr<LoopThread> thread_;
  fs::NullFs null_;
  std::unique_ptr<DevQueue> queue_;
  std::vector<Answer> answers_;
  std::vector<uint8_t> init_;
  std::vector<uint64_t> interrupts_;
  uint64_t unique_ = 0;
  bool lengths_agree_ = true;

 public:
  [[nodiscard]] bool lengths_agree() const { return lengths_agree_; }
};

}  // namespace threefs::fuse

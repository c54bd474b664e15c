// SPDX-License-Identifier: Apache-2.0
#include "mounter/fuse/server.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "client/base/check.h"
#include "client/base/log.h"
#include "client/runtime/sync.h"
#include "client/runtime/sync_wait.h"
#include "mounter/fuse/dev_queue.h"

namespace threefs::fuse {
namespace {

constexpr int32_t kNotifyResend = 7;  // FUSE_NOTIFY_RESEND, Linux 6.9

class ServerImpl final : public Server {
 public:
  ServerImpl(fs::FileSystem fs, ServerOptions options) : options_(std::move(options)) {
    CHECK(!options_.loops.empty() && options_.fds.size() == options_.loops.size());
    for (size_t i = 0; i < options_.loops.size(); ++i) {
      ::fcntl(options_.fds[i], F_SETFL, ::fcntl(options_.fds[i], F_GETFL) | O_NONBLOCK);
      QueueOptions q;
      q.loop = options_.loops[i];
      q.fd = options_.fds[i];
      q.index = static_cast<uint32_t>(i);
      q.fs = fs;
      q.counters = options_.counters;
      q.io_timeout = options_.io_timeout;
      q.max_background = options_.max_background;
      q.explicit_invalidation = options_.explicit_invalidation;
      q.on_init = [this](std::vector<uint8_t> init) { OnInit(std::move(init)); };
      q.on_interrupt = [this](uint64_t unique) { OnInterrupt(unique); };
      q.on_gone = [this] { OnGone(); };
      queues_.push_back(std::make_unique<DevQueue>(std::move(q)));
    }
  }

  ~ServerImpl() override {
    for (size_t i = 0; i < queues_.size(); ++i) {
      SyncWait(*options_.loops[i], [this, i] { return Destroy(i); });
    }
  }

  void Start() override {
    if (!options_.recorded_init.empty()) {
      unprimed_ = queues_.size();
      init_ = options_.recorded_init;
      for (size_t i = 0; i < queues_.size(); ++i) {
        options_.loops[i]->Post([this, i] { PrimeAndStart(i); });
      }
      return;
    }
    options_.loops[0]->Post([this] { queues_[0]->Start(); });
  }

  bool Stop(Duration patience) override {
    bool clean = true;
    for (size_t i = 0; i < queues_.size(); ++i) {
      clean &= SyncWait(*options_.loops[i], [this, i, patience] { return Drain(i, patience); });
    }
    return clean;
  }

  void DropAttributes(fs::NodeId node) override { NotifyInode(node, -1, 0); }
  void DropData(fs::NodeId node) override {
    options_.blocking->Submit([this, node] { NotifyInode(node, 0, 0); });
  }
  void DropEntry(fs::NodeId parent, std::string name) override {
    options_.blocking->Submit([this, parent, name = std::move(name)] {
      fuse_notify_inval_entry_out out{parent, static_cast<uint32_t>(name.size()), 0};
      iovec pieces[2] = {{&out, sizeof(out)}, {const_cast<char*>(name.c_str()), name.size() + 1}};
      Notify(FUSE_NOTIFY_INVAL_ENTRY, pieces, 2);
    });
  }

 private:
  // Loop 0: the kernel's INIT was just answered.
  void OnInit(std::vector<uint8_t> init) {
    if (options_.save_init) options_.save_init(init);
    init_ = std::move(init);
    unprimed_ = queues_.size() - 1;
    if (queues_.size() == 1) Primed();
    for (size_t i = 1; i < queues_.size(); ++i) {
      options_.loops[i]->Post([this, i] { PrimeAndStart(i); });
    }
  }

  void PrimeAndStart(size_t i) {
    if (!queues_[i]->Prime(init_)) LOG_ERROR("session {} did not take the recorded INIT", i);
    queues_[i]->Start();
    if (unprimed_.fetch_sub(1) == 1) Primed();
  }

  void Primed() {
    if (!options_.recorded_init.empty()) {
      // What a predecessor read and did not answer comes again, its number's high bit set.
      Notify(kNotifyResend, nullptr, 0);
    }
    if (options_.on_ready) options_.on_ready();
  }

  void OnInterrupt(uint64_t unique) {
    for (size_t i = 0; i < queues_.size(); ++i) {
      options_.loops[i]->Post([this, i, unique] {
        if (queues_[i] != nullptr) queues_[i]->Interrupt(unique);
      });
    }
  }

  void OnGone() {
    if (!gone_.exchange(true) && options_.on_gone) options_.on_gone();
  }

  Task<bool> Drain(size_t i, Duration patience) {
    DevQueue* queue = queues_[i].get();
    queue->Halt();
    const TimePoint until = options_.loops[i]->Now() + patience;
    while (queue->under_way() > 0 && options_.loops[i]->Now() < until) co_await SleepFor(5ms);
    co_return queue->under_way() == 0;
  }

  Task<void> Destroy(size_t i) {
    queues_[i]->Halt();
    queues_[i].reset();
    co_return;
  }

  void NotifyInode(fs::NodeId node, int64_t offset, int64_t length) {
    fuse_notify_inval_inode_out out{node, offset, length};
    iovec piece{&out, sizeof(out)};
    Notify(FUSE_NOTIFY_INVAL_INODE, &piece, 1);
  }

  void Notify(int32_t code, const iovec* pieces, int count) {
    fuse_out_header header{sizeof(header), code, 0};
    iovec all[3] = {{&header, sizeof(header)}, {}, {}};
    for (int i = 0; i < count; ++i) {
      all[i + 1] = pieces[i];
      header.len += static_cast<uint32_t>(pieces[i].iov_len);
    }
    if (::writev(options_.fds[0], all, count + 1) < 0 && errno != ENOENT && errno != ENODEV) {
      if (code == kNotifyResend) {
        LOG_WARN("the kernel cannot resend what the last mounter left: {}; needs Linux 6.9",
                 std::strerror(errno));
      } else {
        LOG_DEBUG("notification {} was refused: {}", code, std::strerror(errno));
      }
    }
  }

  const ServerOptions options_;
  std::vector<std::unique_ptr<DevQueue>> queues_;
  std::vector<uint8_t> init_;
  std::atomic<size_t> unprimed_{0};
  std::atomic<bool> gone_{false};
};

}  // namespace

std::unique_ptr<Server> Server::Create(fs::FileSystem fs, ServerOptions options) {
  return std::make_unique<ServerImpl>(fs, std::move(options));
}

}  // namespace threefs::fuse

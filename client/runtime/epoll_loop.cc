// SPDX-License-Identifier: Apache-2.0
// The production loop. A turn: ready descriptors, due timers, posted work, then the turn-end hooks,
// then epoll_wait. Interest in a descriptor is level-triggered and lazy: a callback that re-arms
// itself before the turn ends (the normal case of a socket or /dev/fuse) costs no epoll_ctl;
// interest nobody renewed is withdrawn at the turn's end.
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <deque>
#include <functional>
#include <limits>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "client/base/check.h"
#include "client/base/clock.h"
#include "client/runtime/loop.h"

namespace threefs {
namespace {

class EpollLoop;

// Shared by the FdWatch and the loop's lists, so a watch may be destroyed by any callback of the
// turn.
struct WatchState {
  int fd = -1;
  uint32_t registered = 0;  // what epoll was told; 0 = not in the set
  bool dirty = false;       // stands in EpollLoop::dirty_
  bool dead = false;
  std::function<void()> on_read;
  std::function<void()> on_write;

  [[nodiscard]] uint32_t Wanted() const {
    return (on_read ? uint32_t{EPOLLIN} : 0U) | (on_write ? uint32_t{EPOLLOUT} : 0U);
  }
};

// Shared with its token: either may go first, and a hook may drop its own token.
struct Hook {
  std::function<void()> fn;
  bool dropped = false;
};

struct Timer {
  TimePoint when;
  Loop::TimerId id;
  friend bool operator>(const Timer& a, const Timer& b) {
    return a.when != b.when ? a.when > b.when : a.id > b.id;
  }
};

class EpollLoop final : public Loop {
 public:
  EpollLoop();
  EpollLoop(const EpollLoop&) = delete;
  EpollLoop& operator=(const EpollLoop&) = delete;
  ~EpollLoop() override;

  [[nodiscard]] TimePoint Now() const override {
    return std::chrono::time_point_cast<Duration>(std::chrono::steady_clock::now());
  }
  [[nodiscard]] int64_t WallMicros() const override {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
  void Post(std::function<void()> fn) override;
  TimerId At(TimePoint when, std::function<void()> fn) override;
  void Cancel(TimerId id) override;
  std::unique_ptr<FdWatch> Watch(int fd) override;
  std::shared_ptr<void> AtTurnEnd(std::function<void()> fn) override;

  void Run();
  void Stop();

  void MarkDirty(const std::shared_ptr<WatchState>& watch);
  void Remove(const std::shared_ptr<WatchState>& watch);

 private:
  // Posted work a turn runs before it looks at descriptors and hooks again: keeps a chatty
  // coroutine from starving them.
  static constexpr int kPostedPerTurn = 256;
  static constexpr int kEventsPerTurn = 128;

  void TakeRemote(bool* empty);
  void RunTimers();
  void RunPosted();
  void RunHooks();
  void UpdateInterest();
  void Wait();
  void Dispatch(int count);
  [[nodiscard]] Duration TimeToNextTimer();
  int EpollWait(Duration timeout);

  int epoll_fd_ = -1;
  int wake_fd_ = -1;
  bool have_pwait2_ = true;
  std::array<epoll_event, kEventsPerTurn> events_{};

  std::deque<std::function<void()>> local_;
  std::vector<Timer>
      timers_;  // a heap, earliest on top; cancelled ones stay until they surface or are swept
  std::unordered_map<TimerId, std::function<void()>> timer_fns_;
  TimerId next_timer_ = 1;
  std::list<std::shared_ptr<Hook>> hooks_;
  std::unordered_map<WatchState*, std::shared_ptr<WatchState>> watches_;
  std::vector<std::shared_ptr<WatchState>> dirty_;
  std::vector<std::shared_ptr<WatchState>>
      graveyard_;  // removed in this turn: events_ may still name them

  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::vector<std::function<void()>> remote_;  // guarded by mutex_
  bool asleep_ = false;                        // guarded by mutex_: a poster must write wake_fd_
};

class EpollWatch final : public FdWatch {
 public:
  EpollWatch(EpollLoop* loop, std::shared_ptr<WatchState> state)
      : loop_(loop), state_(std::move(state)) {}
  EpollWatch(const EpollWatch&) = delete;
  EpollWatch& operator=(const EpollWatch&) = delete;
  ~EpollWatch() override { loop_->Remove(state_); }
  void OnReadable(std::function<void()> ready) override {
    state_->on_read = std::move(ready);
    if ((state_->registered & EPOLLIN) == 0) loop_->MarkDirty(state_);
  }
  void OnWritable(std::function<void()> ready) override {
    state_->on_write = std::move(ready);
    if ((state_->registered & EPOLLOUT) == 0) loop_->MarkDirty(state_);
  }

 private:
  EpollLoop* loop_;
  std::shared_ptr<WatchState> state_;
};

EpollLoop::EpollLoop()
    : epoll_fd_(epoll_create1(EPOLL_CLOEXEC)), wake_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  CHECK(epoll_fd_ >= 0 && wake_fd_ >= 0);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;  // the wake descriptor
  CHECK(epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd_, &event) == 0);
}

EpollLoop::~EpollLoop() {
  close(wake_fd_);
  close(epoll_fd_);
}

void EpollLoop::Post(std::function<void()> fn) {
  if (Current() == this) {
    local_.push_back(std::move(fn));
    return;
  }
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    remote_.push_back(std::move(fn));
    wake = std::exchange(asleep_, false);
  }
  if (wake) {
    const uint64_t one = 1;
    CHECK(write(wake_fd_, &one, sizeof one) == sizeof one);
  }
}

Loop::TimerId EpollLoop::At(TimePoint when, std::function<void()> fn) {
  const TimerId id = next_timer_++;
  timer_fns_.emplace(id, std::move(fn));
  timers_.push_back({when, id});
  std::push_heap(timers_.begin(), timers_.end(), std::greater<>());
  return id;
}

void EpollLoop::Cancel(TimerId id) {
  if (timer_fns_.erase(id) == 0) return;
  // Sweep when most of the heap is cancelled timers, so that it stays in proportion to the live
  // ones.
  if (timers_.size() < 64 || timers_.size() / 4 < timer_fns_.size()) return;
  std::erase_if(timers_, [this](const Timer& t) { return !timer_fns_.contains(t.id); });
  std::make_heap(timers_.begin(), timers_.end(), std::greater<>());
}

std::unique_ptr<FdWatch> EpollLoop::Watch(int fd) {
  auto state = std::make_shared<WatchState>();
  state->fd = fd;
  watches_.emplace(state.get(), state);
  return std::make_unique<EpollWatch>(this, std::move(state));
}

std::shared_ptr<void> EpollLoop::AtTurnEnd(std::function<void()> fn) {
  auto hook = std::make_shared<Hook>(Hook{std::move(fn)});
  hooks_.push_back(hook);
  return {nullptr, [hook = std::move(hook)](void*) { hook->dropped = true; }};
}

void EpollLoop::MarkDirty(const std::shared_ptr<WatchState>& watch) {
  if (std::exchange(watch->dirty, true)) return;
  dirty_.push_back(watch);
}

void EpollLoop::Remove(const std::shared_ptr<WatchState>& watch) {
  if (watch->registered != 0) epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, watch->fd, nullptr);
  watch->dead = true;
  watch->on_read = nullptr;
  watch->on_write = nullptr;
  watches_.erase(watch.get());
  graveyard_.push_back(watch);
}

void EpollLoop::Run() {
  SetCurrent(this);
  while (!stop_.load(std::memory_order_acquire)) {
    RunTimers();
    RunPosted();
    RunHooks();
    UpdateInterest();
    graveyard_.clear();
    Wait();
  }
  SetCurrent(nullptr);
}

void EpollLoop::Stop() {
  stop_.store(true, std::memory_order_release);
  const uint64_t one = 1;
  CHECK(write(wake_fd_, &one, sizeof one) == sizeof one);
}

void EpollLoop::TakeRemote(bool* empty) {
  std::vector<std::function<void()>> taken;
  {
    const std::lock_guard lock(mutex_);
    asleep_ = false;
    taken.swap(remote_);
  }
  *empty = taken.empty();
  for (auto& fn : taken) local_.push_back(std::move(fn));
}

void EpollLoop::RunTimers() {
  if (timers_.empty()) return;
  const TimePoint now = Now();
  while (!timers_.empty() && timers_.front().when <= now) {
    const TimerId id = timers_.front().id;
    std::pop_heap(timers_.begin(), timers_.end(), std::greater<>());
    timers_.pop_back();
    const auto found = timer_fns_.find(id);
    if (found == timer_fns_.end()) continue;
    const std::function<void()> fn = std::move(found->second);
    timer_fns_.erase(found);
    fn();
    if (stop_.load(std::memory_order_relaxed)) return;
  }
}

void EpollLoop::RunPosted() {
  for (int i = 0; i < kPostedPerTurn && !local_.empty(); ++i) {
    const std::function<void()> fn = std::move(local_.front());
    local_.pop_front();
    fn();
    if (stop_.load(std::memory_order_relaxed)) return;
  }
}

void EpollLoop::RunHooks() {
  for (auto it = hooks_.begin(); it != hooks_.end();) {
    if (!(*it)->dropped) (*it)->fn();
    it = (*it)->dropped ? hooks_.erase(it) : std::next(it);
  }
}

void EpollLoop::UpdateInterest() {
  for (const auto& watch : dirty_) {
    watch->dirty = false;
    const uint32_t wanted = watch->Wanted();
    if (watch->dead || wanted == watch->registered) continue;
    epoll_event event{};
    event.events = wanted;
    event.data.ptr = watch.get();
    int op = EPOLL_CTL_MOD;
    if (watch->registered == 0) op = EPOLL_CTL_ADD;
    if (wanted == 0) op = EPOLL_CTL_DEL;  // else a hang-up would be reported for ever
    CHECK(epoll_ctl(epoll_fd_, op, watch->fd, &event) == 0);
    watch->registered = wanted;
  }
  dirty_.clear();
}

Duration EpollLoop::TimeToNextTimer() {
  while (!timers_.empty() && !timer_fns_.contains(timers_.front().id)) {
    std::pop_heap(timers_.begin(), timers_.end(), std::greater<>());
    timers_.pop_back();
  }
  if (timers_.empty() || timers_.front().when == kNever) return Duration::max();
  return std::max(Duration(0), timers_.front().when - Now());
}

int EpollLoop::EpollWait(Duration timeout) {
  if (have_pwait2_ && timeout > Duration(0) && timeout != Duration::max()) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout);
    const timespec ts{seconds.count(), (timeout - seconds).count()};
    const int n = epoll_pwait2(epoll_fd_, events_.data(), kEventsPerTurn, &ts, nullptr);
    if (n >= 0 || errno != ENOSYS) return n;
    have_pwait2_ = false;
  }
  int ms = -1;
  if (timeout != Duration::max()) {
    const auto rounded = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
    ms = static_cast<int>(std::min<int64_t>(rounded, std::numeric_limits<int>::max()));
  }
  return epoll_wait(epoll_fd_, events_.data(), kEventsPerTurn, ms);
}

void EpollLoop::Wait() {
  Duration timeout = local_.empty() ? TimeToNextTimer() : Duration(0);
  if (timeout > Duration(0)) {
    const std::lock_guard lock(mutex_);
    if (remote_.empty()) {
      asleep_ = true;
    } else {
      timeout = Duration(0);
    }
  }
  const int count = EpollWait(timeout);
  CHECK(count >= 0 || errno == EINTR);
  bool none = true;
  Dispatch(count);
  TakeRemote(&none);
}

void EpollLoop::Dispatch(int count) {
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events_.at(static_cast<size_t>(i));
    if (event.data.ptr == nullptr) {
      uint64_t drained = 0;
      CHECK(read(wake_fd_, &drained, sizeof drained) >= 0 || errno == EAGAIN);
      continue;
    }
    auto* raw = static_cast<WatchState*>(event.data.ptr);
    if (raw->dead) continue;  // kept alive by the graveyard until the turn's end
    const std::shared_ptr<WatchState> watch = watches_.at(raw);
    const uint32_t broken = event.events & (EPOLLERR | EPOLLHUP);
    if (((event.events & EPOLLIN) | broken) != 0 && watch->on_read) {
      std::exchange(watch->on_read, nullptr)();
    }
    if (((event.events & EPOLLOUT) | broken) != 0 && watch->on_write) {
      std::exchange(watch->on_write, nullptr)();
    }
    if (!watch->dead && watch->Wanted() != watch->registered) MarkDirty(watch);
    if (stop_.load(std::memory_order_relaxed)) return;
  }
}

class EpollLoopThread final : public LoopThread {
 public:
  explicit EpollLoopThread(const char* name) : thread_([this] { loop_.Run(); }) {
    pthread_setname_np(thread_.native_handle(),
                       name);  // fails on a name over 15 characters: then it has none
  }
  EpollLoopThread(const EpollLoopThread&) = delete;
  EpollLoopThread& operator=(const EpollLoopThread&) = delete;
  ~EpollLoopThread() override {
    Stop();
    thread_.join();
  }
  Loop& loop() override { return loop_; }
  void Stop() override { loop_.Stop(); }

 private:
  EpollLoop loop_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<LoopThread> LoopThread::Start(const char* name) {
  return std::make_unique<EpollLoopThread>(name);
}

}  // namespace threefs

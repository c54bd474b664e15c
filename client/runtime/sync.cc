// SPDX-License-Identifier: Apache-2.0
// Every waker goes through the waiter's loop (Post), also on its own thread: a coroutine is never
// resumed from inside await_suspend, from inside a lock or deep in another coroutine's stack, and
// waking a long queue does not recurse.
#include "client/runtime/sync.h"

#include <algorithm>
#include <atomic>
#include <coroutine>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "client/base/check.h"

namespace threefs {
namespace internal {

void Waiter::Wake() const {
  if (Loop::Current() == loop) {
    handle.resume();
  } else {
    PostWake();
  }
}

void Waiter::PostWake() const {
  CHECK(loop != nullptr);
  // The waiter may be gone as soon as Post has queued: nothing of *this is used after.
  loop->Post([h = handle] { h.resume(); });
}

namespace {
Waiter Here(std::coroutine_handle<> handle) {
  Loop* loop = Loop::Current();
  CHECK(loop != nullptr);  // waiting needs a loop to be resumed on
  return {loop, handle};
}

struct TimerAwaiter {
  TimePoint when;
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> h) const {
    Here(h).loop->At(when, [h] { h.resume(); });
  }
  void await_resume() const {}
};

struct PostAwaiter {
  Loop* loop;
  bool yield;
  bool await_ready() const { return !yield && Loop::Current() == loop; }
  void await_suspend(std::coroutine_handle<> h) const { Waiter{loop, h}.PostWake(); }
  void await_resume() const {}
};

TimePoint After(TimePoint now, Duration d) { return d >= kNever - now ? kNever : now + d; }
}  // namespace
}  // namespace internal

Task<void> SleepUntil(TimePoint when) { co_await internal::TimerAwaiter{when}; }

Task<void> SleepFor(Duration duration) {
  co_await internal::TimerAwaiter{internal::After(Loop::Current()->Now(), duration)};
}

Task<void> Yield() { co_await internal::PostAwaiter{Loop::Current(), true}; }

namespace {
Task<void> Move(Loop* loop) { co_await internal::PostAwaiter{loop, false}; }
}  // namespace
Task<void> SwitchTo(Loop& loop) { return Move(&loop); }

// --- CancelSource
// ------------------------------------------------------------------------------------------------

void CancelSource::Cancel() {
  cancelled_.store(true, std::memory_order_release);
  // Under the lock, which is what makes Unregister wait for a callback under way.
  const std::lock_guard lock(mutex_);
  for (auto& [id, fn] : callbacks_) fn();
  callbacks_.clear();
}

uint64_t CancelSource::Register(std::function<void()> fn) {
  {
    const std::lock_guard lock(mutex_);
    if (!cancelled()) {
      callbacks_.emplace_back(next_, std::move(fn));
      return next_++;
    }
  }
  fn();
  return 0;
}

void CancelSource::Unregister(uint64_t id) {
  if (id == 0) return;
  const std::lock_guard lock(mutex_);
  std::erase_if(callbacks_, [id](const auto& c) { return c.first == id; });
}

// --- Event
// -------------------------------------------------------------------------------------------------------

// Set, the timer and cancellation race for a waiter: who turns `claimed` wakes it, the others leave
// it alone.
struct Event::Node {
  internal::Waiter waiter;
  std::atomic<bool> claimed{false};
  bool set = false;  // written by the claimer before the wake

  void Claim(bool by_set) {
    if (claimed.exchange(true, std::memory_order_acq_rel)) return;
    set = by_set;
    waiter.PostWake();
  }
};

void Event::Set() {
  std::list<std::shared_ptr<Node>> woken;
  {
    const std::lock_guard lock(mutex_);
    set_ = true;
    woken.swap(waiters_);
  }
  for (const auto& node : woken) node->Claim(true);
}

void Event::Reset() {
  const std::lock_guard lock(mutex_);
  set_ = false;
}

bool Event::is_set() const {
  const std::lock_guard lock(mutex_);
  return set_;
}

// The waiter's own loop runs this code, so a wake that is posted while await_suspend still runs
// comes after it.
struct Event::Awaiter {
  Event* event;
  TimePoint deadline = kNever;
  CancelSource* cancel = nullptr;
  std::shared_ptr<Node> node = std::make_shared<Node>();
  Loop::TimerId timer = 0;
  uint64_t registration = 0;

  bool await_ready() const { return false; }
  bool await_suspend(std::coroutine_handle<> h) {
    node->waiter = internal::Here(h);
    {
      const std::lock_guard lock(event->mutex_);
      node->set = event->set_;
      if (node->set) return false;
      event->waiters_.push_back(node);
    }
    if (deadline != kNever) {
      timer = node->waiter.loop->At(deadline, [n = node] { n->Claim(false); });
    }
    if (cancel != nullptr) registration = cancel->Register([n = node] { n->Claim(false); });
    return true;
  }
  bool await_resume() {
    if (timer != 0) node->waiter.loop->Cancel(timer);
    if (registration != 0) cancel->Unregister(registration);
    if (!node->set) {
      const std::lock_guard lock(event->mutex_);
      event->waiters_.remove(node);
    }
    return node->set;
  }
};

Task<void> Event::Wait() { co_await Awaiter{.event = this}; }

Task<bool> Event::WaitUntil(TimePoint deadline, CancelSource* cancel) {
  co_return co_await Awaiter{.event = this, .deadline = deadline, .cancel = cancel};
}

// --- AsyncMutex
// --------------------------------------------------------------------------------------------------

struct AsyncMutex::Awaiter {
  AsyncMutex* mutex;
  bool await_ready() const { return false; }
  bool await_suspend(std::coroutine_handle<> h) const {
    const std::lock_guard lock(mutex->mutex_);
    if (!mutex->locked_) {
      mutex->locked_ = true;
      return false;
    }
    mutex->waiters_.push_back(internal::Here(h));
    return true;
  }
  void await_resume() const {}
};

Task<AsyncMutex::Guard> AsyncMutex::Lock() {
  co_await Awaiter{this};
  co_return Guard(this);
}

AsyncMutex::Guard AsyncMutex::TryLock() {
  const std::lock_guard lock(mutex_);
  if (locked_) return {};
  locked_ = true;
  return Guard(this);
}

void AsyncMutex::Unlock() {
  internal::Waiter next;
  {
    const std::lock_guard lock(mutex_);
    CHECK(locked_);
    if (waiters_.empty()) {
      locked_ = false;
      return;
    }
    next = waiters_.front();  // it owns the lock now: nobody can slip in between
    waiters_.pop_front();
  }
  next.PostWake();
}

// --- Semaphore
// ---------------------------------------------------------------------------------------------------

struct Semaphore::Awaiter {
  Semaphore* semaphore;
  size_t permits;
  bool await_ready() const { return false; }
  bool await_suspend(std::coroutine_handle<> h) const {
    const std::lock_guard lock(semaphore->mutex_);
    if (semaphore->waiters_.empty() && semaphore->free_ >= permits) {
      semaphore->free_ -= permits;
      return false;
    }
    semaphore->waiters_.push_back({internal::Here(h), permits});
    return true;
  }
  void await_resume() const {}
};

Task<void> Semaphore::Acquire(size_t permits) {
  co_await Awaiter{this, std::min(permits, capacity_)};
}

bool Semaphore::TryAcquire(size_t permits) {
  permits = std::min(permits, capacity_);
  const std::lock_guard lock(mutex_);
  if (!waiters_.empty() || free_ < permits) return false;
  free_ -= permits;
  return true;
}

void Semaphore::Release(size_t permits) {
  std::vector<internal::Waiter> woken;
  {
    const std::lock_guard lock(mutex_);
    free_ += std::min(permits, capacity_);
    CHECK(free_ <= capacity_);
    while (!waiters_.empty() && waiters_.front().permits <= free_) {
      free_ -= waiters_.front().permits;
      woken.push_back(waiters_.front().waiter);
      waiters_.pop_front();
    }
  }
  for (const internal::Waiter& w : woken) w.PostWake();
}

size_t Semaphore::available() const {
  const std::lock_guard lock(mutex_);
  return free_;
}

// --- TaskScope
// ---------------------------------------------------------------------------------------------------

void TaskScope::Start(Task<void> task) {
  ++running_;
  Spawn(Run(this, std::move(task)));
}

Task<void> TaskScope::Run(TaskScope* scope, Task<void> task) {
  Loop* home = Loop::Current();
  co_await std::move(task);
  // The scope's own count is not shared between threads.
  if (home != nullptr && Loop::Current() != home) co_await SwitchTo(*home);
  if (--scope->running_ == 0 && scope->joiner_) {
    std::exchange(scope->joiner_, std::nullopt)->PostWake();  // the scope may be gone after
  }
}

struct TaskScope::Awaiter {
  TaskScope* scope;
  bool await_ready() const { return scope->running_ == 0; }
  void await_suspend(std::coroutine_handle<> h) const {
    CHECK(!scope->joiner_);
    scope->joiner_ = internal::Here(h);
  }
  void await_resume() const {}
};

Task<void> TaskScope::Join() {
  // A task that ended may have let another one start before the joiner ran.
  while (running_ != 0) co_await Awaiter{this};
}

}  // namespace threefs

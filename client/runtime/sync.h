// SPDX-License-Identifier: Apache-2.0
// Waiting in coroutines: Sleep, Event, AsyncMutex, Semaphore, TaskScope, SwitchTo, RunBlocking. All
// of them may be shared between loops (TaskScope excepted): a waiter is always resumed on the loop
// it waited on (Loop::Current() at the time), through that loop's queue; so Set, Unlock and Release
// return before a waiter runs. Nothing here blocks a thread; the internal std::mutex is held for a
// few instructions.
#pragma once

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

#include "client/base/check.h"
#include "client/base/clock.h"
#include "client/base/status.h"
#include "client/runtime/loop.h"
#include "client/runtime/task.h"

namespace threefs {

namespace internal {
struct Waiter {
  Loop* loop = nullptr;
  std::coroutine_handle<> handle;
  /// Resumes at once when on `loop`'s thread already, else posts.
  void Wake() const;
  /// Always through Post: for wakers that hold their own state on the stack.
  void PostWake() const;
};
}  // namespace internal

/// Suspends until `when` on the current loop.
Task<void> SleepUntil(TimePoint when);
Task<void> SleepFor(Duration duration);
/// Goes to the end of the current loop's queue: lets others run.
Task<void> Yield();
/// Continues the calling coroutine on `loop`.
Task<void> SwitchTo(Loop& loop);

/// A cancellation flag with callbacks; lives with the operation. Cancel() runs callbacks on the
/// canceller's thread: register ones that only Post. Any thread.
class CancelSource {
 public:
  void Cancel();
  [[nodiscard]] bool cancelled() const { return cancelled_.load(std::memory_order_acquire); }
  /// Returns an id for Unregister; when already cancelled runs `fn` at once and returns 0.
  uint64_t Register(std::function<void()> fn);
  /// After return `fn` does not run any more.
  void Unregister(uint64_t id);

 private:
  std::atomic<bool> cancelled_{false};
  std::mutex mutex_;
  uint64_t next_ = 1;
  std::list<std::pair<uint64_t, std::function<void()>>> callbacks_;
};

/// What travels down with every operation: its one deadline, its cancellation, who asks. Copied by
/// value.
struct CallContext {
  TimePoint deadline = kNever;
  CancelSource* cancel = nullptr;  ///< owned by the operation at the top; may be null
  uint64_t trace = 0;

  [[nodiscard]] bool cancelled() const { return cancel != nullptr && cancel->cancelled(); }
  /// The same context, ending no later than `t`.
  [[nodiscard]] CallContext Until(TimePoint t) const {
    CallContext c = *this;
    if (t < c.deadline) c.deadline = t;
    return c;
  }
};

/// One-shot or resettable signal. Any thread may Set.
class Event {
 public:
  void Set();
  void Reset();
  [[nodiscard]] bool is_set() const;
  Task<void> Wait();
  /// True when set, false when `deadline` or cancellation came first.
  Task<bool> WaitUntil(TimePoint deadline, CancelSource* cancel = nullptr);

 private:
  struct Node;
  struct Awaiter;
  mutable std::mutex mutex_;
  bool set_ = false;
  std::list<std::shared_ptr<Node>> waiters_;
};

/// FIFO coroutine mutex. `auto guard = co_await mutex.Lock();`
class AsyncMutex {
 public:
  class Guard {
   public:
    Guard() = default;
    explicit Guard(AsyncMutex* m) : mutex_(m) {}
    Guard(Guard&& o) noexcept : mutex_(std::exchange(o.mutex_, nullptr)) {}
    Guard& operator=(Guard&& o) noexcept {
      if (this != &o) {
        Release();
        mutex_ = std::exchange(o.mutex_, nullptr);
      }
      return *this;
    }
    ~Guard() { Release(); }
    void Release() {
      if (mutex_ != nullptr) std::exchange(mutex_, nullptr)->Unlock();
    }
    [[nodiscard]] bool owns() const { return mutex_ != nullptr; }

   private:
    AsyncMutex* mutex_ = nullptr;
  };
  Task<Guard> Lock();
  /// Guard that does not own when it is taken.
  Guard TryLock();

 private:
  friend class Guard;
  struct Awaiter;
  void Unlock();
  std::mutex mutex_;
  bool locked_ = false;
  std::deque<internal::Waiter> waiters_;
};

/// Counting semaphore, FIFO. More permits than `capacity` count as all of them, for
/// Acquire and Release alike.
class Semaphore {
 public:
  explicit Semaphore(size_t capacity) : capacity_(capacity), free_(capacity) {}
  Task<void> Acquire(size_t permits = 1);
  bool TryAcquire(size_t permits = 1);
  void Release(size_t permits = 1);
  [[nodiscard]] size_t available() const;

 private:
  struct Awaiter;
  struct Pending {
    internal::Waiter waiter;
    size_t permits;
  };
  const size_t capacity_;
  mutable std::mutex mutex_;
  size_t free_;
  std::deque<Pending> waiters_;
};

/// A nursery: tasks started in it run concurrently on the starting loop; Join waits for all.
/// Destroying a scope with running tasks is a bug (CHECK). Start and Join on one loop; a task may
/// move to another one.
class TaskScope {
 public:
  TaskScope() = default;
  TaskScope(const TaskScope&) = delete;
  TaskScope& operator=(const TaskScope&) = delete;
  ~TaskScope() { CHECK(running_ == 0); }
  /// Starts `task` at once.
  void Start(Task<void> task);
  Task<void> Join();
  [[nodiscard]] size_t running() const { return running_; }

 private:
  struct Awaiter;
  static Task<void> Run(TaskScope* scope, Task<void> task);
  size_t running_ = 0;
  std::optional<internal::Waiter> joiner_;
};

namespace internal {
template <class F>
struct BlockingAwaiter {
  using R = std::invoke_result_t<F>;
  BlockingPool* pool;
  F work;
  std::optional<R> result;
  Waiter waiter;
  bool await_ready() {
    if (!pool->inlined()) return false;
    result.emplace(work());
    return true;
  }
  void await_suspend(std::coroutine_handle<> h) {
    waiter = {Loop::Current(), h};
    pool->Submit([this] {
      result.emplace(work());
      waiter.PostWake();
    });
  }
  R await_resume() { return std::move(*result); }
};
}  // namespace internal

/// Runs `work` (returning a value) on the pool; resumes here with its result. `work` must not touch
/// loop state.
///   auto r = co_await RunBlocking(pool, [&] { return store.Get(key); });
template <class F>
internal::BlockingAwaiter<F> RunBlocking(BlockingPool& pool, F work) {
  return {&pool, std::move(work), std::nullopt, {}};
}

}  // namespace threefs

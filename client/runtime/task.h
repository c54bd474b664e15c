// SPDX-License-Identifier: Apache-2.0
// Task<T>: a lazy coroutine. It starts when awaited, on the awaiter's thread, and its awaiter goes
// on where the task finished; it changes threads only by awaiting SwitchTo (sync.h). Frames come
// from a per-thread pool. No symmetric transfer: a child that finishes without suspending lets its
// parent go on by `await_suspend` returning false, so a loop of synchronous children does not grow
// the stack. (Sanitizer builds overflow with symmetric transfer.)
//   Task<Result<uint64_t>> Length(Inode inode) { ... co_return n; }
// Exceptions are not used: one that escapes a Task ends the process.
// Style rules (clang-tidy enforces): no lambda coroutines with captures unless the lambda object
// outlives the task; no reference parameters to temporaries; no lock held across co_await.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <utility>

#include "client/base/check.h"
#include "client/runtime/frame_pool.h"

namespace threefs {

template <class T>
class Task;

namespace internal {

// One Start() under way on this thread; the innermost is TopStart(). A child that finishes while
// its own Start is the innermost one here finished synchronously. It is a question about this
// thread's stack, so it needs no atomics, and a child that moved to another thread and finishes
// there before Start returned is rightly not "synchronous": it resumes its awaiter where it
// finished, and Start touches neither of them any more.
struct StartFrame {
  const void* child;
  StartFrame* outer;
  bool done = false;
};
StartFrame* TopStart() noexcept;
void SetTopStart(StartFrame* frame) noexcept;

class TaskPromiseBase {
 public:
  // A frame is allocated and freed on loops; the pool copes with a frame that changes thread.
  static void* operator new(size_t size) { return FrameAlloc(size); }
  static void operator delete(void* frame, size_t size) { FrameFree(frame, size); }

  std::suspend_always initial_suspend() noexcept { return {}; }
  struct FinalAwaiter {
    bool await_ready() noexcept { return false; }
    template <class P>
    void await_suspend(std::coroutine_handle<P> self) noexcept {
      TaskPromiseBase& p = self.promise();
      StartFrame* top = TopStart();
      if (top != nullptr && top->child == &p) {
        top->done = true;  // Start sees it and does not suspend the awaiter
      } else {
        p.continuation_.resume();  // may destroy this frame
      }
    }
    void await_resume() noexcept {}
  };
  FinalAwaiter final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { std::terminate(); }

  // Runs the child until it finishes or first suspends. True: suspend the awaiter. Once the child
  // has suspended it may run, finish and be destroyed on another thread: nothing of it is touched
  // after resume() returns. Not inlined, so that `frame` is surely on the stack and not in the
  // awaiter's coroutine frame.
  template <class P>
  [[gnu::noinline]] static bool Start(std::coroutine_handle<P> self,
                                      std::coroutine_handle<> awaiter) {
    TaskPromiseBase& p = self.promise();
    p.continuation_ = awaiter;
    StartFrame frame{&p, TopStart()};
    SetTopStart(&frame);
    self.resume();
    SetTopStart(frame.outer);
    return !frame.done;
  }

 private:
  std::coroutine_handle<> continuation_;
};

template <class T>
class TaskPromise : public TaskPromiseBase {
 public:
  Task<T> get_return_object();
  template <class U>
  void return_value(U&& value) {
    value_.emplace(std::forward<U>(value));
  }
  T Take() {
    CHECK(value_.has_value());
    return std::move(*value_);
  }

 private:
  std::optional<T> value_;
};

template <>
class TaskPromise<void> : public TaskPromiseBase {
 public:
  Task<void> get_return_object();
  void return_void() {}
  void Take() {}
};

}  // namespace internal

template <class T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = internal::TaskPromise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  Task() = default;
  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      Reset();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  ~Task() { Reset(); }

  struct Awaiter {
    Handle handle;
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> awaiter) {
      return internal::TaskPromiseBase::Start(handle, awaiter);
    }
    T await_resume() { return handle.promise().Take(); }
  };
  /// Await once. The Task object lives until the await ends (a temporary in the co_await expression
  /// does).
  Awaiter operator co_await() && {
    CHECK(handle_);
    return {handle_};
  }

 private:
  void Reset() {
    if (handle_) std::exchange(handle_, nullptr).destroy();
  }
  Handle handle_;
};

namespace internal {
template <class T>
Task<T> TaskPromise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<TaskPromise<T>>::from_promise(*this));
}
inline Task<void> TaskPromise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<TaskPromise<void>>::from_promise(*this));
}

// A coroutine nobody awaits: runs at once, frees itself at its end.
struct Detached {
  struct promise_type {
    static void* operator new(size_t size) { return FrameAlloc(size); }
    static void operator delete(void* frame, size_t size) { FrameFree(frame, size); }
    Detached get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
};
inline Detached RunDetached(Task<void> task) { co_await std::move(task); }
}  // namespace internal

/// Starts `task` now, on the calling loop's thread, and lets it free itself. What it refers to must
/// outlive it: prefer TaskScope (sync.h), which can be joined.
inline void Spawn(Task<void> task) { internal::RunDetached(std::move(task)); }

}  // namespace threefs

// SPDX-License-Identifier: Apache-2.0
// SyncWait: runs a task on a loop from a plain thread and blocks that thread for its result. For
// main(), tests and tools; never on a loop's own thread (CHECK).
//   Result<Inode> r = SyncWait(loop, [&] { return client.Stat(path); });
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

#include "client/base/check.h"
#include "client/runtime/loop.h"
#include "client/runtime/task.h"

namespace threefs {

namespace internal {

template <class T>
struct TaskValue;
template <class T>
struct TaskValue<Task<T>> {
  using type = T;
};

template <class T>
struct SyncWaitState {
  using Slot = std::conditional_t<std::is_void_v<T>, char, T>;
  std::mutex mutex;
  std::condition_variable ready;
  std::optional<Slot> value;

  void Put(Slot v) {
    const std::lock_guard lock(mutex);  // notified under the lock: the waiter owns *this
    value.emplace(std::move(v));
    ready.notify_one();
  }
  Slot Get() {
    std::unique_lock lock(mutex);
    ready.wait(lock, [this] { return value.has_value(); });
    return std::move(*value);
  }
};

template <class T, class F>
Task<void> RunInto(SyncWaitState<T>* state, F* make) {
  if constexpr (std::is_void_v<T>) {
    co_await (*make)();
    state->Put(0);
  } else {
    state->Put(co_await (*make)());
  }
}

}  // namespace internal

/// `make` is called on `loop` and gives the task; it outlives the task.
template <class F>
auto SyncWait(Loop& loop, F make) -> typename internal::TaskValue<std::invoke_result_t<F>>::type {
  using T = typename internal::TaskValue<std::invoke_result_t<F>>::type;
  CHECK(Loop::Current() != &loop);
  internal::SyncWaitState<T> state;
  loop.Post([&state, &make] { Spawn(internal::RunInto<T, F>(&state, &make)); });
  if constexpr (std::is_void_v<T>) {
    state.Get();
  } else {
    return state.Get();
  }
}

}  // namespace threefs

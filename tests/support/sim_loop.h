// SPDX-License-Identifier: Apache-2.0
// SimWorld: any number of loops on one thread and on virtual time. One queue of events ordered by
// (time, sequence); time jumps from event to event, so a minute of timeouts costs microseconds and
// a run depends on nothing but the seed.
//   SimWorld world(seed);
//   Loop& a = world.NewLoop();
//   int n = world.Run(a, [&] { return SomeTask(); });       runs events until the task is done
// Everything is used on the thread that made the world.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "client/base/check.h"
#include "client/base/clock.h"
#include "client/base/rng.h"
#include "client/runtime/loop.h"
#include "client/runtime/sync_wait.h"
#include "client/runtime/task.h"

namespace threefs::sim {

class SimLoop;

class SimWorld {
 public:
  explicit SimWorld(uint64_t seed);
  SimWorld(const SimWorld&) = delete;
  SimWorld& operator=(const SimWorld&) = delete;
  ~SimWorld();

  Loop& NewLoop();
  [[nodiscard]] TimePoint Now() const { return now_; }
  Rng& rng() { return rng_; }

  /// Runs events until `done` says so. False when `limit` of virtual time passed or no event is
  /// left first.
  bool RunUntil(const std::function<bool()>& done, Duration limit = 24h);
  /// Runs the events of the next `duration` and moves the time to its end.
  void RunFor(Duration duration);
  /// Runs `make()` on `loop` to its end and returns its value; CHECKs that it ends within `limit`.
  template <class F>
  auto Run(Loop& loop, F make, Duration limit = 24h);

  /// As if the process of `loop` had been killed: nothing runs on it any more. What its events hold
  /// is kept, never destroyed before the world: coroutines that will not go on refer to each other.
  void Freeze(Loop& loop);

  /// `fn` runs on `loop` at `when` (now at the earliest).
  Loop::TimerId Schedule(Loop* loop, TimePoint when, std::function<void()> fn);
  void Cancel(Loop::TimerId id);
  /// Events run so far: equal for equal seeds.
  [[nodiscard]] uint64_t events() const { return events_; }

 private:
  struct Event {
    SimLoop* loop;
    std::function<void()> fn;
  };
  bool Step(TimePoint limit);

  TimePoint now_{1'000'000s};
  Rng rng_;
  uint64_t next_id_ = 1;
  uint64_t events_ = 0;
  std::map<std::pair<TimePoint, Loop::TimerId>, Event> queue_;
  std::unordered_map<Loop::TimerId, TimePoint> times_;
  std::vector<std::unique_ptr<SimLoop>> loops_;
  std::vector<std::function<void()>> morgue_;
};

template <class F>
auto SimWorld::Run(Loop& loop, F make, Duration limit) {
  using T = typename internal::TaskValue<std::invoke_result_t<F>>::type;
  internal::SyncWaitState<T> state;
  loop.Post([&] { Spawn(internal::RunInto<T, F>(&state, &make)); });
  CHECK(RunUntil([&] { return state.value.has_value(); }, limit));
  if constexpr (!std::is_void_v<T>) return std::move(*state.value);
}

}  // namespace threefs::sim

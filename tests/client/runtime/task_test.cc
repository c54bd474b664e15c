// SPDX-License-Identifier: Apache-2.0
#include "client/runtime/task.h"

#include <gtest/gtest.h>

#include <coroutine>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "client/base/status.h"
#include "client/runtime/loop.h"
#include "client/runtime/sync.h"
#include "client/runtime/sync_wait.h"

namespace threefs {
namespace {

// Counts what a compiler does to temporaries in co_await expressions (GCC PR 99576 destroys them
// twice).
struct Probe {
  static inline int made = 0;
  static inline int destroyed = 0;
  std::string text = "long enough to be on the heap, so that ASan sees a double destruction";
  Probe() { ++made; }
  Probe(const Probe& o) : text(o.text) { ++made; }
  Probe(Probe&& o) noexcept : text(std::move(o.text)) { ++made; }
  Probe& operator=(const Probe&) = default;
  Probe& operator=(Probe&&) = default;
  ~Probe() { ++destroyed; }
};

Task<size_t> Length(Probe p) { co_return p.text.size(); }
Task<Probe> Pass(Probe p) { co_return p; }
struct Agg {
  Probe a;
  int b = 0;
};
Task<size_t> LengthOf(Agg agg) { co_return agg.a.text.size() + static_cast<size_t>(agg.b); }
bool AsBool(const Probe& p) { return !p.text.empty(); }

Task<size_t> Canary() {
  size_t n = co_await Length(Probe{});
  n += (co_await Pass(Probe{})).text.size();
  n +=
      AsBool(Probe{}) && co_await Length(Probe{}) > 0 ? co_await Length(co_await Pass(Probe{})) : 0;
  n += co_await LengthOf(Agg{.a = Probe{}, .b = 1});
  co_return n;
}

Task<void> Store(size_t* out, Task<size_t> task) { *out = co_await std::move(task); }

TEST(TaskTest, TemporariesInAwaitAreDestroyedOnce) {
  Probe::made = Probe::destroyed = 0;
  size_t n = 0;
  Spawn(Store(&n, Canary()));
  EXPECT_EQ(n, 4 * Probe().text.size() + 1);
  EXPECT_GT(Probe::made, 8);
  EXPECT_EQ(Probe::made, Probe::destroyed);
}

Task<int> One() { co_return 1; }
Task<void> Count(int times, int* sum) {
  for (int i = 0; i < times; ++i) *sum += co_await One();
}

TEST(TaskTest, SynchronousChildrenDoNotGrowTheStack) {
  int sum = 0;
  Spawn(Count(2'000'000, &sum));  // at 100 bytes a child an 8 MiB stack would be gone
  EXPECT_EQ(sum, 2'000'000);
}

TEST(TaskTest, IsLazy) {
  int sum = 0;
  {
    Task<void> task = Count(1, &sum);
  }
  EXPECT_EQ(sum, 0);
}

Task<int> Deep(int n) {
  if (n == 0) co_return 0;
  co_return 1 + co_await Deep(n - 1);
}
TEST(TaskTest, Nests) {
  int depth = 0;
  auto run = [](int* out) -> Task<void> { *out = co_await Deep(1000); };
  Spawn(run(&depth));
  EXPECT_EQ(depth, 1000);
}

Result<int> Parse(bool good) {
  if (!good) return Status(Code::kInvalidArg, "bad");
  return 7;
}
Task<Result<int>> Tried(bool good) {
  CO_TRY(const int n, Parse(good));
  CO_TRY(Parse(good));
  co_return n + 1;
}
TEST(TaskTest, TryPassesErrorsOn) {
  auto run = [](bool good, Result<int>* out) -> Task<void> { *out = co_await Tried(good); };
  Result<int> r = 0;
  Spawn(run(true, &r));
  EXPECT_EQ(*r, 8);
  Spawn(run(false, &r));
  EXPECT_EQ(r.code(), Code::kInvalidArg);
}

// Resumes its awaiter on another thread, and does not return before that thread has run the awaiter
// as far as it goes: the hardest order for Start(), which must then touch neither coroutine.
struct ElsewhereAwaiter {
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> h) const {
    std::thread t([h] { h.resume(); });
    t.join();
  }
  void await_resume() const {}
};
Task<int> FinishElsewhere(int n) {
  co_await ElsewhereAwaiter{};
  co_return n;
}
Task<void> Wander(std::thread::id* before, std::thread::id* after, int* sum) {
  *before = std::this_thread::get_id();
  *sum += co_await FinishElsewhere(3);
  *after = std::this_thread::get_id();
  *sum += co_await One();
}
TEST(TaskTest, ChildFinishesOnAnotherThreadBeforeStartReturns) {
  for (int i = 0; i < 200; ++i) {
    std::thread::id before;
    std::thread::id after;
    int sum = 0;
    Spawn(Wander(&before, &after, &sum));
    EXPECT_EQ(sum, 4);
    EXPECT_NE(before, after);
  }
}

TEST(TaskTest, SwitchToGoesOnOnTheOtherLoop) {
  auto a = LoopThread::Start("a");
  auto b = LoopThread::Start("b");
  const int hops = SyncWait(a->loop(), [&]() -> Task<int> {
    int n = 0;
    for (int i = 0; i < 2000; ++i) {
      co_await SwitchTo(b->loop());
      n += Loop::Current() == &b->loop();
      co_await SwitchTo(a->loop());
      n += Loop::Current() == &a->loop();
    }
    co_return n;
  });
  EXPECT_EQ(hops, 4000);
}

TEST(FramePoolTest, FreedOnAnotherThreadAndLargeFrames) {
  for (const size_t size : {1UL, 128UL, 129UL, 4096UL, 4097UL, 1UL << 20}) {
    void* p = FrameAlloc(size);
    std::thread([p, size] { FrameFree(p, size); }).join();
    void* q = FrameAlloc(size);
    FrameFree(q, size);
  }
}

}  // namespace
}  // namespace threefs

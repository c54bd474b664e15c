// SPDX-License-Identifier: Apache-2.0
#include "client/runtime/sync.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "client/runtime/sync_wait.h"

namespace threefs {
namespace {

class SyncTest : public testing::Test {
 protected:
  SyncTest() {
    for (int i = 0; i < 4; ++i) threads_.push_back(LoopThread::Start("sync"));
  }
  Loop& loop(size_t i = 0) { return threads_.at(i)->loop(); }
  std::vector<std::unique_ptr<LoopThread>> threads_;
};

TEST_F(SyncTest, EventWakesAllAndStaysSet) {
  Event event;
  Event all;
  std::atomic<int> woken = 0;
  auto waiter = [&]() -> Task<void> {
    Loop* before = Loop::Current();
    co_await event.Wait();
    EXPECT_EQ(Loop::Current(), before);
    if (++woken == 40) all.Set();
  };
  for (size_t i = 0; i < 40; ++i) loop(i % 4).Post([&] { Spawn(waiter()); });
  event.Set();
  SyncWait(loop(), [&] { return all.Wait(); });
  EXPECT_TRUE(event.is_set());
  event.Reset();
  EXPECT_FALSE(event.is_set());
}

TEST_F(SyncTest, WaitUntilEndsByDeadlineCancelOrSet) {
  SyncWait(loop(), [&]() -> Task<void> {
    Event event;
    CancelSource cancel;
    EXPECT_FALSE(co_await event.WaitUntil(loop().Now() + 1ms));
    EXPECT_FALSE(co_await event.WaitUntil(loop().Now() - 1ms));
    loop().At(loop().Now() + 1ms, [&] { cancel.Cancel(); });
    EXPECT_FALSE(co_await event.WaitUntil(kNever, &cancel));
    EXPECT_FALSE(co_await event.WaitUntil(kNever, &cancel)) << "already cancelled";
    loop().At(loop().Now() + 1ms, [&] { event.Set(); });
    EXPECT_TRUE(co_await event.WaitUntil(loop().Now() + 1h));
    EXPECT_TRUE(co_await event.WaitUntil(loop().Now() - 1h)) << "set wins over a past deadline";
  });
}

// Set, cancellation from another thread and the timer race; each wait ends exactly once and the
// event may go at once.
TEST_F(SyncTest, WaitUntilRaces) {
  std::atomic<int> ended = 0;
  SyncWait(loop(), [&]() -> Task<void> {
    for (int i = 0; i < 2000; ++i) {
      auto event = std::make_unique<Event>();
      CancelSource cancel;
      Event canceller_done;
      loop(1).Post([&, e = event.get()] {
        if (i % 2 == 0) cancel.Cancel();
        if (i % 3 == 0 && i % 2 != 0) e->Set();
        canceller_done.Set();
      });
      const bool set =
          co_await event->WaitUntil(loop().Now() + std::chrono::microseconds(i % 50), &cancel);
      if (set) EXPECT_TRUE(i % 3 == 0 && i % 2 != 0);
      ++ended;
      co_await canceller_done.Wait();
    }
  });
  EXPECT_EQ(ended, 2000);
}

TEST_F(SyncTest, CancelSourceRunsCallbacksOnce) {
  CancelSource source;
  int runs = 0;
  const uint64_t kept = source.Register([&] { ++runs; });
  const uint64_t dropped = source.Register([&] { runs += 100; });
  EXPECT_NE(kept, 0U);
  source.Unregister(dropped);
  source.Cancel();
  source.Cancel();
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(source.Register([&] { ++runs; }), 0U);
  EXPECT_EQ(runs, 2);
  source.Unregister(kept);
  CallContext ctx;
  EXPECT_FALSE(ctx.cancelled());
  ctx.cancel = &source;
  EXPECT_TRUE(ctx.cancelled());
  EXPECT_EQ(ctx.Until(TimePoint(5ns)).deadline, TimePoint(5ns));
  EXPECT_EQ(ctx.Until(TimePoint(5ns)).Until(TimePoint(9ns)).deadline, TimePoint(5ns));
}

TEST_F(SyncTest, MutexExcludesAcrossLoops) {
  AsyncMutex mutex;
  int64_t counter = 0;  // guarded by mutex
  int inside = 0;       // guarded by mutex
  auto worker = [&]() -> Task<void> {
    for (int i = 0; i < 500; ++i) {
      auto guard = co_await mutex.Lock();
      EXPECT_EQ(++inside, 1);
      if (i % 16 == 0) co_await Yield();
      ++counter;
      --inside;
    }
  };
  std::vector<std::thread> drivers;
  for (size_t t = 0; t < 4; ++t) {
    drivers.emplace_back([&, t] {
      SyncWait(loop(t), [&]() -> Task<void> {
        TaskScope scope;
        for (int i = 0; i < 4; ++i) scope.Start(worker());
        co_await scope.Join();
      });
    });
  }
  for (auto& d : drivers) d.join();
  EXPECT_EQ(counter, 4 * 4 * 500);
  EXPECT_TRUE(mutex.TryLock().owns());
}

TEST_F(SyncTest, MutexIsFifoAndTryLockDoesNotSteal) {
  SyncWait(loop(), [&]() -> Task<void> {
    AsyncMutex mutex;
    std::vector<int> order;
    auto worker = [&](int n) -> Task<void> {
      auto guard = co_await mutex.Lock();
      order.push_back(n);
    };
    TaskScope scope;
    {
      auto guard = co_await mutex.Lock();
      for (int i = 0; i < 3; ++i) scope.Start(worker(i));
      EXPECT_FALSE(mutex.TryLock().owns());
    }
    EXPECT_FALSE(mutex.TryLock().owns()) << "handed to the first waiter already";
    co_await scope.Join();
    EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
  });
}

TEST_F(SyncTest, TenThousandMutexWaitersDoNotRecurse) {
  SyncWait(loop(), [&]() -> Task<void> {
    AsyncMutex mutex;
    int done = 0;
    auto worker = [&]() -> Task<void> {
      auto guard = co_await mutex.Lock();
      ++done;
    };
    TaskScope scope;
    auto guard = co_await mutex.Lock();
    for (int i = 0; i < 10000; ++i) scope.Start(worker());
    EXPECT_EQ(scope.running(), 10000U);
    guard.Release();
    co_await scope.Join();
    EXPECT_EQ(done, 10000);
  });
}

TEST_F(SyncTest, SemaphoreLimitsAndIsFair) {
  SyncWait(loop(), [&]() -> Task<void> {
    Semaphore sem(3);
    int running = 0;
    int peak = 0;
    auto worker = [&](size_t permits) -> Task<void> {
      co_await sem.Acquire(permits);
      running += static_cast<int>(std::min<size_t>(permits, 3));
      peak = std::max(peak, running);
      co_await Yield();
      running -= static_cast<int>(std::min<size_t>(permits, 3));
      sem.Release(permits);
    };
    TaskScope scope;
    for (size_t i = 0; i < 50; ++i) scope.Start(worker(1 + i % 5));  // 4 and 5 count as 3
    EXPECT_FALSE(sem.TryAcquire());
    co_await scope.Join();
    EXPECT_EQ(peak, 3);
    EXPECT_EQ(sem.available(), 3U);
    EXPECT_TRUE(sem.TryAcquire(3));
    EXPECT_FALSE(sem.TryAcquire());
    sem.Release(3);
  });
}

TEST_F(SyncTest, ScopeJoinsTasksThatMoved) {
  SyncWait(loop(), [&]() -> Task<void> {
    int64_t sum = 0;
    auto mover = [&](size_t i) -> Task<void> {
      co_await SwitchTo(loop(i % 4));
      co_await Yield();
      co_await SwitchTo(loop(0));
      sum += 1;
      co_await SwitchTo(loop(i % 4));  // ends away from home
    };
    TaskScope scope;
    for (size_t i = 0; i < 200; ++i) scope.Start(mover(i));
    co_await scope.Join();
    EXPECT_EQ(scope.running(), 0U);
    EXPECT_EQ(sum, 200);
    co_await scope.Join();  // nothing running: at once
  });
}

}  // namespace
}  // namespace threefs

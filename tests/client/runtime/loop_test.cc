// SPDX-License-Identifier: Apache-2.0
#include "client/runtime/loop.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "client/runtime/sync.h"
#include "client/runtime/sync_wait.h"

namespace threefs {
namespace {

class LoopTest : public testing::Test {
 protected:
  std::unique_ptr<LoopThread> thread_ = LoopThread::Start("test");
  Loop& loop_ = thread_->loop();
};

TEST_F(LoopTest, PostsRunInOrderFromManyThreads) {
  std::vector<int> seen;  // loop thread only
  Event done;
  std::atomic<int> left = 4 * 1000;
  std::vector<std::thread> posters;
  posters.reserve(4);
  for (int t = 0; t < 4; ++t) {
    posters.emplace_back([&, t] {
      for (int i = 0; i < 1000; ++i) {
        loop_.Post([&, v = t * 1000 + i] {
          seen.push_back(v);
          if (--left == 0) done.Set();
        });
      }
    });
  }
  for (auto& p : posters) p.join();
  SyncWait(loop_, [&] { return done.Wait(); });
  std::array<int, 4> next{};
  for (const int v : seen) EXPECT_EQ(v % 1000, next.at(static_cast<size_t>(v / 1000))++);
}

TEST_F(LoopTest, TimersFireInOrderAndCancelled) {
  const auto order = SyncWait(loop_, [&]() -> Task<std::vector<int>> {
    auto ran = std::make_shared<std::vector<int>>();
    const TimePoint now = loop_.Now();
    Event done;
    loop_.At(now + 3ms, [&done, ran] {
      ran->push_back(3);
      done.Set();
    });
    loop_.At(now + 1ms, [ran] { ran->push_back(1); });
    const Loop::TimerId two = loop_.At(now + 2ms, [ran] { ran->push_back(2); });
    EXPECT_NE(two, 0U);
    loop_.Cancel(two);
    loop_.Cancel(two);
    loop_.Cancel(9999);
    loop_.At(now - 1s, [ran] { ran->push_back(0); });
    loop_.At(kNever, [ran] { ran->push_back(9); });
    co_await done.Wait();
    EXPECT_GE(loop_.Now(), now + 3ms);
    co_return *ran;
  });
  EXPECT_EQ(order, (std::vector<int>{0, 1, 3}));
}

TEST_F(LoopTest, ManyCancelledTimersAreSwept) {
  SyncWait(loop_, [&]() -> Task<void> {
    int fired = 0;
    for (int i = 0; i < 20000; ++i) {
      loop_.Cancel(loop_.At(loop_.Now() + 1h, [&] { ++fired; }));
    }
    loop_.At(loop_.Now(), [&] { ++fired; });
    co_await SleepFor(1ms);
    EXPECT_EQ(fired, 1);
  });
}

TEST_F(LoopTest, WatchReportsReadinessAndRearms) {
  std::array<int, 2> fds{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds.data()), 0);
  SyncWait(loop_, [&]() -> Task<void> {
    auto watch = loop_.Watch(fds[0]);
    for (int round = 0; round < 100; ++round) {
      Event readable;
      watch->OnReadable([&] { readable.Set(); });
      EXPECT_FALSE(co_await readable.WaitUntil(loop_.Now() + (round == 0 ? 5ms : 0ms)));
      EXPECT_EQ(write(fds[1], "x", 1), 1);
      co_await readable.Wait();
      char c = 0;
      EXPECT_EQ(read(fds[0], &c, 1), 1);
    }
    Event writable;
    watch->OnWritable([&] { writable.Set(); });
    co_await writable.Wait();
    // Not re-armed: no callback although it stays writable; hang-up alone does not spin or call
    // either.
    close(fds[1]);
    co_await SleepFor(2ms);
    Event hung_up;
    watch->OnReadable([&] { hung_up.Set(); });
    co_await hung_up.Wait();
    // Destroying a watch drops what is armed.
    watch->OnReadable([] { ADD_FAILURE(); });
    watch.reset();
    co_await SleepFor(2ms);
  });
  EXPECT_EQ(fcntl(fds[0], F_GETFD), 0) << "the watch does not close";
  close(fds[0]);
}

TEST_F(LoopTest, WatchDestroyedByAnotherWatchOfTheSameTurn) {
  std::array<std::array<int, 2>, 2> pairs{};
  for (auto& p : pairs) ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p.data()), 0);
  SyncWait(loop_, [&]() -> Task<void> {
    std::array<std::unique_ptr<FdWatch>, 2> watches;
    Event one;
    int calls = 0;
    for (size_t i = 0; i < 2; ++i) {
      watches.at(i) = loop_.Watch(pairs.at(i)[0]);
      watches.at(i)->OnReadable([&, i] {
        ++calls;
        watches.at(1 - i).reset();
        one.Set();
      });
      EXPECT_EQ(write(pairs.at(i)[1], "x", 1), 1);
    }
    co_await one.Wait();
    co_await SleepFor(1ms);
    EXPECT_EQ(calls, 1);
  });
  for (auto& p : pairs) {
    close(p[0]);
    close(p[1]);
  }
}

TEST_F(LoopTest, HooksRunAtTheEndOfATurnUntilDropped) {
  SyncWait(loop_, [&]() -> Task<void> {
    int hooks = 0;
    std::shared_ptr<void> token;
    token = loop_.AtTurnEnd([&] {
      ++hooks;
      if (hooks == 3) token.reset();
    });
    EXPECT_EQ(hooks, 0);
    for (int i = 0; i < 6; ++i) co_await SleepFor(1ms);
    EXPECT_EQ(hooks, 3);
  });
}

TEST(LoopThreadTest, StopDropsPendingWork) {
  auto thread = LoopThread::Start("stopping");
  auto held = std::make_shared<int>(1);
  thread->loop().Post([&] {
    thread->loop().At(thread->loop().Now() + 1h, [held] {});
    thread->Stop();
    thread->loop().Post([held] { ADD_FAILURE(); });
  });
  thread.reset();
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(LoopTest, BlockingPoolRunsElsewhereAndResumesHere) {
  auto pool = BlockingPool::Create(2, "pool");
  const auto here = SyncWait(loop_, [&]() -> Task<bool> {
    const std::thread::id loop_thread = std::this_thread::get_id();
    for (int i = 0; i < 500; ++i) {
      const auto worker = co_await RunBlocking(*pool, [] { return std::this_thread::get_id(); });
      if (worker == loop_thread || std::this_thread::get_id() != loop_thread) co_return false;
    }
    co_return true;
  });
  EXPECT_TRUE(here);
}

TEST_F(LoopTest, InlinePoolRunsHere) {
  auto pool = BlockingPool::Create(0, "none");
  EXPECT_TRUE(pool->inlined());
  EXPECT_TRUE(SyncWait(loop_, [&]() -> Task<bool> {
    const auto worker = co_await RunBlocking(*pool, [] { return std::this_thread::get_id(); });
    co_return worker == std::this_thread::get_id();
  }));
}

}  // namespace
}  // namespace threefs

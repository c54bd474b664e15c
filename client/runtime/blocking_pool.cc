// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "client/runtime/loop.h"

namespace threefs {
namespace {

class InlinePool final : public BlockingPool {
 public:
  void Submit(std::function<void()> work) override { work(); }
  [[nodiscard]] bool inlined() const override { return true; }
};

class ThreadPool final : public BlockingPool {
 public:
  ThreadPool(int threads, const char* name) {
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([this] { Work(); });
      pthread_setname_np(threads_.back().native_handle(), name);
    }
  }
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  /// What was submitted is done first.
  ~ThreadPool() override {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    for (std::thread& t : threads_) t.join();
  }
  void Submit(std::function<void()> work) override {
    {
      const std::lock_guard lock(mutex_);
      queue_.push_back(std::move(work));
    }
    wake_.notify_one();
  }
  [[nodiscard]] bool inlined() const override { return false; }

 private:
  void Work() {
    while (true) {
      std::function<void()> work;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return stop_ || !queue_.empty(); });
        if (queue_.empty()) return;
        work = std::move(queue_.front());
        queue_.pop_front();
      }
      work();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace

std::unique_ptr<BlockingPool> BlockingPool::Create(int threads, const char* name) {
  if (threads == 0) return std::make_unique<InlinePool>();
  return std::make_unique<ThreadPool>(threads, name);
}

}  // namespace threefs

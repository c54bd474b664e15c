// SPDX-License-Identifier: Apache-2.0
#include "tests/support/sim_loop.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <utility>

#include "client/base/check.h"

namespace threefs::sim {

class SimLoop final : public Loop {
 public:
  explicit SimLoop(SimWorld* world) : world_(world) {}

  [[nodiscard]] TimePoint Now() const override { return world_->Now(); }
  [[nodiscard]] int64_t WallMicros() const override {
    constexpr int64_t kEpoch =
        1'700'000'000'000'000;  // some day in 2023: a fixed one, so that runs repeat
    return kEpoch +
           std::chrono::duration_cast<std::chrono::microseconds>(world_->Now().time_since_epoch())
               .count();
  }
  void Post(std::function<void()> fn) override {
    world_->Schedule(this, world_->Now(), std::move(fn));
  }
  TimerId At(TimePoint when, std::function<void()> fn) override {
    return world_->Schedule(this, when, std::move(fn));
  }
  void Cancel(TimerId id) override { world_->Cancel(id); }
  std::unique_ptr<FdWatch> Watch(int /*fd*/) override {
    CHECK(false);  // descriptors are not simulated
    return nullptr;
  }
  std::shared_ptr<void> AtTurnEnd(std::function<void()> fn) override {
    auto hook = std::make_shared<Hook>(Hook{std::move(fn)});
    hooks_.push_back(hook);
    return {nullptr, [hook = std::move(hook)](void*) { hook->dropped = true; }};
  }

  void Freeze() { frozen_ = true; }
  [[nodiscard]] bool frozen() const { return frozen_; }
  void RunCallback(const std::function<void()>& fn) {
    Loop* outer = Current();
    SetCurrent(this);
    fn();
    for (auto it = hooks_.begin(); it != hooks_.end();) {
      if (!(*it)->dropped) (*it)->fn();
      it = (*it)->dropped ? hooks_.erase(it) : std::next(it);
    }
    SetCurrent(outer);
  }

 private:
  struct Hook {
    std::function<void()> fn;
    bool dropped = false;
  };
  SimWorld* world_;
  bool frozen_ = false;
  std::list<std::shared_ptr<Hook>> hooks_;
};

SimWorld::SimWorld(uint64_t seed) : rng_(seed) {}
SimWorld::~SimWorld() = default;

Loop& SimWorld::NewLoop() {
  loops_.push_back(std::make_unique<SimLoop>(this));
  return *loops_.back();
}

void SimWorld::Freeze(Loop& loop) { static_cast<SimLoop&>(loop).Freeze(); }

Loop::TimerId SimWorld::Schedule(Loop* loop, TimePoint when, std::function<void()> fn) {
  when = std::max(when, now_);
  const Loop::TimerId id = next_id_++;
  queue_.emplace(std::pair(when, id), Event{static_cast<SimLoop*>(loop), std::move(fn)});
  times_.emplace(id, when);
  return id;
}

void SimWorld::Cancel(Loop::TimerId id) {
  const auto found = times_.find(id);
  if (found == times_.end()) return;
  queue_.erase({found->second, id});
  times_.erase(found);
}

bool SimWorld::Step(TimePoint limit) {
  if (queue_.empty() || queue_.begin()->first.first > limit) return false;
  auto node = queue_.extract(queue_.begin());
  if (node.key().first == kNever) return false;
  now_ = node.key().first;
  times_.erase(node.key().second);
  ++events_;
  if (node.mapped().loop->frozen()) {
    morgue_.push_back(std::move(node.mapped().fn));
    return true;
  }
  node.mapped().loop->RunCallback(node.mapped().fn);
  return true;
}

bool SimWorld::RunUntil(const std::function<bool()>& done, Duration limit) {
  const TimePoint end = now_ + limit;
  while (!done()) {
    if (!Step(end)) return false;
  }
  return true;
}

void SimWorld::RunFor(Duration duration) {
  const TimePoint end = now_ + duration;
  while (Step(end)) {
  }
  now_ = end;
}

}  // namespace threefs::sim

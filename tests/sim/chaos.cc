// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/chaos.h"

#include <fmt/core.h>

#include <string>
#include <utility>

namespace threefs::sim {

void Chaos::Note(std::string what) {
  if (verbose_) {
    const auto ms = (Loop::Current()->Now().time_since_epoch() - 1'000'000s) / 1ms;
    fmt::print("  {} ms chaos: {}\n", ms, what);
  }
  ++counts_["chaos: " + what.substr(0, what.find(' '))];
}

uint32_t Chaos::RandomIp() {
  const uint64_t i = rng_.Below(cluster_->processes() + client_ips_.size());
  return i < cluster_->processes() ? cluster_->ip(i) : client_ips_[i - cluster_->processes()];
}

Task<void> Chaos::Run(Event* stop) {
  stop_ = stop;
  while (!stop->is_set()) {
    co_await stop->WaitUntil(Loop::Current()->Now() + Upto(1500ms));
    if (!stop->is_set()) co_await Harm();
  }
}

void Chaos::BadLinks() {
  LinkOptions links;
  links.latency = 50us + Upto(2ms);
  links.jitter = 1us + Upto(5ms);
  // A stall is shorter than a try of any call (meta 5 s, storage less but with exactly-once
  // channels): what was lost comes before its try is given up, as TCP's retransmission mostly does.
  links.stall = 1500ms;
  if (rng_.Below(2) == 0) links.lose = 0.02 * rng_.Unit();
  if (rng_.Below(2) == 0) links.reset = 0.01 * rng_.Unit();
  if (rng_.Below(2) == 0) links.delay = 0.1 * rng_.Unit();
  if (rng_.Below(2) == 0) links.refuse = 0.3 * rng_.Unit();
  network_->SetLinks(links);
  Note(fmt::format("links lose {:.3f} reset {:.3f} delay {:.3f} refuse {:.3f}", links.lose,
                   links.reset, links.delay, links.refuse));
}

Task<void> Chaos::Harm() {
  const uint64_t dice = rng_.Below(100);
  if (dice < 25) {
    BadLinks();
  } else if (dice < 35) {
    network_->SetLinks({});
  } else if (dice < 50) {
    const uint32_t a = RandomIp();
    const uint32_t b = RandomIp();
    if (a != b) running_.Start(PartitionFor(a, b, 100ms + Upto(rng_.Below(4) == 0 ? 12s : 2s)));
  } else if (dice < 65) {
    running_.Start(CrashFor(RandomStorage(), 50ms + Upto(rng_.Below(2) == 0 ? 15s : 3s)));
  } else if (dice < 72) {
    running_.Start(SilenceFor(RandomStorage(), 100ms + Upto(10s)));
  } else if (dice < 78) {
    running_.Start(CrashFor(1, 50ms + Upto(4s)));
  } else if (dice < 83) {
    running_.Start(CrashFor(0, 50ms + Upto(4s)));
  } else if (dice < 90) {
    const uint32_t chain = cluster_->chain_id(static_cast<uint32_t>(rng_.Below(6)));
    Note(fmt::format("bump {}", chain));
    co_await cluster_->BumpChain(chain);
  } else if (dice < 96) {
    running_.Start(SlowFor(RandomStorage(), Upto(600ms), Upto(4s)));
  } else if (auto* faults = cluster_->faults(RandomStorage())) {
    Note("corrupt one read");
    faults->corrupt_reads = 1;
  }
}

Task<void> Chaos::CrashFor(size_t process, Duration time) {
  if (!cluster_->up(process) || network_->dead(cluster_->ip(process))) co_return;
  Note(fmt::format("crash process {} for {} ms", process, time.count() / 1'000'000));
  cluster_->Crash(process);
  co_await stop_->WaitUntil(Loop::Current()->Now() + time);
  Status s = co_await cluster_->Start(process);
  if (!s.ok()) failed_ = s.WithContext(fmt::format("process {} does not start again", process));
}

Task<void> Chaos::SilenceFor(size_t process, Duration time) {
  const uint32_t ip = cluster_->ip(process);
  if (!cluster_->up(process) || network_->dead(ip)) co_return;
  Note(fmt::format("silence process {} for {} ms", process, time.count() / 1'000'000));
  network_->Kill(ip, SimNetwork::Death::kHost);
  co_await stop_->WaitUntil(Loop::Current()->Now() + time);
  network_->Revive(ip);
}

Task<void> Chaos::PartitionFor(uint32_t a, uint32_t b, Duration time) {
  Note(fmt::format("partition {} {} for {} ms", a >> 24, b >> 24, time.count() / 1'000'000));
  network_->Partition(a, b);
  co_await stop_->WaitUntil(Loop::Current()->Now() + time);
  network_->Heal(a, b);
}

Task<void> Chaos::SlowFor(size_t process, Duration slow, Duration time) {
  if (auto* faults = cluster_->faults(process)) {
    Note(fmt::format("slow process {} by {} ms", process, slow.count() / 1'000'000));
    faults->slow = slow;
  }
  co_await stop_->WaitUntil(Loop::Current()->Now() + time);
  if (auto* faults = cluster_->faults(process)) faults->slow = Duration(0);
}

Task<Status> Chaos::Calm() {
  co_await running_.Join();
  CO_TRY(std::exchange(failed_, Status()));
  network_->SetLinks({});
  network_->HealAll();
  for (size_t p = 0; p < cluster_->processes(); ++p) {
    if (auto* faults = cluster_->faults(p)) *faults = {};
  }
  const TimePoint end = Loop::Current()->Now() + 180s;
  co_await SleepFor(10s);  // late frames, heartbeats, client sessions
  while (!cluster_->AllServing()) {
    if (Loop::Current()->Now() >= end) {
      co_return Status(Code::kFoundBug, "chains do not recover: " + cluster_->Describe());
    }
    co_await SleepFor(500ms);
  }
  co_return Status();
}

}  // namespace threefs::sim

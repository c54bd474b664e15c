// SPDX-License-Identifier: Apache-2.0
// A Host for tests: keeps what was asked, lets the test decide what children do. No privileges
// needed. One thread.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "client/base/clock.h"
#include "csi/keeper/host.h"
#include "proto/channel/channel.h"

namespace threefs::keeper {

class ManualClock final : public Clock {
 public:
  [[nodiscard]] TimePoint Now() const override { return now_; }
  [[nodiscard]] int64_t WallMicros() const override { return now_.time_since_epoch() / 1us; }
  void Advance(Duration d) { now_ += d; }

 private:
  TimePoint now_{1000s};
};

class FakeHost final : public Host {
 public:
  Result<uint32_t> Guard(const std::string& path) override {
    if (!fail_guard.ok()) return fail_guard;
    guarded.insert(path);
    return 0755U;
  }
  Status Unguard(const std::string& path, uint32_t mode) override {
    guarded.erase(path);
    unguarded_mode = mode;
    return {};
  }
  Result<MountFds> Mount(const MountPlan& plan) override {
    if (!fail_mount.ok()) return fail_mount;
    plans.push_back(plan);
    mounted.insert(plan.path);
    MountFds fds;
    fds.fuse = AnyFd();
    for (uint32_t i = 1; i < plan.loops; ++i) fds.clones.push_back(AnyFd());
    fds.state = AnyFd();
    return fds;
  }
  bool IsMounted(const std::string& path) override { return mounted.count(path) != 0; }
  bool Connected(const MountFds& fds) override { return fds.fuse.valid() && connected; }
  Result<Child> StartUnmount(const std::string& path) override {
    Child child = NewChild();
    unmounts[child.pid] = path;
    last_unmount = child.pid;
    return child;
  }
  Result<Child> Spawn(SpawnPlan plan) override {
    if (!fail_spawn.ok()) return fail_spawn;
    Child child = NewChild();
    last_mounter = child.pid;
    ++spawned;
    arguments = plan.arguments;
    mounter_end = control::Channel(std::move(plan.control));
    return child;
  }
  void Kill(const Child& child, int signal) override {
    signals.emplace_back(child.pid, signal);
    if (signal == 9) ends[child.pid] = "signal 9 (Killed)";
  }
  std::string Reap(const Child& child) override {
    const auto it = ends.find(child.pid);
    return it == ends.end() ? "" : it->second;
  }
  Result<std::pair<Child, MountFds>> Adopt(pid_t pid, uint64_t /*start_time*/) override {
    if (adoptable != pid) return Status(Code::kQueueEmpty, "gone");
    Child child = NewChild();
    child.pid = pid;
    MountFds fds;
    fds.fuse = AnyFd();
    fds.state = AnyFd();
    return std::pair(std::move(child), std::move(fds));
  }

  /// The unmount child that runs has finished.
  void FinishUnmount(const std::string& how = "exit code 0") {
    if (how == "exit code 0") mounted.erase(unmounts[last_unmount]);
    ends[last_unmount] = how;
  }

  Status fail_guard, fail_mount, fail_spawn;
  bool connected = true;
  pid_t adoptable = 0;
  std::set<std::string> guarded, mounted;
  uint32_t unguarded_mode = 0;
  std::vector<MountPlan> plans;
  std::map<pid_t, std::string> unmounts, ends;
  std::vector<std::pair<pid_t, int>> signals;
  std::vector<std::string> arguments;
  pid_t last_unmount = 0, last_mounter = 0;
  int spawned = 0;
  control::Channel mounter_end;  ///< the test plays the newest mounter on it

 private:
  static UniqueFd AnyFd() { return UniqueFd(::dup(0)); }
  Child NewChild() {
    Child child;
    child.pid = ++next_pid_;
    child.start_time = 7;
    return child;
  }
  pid_t next_pid_ = 100;
};

}  // namespace threefs::keeper

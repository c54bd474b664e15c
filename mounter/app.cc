// SPDX-License-Identifier: Apache-2.0
#include "mounter/app.h"

#include <fmt/core.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "client/base/log.h"
#include "client/base/rng.h"
#include "client/base/uuid.h"
#include "client/net/transport.h"
#include "client/runtime/loop.h"
#include "mounter/control/supervisor.h"
#include "mounter/fs/null_fs.h"
#include "mounter/fs/volume.h"
#include "mounter/fuse/device.h"
#include "mounter/fuse/server.h"
#include "mounter/handover/state.h"
#include "mounter/metrics/counters.h"
#include "proto/channel/channel.h"
#include "proto/mounter/control.pb.h"

namespace threefs::mounter_app {
namespace {

using control::Supervisor;
using fuse::OwnedFd;

constexpr int kStartTimeoutMs = 30'000;
constexpr Duration kDrain = 10s;

class DirtyLogInState final : public fs::DirtyLog {
 public:
  explicit DirtyLogInState(handover::State* state) : state_(*state) {}
  bool Mark(uint64_t inode) override { return state_.MarkDirty(inode); }
  void Clear(uint64_t inode) override { state_.ClearDirty(inode); }

 private:
  handover::State& state_;
};

/// What one mount consists of, however its descriptors came to be.
struct Mount {
  config::MountConfig config;
  Uuid mount_id;
  bool successor = false;
  std::unique_ptr<handover::State> state;
  OwnedFd state_fd;
  std::vector<OwnedFd> devices;

  metrics::Counters counters;
  std::vector<std::unique_ptr<LoopThread>> threads;
  std::unique_ptr<BlockingPool> blocking;
  std::unique_ptr<net::Network> network;
  std::unique_ptr<DirtyLogInState> dirty;
  std::unique_ptr<fs::NullFs> null_fs;
  std::unique_ptr<fs::Volume> volume;
  std::unique_ptr<fuse::Server> server;
};

uint32_t LoopsOf(const config::MountConfig& config) {
  if (config.loops != 0) return config.loops;
  return static_cast<uint32_t>(std::clamp(get_nprocs(), 1, 4));
}

void PrepareProcess() {
  // A loop allocates on its own thread; more arenas than that only hold free memory.
  mallopt(M_ARENA_MAX, 2);
  mallopt(M_TRIM_THRESHOLD, 1 << 20);
  prctl(PR_SET_DUMPABLE, 0);  // the token is in memory: no core dump, no ptrace by the same user
  if (chdir("/") != 0)
    LOG_WARN("cannot leave the start directory");  // never hold a file of the mount itself
}

std::vector<Loop*> StartLoops(Mount* m, size_t count) {
  std::vector<Loop*> loops;
  for (size_t i = 0; i < count; ++i) {
    m->threads.push_back(LoopThread::Start(fmt::format("loop{}", i).c_str()));
    loops.push_back(&m->threads.back()->loop());
  }
  m->blocking = BlockingPool::Create(1, "blocking");
  return loops;
}

Result<fs::FileSystem> OpenBackend(Mount* m, const std::vector<Loop*>& loops) {
  if (m->config.backend == config::Backend::kNull) {
    m->null_fs = std::make_unique<fs::NullFs>(m->config);
    return m->null_fs->sides();
  }
  m->network = net::MakeTcpNetwork();
  m->dirty = std::make_unique<DirtyLogInState>(m->state.get());
  fs::VolumeOptions o;
  o.config = m->config;
  o.loops = loops;
  o.network = m->network.get();
  o.blocking = m->blocking.get();
  o.mount_id = m->mount_id;
  o.client_start = m->state->ClientStart(loops[0]->WallMicros());
  o.dirty = m->dirty.get();
  o.left_dirty = m->state->DirtyFiles();
  TRY(m->volume, fs::Volume::Open(std::move(o)));
  return m->volume->sides();
}

Status Serve(Mount* m, Supervisor* supervisor, fs::FileSystem fs, const std::vector<Loop*>& loops) {
  fuse::ServerOptions o;
  o.loops = loops;
  for (const OwnedFd& fd : m->devices) o.fds.push_back(fd.get());
  o.counters = &m->counters;
  o.blocking = m->blocking.get();
  o.io_timeout = m->config.io_timeout;
  o.max_background = m->config.max_background;
  TRY(o.recorded_init, m->state->init_request());
  o.save_init = [m](const std::vector<uint8_t>& init) {
    const Status saved = m->state->SaveInit(init);
    if (!saved.ok()) LOG_ERROR("{}", saved.message());
  };
  o.on_ready = [supervisor] { supervisor->NotifyReady(); };
  o.on_gone = [supervisor] { supervisor->NotifyGone(); };
  m->server = fuse::Server::Create(fs, std::move(o));
  if (m->volume != nullptr) m->volume->SetKernelCache(m->server.get());
  m->server->Start();
  return {};
}

// What is not done by then is left as a crash would leave it: the kernel resends or fails it.
void LeaveAfter(Mount* m, Duration patience) {
  if (m->threads.empty()) return;
  Loop* loop = &m->threads[0]->loop();
  loop->Post([loop, patience] {
    loop->At(loop->Now() + patience, [] {
      LOG_WARN("some operations did not end in time");
      std::fflush(nullptr);
      _exit(0);
    });
  });
}

// Ends the process. Timers and notifications that still refer to the server or the volume never
// run: the loops are left as they are rather than taken apart under them.
[[noreturn]] void Shutdown(Mount* m, Duration patience, int exit_code) {
  LeaveAfter(m, patience);
  const bool clean = m->server == nullptr || m->server->Stop(patience);
  if (clean && m->volume != nullptr) m->volume->Close();
  std::fflush(nullptr);
  _exit(exit_code);
}

int Fail(const Status& status) {
  std::fprintf(stderr, "threefs-mounter: %s\n", status.message().c_str());
  return 1;
}

}  // namespace

int RunAlone(config::MountConfig config) {
  PrepareProcess();
  InitLog("mounter", config.log_level);
  Supervisor supervisor;
  Mount m;
  m.config = std::move(config);
  Rng rng = Rng::FromKernel();
  m.mount_id = Uuid::Random(rng);
  m.state = handover::State::InMemory();
  const auto loops = StartLoops(&m, LoopsOf(m.config));
  // Connect first: a mount nobody can answer for is worse than none.
  const auto fs = OpenBackend(&m, loops);
  if (!fs.ok()) return Fail(fs.status());
  auto device = fuse::OpenDevice();
  if (!device.ok()) Shutdown(&m, kDrain, Fail(device.status()));
  const fuse::MountArgs args{.mountpoint = m.config.mountpoint,
                             .cluster_id = m.config.cluster_id,
                             .read_only = m.config.read_only,
                             .allow_other = m.config.allow_other,
                             .default_permissions = m.config.identity == config::Identity::kCaller};
  const Status mounted = fuse::Mount(device->get(), args);
  if (!mounted.ok()) Shutdown(&m, kDrain, Fail(mounted));
  m.devices.push_back(*std::move(device));
  Status status;
  while (status.ok() && m.devices.size() < loops.size()) {
    auto clone = fuse::CloneDevice(m.devices[0].get());
    if (clone.ok()) {
      m.devices.push_back(*std::move(clone));
    } else {
      status = clone.status();
    }
  }
  if (status.ok()) status = Serve(&m, &supervisor, *fs, loops);
  auto event = Supervisor::Event::kTimeout;
  if (status.ok()) {
    do {
      event = supervisor.Wait(nullptr, m.counters, -1);
      if (event == Supervisor::Event::kReady) LOG_INFO("mounted on {}", m.config.mountpoint);
    } while (event == Supervisor::Event::kReady);
  }
  if (event != Supervisor::Event::kGone) {
    const Status unmounted = fuse::Unmount(m.config.mountpoint);
    if (!unmounted.ok()) LOG_ERROR("{}", unmounted.message());
    // Busy mounts end with their last user; those get a moment.
    if (status.ok() && event == Supervisor::Event::kSignal)
      supervisor.Wait(nullptr, m.counters, 3000);
  }
  Shutdown(&m, kDrain, status.ok() ? 0 : Fail(status));
}

namespace {

threefs::mounter::FailureKind KindOf(const Status& status) {
  switch (status.code()) {
    case Code::kInvalidConfig:
    case Code::kInvalidArg:
      return threefs::mounter::FAILURE_BAD_SPEC;
    case Code::kAuthenticationFail:
    case Code::kMetaNoPermission:
      return threefs::mounter::FAILURE_BAD_TOKEN;
    case Code::kMgmtdClusterIdMismatch:
      return threefs::mounter::FAILURE_WRONG_CLUSTER;
    case Code::kMetaNotFound:
    case Code::kMetaNotDirectory:
      return threefs::mounter::FAILURE_NO_SUCH_PATH;
    case Code::kOSError:
      return threefs::mounter::FAILURE_SYSTEM;
    default:
      return threefs::mounter::FAILURE_UNREACHABLE;
  }
}

int FailToKeeper(const control::Channel& channel, const Status& status) {
  LOG_ERROR("{}", status.ToString());
  threefs::mounter::FromMounter message;
  message.mutable_failed()->set_kind(KindOf(status));
  message.mutable_failed()->set_sentence(status.message());
  const Status sent = channel.Send(message);
  if (!sent.ok()) LOG_ERROR("{}", sent.message());
  return 1;
}

Status SetUnlessEmpty(config::MountConfig* config, std::string_view name,
                      const std::string& value) {
  return value.empty() ? Status() : config::SetOption(config, name, value);
}

Result<config::MountConfig> ConfigOf(const threefs::mounter::Start& start) {
  const threefs::mounter::MountSpec& spec = start.spec();
  config::MountConfig c;
  if (!spec.config_file().empty()) TRY(config::ParseYaml(spec.config_file(), "configFile", &c));
  c.cluster_id = spec.cluster_id();
  if (spec.mgmtd_addresses_size() > 0) {
    TRY(config::SetListOption(&c, "mgmtd_addresses",
                              {spec.mgmtd_addresses().begin(), spec.mgmtd_addresses().end()}));
  }
  TRY(SetUnlessEmpty(&c, "path", spec.path()));
  TRY(SetUnlessEmpty(&c, "transport", spec.transport()));
  TRY(SetUnlessEmpty(&c, "consistency", spec.consistency()));
  TRY(SetUnlessEmpty(&c, "identity", spec.identity()));
  if (spec.read_only()) c.read_only = true;
  if (spec.io_timeout_ms() != 0) c.io_timeout = std::chrono::milliseconds(spec.io_timeout_ms());
  for (const auto& [key, value] : spec.options()) TRY(config::SetOption(&c, key, value));
  c.token = start.token();
  c.mountpoint = spec.mount_path();
  TRY(config::Resolve(&c));
  return c;
}

Status TakeStart(const control::Channel& channel, Mount* m) {
  threefs::mounter::ToMounter message;
  std::vector<control::UniqueFd> fds;
  if (!channel.WaitReadable(std::chrono::milliseconds(kStartTimeoutMs))) {
    return {Code::kInvalidFormat, "the keeper sent no Start"};
  }
  TRY(const control::Received received, channel.Receive(&message, &fds));
  if (received != control::Received::kMessage || !message.has_start()) {
    return {
        Code::kInvalidFormat,
        "the keeper's first message is not Start; keeper and mounter are of different releases"};
  }
  threefs::mounter::Start& start = *message.mutable_start();
  if (fds.size() != start.clones() + 2ULL) {
    return {Code::kInvalidFormat, fmt::format("the keeper gave {} descriptors where Start names {}",
                                              fds.size(), start.clones() + 2)};
  }
  if (start.mount_uuid().size() != m->mount_id.bytes.size()) {
    return {Code::kInvalidFormat, "the keeper gave no mount id of 16 bytes"};
  }
  TRY(m->config, ConfigOf(start));
  std::memcpy(m->mount_id.bytes.data(), start.mount_uuid().data(), m->mount_id.bytes.size());
  m->successor = start.successor();
  TRY(m->state, handover::State::Map(fds.back().get()));
  // Kept open though mapped: a keeper started anew takes it back from this process.
  m->state_fd = OwnedFd(fds.back().Release());
  fds.pop_back();
  for (control::UniqueFd& fd : fds) m->devices.emplace_back(fd.Release());
  if (!start.log_level().empty() && !ParseLogLevel(start.log_level(), &m->config.log_level)) {
    LOG_WARN("log level \"{}\" is none of debug, info, warn, error, off", start.log_level());
  }
  std::string* token = start.mutable_token();
  explicit_bzero(token->data(), token->size());
  return {};
}

}  // namespace

int RunUnderKeeper(int control_fd, LogLevel level) {
  PrepareProcess();
  InitLog("mounter", level);
  Supervisor supervisor;
  Mount m;
  control::Channel channel{control::UniqueFd(control_fd)};
  const Status taken = TakeStart(channel, &m);
  if (!taken.ok()) return FailToKeeper(channel, taken);
  InitLog("mounter", m.config.log_level);
  const auto loops = StartLoops(&m, m.devices.size());
  const auto fs = OpenBackend(&m, loops);
  if (!fs.ok()) return FailToKeeper(channel, fs.status());
  const Status served = Serve(&m, &supervisor, *fs, loops);
  if (!served.ok()) Shutdown(&m, kDrain, FailToKeeper(channel, served));
  auto event = supervisor.Wait(&channel, m.counters, kStartTimeoutMs);
  if (event == Supervisor::Event::kTimeout) {
    const Status late(Code::kOSError, "the kernel did not send INIT; is the descriptor mounted?");
    Shutdown(&m, kDrain, FailToKeeper(channel, late));
  }
  if (event == Supervisor::Event::kReady) {
    threefs::mounter::FromMounter ready;
    ready.mutable_ready()->set_version("0.1.0");
    const Status sent = channel.Send(ready);
    if (!sent.ok()) LOG_WARN("{}", sent.message());
    event = supervisor.Wait(&channel, m.counters, -1);
  }
  const uint32_t patience = supervisor.stop_timeout_ms();
  // Some of it is left for the way out: the keeper kills what is still there at its end.
  Shutdown(&m, patience == 0 ? kDrain : Duration(std::chrono::milliseconds(patience)) * 4 / 5, 0);
}

}  // namespace threefs::mounter_app

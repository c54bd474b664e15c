// SPDX-License-Identifier: Apache-2.0
// threefs-keeper: parent of all mounters of a node. SIGTERM and SIGINT unmount everything,
// flushing, and end it; a second one ends it at once and leaves mounts and mounters to the next
// keeper.
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "client/base/clock.h"
#include "client/base/log.h"
#include "client/base/status.h"
#include "csi/keeper/host.h"
#include "csi/keeper/journal.h"
#include "csi/keeper/keeper.h"
#include "proto/channel/channel.h"

namespace threefs::keeper {
namespace {

using control::Listener;
using control::UniqueFd;

class SystemClock final : public Clock {
 public:
  [[nodiscard]] TimePoint Now() const override { return std::chrono::steady_clock::now(); }
  [[nodiscard]] int64_t WallMicros() const override {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
};

struct Flags {
  std::string socket = "/run/threefs/keeper.sock";
  std::string state_dir = "/var/lib/threefs/keeper";
  std::string mounter;
  std::string log_level = "info";
  uint32_t mounter_uid = ::geteuid();
  uint32_t mounter_gid = ::getegid();
  uint32_t loops = 0;
  uint32_t ready_timeout = 30;
  uint32_t flush_timeout = 20;
};

/// The mounter beside this program, unless told otherwise.
std::string DefaultMounter() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return (self.parent_path() / "threefs-mounter").string();
}

/// No core dump and no debugger may see a token; a node's worth of descriptors may be held.
void Harden() {
  const rlimit no_core{.rlim_cur = 0, .rlim_max = 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
}

/// One keeper a state directory.
Result<UniqueFd> Lock(const std::string& directory) {
  UniqueFd fd(::open((directory + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.valid() || ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    return Status(Code::kOSError,
                  fmt::format("state directory '{}' is used by another keeper", directory));
  }
  return fd;
}

Result<UniqueFd> BlockSignals() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGTERM);
  ::sigaddset(&set, SIGINT);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  UniqueFd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return Status(Code::kOSError, "signalfd");
  return fd;
}

Status Run(const Flags& flags) {
  Harden();
  TRY(const UniqueFd signals, BlockSignals());
  TRY(Journal journal, Journal::Open(flags.state_dir));
  TRY(const UniqueFd lock, Lock(flags.state_dir));
  TRY(Listener listener, Listener::Bind(flags.socket));
  Keeper::Options options;
  options.volume.mounter_program = flags.mounter.empty() ? DefaultMounter() : flags.mounter;
  options.volume.log_level = flags.log_level;
  options.volume.uid = flags.mounter_uid;
  options.volume.gid = flags.mounter_gid;
  options.volume.ready_timeout = std::chrono::seconds(flags.ready_timeout);
  options.volume.flush_timeout = std::chrono::seconds(flags.flush_timeout);
  options.loops = flags.loops;
  const std::unique_ptr<Host> host = MakeLinuxHost();
  const SystemClock clock;
  Keeper keeper(host.get(), &clock, std::move(journal), std::move(listener), std::move(options));
  keeper.Recover();
  LOG_INFO("listening on '{}', mounts to take care of: {}", flags.socket, keeper.volumes());
  bool stopping = false;
  while (!stopping || keeper.volumes() > 0) {
    keeper.RunOnce(1h, signals.get());
    signalfd_siginfo info{};
    if (::read(signals.get(), &info, sizeof(info)) != sizeof(info)) continue;
    if (stopping) return {Code::kInterrupted, "stopped at once, mounts are left as they are"};
    LOG_INFO("signal {}: unmounting {} volumes", info.ssi_signo, keeper.volumes());
    stopping = true;
    keeper.BeginShutdown();
  }
  return {};
}

}  // namespace
}  // namespace threefs::keeper

int main(int argc, char** argv) {
  threefs::keeper::Flags flags;
  CLI::App app(
      "threefs-keeper: keeps the FUSE mounts of this node alive and their mounters running");
  app.add_option("--socket", flags.socket, "unix socket for threefs-csi and threefsctl")
      ->capture_default_str();
  app.add_option("--state-dir", flags.state_dir, "where mounts are remembered for the next keeper")
      ->capture_default_str();
  app.add_option("--mounter", flags.mounter, "the mounter program (default: beside this one)");
  app.add_option("--mounter-uid", flags.mounter_uid,
                 "run mounters as this user (default: the same)");
  app.add_option("--mounter-gid", flags.mounter_gid,
                 "run mounters as this group (default: the same)");
  app.add_option("--loops", flags.loops, "event loops a mounter; 0 = min(processors, 4)");
  app.add_option("--ready-timeout", flags.ready_timeout, "seconds a mounter may take to get ready")
      ->capture_default_str();
  app.add_option("--flush-timeout", flags.flush_timeout, "seconds a stopping mounter may flush")
      ->capture_default_str();
  app.add_option("--log-level", flags.log_level, "debug, info, warn, error or off")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  threefs::LogLevel level{};
  if (!threefs::ParseLogLevel(flags.log_level, &level)) {
    fmt::print(stderr, "--log-level must be debug, info, warn, error or off\n");
    return 2;
  }
  threefs::InitLog("keeper", level);
  const threefs::Status status = threefs::keeper::Run(flags);
  if (status.ok()) return 0;
  LOG_ERROR("{}", status.message());
  return 1;
}

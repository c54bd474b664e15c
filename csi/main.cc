// SPDX-License-Identifier: Apache-2.0
// threefs-csi: the CSI services of this driver on a unix socket. SIGTERM and SIGINT let running
// calls end, then end it; mounts and mounters are the keeper's and stay.
#include <fmt/core.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "client/base/log.h"
#include "client/base/status.h"
#include "csi/cluster_book.h"
#include "csi/controller_service.h"
#include "csi/identity_service.h"
#include "csi/keeper_client.h"
#include "csi/mount_ops.h"
#include "csi/node_service.h"
#include "csi/volume_ctl.h"
#include "csi/volume_store.h"

namespace threefs::csi {
namespace {

constexpr const char* kVersion = "0.1.0";
/// A call holds a thread while it waits for the keeper; more callers than this wait in gRPC.
constexpr int kMostThreads = 64;
constexpr std::chrono::seconds kDrain{10};

struct Flags {
  std::string endpoint = "unix:///run/threefs/csi.sock";
  std::string mode = "all";
  std::string node_id;
  std::string keeper_socket = "/run/threefs/keeper.sock";
  std::string state_dir = "/var/lib/threefs/csi";
  std::string threefsctl;
  std::string clusters;
  std::string log_level = "info";
  int64_t max_volumes = 0;
  uint32_t mount_timeout = 30;
  uint32_t ctl_timeout = 60;
};

std::string Beside(const char* name) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return (self.parent_path() / name).string();
}

void Harden() {
  const rlimit no_core{.rlim_cur = 0, .rlim_max = 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/// A stale socket of a dead process is in the way; a living one answers and is left alone.
Status ClearSocket(const std::string& endpoint) {
  constexpr std::string_view kPrefix = "unix://";
  if (!endpoint.starts_with(kPrefix) || endpoint.size() <= kPrefix.size() ||
      endpoint[kPrefix.size()] != '/') {
    return {Code::kInvalidArg, "--endpoint must be unix:///absolute/path"};
  }
  const std::string path = endpoint.substr(kPrefix.size());
  auto channel = grpc::CreateChannel(endpoint, grpc::InsecureChannelCredentials());
  struct stat st{};
  if (::lstat(path.c_str(), &st) != 0) return {};
  if (channel->WaitForConnected(std::chrono::system_clock::now() +
                                std::chrono::milliseconds(200))) {
    return {Code::kInvalidArg, fmt::format("another process serves '{}': stop it first", path)};
  }
  ::unlink(path.c_str());
  return {};
}

Status Run(const Flags& flags) {
  Harden();
  const bool node = flags.mode != "controller";
  const bool controller = flags.mode != "node";
  TRY(ClearSocket(flags.endpoint));
  TRY(VolumeStore store, VolumeStore::Open(flags.state_dir));
  TRY(ClusterBook book, ClusterBook::Open(flags.clusters, flags.state_dir));
  const auto keeper =
      MakeKeeperClient(flags.keeper_socket, std::chrono::seconds(flags.mount_timeout));
  const auto mounts = MakeLinuxMountOps();
  const auto ctl =
      MakeThreefsctl(flags.threefsctl.empty() ? Beside("threefsctl") : flags.threefsctl,
                     std::chrono::seconds(flags.ctl_timeout));
  IdentityService identity(kVersion, controller);
  NodeService node_service(keeper.get(), mounts.get(), &store,
                           {.node_id = flags.node_id, .max_volumes = flags.max_volumes});
  ControllerService controller_service(ctl.get(), &book);
  if (node) node_service.Reconcile();

  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTERM);
  ::sigaddset(&signals, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before gRPC's threads: they inherit it
  grpc::ServerBuilder builder;
  builder.SetResourceQuota(grpc::ResourceQuota("csi").SetMaxThreads(kMostThreads));
  builder.AddListeningPort(flags.endpoint, grpc::InsecureServerCredentials());
  builder.RegisterService(&identity);
  if (node) builder.RegisterService(&node_service);
  if (controller) builder.RegisterService(&controller_service);
  const mode_t old = ::umask(0177);  // the socket is root's alone
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  ::umask(old);
  if (server == nullptr) {
    return {Code::kOSError, fmt::format("cannot listen on '{}'", flags.endpoint)};
  }
  LOG_INFO("serving {} on {}", flags.mode, flags.endpoint);
  int signal = 0;
  ::sigwait(&signals, &signal);
  LOG_INFO("signal {}: ending", signal);
  server->Shutdown(std::chrono::system_clock::now() + kDrain);
  return {};
}

}  // namespace
}  // namespace threefs::csi

int main(int argc, char** argv) {
  threefs::csi::Flags flags;
  CLI::App app("threefs-csi: the CSI services of the 3FS driver");
  app.add_option("--endpoint", flags.endpoint, "unix:///path of the CSI socket")
      ->capture_default_str();
  app.add_option("--mode", flags.mode, "node, controller or all")
      ->check(CLI::IsMember({"node", "controller", "all"}))
      ->capture_default_str();
  app.add_option("--node-id", flags.node_id, "this node's name in the orchestrator");
  app.add_option("--keeper-socket", flags.keeper_socket, "socket of threefs-keeper")
      ->capture_default_str();
  app.add_option("--state-dir", flags.state_dir, "where volumes of this node are remembered")
      ->capture_default_str();
  app.add_option("--threefsctl", flags.threefsctl, "the threefsctl program (default: beside this)");
  app.add_option("--clusters", flags.clusters, "JSON file of known clusters (controller)");
  app.add_option("--max-volumes", flags.max_volumes, "volumes this node takes; 0 = no limit");
  app.add_option("--mount-timeout", flags.mount_timeout, "seconds a mount may take")
      ->capture_default_str();
  app.add_option("--ctl-timeout", flags.ctl_timeout, "seconds a threefsctl run may take")
      ->capture_default_str();
  app.add_option("--log-level", flags.log_level, "debug, info, warn, error or off")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  threefs::LogLevel level{};
  if (!threefs::ParseLogLevel(flags.log_level, &level)) {
    fmt::print(stderr, "--log-level must be debug, info, warn, error or off\n");
    return 2;
  }
  if (flags.mode != "controller" && flags.node_id.empty()) {
    fmt::print(stderr, "--node-id is missing: give this node's name\n");
    return 2;
  }
  threefs::InitLog("csi", level);
  const threefs::Status status = threefs::csi::Run(flags);
  if (status.ok()) return 0;
  LOG_ERROR("{}", status.message());
  return 1;
}

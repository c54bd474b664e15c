// SPDX-License-Identifier: Apache-2.0
// threefs-standalone: a whole 3FS cluster in one process, for a laptop, CI and first contact.
// README.md tells the flags.
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include <fcntl.h>
#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "client/base/log.h"
#include "client/net/transport.h"
#include "client/runtime/loop.h"
#include "client/runtime/sync_wait.h"
#include "client/standalone/cluster.h"
#include "client/standalone/control_socket.h"
#include "client/standalone/fault_command.h"
#include "client/standalone/mgmtd_record.h"

namespace threefs::standalone {
namespace {

struct Flags {
  std::string data;
  std::string cluster_id = "standalone";
  std::string listen = "127.0.0.1:0";
  std::vector<std::string> roles;
  std::vector<std::string> mgmtd;
  std::string token_file;
  bool no_auth = false;
  std::string chunk_size = "1M";
  std::string sync = "fsync";
  std::string ready_file;
  std::vector<std::string> faults;
  std::string log_level = "info";
  std::string capacity = "0";
  int loops = 0;
};

void AddFlags(CLI::App* app, Flags* f, ClusterOptions* o) {
  app->add_option("--data", f->data, "folder of everything the cluster keeps")->required();
  app->add_option("--cluster-id", f->cluster_id, "1 to 31 characters");
  app->add_option("--listen", f->listen, "IP:PORT of the first node; port 0 picks free ones once");
  app->add_option("--nodes", o->nodes, "storage nodes");
  app->add_option("--targets", o->targets, "storage targets a node");
  app->add_option("--replicas", o->replicas, "copies of each chunk");
  app->add_option("--roles", f->roles, "mgmtd, meta, storage:all or storage:N; default all")
      ->delimiter(',');
  app->add_option("--mgmtd", f->mgmtd, "address of mgmtd when it runs in another process");
  app->add_option("--token-file", f->token_file, "also write root's token here (mode 0600)");
  app->add_flag("--no-auth", f->no_auth, "believe every user id, check no tokens");
  app->add_option("--chunk-size", f->chunk_size, "of new files, e.g. 512K");
  app->add_option("--stripe", o->stripe, "chains a file is spread over; 0 = all");
  app->add_option("--capacity", f->capacity, "bytes a target may hold, e.g. 10G; 0 = the disk's");
  app->add_option("--sync", f->sync, "when data must survive loss of power: always, fsync, never");
  app->add_option("--ready-file", f->ready_file, "JSON written once everything serves");
  app->add_option("--fault", f->faults, "fault command at start, repeatable");
  app->add_option("--loops", f->loops, "event loops; 0 = one a core, at most 4");
  app->add_option("--log-level", f->log_level, "debug, info, warn, error or off");
}

Result<uint64_t> ParseSize(const std::string& text) {
  size_t used = 0;
  uint64_t value = 0;
  while (used < text.size() && text[used] >= '0' && text[used] <= '9' && value < (1ULL << 50)) {
    value = value * 10 + static_cast<uint64_t>(text[used++] - '0');
  }
  const std::string unit = text.substr(used);
  const uint64_t factor = unit.empty()  ? 1
                          : unit == "K" ? 1ULL << 10
                          : unit == "M" ? 1ULL << 20
                          : unit == "G" ? 1ULL << 30
                                        : 0;
  if (used == 0 || factor == 0)
    return Status(Code::kInvalidArg, "a size looks like 512K, 1M or 10G");
  return value * factor;
}

Status ParseRoles(const std::vector<std::string>& roles, ClusterRoles* out) {
  if (roles.empty()) return {};
  *out = {.mgmtd = false, .meta = false, .all_storage = false, .storage = {}};
  for (const std::string& role : roles) {
    if (role == "mgmtd") {
      out->mgmtd = true;
    } else if (role == "meta") {
      out->meta = true;
    } else if (role == "storage" || role == "storage:all") {
      out->all_storage = true;
    } else if (role.starts_with("storage:") && role.size() > 8 &&
               role.find_first_not_of("0123456789", 8) == std::string::npos && role.size() < 12) {
      out->storage.push_back(std::stoi(role.substr(8)));
    } else {
      return Status(Code::kInvalidArg,
                    "roles are mgmtd, meta, storage:all and storage:N, not \"" + role + "\"");
    }
  }
  return {};
}

Status ToOptions(const Flags& f, ClusterOptions* o) {
  o->data = f.data;
  o->cluster_id = f.cluster_id;
  o->authenticate = !f.no_auth;
  // Longer than a busy machine keeps a thread waiting: a node wrongly taken for dead costs a
  // resync.
  o->heartbeat_fail = 10s;
  TRY(ParseRoles(f.roles, &o->roles));
  TRY(o->listen, net::Address::Parse(f.listen));
  for (const std::string& text : f.mgmtd) {
    TRY(const auto address, net::Address::Parse(text));
    o->mgmtd.push_back(address);
  }
  TRY(const uint64_t chunk, ParseSize(f.chunk_size));
  o->chunk_size = static_cast<uint32_t>(std::min<uint64_t>(chunk, UINT32_MAX));
  TRY(o->target_capacity, ParseSize(f.capacity));
  TRY(o->sync, ParseSyncMode(f.sync));
  return {};
}

std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string List(const std::vector<net::Address>& addresses) {
  std::string out = "[";
  for (const net::Address& a : addresses) {
    out += (out.size() > 1 ? "," : "") + Quoted(a.ToString());
  }
  return out + "]";
}

std::string ReadyJson(const StandaloneCluster& cluster, const Flags& f) {
  const ClusterAddresses a = cluster.addresses();
  return fmt::format(
      "{{\"pid\":{},\"clusterId\":{},\"mgmtd\":{},\"meta\":{},\"storage\":{},\"tokenFile\":{},"
      "\"controlSocket\":{}}}\n",
      ::getpid(), Quoted(f.cluster_id), List(a.mgmtd), List(a.meta), List(a.storage),
      Quoted(f.no_auth ? "" : f.data + "/token"), Quoted(f.data + "/control.sock"));
}

// Two processes with the same roles on one folder would destroy it. Split roles take one lock each.
Result<int> LockData(const Flags& f) {
  if (::mkdir(f.data.c_str(), 0700) != 0 && errno != EEXIST) {
    return Status(Code::kIOError, f.data + ": cannot be made: " + ::strerror(errno));
  }
  std::string name = "all";
  if (!f.roles.empty()) {
    name.clear();
    for (const std::string& role : f.roles) name += role + "-";
    std::replace(name.begin(), name.end(), ':', '-');
  }
  const std::string path = f.data + "/lock-" + name;
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return Status(Code::kIOError, path + ": " + ::strerror(errno));
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    ::close(fd);
    return Status(Code::kIOError, f.data +
                                      " is in use by another threefs-standalone: stop it or use "
                                      "another --data");
  }
  return fd;
}

class Program {
 public:
  Program(Flags flags, ClusterOptions options)
      : flags_(std::move(flags)), options_(std::move(options)) {}

  Status Start() {
    const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
    const int loops = flags_.loops > 0 ? flags_.loops : static_cast<int>(std::min(4U, cores));
    for (int i = 0; i < loops; ++i) threads_.push_back(LoopThread::Start("standalone"));
    pool_ = BlockingPool::Create(static_cast<int>(std::max(4U, 2 * cores)), "disk");
    ClusterEnv env;
    for (const auto& thread : threads_) env.loops.push_back(&thread->loop());
    env.pool = pool_.get();
    env.network = [this](uint32_t) -> net::Network& { return *network_; };
    options_.on_shutdown = [](bool graceful) { ::kill(::getpid(), graceful ? SIGTERM : SIGKILL); };
    auto started = SyncWait(control(), [&] { return StandaloneCluster::Start(env, options_); });
    TRY(started);
    cluster_ = *std::move(started);
    for (const std::string& fault : flags_.faults) TRY(RunFault(fault));
    TRY(OpenControl());
    return WriteReady();
  }

  void Stop() {
    // On its loop: the socket's callbacks run there.
    SyncWait(control(), [this] { return CloseControl(this); });
    if (cluster_ != nullptr) SyncWait(control(), [this] { return cluster_->Stop(); });
    for (const auto& thread : threads_) thread->Stop();
    cluster_.reset();
    threads_.clear();
  }

 private:
  Loop& control() { return threads_[0]->loop(); }
  static Task<void> CloseControl(Program* self) {
    self->socket_.reset();
    co_return;
  }
  static Task<Result<std::string>> RunLine(StandaloneCluster* cluster, std::string line) {
    CO_TRY(auto command, ParseFaultCommand(line));
    co_return co_await RunFaultCommand(cluster, std::move(command));
  }
  Status RunFault(const std::string& line) {
    return SyncWait(control(), [&] { return RunLine(cluster_.get(), line); })
        .status()
        .WithContext("--fault " + line);
  }
  static Task<Status> Listen(Program* self) {
    auto socket = ControlSocket::Listen(self->control(), self->flags_.data + "/control.sock",
                                        [cluster = self->cluster_.get()](std::string line) {
                                          return RunLine(cluster, std::move(line));
                                        });
    CO_TRY(socket);
    self->socket_ = *std::move(socket);
    co_return Status();
  }
  Status OpenControl() {
    return SyncWait(control(), [this] { return Listen(this); });
  }
  Status WriteReady() {
    // A split role cannot wait for the others: they may be waiting for it.
    const bool whole = options_.roles.mgmtd && options_.roles.meta && options_.roles.all_storage;
    if (whole && flags_.faults.empty()) {
      const bool ready =
          SyncWait(control(), [this] { return cluster_->Ready(control().Now() + 30s); });
      if (!ready)
        return Status(Code::kRPCTimeout, "the cluster's chains do not come up; see its log");
    }
    if (!flags_.token_file.empty() && !cluster_->root_token().empty()) {
      TRY(ReplaceFile(flags_.token_file, cluster_->root_token() + "\n", 0600));
    }
    const std::string json = ReadyJson(*cluster_, flags_);
    if (flags_.ready_file.empty()) {
      std::fputs(json.c_str(), stdout);
      std::fflush(stdout);
      return {};
    }
    return ReplaceFile(flags_.ready_file, json, 0644);
  }

  const Flags flags_;
  ClusterOptions options_;
  std::unique_ptr<net::Network> network_ = net::MakeTcpNetwork();
  std::unique_ptr<BlockingPool> pool_;
  std::vector<std::unique_ptr<LoopThread>> threads_;
  std::unique_ptr<StandaloneCluster> cluster_;
  std::unique_ptr<ControlSocket> socket_;
};

int Fail(const Status& status) {
  std::fprintf(stderr, "threefs-standalone: %s\n",
               status.message().empty() ? status.ToString().c_str() : status.message().c_str());
  return 1;
}

int Run(int argc, char** argv) {
  Flags flags;
  ClusterOptions options;
  CLI::App app("A whole 3FS cluster (mgmtd, meta, storage) in one process");
  AddFlags(&app, &flags, &options);
  CLI11_PARSE(app, argc, argv);
  LogLevel level = LogLevel::kInfo;
  if (!ParseLogLevel(flags.log_level, &level)) {
    return Fail(Status(Code::kInvalidArg, "--log-level is debug, info, warn, error or off"));
  }
  InitLog("standalone", level);
  if (const Status status = ToOptions(flags, &options); !status.ok()) return Fail(status);
  const auto lock = LockData(flags);
  if (!lock.ok()) return Fail(lock.status());
  // Before any thread exists, so that all of them leave these to us.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  Program program(std::move(flags), std::move(options));
  const Status status = program.Start();
  if (status.ok()) {
    int signal = 0;
    ::sigwait(&signals, &signal);
    LOG_INFO("stopping");
  }
  program.Stop();
  return status.ok() ? 0 : Fail(status);
}

}  // namespace
}  // namespace threefs::standalone

int main(int argc, char** argv) { return threefs::standalone::Run(argc, argv); }

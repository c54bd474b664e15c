// SPDX-License-Identifier: Apache-2.0
#include "client/file/cluster.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "client/base/check.h"
#include "client/base/log.h"
#include "client/meta/meta_ops.h"
#include "client/net/resolve.h"

namespace threefs::file {
namespace {

constexpr size_t kMaxClusterId =
    31;  // the FUSE mount name it becomes has 32 bytes (3fs/mgmtd.md §12)
// Channel ids are 16 bits and 0 is none: loops share 1 … 65535.
constexpr size_t kChannelIds = 65535;
constexpr size_t kMaxChannelsPerLoop = 4096;

class SessionImpl final : public Session {
 public:
  SessionImpl(Loop& loop, net::Network& network, const ClusterOptions& options)
      : loop_(loop),
        rpc_(rpc::Client::Create(loop, network, rpc::ClientOptions{})),
        io_timeout_(options.io_timeout) {}

  // Apart from construction: the mgmtd client needs the home loop's rpc client first.
  void Connect(mgmtd::MgmtdClient& mgmtd, meta::MetaOptions meta, storage::StorageOptions storage) {
    meta_ = meta::MetaClient::Create(loop_, *rpc_, mgmtd, std::move(meta));
    storage_ = storage::StorageClient::Create(loop_, *rpc_, mgmtd, std::move(storage));
    io_ = FileIo::Create(loop_, *meta_, *storage_, mgmtd, io_timeout_);
  }
  Loop& loop() override { return loop_; }
  rpc::Client& rpc() override { return *rpc_; }
  meta::MetaClient& meta() override { return *meta_; }
  storage::StorageClient& storage() override { return *storage_; }
  FileIo& io() override { return *io_; }

 private:
  Loop& loop_;
  // Destroyed from the bottom up: users before what they use.
  std::unique_ptr<rpc::Client> rpc_;
  const Duration io_timeout_;
  std::unique_ptr<meta::MetaClient> meta_;
  std::unique_ptr<storage::StorageClient> storage_;
  std::unique_ptr<FileIo> io_;
};

class ClusterImpl final : public Cluster {
 public:
  ClusterImpl(std::vector<Loop*> loops, ClusterOptions options)
      : loops_(std::move(loops)),
        options_(std::move(options)),
        client_{.uuid = options_.client_id, .hostname = options_.hostname} {}
  ~ClusterImpl() override {
    for (const auto& s : sessions_) CHECK(s == nullptr);  // Close comes first
  }

  Task<Status> Start(net::Network* network, BlockingPool* pool, bool kept_id);
  Task<void> Close() override;

  Session& session(Loop& loop) override {
    const auto at = std::find(loops_.begin(), loops_.end(), &loop);
    CHECK(at != loops_.end());
    return *sessions_[static_cast<size_t>(at - loops_.begin())];
  }
  [[nodiscard]] const ClusterOptions& options() const override { return options_; }
  [[nodiscard]] const schema::ClientId& client() const override { return client_; }
  [[nodiscard]] mgmtd::RoutingRef routing() const override { return mgmtd_->routing(); }
  mgmtd::MgmtdClient& mgmtd() override { return *mgmtd_; }
  [[nodiscard]] OpContext MakeOp(Loop& loop, UserRef user) const override {
    return {.call = {.deadline = loop.Now() + options_.io_timeout},
            .user = user != nullptr ? std::move(user) : self_};
  }

 private:
  [[nodiscard]] mgmtd::MgmtdOptions MgmtdSettings() const;
  [[nodiscard]] storage::StorageOptions StorageSettings(size_t loop_index, bool kept_id) const;
  Task<Status> CheckToken(CallContext ctx);
  [[nodiscard]] uint64_t SeedOf(size_t n) const {
    return options_.seed == 0 ? 0 : options_.seed * 1000003 + n + 1;
  }

  const std::vector<Loop*> loops_;
  const ClusterOptions options_;
  const schema::ClientId client_;
  UserRef self_;
  std::unique_ptr<mgmtd::MgmtdClient> mgmtd_;
  std::vector<std::unique_ptr<SessionImpl>> sessions_;
};

mgmtd::MgmtdOptions ClusterImpl::MgmtdSettings() const {
  return {.cluster_id = options_.cluster_id,
          .addresses = options_.mgmtd_addresses,
          .refresh_interval = options_.refresh_interval,
          .client_id = options_.client_id,
          .universal_id = options_.universal_id,
          .description = options_.description,
          .node_type = options_.node_type,
          .client_start = options_.client_start,
          .keep_session = options_.keep_session};
}

storage::StorageOptions ClusterImpl::StorageSettings(size_t loop_index, bool kept_id) const {
  const size_t share = std::min(kMaxChannelsPerLoop, kChannelIds / loops_.size());
  storage::StorageOptions out;
  out.seed = SeedOf(2 * loop_index + 1);
  out.client = client_;
  out.io_timeout = options_.io_timeout;
  out.verify_checksums = options_.verify_checksums;
  out.first_channel = static_cast<uint16_t>(1 + loop_index * share);
  out.channels = static_cast<uint16_t>(share);
  // A process that took over another's client id must count on from where that one stopped
  // (3fs/storage.md §4). It cannot know where; but nobody makes a million updates a second on one
  // loop, so the clock is always ahead.
  out.first_sequence = kept_id ? static_cast<uint64_t>(loops_[0]->WallMicros()) : 1;
  return out;
}

// What 3FS's own client does first, too: it fails when the token is refused (3fs/measured.md).
Task<Status> ClusterImpl::CheckToken(CallContext ctx) {
  OpContext op{.call = ctx, .user = self_};
  auto root = co_await meta::Stat(sessions_[0]->meta(), op, meta::At(0));
  if (root.ok()) co_return Status();
  const Status why = root.status();
  if (why.code() == Code::kAuthenticationFail) {
    co_return Status(why.code(),
                     options_.token.empty()
                         ? std::string("the cluster asks for a token and none was given; put the "
                                       "token of a user into the volume's secret")
                         : why.message());
  }
  if (why.code() == Code::kMgmtdClientMetaServiceNotAvailable) {
    co_return Status(why.code(), fmt::format("cluster '{}' has no active meta server; check that "
                                             "the meta service runs and heartbeats to mgmtd",
                                             options_.cluster_id));
  }
  co_return why.WithContext("the root directory cannot be read");
}

Task<Status> ClusterImpl::Start(net::Network* network, BlockingPool* pool, bool kept_id) {
  Loop& home = *loops_[0];
  self_ = MakeUser(options_.token_uid, options_.token_gid, {});
  sessions_.resize(loops_.size());
  for (size_t i = 0; i < loops_.size(); ++i) {
    co_await SwitchTo(*loops_[i]);
    sessions_[i] = std::make_unique<SessionImpl>(*loops_[i], *network, options_);
  }
  co_await SwitchTo(home);
  mgmtd_ = mgmtd::MgmtdClient::Create(home, sessions_[0]->rpc(), *pool, MgmtdSettings());
  const CallContext ctx{.deadline = home.Now() + options_.open_timeout};
  CO_TRY(co_await mgmtd_->Start(ctx));
  for (size_t i = 0; i < loops_.size(); ++i) {
    co_await SwitchTo(*loops_[i]);
    sessions_[i]->Connect(
        *mgmtd_, {.seed = SeedOf(2 * i), .client = client_, .io_timeout = options_.io_timeout},
        StorageSettings(i, kept_id));
  }
  co_await SwitchTo(home);
  co_return co_await CheckToken(ctx);
}

Task<void> ClusterImpl::Close() {
  Loop& home = *loops_[0];
  if (mgmtd_ != nullptr) co_await mgmtd_->Stop();
  for (size_t i = loops_.size(); i-- > 0;) {
    co_await SwitchTo(*loops_[i]);
    if (i < sessions_.size() && i > 0) sessions_[i].reset();
  }
  co_await SwitchTo(home);
  mgmtd_.reset();
  if (!sessions_.empty()) sessions_[0].reset();
}

std::string HostName() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  return name.data();
}

Status CheckOptions(const ClusterOptions& o) {
  if (o.cluster_id.empty()) {
    return {Code::kInvalidArg, "no cluster id given; set the id the 3FS servers were started with"};
  }
  if (o.cluster_id.size() > kMaxClusterId) {
    return {Code::kInvalidArg,
            fmt::format("cluster id '{}' has {} characters; 3FS takes at most {}", o.cluster_id,
                        o.cluster_id.size(), kMaxClusterId)};
  }
  if (o.mgmtd_addresses.empty()) {
    return {Code::kInvalidArg,
            "no mgmtd address given; name at least one, like RDMA://10.0.0.1:8000"};
  }
  if (o.node_type != schema::mgmtd::NodeType::kClient &&
      o.node_type != schema::mgmtd::NodeType::kFuse) {
    return {Code::kInvalidArg, "a client is of node type CLIENT or FUSE"};
  }
  return {};
}

}  // namespace

Task<Result<std::unique_ptr<Cluster>>> Cluster::Open(std::vector<Loop*> loops,
                                                     net::Network& network, BlockingPool& pool,
                                                     ClusterOptions options) {
  CHECK(!loops.empty() && loops[0] == Loop::Current());
  CO_TRY(CheckOptions(options));
  for (const std::string& a : options.mgmtd_addresses) {
    // A name may fail to resolve now and do so later; a text of no sense never will.
    const auto form = co_await net::ResolveAddress(pool, a);
    if (form.code() != Code::kInvalidFormat) continue;
    co_return Status(Code::kInvalidArg,
                     fmt::format("'{}' is no mgmtd address; write RDMA://ip:port, TCP://ip:port or "
                                 "host:port",
                                 a));
  }
  if (options.transport == TransportChoice::kRdma) {
    co_return Status(Code::kRPCIBDeviceNotFound,
                     "this build has no RDMA transport; set transport to auto or tcp");
  }
  const bool kept_id = !options.client_id.IsZero();
  if (!kept_id) {
    Rng rng = options.seed != 0 ? Rng(options.seed) : Rng::FromKernel();
    options.client_id = Uuid::Random(rng);
  }
  if (options.client_start == 0) options.client_start = loops[0]->WallMicros();
  if (options.hostname.empty()) options.hostname = HostName();
  if (options.universal_id.empty()) {
    const char* node = std::getenv("NODE_NAME");
    options.universal_id = node != nullptr && *node != '\0' ? node : options.hostname;
  }
  if (options.description.empty()) options.description = "threefs: " + options.hostname;
  auto cluster = std::make_unique<ClusterImpl>(std::move(loops), std::move(options));
  const Status started = co_await cluster->Start(&network, &pool, kept_id);
  if (!started.ok()) {
    co_await cluster->Close();
    co_return started;
  }
  co_return std::unique_ptr<Cluster>(std::move(cluster));
}

}  // namespace threefs::file

// SPDX-License-Identifier: Apache-2.0
#include "client/standalone/cluster.h"

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "client/base/log.h"
#include "client/runtime/sync.h"
#include "client/standalone/cluster_plan.h"

namespace threefs::standalone {

namespace mg = schema::mgmtd;

struct StandaloneCluster::Slot {
  int number = 0;
  NodePlace place;
  StorageNode node;
  std::shared_ptr<MemoryPlatter> platter = std::make_shared<MemoryPlatter>();
  AsyncMutex changing;  ///< kill, restart and stall take turns
};

namespace {

ClusterShape ShapeOf(const ClusterOptions& o) {
  return {
      .nodes = o.nodes, .targets = o.targets, .replicas = o.replicas, .chunk_size = o.chunk_size};
}

Status MakeFolder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return Status(Code::kIOError, path + ": " + std::generic_category().message(errno));
}

std::string StorageName(int node) { return "storage-" + std::to_string(node); }

}  // namespace

StandaloneCluster::StandaloneCluster(ClusterEnv env, ClusterOptions options)
    : env_(std::move(env)), options_(std::move(options)) {}

StandaloneCluster::~StandaloneCluster() = default;

Status StandaloneCluster::CheckOptions() const {
  TRY(CheckShape(ShapeOf(options_)));
  if (options_.cluster_id.empty() || options_.cluster_id.size() >= 32) {
    return Status(Code::kInvalidArg, "the cluster id must have 1 to 31 characters");
  }
  if (!options_.roles.mgmtd && options_.mgmtd.empty()) {
    return Status(Code::kInvalidArg, "without the role mgmtd its address must be given");
  }
  for (const int node : options_.roles.storage) {
    if (node < 0 || node >= options_.nodes) {
      return Status(Code::kInvalidArg, "there is no storage node " + std::to_string(node));
    }
  }
  return {};
}

// One file a name, so that the processes of a split cluster can share the folder.
Status StandaloneCluster::LoadPorts() {
  if (options_.data.empty()) return {};
  TRY(MakeFolder(options_.data));
  TRY(MakeFolder(options_.data + "/ports"));
  std::vector<std::string> names = {"mgmtd", "mgmtd-core", "meta", "meta-core"};
  for (int n = 0; n < options_.nodes; ++n) {
    names.push_back(StorageName(n));
    names.push_back(StorageName(n) + "-core");
  }
  for (const std::string& name : names) {
    const auto text = ReadWholeFile(options_.data + "/ports/" + name, 64);
    if (!text.ok()) {
      if (text.code() == Code::kKVStoreNotFound) continue;
      return text.status();
    }
    uint16_t port = 0;
    if (std::from_chars(text->data(), text->data() + text->size(), port).ec == std::errc()) {
      ports_[name] = port;
    }
  }
  return {};
}

Status StandaloneCluster::SavePorts() const {
  if (options_.data.empty()) return {};
  const auto save = [&](const std::string& name, const NodePlace& place) -> Status {
    for (const auto& [suffix, port] :
         {std::pair<const char*, uint16_t>{"", place.service.port},
          std::pair<const char*, uint16_t>{"-core", place.core.port}}) {
      const std::string key = name + suffix;
      const auto known = ports_.find(key);
      if (known != ports_.end() && known->second == port) continue;
      TRY(ReplaceFile(options_.data + "/ports/" + key, std::to_string(port) + "\n", 0600));
    }
    return {};
  };
  if (mgmtd_ != nullptr) TRY(save("mgmtd", mgmtd_place_));
  if (meta_ != nullptr) TRY(save("meta", meta_place_));
  for (const auto& slot : slots_) TRY(save(StorageName(slot->number), slot->place));
  return {};
}

Status StandaloneCluster::OpenUsers() {
  if (!options_.authenticate) return {};
  const bool memory = options_.data.empty();
  if (memory) {
    users_ = UserStore::InMemory();
  } else {
    TRY(users_, UserStore::Open(options_.data + "/users"));
  }
  const auto root = users_->Find(0);
  if (root.has_value()) {
    root_token_ = root->token;
  } else if (options_.roles.mgmtd) {
    Rng rng = env_.seed == 0 ? Rng::FromKernel() : Rng(env_.seed);
    UserRecord record;
    record.name = "root";
    record.root = record.admin = true;
    TRY(root_token_, users_->AddUser(std::move(record), rng));
  }
  if (memory || root_token_.empty()) return {};
  return ReplaceFile(options_.data + "/token", root_token_ + "\n", 0600);
}

// `index`: 0 mgmtd, 1 meta, 2… storage. A base port gives fixed ports in that order, two a node.
NodePlace StandaloneCluster::PlaceOf(const std::string& name, int index) {
  NodePlace place;
  place.loop = env_.loops[static_cast<size_t>(index) % env_.loops.size()];
  place.pool = env_.pool;
  net::Address at = options_.listen;
  if (options_.ip_per_node) at.ip += static_cast<uint32_t>(index) << 24;  // the last octet
  place.network = &env_.network(at.ip);
  const auto port_of = [&](const std::string& key, int offset) -> uint16_t {
    if (options_.listen.port != 0) {
      return static_cast<uint16_t>(options_.listen.port + 2 * index + offset);
    }
    const auto it = ports_.find(key);
    return it == ports_.end() ? uint16_t{0} : it->second;
  };
  at.type = net::AddressType::kTcp;
  at.port = port_of(name, 0);
  place.service = at;
  at.port = port_of(name + "-core", 1);
  place.core = at;
  return place;
}

Task<Result<std::unique_ptr<StandaloneCluster>>> StandaloneCluster::Start(ClusterEnv env,
                                                                          ClusterOptions options) {
  std::unique_ptr<StandaloneCluster> cluster(
      new StandaloneCluster(std::move(env), std::move(options)));
  const Status status = co_await cluster->StartAll();
  if (!status.ok()) {
    co_await cluster->Stop();
    co_return status;
  }
  co_return std::move(cluster);
}

Task<Status> StandaloneCluster::StartAll() {
  CO_TRY(CheckOptions());
  CO_TRY(co_await RunBlocking(*env_.pool, [this]() -> Status {
    TRY(LoadPorts());
    return OpenUsers();
  }));
  plan_ = PlanCluster(ShapeOf(options_));
  common_ = {.cluster_id = options_.cluster_id,
             .mgmtd = options_.mgmtd,
             .heartbeat_interval = options_.heartbeat_interval,
             .routing_interval = options_.routing_interval,
             .lease = options_.heartbeat_fail * 4 / 5,
             .shutdown = options_.on_shutdown ? options_.on_shutdown : [](bool) {},
             .seed = env_.seed == 0 ? Rng::FromKernel().Next() : env_.seed};
  if (options_.roles.mgmtd) CO_TRY(co_await StartMgmtd());
  const bool fresh = mgmtd_ != nullptr && mgmtd_->fresh();
  std::vector<int> numbers = options_.roles.storage;
  if (options_.roles.all_storage) {
    numbers.clear();
    for (int n = 0; n < options_.nodes; ++n) numbers.push_back(n);
  }
  for (const int n : numbers) {
    auto slot = std::make_unique<Slot>();
    slot->number = n;
    slot->place = PlaceOf(StorageName(n), 2 + n);
    slots_.push_back(std::move(slot));
    CO_TRY(co_await StartStorage(slots_.back().get(), fresh));
  }
  if (options_.roles.meta) CO_TRY(co_await StartMeta());
  co_return co_await RunBlocking(*env_.pool, [this] { return SavePorts(); });
}

Task<Status> StandaloneCluster::StartMgmtd() {
  mgmtd_place_ = PlaceOf("mgmtd", 0);
  mgmtd_ = std::make_unique<MgmtdNode>();
  MgmtdOptions options;
  options.cluster_id = options_.cluster_id;
  options.node_id = kMgmtdNodeId;
  options.heartbeat_fail = options_.heartbeat_fail;
  options.check_interval = std::min<Duration>(options_.heartbeat_interval / 2, 200ms);
  if (options_.data.empty()) {
    options.memory = mgmtd_memory_;
  } else {
    options.file = options_.data + "/mgmtd.state";
  }
  if (users_ != nullptr) {
    options.check_admin = [users = users_.get()](const schema::UserInfo& user) {
      return users->CheckAdmin(user.token);
    };
  }
  const bool cold = options_.roles.all_storage;
  co_await SwitchTo(*mgmtd_place_.loop);
  const Status status =
      co_await mgmtd_->Start(&mgmtd_place_, &common_, std::move(options), plan_, cold);
  co_await SwitchTo(*env_.loops[0]);
  CO_TRY(status);
  common_.mgmtd = {mgmtd_place_.service};
  co_return Status();
}

Task<Status> StandaloneCluster::StartStorage(Slot* slot, bool fresh_chains) {
  StorageNode::Parts parts;
  parts.options.node_id = kFirstStorageNodeId + static_cast<uint32_t>(slot->number);
  parts.options.store = {.sync = options_.sync, .capacity = options_.target_capacity};
  if (options_.tune_storage) options_.tune_storage(&parts.options);
  parts.targets = TargetsOf(ShapeOf(options_), slot->number);
  parts.fresh_chains = fresh_chains;
  if (options_.data.empty()) {
    parts.disk = OpenMemoryDisk(slot->platter);
  } else {
    const std::string path = options_.data + "/" + StorageName(slot->number);
    CO_TRY(parts.disk, co_await RunBlocking(*env_.pool, [&path] { return OpenFileDisk(path); }));
  }
  co_await SwitchTo(*slot->place.loop);
  const Status status = co_await slot->node.Start(&slot->place, &common_, std::move(parts));
  co_await SwitchTo(*env_.loops[0]);
  co_return status;
}

Task<Status> StandaloneCluster::StartMeta() {
  meta_place_ = PlaceOf("meta", 1);
  meta_ = std::make_unique<MetaNode>();
  MetaNode::Parts parts;
  parts.node_id = kMetaNodeId;
  parts.options.authenticate = options_.authenticate;
  parts.options.root_chunk_size = options_.chunk_size;
  const auto chains = static_cast<uint32_t>(plan_.chains.size());
  parts.options.root_stripe_size =
      options_.stripe == 0 ? chains : std::min(options_.stripe, chains);
  parts.options.db.sync = options_.sync == SyncMode::kAlways;
  if (options_.data.empty()) {
    parts.options.db.memory = meta_memory_;
  } else {
    parts.options.db.path = options_.data + "/meta";
  }
  if (options_.tune_meta) options_.tune_meta(&parts.options);
  parts.users = users_.get();
  if (options_.sync == SyncMode::kOnFsync) {
    parts.flush_storage = [this] { return FlushStorage(); };
  }
  co_await SwitchTo(*meta_place_.loop);
  const Status status = co_await meta_->Start(&meta_place_, &common_, std::move(parts));
  co_await SwitchTo(*env_.loops[0]);
  co_return status;
}

namespace {

// Counts down on whichever loop a flush ends; the waiter sleeps on its own.
struct FlushState {
  std::atomic<size_t> left{0};
  std::mutex mutex;
  Status first_error;
  Event done;
};

Task<void> FlushNode(Loop* loop, StorageNode* node, std::shared_ptr<FlushState> state) {
  co_await SwitchTo(*loop);
  // A node that is down has nothing that is not acknowledged by others.
  const Status status = node->running() ? co_await node->service().Sync() : Status();
  if (!status.ok()) {
    const std::lock_guard lock(state->mutex);
    if (state->first_error.ok()) state->first_error = status;
  }
  if (--state->left == 0) state->done.Set();
}

}  // namespace

// On meta's loop.
Task<Status> StandaloneCluster::FlushStorage() {
  auto state = std::make_shared<FlushState>();
  state->left = slots_.size();
  if (slots_.empty()) co_return Status();
  for (const auto& slot : slots_) Spawn(FlushNode(slot->place.loop, &slot->node, state));
  co_await state->done.Wait();
  const std::lock_guard lock(state->mutex);
  co_return state->first_error;
}

Task<void> StandaloneCluster::Stop() {
  if (meta_ != nullptr) {
    co_await SwitchTo(*meta_place_.loop);
    co_await meta_->Stop();
    co_await SwitchTo(*env_.loops[0]);
  }
  for (const auto& slot : slots_) {
    const auto guard = co_await slot->changing.Lock();
    co_await SwitchTo(*slot->place.loop);
    co_await slot->node.Stop(false);
    co_await SwitchTo(*env_.loops[0]);
  }
  if (mgmtd_ != nullptr) {
    co_await SwitchTo(*mgmtd_place_.loop);
    co_await mgmtd_->Stop();
    co_await SwitchTo(*env_.loops[0]);
  }
}

Task<bool> StandaloneCluster::Ready(TimePoint deadline) {
  rpc::CallOptions options;
  options.ctx.deadline = deadline;
  const auto client = rpc::Client::Create(*env_.loops[0], env_.network(options_.listen.ip), {});
  const mg::GetRoutingInfoReq req{
      .cluster_id = options_.cluster_id, .routing_info_version = 0, .user = {}};
  while (env_.loops[0]->Now() < deadline) {
    const auto rsp =
        co_await client->Call<mg::method::GetRoutingInfo>(common_.mgmtd[0], req, options);
    if (rsp.ok() && rsp->info.has_value()) {
      const auto& info = *rsp->info;
      const bool nodes = std::all_of(info.nodes.begin(), info.nodes.end(), [](const auto& n) {
        return n.second.status == mg::NodeStatus::kHeartbeatConnected ||
               n.second.status == mg::NodeStatus::kPrimaryMgmtd;
      });
      const bool targets = std::all_of(info.targets.begin(), info.targets.end(), [](const auto& t) {
        return t.second.public_state == mg::PublicTargetState::kServing &&
               t.second.local_state == mg::LocalTargetState::kUptodate;
      });
      if (nodes && targets) co_return true;
    }
    co_await SleepFor(20ms);
  }
  co_return false;
}

ClusterAddresses StandaloneCluster::addresses() const {
  ClusterAddresses out;
  for (const net::Address& a : common_.mgmtd) out.mgmtd.push_back(a.As(net::AddressType::kRdma));
  if (meta_ != nullptr) out.meta.push_back(meta_place_.service.As(net::AddressType::kRdma));
  for (const auto& slot : slots_) {
    out.storage.push_back(slot->place.service.As(net::AddressType::kRdma));
  }
  return out;
}

StandaloneCluster::Slot* StandaloneCluster::SlotOf(int node) {
  for (const auto& slot : slots_) {
    if (slot->number == node) return slot.get();
  }
  return nullptr;
}

Task<Status> StandaloneCluster::KillNode(int node) {
  Slot* slot = SlotOf(node);
  if (slot == nullptr) co_return Status(Code::kInvalidArg, "no such storage node here");
  const auto guard = co_await slot->changing.Lock();
  co_await SwitchTo(*slot->place.loop);
  co_await slot->node.Stop(true);
  co_await SwitchTo(*env_.loops[0]);
  co_return Status();
}

Task<Status> StandaloneCluster::RestartNode(int node) {
  Slot* slot = SlotOf(node);
  if (slot == nullptr) co_return Status(Code::kInvalidArg, "no such storage node here");
  const auto guard = co_await slot->changing.Lock();
  co_await SwitchTo(*slot->place.loop);
  co_await slot->node.Stop(true);
  co_await SwitchTo(*env_.loops[0]);
  co_return co_await StartStorage(slot, false);
}

Task<Status> StandaloneCluster::StallNode(int node, bool stalled) {
  const std::function<void(StorageNode&)> change = [stalled](StorageNode& n) { n.Stall(stalled); };
  co_return co_await WithNode(node, &change);
}

Task<Status> StandaloneCluster::WithNode(int node,
                                         const std::function<void(StorageNode&)>* change) {
  Slot* slot = SlotOf(node);
  if (slot == nullptr) co_return Status(Code::kInvalidArg, "no such storage node here");
  const auto guard = co_await slot->changing.Lock();
  co_await SwitchTo(*slot->place.loop);
  const bool running = slot->node.running();
  if (running) (*change)(slot->node);
  co_await SwitchTo(*env_.loops[0]);
  if (!running) co_return Status(Code::kInvalidArg, "the storage node is down");
  co_return Status();
}

}  // namespace threefs::standalone

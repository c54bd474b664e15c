// SPDX-License-Identifier: Apache-2.0
// MetaService over RPC on virtual time, with storage played by the test: lengths, statFs,
// collection, sessions; then its own storage access against scripted storage nodes.
#include "client/standalone/meta_service.h"

#include <map>
#include <set>

#include "client/layout/chunk_id.h"
#include "client/schema/storage_rpc.h"
#include "tests/client/standalone/meta_test_support.h"
#include "tests/support/sim_loop.h"
#include "tests/support/sim_network.h"

namespace threefs::standalone::test {
namespace {

constexpr uint32_t kServerIp = 0x0100000a;
constexpr uint32_t kClientIp = 0x0200000a;
constexpr uint32_t kStorageIp = 0x0300000a;

class FakeStorage final : public MetaStorage {
 public:
  Task<Result<uint64_t>> QueryLength(wire::Inode inode, CallContext /*ctx*/) override {
    ++queries;
    ++running;
    most_running = std::max(most_running, running);
    co_await SleepFor(delay);
    --running;
    if (!error.ok()) co_return error;
    co_return lengths[inode.id];
  }
  Task<Status> RemoveChunks(wire::Inode inode, CallContext /*ctx*/) override {
    co_await SleepFor(delay);
    if (error.ok()) removed.insert(inode.id);
    co_return error;
  }
  Task<Result<Space>> QuerySpace(CallContext /*ctx*/) override {
    ++space_queries;
    if (!error.ok()) co_return error;
    co_return space;
  }
  std::map<uint64_t, uint64_t> lengths;
  std::set<uint64_t> removed;
  Space space{1000, 600};
  Status error;
  Duration delay = 10ms;
  int queries = 0;
  int space_queries = 0;
  int running = 0;
  int most_running = 0;
};

class ServiceTest : public ::testing::Test {
 protected:
  ServiceTest() { options_.db.memory = std::make_shared<MemoryDisk>(); }
  void SetUp() override { Boot(); }
  void TearDown() override { Shutdown(); }

  void Boot() {
    server_ = rpc::Server::Create(loop_, network_.Node(kServerIp));
    auto fake = std::make_unique<FakeStorage>();
    storage_ = fake.get();
    MetaServiceDeps deps;
    deps.loop = &loop_;
    deps.pool = pool_.get();
    deps.server = server_.get();
    deps.routing = [this] { return routing_; };
    deps.client_sessions = [this] { return sessions_; };
    deps.storage = std::move(fake);
    if (flush_) deps.flush_storage = flush_;
    auto service = MetaService::Create(std::move(deps), options_);
    CHECK(service.ok());
    service_ = *std::move(service);
    address_ = *server_->Listen({kServerIp, 18001});
    client_ = rpc::Client::Create(loop_, network_.Node(kClientIp), {});
    world_.Run(loop_, [this]() -> Task<void> { return StartTask(); });
  }
  Task<void> StartTask() {
    service_->Start();
    co_return;
  }
  void Shutdown() {
    world_.Run(loop_, [this] { return service_->Stop(); });
    client_.reset();
    server_.reset();
    service_.reset();
  }

  wire::ReqBase Who() {
    wire::ReqBase base;
    base.client = {MakeUuid(1), "test"};
    base.uuid = MakeUuid(++request_ + 100);
    return base;
  }
  template <class M>
  Result<typename M::Rsp> Call(typename M::Req req) {
    return world_.Run(loop_, [&] { return client_->Call<M>(address_, req, {.timeout = 20s}); });
  }
  wire::Inode Create(const char* name, bool open = false) {
    wire::CreateReq req{.base = Who(), .path = {0, name}};
    if (open) {
      req.flags = wire::kOpenReadWrite;
      req.session = Session();
    }
    return Call<method::Create>(req)->stat;
  }
  static wire::SessionInfo Session() { return {{MakeUuid(1), "test"}, MakeUuid(7)}; }
  Code Remove(const char* name, bool recursive = false) {
    return Call<method::Remove>({.base = Who(), .path = {0, name}, .recursive = recursive}).code();
  }
  Task<void> SyncOnce(uint64_t inode, int* done) {
    const wire::SyncReq req{.base = Who(), .inode = inode, .update_length = true};
    const auto rsp = co_await client_->Call<method::Sync>(address_, req, {.timeout = 20s});
    EXPECT_TRUE(rsp.ok()) << rsp.status().ToString();
    ++*done;
  }
  bool Exists(uint64_t inode) {
    return Call<method::Stat>({.base = Who(), .path = {inode, std::nullopt}}).ok();
  }

  sim::SimWorld world_{1};
  sim::SimNetwork network_{world_};
  Loop& loop_ = world_.NewLoop();
  std::unique_ptr<BlockingPool> pool_ = BlockingPool::Create(0, "inline");
  MetaOptions options_;
  std::shared_ptr<const schema::mgmtd::RoutingInfo> routing_ = MakeRouting();
  std::optional<std::vector<schema::mgmtd::ClientSession>> sessions_;
  std::function<Task<Status>()> flush_;
  std::unique_ptr<rpc::Server> server_;
  FakeStorage* storage_ = nullptr;
  std::unique_ptr<MetaService> service_;
  std::unique_ptr<rpc::Client> client_;
  net::Address address_;
  uint64_t request_ = 0;
};

TEST_F(ServiceTest, SyncAsksStorage) {
  const uint64_t id = Create("f").id;
  storage_->lengths[id] = 4321;
  auto rsp = Call<method::Sync>({.base = Who(), .inode = id, .update_length = true});
  ASSERT_TRUE(rsp.ok()) << rsp.status().ToString();
  EXPECT_EQ(rsp->stat.AsFile().length, 4321U);
  EXPECT_EQ(storage_->queries, 1);
  rsp = Call<method::Sync>({.base = Who(),
                            .inode = id,
                            .update_length = true,
                            .length_hint = wire::VersionedLength{5000, 0}});
  EXPECT_EQ(rsp->stat.AsFile().length, 5000U);
  EXPECT_EQ(storage_->queries, 1);
  EXPECT_EQ(Call<method::Sync>({.base = Who(), .inode = id, .truncated = true}).code(),
            Code::kInvalidArg);
  storage_->error = Code::kStorageClientNotAvailable;
  EXPECT_EQ(Call<method::Sync>({.base = Who(), .inode = id, .update_length = true}).code(),
            Code::kStorageClientNotAvailable);
}

TEST_F(ServiceTest, SyncsOfOneFileRunOneByOne) {
  const uint64_t one = Create("f").id;
  const uint64_t two = Create("g").id;
  storage_->delay = 100ms;
  int done = 0;
  const auto start = [&](uint64_t id) {
    loop_.Post([this, &done, id] { Spawn(SyncOnce(id, &done)); });
  };
  for (int i = 0; i < 5; ++i) start(one);
  ASSERT_TRUE(world_.RunUntil([&] { return done == 5; }, 10s));
  EXPECT_EQ(storage_->most_running, 1);
  start(one);
  start(two);
  ASSERT_TRUE(world_.RunUntil([&] { return done == 7; }, 10s));
  EXPECT_EQ(storage_->most_running, 2);
}

class FlushTest : public ServiceTest {
 protected:
  Task<Status> Flush() {
    ++flushed_;
    co_return Status();
  }
  void SetUp() override {
    flush_ = [this] { return Flush(); };
    ServiceTest::SetUp();
  }
  int flushed_ = 0;
};

TEST_F(FlushTest, ExactSyncMakesDataDurableFirst) {
  const uint64_t id = Create("f", true).id;
  ASSERT_TRUE(Call<method::Sync>({.base = Who(), .inode = id, .update_length = true}).ok());
  EXPECT_EQ(flushed_, 1);
  ASSERT_TRUE(Call<method::Sync>({.base = Who(),
                                  .inode = id,
                                  .update_length = true,
                                  .length_hint = wire::VersionedLength{1, 0}})
                  .ok());
  ASSERT_TRUE(Call<method::Close>({.base = Who(), .inode = id, .session = Session()}).ok());
  EXPECT_EQ(flushed_, 1);
}

TEST_F(ServiceTest, StatFsIsCached) {
  auto rsp = Call<method::StatFs>({Who()});
  ASSERT_TRUE(rsp.ok());
  EXPECT_EQ(rsp->capacity, 1000U);
  EXPECT_EQ(rsp->used, 400U);
  EXPECT_EQ(rsp->free, 600U);
  storage_->space.free = 100;
  EXPECT_EQ(Call<method::StatFs>({Who()})->free, 600U);
  world_.RunFor(6s);
  EXPECT_EQ(Call<method::StatFs>({Who()})->free, 100U);
  storage_->error = Code::kRPCTimeout;
  world_.RunFor(30s);
  EXPECT_EQ(Call<method::StatFs>({Who()})->free, 100U);
  world_.RunFor(40s);
  EXPECT_EQ(Call<method::StatFs>({Who()}).code(), Code::kStorageClientResourceBusy);
}

TEST_F(ServiceTest, UnlinkedFileGoesAfterItsDelay) {
  const uint64_t id = Create("f").id;
  ASSERT_EQ(Remove("f"), Code::kOk);
  world_.RunFor(29s);
  EXPECT_TRUE(Exists(id));
  EXPECT_TRUE(storage_->removed.empty());
  world_.RunFor(3s);
  EXPECT_FALSE(Exists(id));
  EXPECT_TRUE(storage_->removed.contains(id));
}

TEST_F(ServiceTest, LowSpaceShortensTheDelay) {
  storage_->space = {1000, 10};
  const uint64_t id = Create("f").id;
  ASSERT_EQ(Remove("f"), Code::kOk);
  world_.RunFor(4s);
  EXPECT_FALSE(Exists(id));
}

TEST_F(ServiceTest, OpenFileIsKeptUntilClosed) {
  const uint64_t id = Create("f", true).id;
  ASSERT_EQ(Remove("f"), Code::kOk);
  world_.RunFor(200s);
  EXPECT_TRUE(Exists(id));
  ASSERT_TRUE(Call<method::Close>({.base = Who(), .inode = id, .session = Session()}).ok());
  world_.RunFor(3s);
  EXPECT_FALSE(Exists(id));
}

TEST_F(ServiceTest, FailedRemovalIsTriedAgain) {
  const uint64_t id = Create("f").id;
  ASSERT_EQ(Remove("f"), Code::kOk);
  storage_->error = Code::kStorageClientNotAvailable;
  world_.RunFor(60s);
  EXPECT_TRUE(Exists(id));
  storage_->error = {};
  world_.RunFor(3s);
  EXPECT_FALSE(Exists(id));
}

TEST_F(ServiceTest, TreesAreTakenApart) {
  ASSERT_TRUE(Call<method::Mkdirs>({.base = Who(), .path = {0, "t/a/b"}, .recursive = true}).ok());
  std::vector<uint64_t> inodes;
  for (int i = 0; i < 150; ++i) {
    inodes.push_back(Create(("t/" + std::to_string(i)).c_str()).id);
    inodes.push_back(Create(("t/a/b/" + std::to_string(i)).c_str()).id);
  }
  const uint64_t kept = Create("t/kept").id;
  ASSERT_TRUE(
      Call<method::HardLink>({.base = Who(), .old_path = {0, "t/kept"}, .new_path = {0, "kept"}})
          .ok());
  ASSERT_TRUE(Call<method::Symlink>({.base = Who(), .path = {0, "t/l"}, .target = "kept"}).ok());
  ASSERT_EQ(Remove("t", true), Code::kOk);
  world_.RunFor(60s);
  for (const uint64_t id : inodes) EXPECT_FALSE(Exists(id)) << id;
  EXPECT_EQ(storage_->removed.size(), inodes.size());
  const auto rest = Call<method::Stat>({.base = Who(), .path = {kept, std::nullopt}});
  ASSERT_TRUE(rest.ok());
  EXPECT_EQ(rest->stat.nlink, 1);
  const auto left = Call<method::List>({.base = Who(), .path = {wire::kGcRootInodeId, {}}});
  EXPECT_TRUE(left->entries.empty());
}

TEST_F(ServiceTest, PartsOfOthersAreKeptAsOrphans) {
  options_.recursive_remove_perm_check = 1;
  Shutdown();
  Boot();
  const auto mkdir = [&](const char* path, uint32_t uid) {
    wire::MkdirsReq req{.base = Who(), .path = {0, path}, .perm = 0777};
    req.base.user.uid = uid;
    return Call<method::Mkdirs>(req)->stat.id;
  };
  mkdir("p", 0);
  mkdir("p/mine", 5);
  mkdir("p/mine/a", 5);
  const uint64_t foreign = mkdir("p/mine/a/foreign", 6);
  wire::RemoveReq req{.base = Who(), .path = {0, "p/mine"}, .recursive = true};
  req.base.user.uid = 5;
  ASSERT_TRUE(Call<method::Remove>(req).ok());
  world_.RunFor(10s);
  auto rsp = Call<method::GetRealPath>({Who(), {foreign, std::nullopt}, true});
  ASSERT_TRUE(rsp.ok()) << rsp.status().ToString();
  EXPECT_THAT(rsp->path, ::testing::StartsWith("/trash/gc-orphans/"));
}

TEST_F(ServiceTest, SessionsOfDeadClientsAreDropped) {
  const uint64_t id = Create("f", true).id;
  ASSERT_EQ(Remove("f"), Code::kOk);
  schema::mgmtd::ClientSession alive;
  alive.client_id = MakeUuid(1).ToString();
  sessions_.emplace();
  sessions_->push_back(alive);
  for (int i = 0; i < 10; ++i) {
    sessions_->front().last_extend = loop_.WallMicros();
    world_.RunFor(100s);
  }
  EXPECT_TRUE(Exists(id));
  sessions_.reset();  // mgmtd does not answer: nobody is dropped
  world_.RunFor(1000s);
  EXPECT_TRUE(Exists(id));
  sessions_.emplace();
  world_.RunFor(302s);
  EXPECT_FALSE(Exists(id));
}

TEST_F(ServiceTest, PrunedSessionsAreDropped) {
  const uint64_t id = Create("f", true).id;
  ASSERT_EQ(Remove("f"), Code::kOk);
  ASSERT_TRUE(
      Call<method::PruneSession>(
          {.base = Who(), .client = {MakeUuid(1), ""}, .sessions = {MakeUuid(7), MakeUuid(8)}})
          .ok());
  world_.RunFor(310s);
  EXPECT_FALSE(Exists(id));
}

TEST_F(ServiceTest, UnknownMethodAndOtherAnswers) {
  EXPECT_TRUE(Call<method::TestRpc>({.base = Who()}).ok());
  EXPECT_EQ(Call<method::Truncate>({.base = Who()}).code(), Code::kNotImplemented);
  EXPECT_EQ(Call<method::Stat>({.base = Who(), .path = {0, "nope"}}).code(), Code::kMetaNotFound);
  using Unknown = schema::Method<wire::kServiceId, 99, wire::StatReq, wire::StatRsp>;
  EXPECT_EQ(Call<Unknown>({.base = Who()}).code(), Code::kRPCInvalidMethodID);
}

// The real storage access against a scripted node.
class AccessStorageTest : public ::testing::Test {
 protected:
  using QueryReq = schema::storage::QueryLastChunkReq;
  using QueryRsp = schema::storage::QueryLastChunkRsp;
  using RemoveReq = schema::storage::RemoveChunksReq;
  using RemoveRsp = schema::storage::RemoveChunksRsp;

  void SetUp() override {
    server_ = rpc::Server::Create(loop_, network_.Node(kStorageIp));
    server_->Handle<schema::storage::method::QueryLastChunk>(
        [this](const rpc::CallInfo&, const QueryReq& req) { return Query(req); });
    server_->Handle<schema::storage::method::RemoveChunks>(
        [this](const rpc::CallInfo&, const RemoveReq& req) { return Remove(req); });
    server_->Handle<schema::storage::method::SpaceInfo>(
        [](const rpc::CallInfo&, const schema::storage::SpaceInfoReq&) { return Spaces(); });
    const net::Address address = *server_->Listen({kStorageIp, 9000});
    auto routing = MakeRouting(4);
    schema::mgmtd::NodeInfo node;
    node.app.node_id = 10;
    node.app.service_groups.push_back({{"StorageSerde"}, {address.As(net::AddressType::kRdma)}});
    node.type = schema::mgmtd::NodeType::kStorage;
    node.status = schema::mgmtd::NodeStatus::kHeartbeatConnected;
    routing->nodes.At(10) = node;
    node.status = schema::mgmtd::NodeStatus::kHeartbeatFailed;
    routing->nodes.At(11) = node;
    routing_ = routing;
    client_ = rpc::Client::Create(loop_, network_.Node(kServerIp), {});
    storage_ = MakeRpcMetaStorage(loop_, *client_, [this] { return routing_; }, options_, Rng(1));
    file_.id = 0x1234;
    file_.AsFile().layout = {1, 1, 4096, 4, wire::Layout::ChainList{{1, 2, 3, 4}}};
  }
  Task<Result<QueryRsp>> Query(QueryReq req) {
    QueryRsp rsp;
    for (const auto& op : req.payloads) {
      schema::storage::QueryLastChunkResult result;
      result.status_code = serde::Void{};
      if (failures_ > 0) {
        --failures_;
        result.status_code = Code::kStorageClientRoutingVersionMismatch;
      } else if (const auto it = last_.find(op.v_chain_id.chain_id); it != last_.end()) {
        result.last_chunk_id = layout::MakeChunkId(file_.id, 0, it->second.first);
        result.last_chunk_len = it->second.second;
        result.total_num_chunks = 1;
      }
      rsp.results.push_back(std::move(result));
    }
    co_return rsp;
  }
  Task<Result<RemoveRsp>> Remove(RemoveReq req) {
    RemoveRsp rsp;
    for (const auto& op : req.payloads) {
      schema::storage::RemoveChunksResult result;
      if (!sequences_.insert({op.tag.channel.id, op.tag.channel.seqnum}).second) ++repeated_;
      EXPECT_NE(op.tag.channel.id, 0);
      if (failures_ > 0) {
        --failures_;
        result.status_code = Code::kStorageClientNotAvailable;
      } else {
        uint32_t& left = chunks_[op.v_chain_id.chain_id];
        result.status_code = serde::Void{};
        result.num_chunks_removed = std::min(left, op.chunk_id_range.max_num_chunk_ids_to_process);
        left -= result.num_chunks_removed;
        result.more_chunks_in_range = left > 0;
      }
      rsp.results.push_back(std::move(result));
    }
    co_return rsp;
  }
  static Task<Result<schema::storage::SpaceInfoRsp>> Spaces() {
    schema::storage::SpaceInfoRsp rsp;
    rsp.space_infos.push_back({"/d1", 100, 40, 40, {}, ""});
    rsp.space_infos.push_back({"/d2", 100, 140, 40, {}, ""});  // free above capacity is capped
    co_return rsp;
  }
  CallContext Within(Duration d) {
    CallContext ctx;
    ctx.deadline = loop_.Now() + d;
    return ctx;
  }

  sim::SimWorld world_{2};
  sim::SimNetwork network_{world_};
  Loop& loop_ = world_.NewLoop();
  MetaOptions options_;
  std::shared_ptr<const schema::mgmtd::RoutingInfo> routing_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<rpc::Client> client_;
  std::unique_ptr<MetaStorage> storage_;
  wire::Inode file_;
  int failures_ = 0;
  int repeated_ = 0;
  std::map<uint32_t, std::pair<uint32_t, uint32_t>> last_;  // chain → last chunk index, length
  std::map<uint32_t, uint32_t> chunks_;
  std::set<std::pair<uint16_t, uint64_t>> sequences_;
};

TEST_F(AccessStorageTest, LengthIsWhereTheLastChunkEnds) {
  const auto query = [&](Duration within = 5s) {
    return world_.Run(loop_, [&] { return storage_->QueryLength(file_, Within(within)); });
  };
  EXPECT_EQ(*query(), 0U);
  last_ = {{100001, {4, 100}}, {100002, {5, 7}}, {100004, {3, 4096}}};
  EXPECT_EQ(*query(), 5U * 4096 + 7);
  failures_ = 6;
  EXPECT_EQ(*query(), 5U * 4096 + 7);  // retried
  failures_ = 1000;
  EXPECT_EQ(query(2s).code(), Code::kStorageClientRoutingVersionMismatch);
  failures_ = 0;
  routing_ = nullptr;
  EXPECT_EQ(query().code(), Code::kMgmtdClientRoutingInfoNotReady);
}

TEST_F(AccessStorageTest, RemovesEverythingInBatches) {
  chunks_ = {{100001, 100}, {100002, 1}, {100003, 0}, {100004, 33}};
  failures_ = 3;
  const Status done = world_.Run(loop_, [&] { return storage_->RemoveChunks(file_, Within(10s)); });
  ASSERT_TRUE(done.ok()) << done.ToString();
  for (const auto& [chain, left] : chunks_) EXPECT_EQ(left, 0U) << chain;
  EXPECT_EQ(repeated_, 0);
}

TEST_F(AccessStorageTest, SpaceOfConnectedNodes) {
  const auto space = world_.Run(loop_, [&] { return storage_->QuerySpace(Within(1s)); });
  ASSERT_TRUE(space.ok());
  EXPECT_EQ(space->capacity, 200U);
  EXPECT_EQ(space->free, 140U);
}

}  // namespace
}  // namespace threefs::standalone::test

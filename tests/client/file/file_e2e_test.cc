// SPDX-License-Identifier: Apache-2.0
// The client core against threefs-standalone's cluster in this process, over real TCP on loopback,
// with real threads: several client loops write, read, truncate and punch files and compare with
// plain buffers, while storage nodes die and come back.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "client/base/rng.h"
#include "client/file/cluster.h"
#include "client/meta/meta_ops.h"
#include "client/runtime/sync_wait.h"
#include "client/standalone/cluster.h"

namespace threefs::file {
namespace {

constexpr uint32_t kChunk = 64 << 10;
constexpr int32_t kCreateReadWrite = 0x42;

class FileE2eTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 2; ++i) {
      server_threads_.push_back(LoopThread::Start("server"));
      client_threads_.push_back(LoopThread::Start("client"));
      client_loops_.push_back(&client_threads_.back()->loop());
    }
    network_ = net::MakeTcpNetwork();
    standalone::ClusterEnv env;
    for (auto& t : server_threads_) env.loops.push_back(&t->loop());
    env.pool = pool_.get();
    env.network = [this](uint32_t) -> net::Network& { return *network_; };
    standalone::ClusterOptions options;
    options.cluster_id = "e2e";
    options.chunk_size = kChunk;
    // A busy machine may hold a thread for seconds: that must not look like a dead node.
    options.heartbeat_fail = 600s;
    Loop& home = server_threads_[0]->loop();
    auto started =
        SyncWait(home, [&] { return standalone::StandaloneCluster::Start(env, options); });
    ASSERT_TRUE(started.ok()) << started.status().ToString();
    servers_ = *std::move(started);
    ASSERT_TRUE(SyncWait(home, [&] { return servers_->Ready(home.Now() + 90s); }));

    ClusterOptions mine;
    mine.cluster_id = "e2e";
    mine.mgmtd_addresses = {servers_->addresses().mgmtd[0].ToString()};
    mine.token = servers_->root_token();
    auto opened = SyncWait(*client_loops_[0],
                           [&] { return Cluster::Open(client_loops_, *network_, *pool_, mine); });
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    cluster_ = *std::move(opened);
  }
  void TearDown() override {
    if (cluster_ != nullptr) SyncWait(*client_loops_[0], [&] { return cluster_->Close(); });
    cluster_.reset();
    if (servers_ != nullptr) {
      SyncWait(server_threads_[0]->loop(), [&] { return servers_->Stop(); });
    }
    servers_.reset();
  }

  Task<Status> Work(Loop* loop, std::string name, uint64_t seed, int steps);
  Task<Status> Step(Session* s, FileRef file, std::vector<uint8_t>* model, Rng* rng);
  Task<Status> Compare(Session* s, FileRef file, const std::vector<uint8_t>* model);
  Task<Result<FileRef>> Create(Loop* loop, std::string name, Uuid session);
  /// Runs workers on every client loop to their end.
  void RunWorkers(int steps);

  std::vector<std::unique_ptr<LoopThread>> server_threads_;
  std::vector<std::unique_ptr<LoopThread>> client_threads_;
  std::vector<Loop*> client_loops_;
  std::unique_ptr<net::Network> network_;
  std::unique_ptr<BlockingPool> pool_ = BlockingPool::Create(2, "pool");
  std::unique_ptr<standalone::StandaloneCluster> servers_;
  std::unique_ptr<Cluster> cluster_;
};

Task<Result<FileRef>> FileE2eTest::Create(Loop* loop, std::string name, Uuid session) {
  Session& s = cluster_->session(*loop);
  CO_TRY(auto made,
         co_await meta::Create(
             s.meta(), cluster_->MakeOp(*loop), meta::At(0, std::move(name)),
             {.open = {.flags = kCreateReadWrite, .session = session, .dyn_stripe = true}}));
  co_return FileState::FromInode(made.stat);
}

Task<Status> FileE2eTest::Compare(Session* s, FileRef file, const std::vector<uint8_t>* model) {
  CO_TRY(const auto back, co_await s->io().Read(cluster_->MakeOp(s->loop()), file, 0, 1U << 30));
  if (back.length != model->size()) {
    co_return Status(Code::kDataCorruption,
                     fmt::format("length {} instead of {}", back.length, model->size()));
  }
  size_t at = 0;
  for (const Bytes& b : back.pieces) {
    if (!std::equal(b.data(), b.data() + b.size(), model->begin() + static_cast<int64_t>(at))) {
      co_return Status(Code::kDataCorruption, fmt::format("wrong bytes near {}", at));
    }
    at += b.size();
  }
  co_return Status();
}

Task<Status> FileE2eTest::Step(Session* s, FileRef file, std::vector<uint8_t>* model, Rng* rng) {
  const OpContext op = cluster_->MakeOp(s->loop());
  const uint64_t offset = rng->Below(6 * kChunk);
  const uint64_t length = 1 + rng->Below(2 * kChunk);
  switch (rng->Below(6)) {
    case 0: {
      CO_TRY(co_await s->io().Truncate(op, file, offset));
      model->resize(offset);
      break;
    }
    case 1: {
      CO_TRY(co_await s->io().PunchHole(op, file, offset, length));
      const uint64_t end = std::min<uint64_t>(model->size(), offset + length);
      for (uint64_t k = offset; k < end; ++k) (*model)[k] = 0;
      break;
    }
    case 2: {
      CO_TRY(auto inode, co_await s->io().Sync(op, file, {.exact = rng->Below(2) == 0}));
      if (inode.AsFile().length != model->size()) {
        co_return Status(Code::kDataCorruption, fmt::format("synced length {} instead of {}",
                                                            inode.AsFile().length, model->size()));
      }
      break;
    }
    default: {
      std::vector<uint8_t> data(length);
      for (auto& b : data) b = static_cast<uint8_t>(rng->Next());
      if (model->size() < offset + length) model->resize(offset + length);
      std::copy(data.begin(), data.end(), model->begin() + static_cast<int64_t>(offset));
      CO_TRY(const uint64_t n,
             co_await s->io().Write(op, file, offset,
                                    std::vector<Bytes>(1, Bytes::Own(std::move(data)))));
      if (n != length) co_return Status(Code::kIOError, "a short write");
    }
  }
  co_return Status();
}

Task<Status> FileE2eTest::Work(Loop* loop, std::string name, uint64_t seed, int steps) {
  Session& s = cluster_->session(*loop);
  const Uuid session = s.meta().NewUuid();
  CO_TRY(FileRef file, co_await Create(loop, name, session));
  std::vector<uint8_t> model;
  Rng rng(seed);
  for (int i = 0; i < steps; ++i) {
    CO_TRY(co_await Step(&s, file, &model, &rng));
    CO_TRY(co_await Compare(&s, file, &model));
  }
  CO_TRY(co_await s.io().Close(cluster_->MakeOp(*loop), file, session, {}));
  // Whoever opens it next sees the same.
  CO_TRY(auto stat, co_await meta::Stat(s.meta(), cluster_->MakeOp(*loop), meta::At(0, name)));
  CO_TRY(FileRef again, FileState::FromInode(stat.stat));
  co_return co_await Compare(&s, again, &model);
}

void FileE2eTest::RunWorkers(int steps) {
  constexpr int kWorkersPerLoop = 3;
  std::atomic<int> left{0};
  std::mutex mutex;
  std::vector<std::string> errors;
  // NOLINTNEXTLINE(cppcoreguidelines-avoid-capturing-lambda-coroutines): outlives its tasks
  const auto run = [&](Loop* loop, std::string name, uint64_t seed) -> Task<void> {
    const Status s = co_await Work(loop, name, seed, steps);
    if (!s.ok()) {
      const std::lock_guard lock(mutex);
      errors.push_back(name + ": " + s.ToString());
    }
    --left;
  };
  uint64_t seed = 0;
  for (Loop* loop : client_loops_) {
    for (int k = 0; k < kWorkersPerLoop; ++k) {
      ++left;
      ++seed;
      loop->Post([&run, loop, seed] { Spawn(run(loop, "file" + std::to_string(seed), seed)); });
    }
  }
  Loop& home = server_threads_[0]->loop();
  while (left != 0) SyncWait(home, [] { return SleepFor(20ms); });
  EXPECT_TRUE(errors.empty()) << errors[0];
}

TEST_F(FileE2eTest, AgreesWithTheModel) { RunWorkers(12); }

}  // namespace
}  // namespace threefs::file

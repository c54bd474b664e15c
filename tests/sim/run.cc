// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/run.h"

#include <fmt/core.h>

#include <memory>
#include <utility>
#include <vector>

#include "client/runtime/sync.h"
#include "tests/sim/chaos.h"
#include "tests/sim/sim_cluster.h"
#include "tests/sim/workload.h"
#include "tests/support/sim_loop.h"
#include "tests/support/sim_network.h"

namespace threefs::sim {
namespace {

constexpr int kHands = 3;                        // operations a client has under way
constexpr uint32_t kFirstClientIp = 0x6400000a;  // 10.0.0.100

ClusterShape RandomShape(Rng* rng) {
  ClusterShape shape;
  shape.storage_nodes = static_cast<uint32_t>(3 + rng->Below(3));
  shape.replicas = rng->Below(5) == 0 ? 2 : 3;
  shape.chains = 6;
  shape.chunk_size = 4096U << (2 * rng->Below(3));  // 4, 16, 64 KiB
  shape.stripe = static_cast<uint32_t>(1 + rng->Below(4));
  return shape;
}

class Run {
 public:
  explicit Run(const RunOptions& options)
      : options_(options),
        rng_(options.seed),
        world_(rng_.Next()),
        network_(world_),
        cluster_(world_, network_, RandomShape(&rng_)),
        control_(&world_.NewLoop()),
        workload_(&clients_, rng_.Next(), options.verbose) {
    network_.SetAbortOnClose(true);
    const uint64_t count = 2 + rng_.Below(2);
    std::vector<uint32_t> ips;
    for (uint32_t i = 0; i < count; ++i) {
      clients_.push_back(std::make_unique<SimClient>());
      clients_.back()->number = static_cast<int>(i);
      clients_.back()->loop = &world_.NewLoop();
      ips.push_back(kFirstClientIp + (i << 24));
    }
    chaos_ = std::make_unique<Chaos>(&network_, &cluster_, ips, rng_.Next(), options.verbose);
  }

  RunReport Go() {
    bool done = false;
    auto main = [this, &done]() -> Task<void> {
      const Status s = co_await Main();
      if (!s.ok()) workload_.Fail(s.ToString());
      done = true;
    };
    control_->Post([&main] { Spawn(main()); });
    if (!world_.RunUntil([&] { return done || !workload_.failure().empty(); }, 4h)) {
      workload_.Fail("the run hangs: an operation did not end by its deadline");
    }
    RunReport report{
        .failure = workload_.failure(), .events = world_.events(), .counts = workload_.counts()};
    report.counts.insert(chaos_->counts().begin(), chaos_->counts().end());
    return report;
  }

 private:
  Task<Status> Main();
  Task<Status> OpenClient(SimClient* c);
  Task<void> WorkOn(SimClient* c, int* left, Event* done);

  const RunOptions options_;
  Rng rng_;
  SimWorld world_;
  SimNetwork network_;
  SimCluster cluster_;
  Loop* control_;
  std::unique_ptr<BlockingPool> pool_ = BlockingPool::Create(0, "sim");
  std::vector<std::unique_ptr<SimClient>> clients_;
  Workload workload_;
  std::unique_ptr<Chaos> chaos_;
};

Task<Status> Run::OpenClient(SimClient* c) {
  file::ClusterOptions options;
  options.cluster_id = SimCluster::kClusterId;
  options.mgmtd_addresses = {"RDMA://10.0.0.1:8000"};
  options.hostname = fmt::format("client{}", c->number);
  options.universal_id = options.hostname;
  options.seed = rng_.Next() | 1;
  net::Network& network = network_.Node(kFirstClientIp + (static_cast<uint32_t>(c->number) << 24));
  co_await SwitchTo(*c->loop);
  auto opened = co_await file::Cluster::Open({c->loop}, network, *pool_, options);
  co_await SwitchTo(*control_);
  CO_TRY(opened.status().WithContext("client does not open"));
  c->cluster = *std::move(opened);
  co_return Status();
}

Task<void> Run::WorkOn(SimClient* c, int* left, Event* done) {
  co_await SwitchTo(*c->loop);
  TaskScope hands;
  for (int i = 0; i < kHands; ++i) hands.Start(workload_.Work(c, options_.ops_per_client / kHands));
  co_await hands.Join();
  co_await SwitchTo(*control_);
  if (--*left == 0) done->Set();
}

Task<Status> Run::Main() {
  for (size_t p = 0; p < cluster_.processes(); ++p) CO_TRY(co_await cluster_.Start(p));
  CO_TRY(co_await chaos_->Calm());
  for (const auto& c : clients_) CO_TRY(co_await OpenClient(c.get()));
  co_await SwitchTo(*clients_.front()->loop);
  const Status prepared = co_await workload_.Prepare(3, 5);
  co_await SwitchTo(*control_);
  CO_TRY(prepared);
  for (int round = 0; round < options_.rounds && workload_.failure().empty(); ++round) {
    if (options_.verbose) fmt::print("round {}\n", round);
    Event stop;
    Event done;
    int left = static_cast<int>(clients_.size());
    TaskScope scope;
    if (options_.chaos) scope.Start(chaos_->Run(&stop));
    for (const auto& c : clients_) scope.Start(WorkOn(c.get(), &left, &done));
    co_await done.Wait();
    stop.Set();
    co_await scope.Join();
    CO_TRY(co_await chaos_->Calm());
    // Each client, in the last round, sees the same.
    const size_t first = rng_.Below(clients_.size());
    const size_t viewers = round + 1 == options_.rounds ? clients_.size() : 1;
    for (size_t i = 0; i < viewers; ++i) {
      SimClient* c = clients_[(first + i) % clients_.size()].get();
      co_await SwitchTo(*c->loop);
      co_await workload_.Verify(c);
      co_await SwitchTo(*control_);
    }
  }
  co_return Status();
}

}  // namespace

RunReport RunSeed(const RunOptions& options) {
  // Leaked: what was killed in it can never be destroyed (SimCluster::Process).
  auto* run = new Run(options);  // NOLINT(cppcoreguidelines-owning-memory)
  return run->Go();
}

}  // namespace threefs::sim

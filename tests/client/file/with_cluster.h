// SPDX-License-Identifier: Apache-2.0
// WithCluster: a test fixture: a FakeCluster and the client opened on it, all on virtual time.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/file/cluster.h"
#include "tests/client/file/fake_cluster.h"

namespace threefs::fake {

class WithCluster : public ::testing::Test {
 protected:
  ~WithCluster() override { CloseClient(); }

  void MakeServers(Options options) { servers_ = std::make_unique<FakeCluster>(options); }
  FakeCluster& servers() {
    if (servers_ == nullptr) MakeServers({});
    return *servers_;
  }
  file::ClusterOptions ClientOptions() {
    file::ClusterOptions o;
    o.cluster_id = servers().options.cluster_id;
    for (auto& p : servers().mgmtds) o.mgmtd_addresses.push_back(servers().Address(*p));
    o.seed = 7;
    return o;
  }
  /// Runs a task of the client to its end.
  template <class F>
  auto Run(F make) {
    return servers().world.Run(servers().client_loop, std::move(make));
  }
  Status OpenClient() { return OpenClient(ClientOptions()); }
  Status OpenClient(file::ClusterOptions options) {
    auto opened = Run([&] {
      return file::Cluster::Open({&servers().client_loop}, servers().network.Node(kClientIp),
                                 *pool_, options);
    });
    if (!opened.ok()) return opened.status();
    cluster_ = *std::move(opened);
    return {};
  }
  void CloseClient() {
    if (cluster_ == nullptr) return;
    Run([&] { return cluster_->Close(); });
    cluster_.reset();
  }
  file::Cluster& cluster() {
    if (cluster_ == nullptr) {
      const Status opened = OpenClient();
      EXPECT_TRUE(opened.ok()) << opened.ToString();
    }
    return *cluster_;
  }
  file::Session& session() { return cluster().session(servers().client_loop); }
  OpContext Op(Duration time = 60s) {
    return {.call = {.deadline = servers().world.Now() + time}, .user = nullptr};
  }

 private:
  std::unique_ptr<BlockingPool> pool_ = BlockingPool::Create(0, "test");
  std::unique_ptr<FakeCluster> servers_;
  std::unique_ptr<file::Cluster> cluster_;
};

}  // namespace threefs::fake

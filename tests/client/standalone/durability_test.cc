// SPDX-License-Identifier: Apache-2.0
// threefs-standalone as a process: killed with SIGKILL in the middle of writes, started again on
// the same folder. What was acknowledged is there, ports and token stay, a second process on the
// folder is refused.
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "client/base/crc32c.h"
#include "client/net/transport.h"
#include "client/rpc/client.h"
#include "client/runtime/sync_wait.h"
#include "client/schema/mgmtd_rpc.h"
#include "client/schema/storage_rpc.h"
#include "tests/client/standalone/cluster_fixture.h"

extern char** environ;

namespace threefs::standalone {
namespace {

namespace st = schema::storage;
namespace mg = schema::mgmtd;

class Durability : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/durable-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override {
    Kill();
    client_.reset();
    std::filesystem::remove_all(folder_);
  }

  pid_t Spawn(const std::string& ready) {
    const std::string data = folder_ + "/data";
    std::vector<std::string> args = {
        THREEFS_STANDALONE, "--data", data,          "--cluster-id", "durable",
        "--ready-file",     ready,    "--log-level", "error"};
    std::vector<char*> argv;
    for (std::string& arg : args) argv.push_back(arg.data());
    argv.push_back(nullptr);
    pid_t pid = -1;
    EXPECT_EQ(::posix_spawn(&pid, args[0].c_str(), nullptr, nullptr, argv.data(), environ), 0);
    return pid;
  }
  void Start() {
    const std::string ready = folder_ + "/ready.json";
    std::filesystem::remove(ready);
    pid_ = Spawn(ready);
    for (int i = 0; i < 3000 && !std::filesystem::exists(ready); ++i) {
      int status = 0;
      ASSERT_EQ(::waitpid(pid_, &status, WNOHANG), 0) << "ended at once";
      std::this_thread::sleep_for(
          std::chrono::milliseconds(10));  // tidy-allow: sleep a real process
    }
    std::ifstream in(ready);
    std::stringstream text;
    text << in.rdbuf();
    ready_text_ = text.str();
    const std::string key = "\"mgmtd\":[\"";
    const size_t at = ready_text_.find(key);
    ASSERT_NE(at, std::string::npos) << ready_text_;
    const size_t from = at + key.size();
    auto address =
        net::Address::Parse(ready_text_.substr(from, ready_text_.find('"', from) - from));
    ASSERT_TRUE(address.ok());
    mgmtd_ = *address;
    client_ = rpc::Client::Create(thread_->loop(), *network_, {});
  }
  void Kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
  }
  template <class M>
  Result<typename M::Rsp> Call(net::Address to, const typename M::Req& req) {
    rpc::CallOptions options;
    options.timeout = 5s;
    return SyncWait(thread_->loop(), [&] { return client_->Call<M>(to, req, options); });
  }
  // Chain version and address of the replica at `position`.
  std::pair<uint32_t, net::Address> Replica(size_t position) {
    mg::GetRoutingInfoReq req;
    req.cluster_id = "durable";
    const auto rsp = Call<mg::method::GetRoutingInfo>(mgmtd_, req);
    if (!rsp.ok()) return {0, {}};
    const mg::ChainInfo* chain = rsp->info->chains.Find(kFirstChainId);
    const auto* target = rsp->info->targets.Find(chain->targets[position].target_id);
    const auto* node = rsp->info->nodes.Find(*target->node_id);
    return {chain->chain_version, node->app.service_groups[0].endpoints[0]};
  }
  // True when acknowledged. Repeats the request until the process is gone.
  bool Write(uint16_t chunk, uint32_t offset, const Bytes& data) {
    st::WriteReq req = requests_.Write(0, Requests::ChunkId(chunk), offset, data);
    for (int i = 0; i < 200; ++i) {
      const auto [version, head] = Replica(0);
      if (version == 0) return false;
      req.payload.key.v_chain_id.chain_ver = version;
      const auto rsp = Call<st::method::Write>(head, req);
      if (rsp.ok() && rsp->result.length_info.ok()) return true;
      std::this_thread::sleep_for(
          std::chrono::milliseconds(20));  // tidy-allow: sleep a real process
    }
    return false;
  }
  Result<Bytes> Read(uint16_t chunk, size_t position) {
    for (int i = 0; i < 200; ++i) {
      const auto [version, node] = Replica(position);
      const auto rsp = Call<st::method::BatchRead>(
          node, Requests::Read(version, Requests::ChunkId(chunk), 0, kTestChunk));
      if (rsp.ok() && rsp->results[0].length_info.ok()) {
        EXPECT_EQ(rsp->results[0].checksum.value,
                  Crc32cRaw(0xFFFFFFFFU, rsp->inlinebuf.data.span()));
        return rsp->inlinebuf.data;
      }
      if (rsp.ok()) return rsp->results[0].length_info.status();
      std::this_thread::sleep_for(
          std::chrono::milliseconds(20));  // tidy-allow: sleep a real process
    }
    return Code::kRPCTimeout;
  }

  std::unique_ptr<LoopThread> thread_ = LoopThread::Start("durable");
  std::unique_ptr<net::Network> network_ = net::MakeTcpNetwork();
  std::unique_ptr<rpc::Client> client_;
  Requests requests_;
  std::string folder_;
  std::string ready_text_;
  net::Address mgmtd_;
  pid_t pid_ = -1;
};

TEST_F(Durability, AcknowledgedWritesSurviveSigkill) {
  std::map<uint16_t, std::vector<uint8_t>> acknowledged;
  std::string first_ready;
  for (int life = 0; life < 3; ++life) {
    Start();
    if (HasFatalFailure()) return;
    // Everything but the process id is as it was.
    const std::string stable = ready_text_.substr(ready_text_.find("clusterId"));
    if (life == 0) first_ready = stable;
    EXPECT_EQ(stable, first_ready);
    for (const auto& [chunk, content] : acknowledged) {
      for (size_t position = 0; position < 3; ++position) {
        const auto read = Read(chunk, position);
        ASSERT_TRUE(read.ok()) << read.status().ToString();
        ASSERT_EQ(*read, Bytes::Own(std::vector<uint8_t>(content)))
            << "life " << life << " chunk " << chunk << " replica " << position;
      }
    }
    // The killer strikes while the writer writes; the last write may have been done without our
    // knowing.
    std::thread killer([this, life] {
      std::this_thread::sleep_for(
          std::chrono::milliseconds(150 + 100 * life));  // tidy-allow: sleep a real process
      ::kill(pid_, SIGKILL);
    });
    Rng rng(static_cast<uint64_t>(life) + 1);
    for (int i = 0; i < 100'000; ++i) {
      // Each chunk is written once with one content: an unacknowledged write is whole or absent.
      const auto chunk = static_cast<uint16_t>(life * 5000 + i);
      const Bytes data = Pattern(1 + rng.Below(30000), rng.Next());
      if (!Write(chunk, 0, data)) break;
      acknowledged[chunk].assign(data.data(), data.data() + data.size());
    }
    killer.join();
    Kill();
  }
  EXPECT_GT(acknowledged.size(), 3U);
  Start();
  for (const auto& [chunk, content] : acknowledged) {
    const auto read = Read(chunk, 1);
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    ASSERT_EQ(*read, Bytes::Own(std::vector<uint8_t>(content)));
  }
}

TEST_F(Durability, ASecondProcessOnTheFolderIsRefused) {
  Start();
  const pid_t second = Spawn(folder_ + "/ready2.json");
  int status = 0;
  ASSERT_EQ(::waitpid(second, &status, 0), second);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 1);
  ASSERT_EQ(::kill(pid_, SIGTERM), 0);
  ASSERT_EQ(::waitpid(pid_, &status, 0), pid_);
  pid_ = -1;
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace threefs::standalone

// SPDX-License-Identifier: Apache-2.0
#include "client/net/transport.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "client/net/resolve.h"
#include "client/runtime/sync_wait.h"
#include "tests/client/net/transport_contract.h"
#include "tests/support/sim_loop.h"
#include "tests/support/sim_network.h"

namespace threefs::net {
namespace {

constexpr uint32_t kLocalhost = 0x0100007f;

struct TcpWorld {
  std::unique_ptr<LoopThread> thread = LoopThread::Start("net");
  std::unique_ptr<Network> network = MakeTcpNetwork();
  Loop& loop() { return thread->loop(); }
  Network& client() { return *network; }
  Network& server() { return *network; }
  static Address any() { return {kLocalhost, 0}; }
  static Address nobody() { return {kLocalhost, 1}; }
  template <class F>
  auto Run(F make) {
    return SyncWait(loop(), std::move(make));
  }
};

struct SimTenant {
  sim::SimWorld world{7};
  sim::SimNetwork network{world};
  Loop* the_loop = &world.NewLoop();
  Loop& loop() { return *the_loop; }
  Network& client() { return network.Node(1); }
  Network& server() { return network.Node(2); }
  static Address any() { return {2, 0}; }
  static Address nobody() { return {2, 1}; }
  template <class F>
  auto Run(F make) {
    return world.Run(loop(), std::move(make));
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Tcp, TransportContract, TcpWorld);
INSTANTIATE_TYPED_TEST_SUITE_P(Sim, TransportContract, SimTenant);

// --- TCP only
// ----------------------------------------------------------------------------------------------------

class TcpTest : public ::testing::Test {
 protected:
  // A plain blocking socket connected to the listener of `pair`-like tests.
  static int RawConnect(Address to) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in sa{};
    sa.sin_family = AF_INET;
    sa.sin_port = htons(to.port);
    sa.sin_addr.s_addr = to.ip;
    EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&sa), sizeof sa), 0);
    return fd;
  }
  // Accepts one connection, lets `send` write raw bytes and gives what the transport said about it.
  template <class F>
  void Raw(F check) {
    world_.Run([&]() -> Task<void> {
      std::unique_ptr<Transport> far;
      Event accepted;
      auto listener = world_.network->Listen(world_.loop(), TcpWorld::any(), [&](auto t) {
        far = std::move(t);
        accepted.Set();
      });
      const int fd = RawConnect((*listener)->address());
      co_await accepted.Wait();
      Recorder recorder;
      far->Start(&recorder);
      co_await check(fd, &recorder, far.get());
      far.reset();
      close(fd);
    });
  }
  static std::string Header(uint32_t word, uint32_t size) {
    std::string s(8, '\0');
    std::memcpy(s.data(), &word, 4);
    std::memcpy(s.data() + 4, &size, 4);
    return s;
  }
  static void Write(int fd, std::string_view bytes) {
    EXPECT_EQ(write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  TcpWorld world_;
};

TEST_F(TcpTest, BadMagicAndHugeSizeClose) {
  for (const auto& [word, size] : {std::pair<uint32_t, uint32_t>{0x11, 3},
                                   {0x86, 512U << 20},
                                   {0x87, 600U << 20},
                                   {0x86, 0xffffffff}}) {
    Raw([&, w = word, s = size](int fd, Recorder* recorder, Transport*) -> Task<void> {
      Write(fd, Header(0x86, 2) + "ok" + Header(w, s));
      co_await recorder->Closed();
      EXPECT_EQ(recorder->closed->code(), Code::kRPCSocketError);
      EXPECT_EQ(recorder->frames.size(), 1U) << "what came whole before it counts";
      char c = 0;
      EXPECT_EQ(read(fd, &c, 1), 0) << "closed towards the peer";
    });
  }
}

TEST_F(TcpTest, ByteByByteAndClosedMidFrame) {
  Raw([&](int fd, Recorder* recorder, Transport*) -> Task<void> {
    const std::string all = Header(0x87, 3) + "abc" + Header(0x86, 100000) + std::string(500, 'x');
    for (const char c : all) {
      Write(fd, std::string_view(&c, 1));
      co_await Yield();
    }
    shutdown(fd, SHUT_WR);
    co_await recorder->Closed();
    EXPECT_EQ(recorder->closed->code(), Code::kRPCSocketClosed);
    EXPECT_EQ(recorder->frames.size(), 1U);
    EXPECT_EQ(recorder->frames.front().body.text(), "abc");
    EXPECT_EQ(recorder->frames.front().checksum_word, 0x87U);
  });
}

size_t ResidentBytes() {
  size_t pages = 0;
  size_t resident = 0;
  FILE* f = fopen("/proc/self/statm", "r");
  EXPECT_EQ(fscanf(f, "%zu %zu", &pages, &resident), 2);
  fclose(f);
  return resident * 4096;
}

TEST_F(TcpTest, AnAnnouncedSizeCostsNothing) {
  Raw([&](int fd, Recorder* recorder, Transport*) -> Task<void> {
    const size_t before = ResidentBytes();
    Write(fd, Header(0x86, 500U << 20) + "only a few bytes");
    co_await SleepFor(20ms);
    EXPECT_FALSE(recorder->closed.has_value());
    EXPECT_LT(ResidentBytes() - before, 16U << 20);
  });
}

TEST_F(TcpTest, BackpressureIsVisible) {
  Raw([&](int fd, Recorder*, Transport* far) -> Task<void> {
    far->Send(MakeFrame(Pattern(32U << 20, 1)));  // more than the sockets buffer; nobody reads
    co_await SleepFor(20ms);
    EXPECT_GT(far->unsent_bytes(), 1U << 20);
    std::string sink(1U << 20, '\0');
    size_t total = 0;
    while (total < (32U << 20) + 8) {
      const ssize_t n = recv(fd, sink.data(), sink.size(), MSG_DONTWAIT);
      if (n > 0) total += static_cast<size_t>(n);
      co_await Yield();
    }
    EXPECT_EQ(far->unsent_bytes(), 0U);
  });
}

TEST_F(TcpTest, DialTimesOutAndIsCancelled) {
  // A listener whose backlog is full answers no further SYN.
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in sa{};
  sa.sin_family = AF_INET;
  sa.sin_addr.s_addr = kLocalhost;
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&sa), sizeof sa), 0);
  ASSERT_EQ(listen(fd, 0), 0);
  socklen_t size = sizeof sa;
  ASSERT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&sa), &size), 0);
  const Address at{kLocalhost, ntohs(sa.sin_port)};
  world_.Run([&]() -> Task<void> {
    std::vector<std::unique_ptr<Transport>> fill;
    Code last = Code::kOk;
    for (int i = 0; i < 8 && last == Code::kOk; ++i) {
      auto t = co_await world_.network->Dial(world_.loop(), at,
                                             {.deadline = world_.loop().Now() + 50ms});
      last = t.code();
      if (t.ok()) fill.push_back(*std::move(t));
    }
    EXPECT_EQ(last, Code::kRPCTimeout);
    CancelSource cancel;
    world_.loop().At(world_.loop().Now() + 10ms, [&] { cancel.Cancel(); });
    auto t = co_await world_.network->Dial(world_.loop(), at, {.cancel = &cancel});
    EXPECT_EQ(t.code(), Code::kRPCTimeout);
  });
  close(fd);
}

TEST_F(TcpTest, ListenOnATakenPortSaysSo) {
  world_.Run([&]() -> Task<void> {
    auto first = world_.network->Listen(world_.loop(), TcpWorld::any(), [](auto) {});
    auto second = world_.network->Listen(world_.loop(), (*first)->address(), [](auto) {});
    EXPECT_EQ(second.code(), Code::kRPCListenFailed);
    EXPECT_NE(second.status().message().find("in use"), std::string::npos);
    co_return;
  });
}

TEST(ResolveTest, LiteralsNamesAndNonsense) {
  auto thread = LoopThread::Start("dns");
  auto pool = BlockingPool::Create(1, "dns");
  const auto resolve = [&](const char* text) {
    return SyncWait(thread->loop(), [&] { return ResolveAddress(*pool, text); });
  };
  auto literal = resolve("RDMA://10.1.2.3:8000");
  ASSERT_TRUE(literal.ok());
  EXPECT_EQ(literal->front().ToString(), "RDMA://10.1.2.3:8000");
  auto name = resolve("TCP://localhost:9000");
  ASSERT_TRUE(name.ok()) << name.status().ToString();
  EXPECT_EQ(name->front().ip, kLocalhost);
  EXPECT_EQ(name->front().port, 9000);
  EXPECT_EQ(resolve("no-such-host.invalid:1").code(), Code::kRPCInvalidAddr);
  for (const char* bad : {"", "localhost", "localhost:", "localhost:99999", "ftp://localhost:1",
                          "1.2.3:4", "a b:1", "http://x/y:1", ":5", "TCP://:5"}) {
    EXPECT_EQ(resolve(bad).code(), Code::kInvalidFormat) << bad;
  }
}

}  // namespace
}  // namespace threefs::net

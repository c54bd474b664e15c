// SPDX-License-Identifier: Apache-2.0
// The server's side of the wire, byte by byte over TCP: what 3fs/wire.md §2.5 and 3fs/measured.md
// ("Raw frames") say.
#include "client/rpc/server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/base/crc32c.h"
#include "client/rpc/client.h"
#include "client/rpc/frame.h"
#include "client/runtime/sync_wait.h"
#include "client/schema/method.h"

namespace threefs::rpc {
namespace {

struct FillReq {
  uint64_t size = 0;
  uint32_t value = 0;
  SERDE_FIELDS(size, value)
};
struct FillRsp {
  Bytes data{};
  SERDE_FIELDS(data)
};
using Fill = schema::Method<240, 1, FillReq, FillRsp>;
using Hang = schema::Method<240, 2, FillReq, FillRsp>;

Task<Result<FillRsp>> HandleFill(CallInfo, FillReq req) {
  co_return FillRsp{
      .data = Bytes::Own(std::vector<uint8_t>(req.size, static_cast<uint8_t>(req.value)))};
}

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() {
    SyncWait(loop(), [&]() -> Task<void> {
      server_ = Server::Create(loop(), *network_);
      server_->Handle<Fill>(HandleFill);
      server_->Handle<Hang>([this](CallInfo, FillReq) { return HandleHang(); });
      address_ = *server_->Listen({0x0100007f, 0});
      co_return;
    });
    Connect();
  }
  ~ServerTest() override {
    close(fd_);
    SyncWait(loop(), [&]() -> Task<void> {
      release_.Set();
      co_await SleepFor(1ms);
      server_.reset();
    });
  }
  Task<Result<FillRsp>> HandleHang() {
    co_await release_.Wait();
    co_return FillRsp{};
  }
  void Connect() {
    if (fd_ >= 0) close(fd_);
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in sa{};
    sa.sin_family = AF_INET;
    sa.sin_port = htons(address_.port);
    sa.sin_addr.s_addr = address_.ip;
    ASSERT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&sa), sizeof sa), 0);
    const timeval limit{10, 0};  // only a failing test waits for it
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  static schema::OutPacket Packet(uint64_t uuid, serde::Encoded payload = serde::Encode(FillReq{
                                                     .size = 3, .value = 0x41})) {
    schema::OutPacket p;
    p.uuid = uuid;
    p.service_id = 240;
    p.method_id = 1;
    p.flags = schema::kPacketIsReq;
    p.payload = std::move(payload);
    return p;
  }
  static std::string Wire(const schema::OutPacket& packet, Compression c = Compression::kNone) {
    std::string s;
    const auto frame = EncodeFrame(packet, c);
    for (const Bytes& b : frame->pieces) s += b.text();
    return s;
  }
  void Send(std::string_view bytes) const {
    size_t at = 0;
    while (at < bytes.size()) {
      const ssize_t n = send(fd_, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
      if (n <= 0) return;  // closed by the server: the test sees it in Receive
      at += static_cast<size_t>(n);
    }
  }
  bool ReadAll(char* out, size_t n) const {
    size_t at = 0;
    while (at < n) {
      const ssize_t got = recv(fd_, out + at, n - at, 0);
      if (got <= 0) return false;
      at += static_cast<size_t>(got);
    }
    return true;
  }
  // The next frame, or nullopt when the server closed.
  std::optional<schema::MessagePacket> Receive(size_t* wire_size = nullptr,
                                               uint8_t* magic = nullptr) const {
    std::string frame(8, '\0');
    if (!ReadAll(frame.data(), 8)) return std::nullopt;
    uint32_t size = 0;
    std::memcpy(&size, frame.data() + 4, 4);
    frame.resize(8 + size);
    if (!ReadAll(frame.data() + 8, size)) return std::nullopt;
    if (wire_size != nullptr) *wire_size = size;
    if (magic != nullptr) *magic = static_cast<uint8_t>(frame[0]);
    auto parsed = ParseFrame(Bytes::CopyOf(frame));
    EXPECT_TRUE(parsed.ok()) << parsed.status().ToString();
    return *parsed;
  }
  static Code CodeOf(const schema::MessagePacket& p) {
    auto r = serde::Decode<Result<FillRsp>>(p.payload);
    EXPECT_TRUE(r.ok());
    return r->code();
  }
  bool Closed() const {
    char c = 0;
    return recv(fd_, &c, 1, 0) == 0 || errno == ECONNRESET;
  }
  Loop& loop() { return thread_->loop(); }

  std::unique_ptr<net::Network> network_ = net::MakeTcpNetwork();
  std::unique_ptr<LoopThread> thread_ = LoopThread::Start("server");
  Event release_;
  std::unique_ptr<Server> server_;
  net::Address address_;
  int fd_ = -1;
};

TEST_F(ServerTest, AnswersAndEchoesWhatItMust) {
  auto packet = Packet(77);
  packet.version = {9, 9, 9, 77};
  Send(Wire(packet));
  auto answer = Receive();
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->uuid, 77U);
  EXPECT_EQ(answer->service_id, 240);
  EXPECT_EQ(answer->method_id, 1);
  EXPECT_EQ(answer->flags, 0);
  EXPECT_EQ(answer->version.major, 9);
  EXPECT_EQ(answer->version.hash, 77U);
  EXPECT_FALSE(answer->timestamp.has_value());
  auto rsp = serde::Decode<Result<FillRsp>>(answer->payload);
  EXPECT_EQ((*rsp)->data.text(), "AAA");

  packet.timestamp.emplace();
  packet.timestamp->client_called = 12345;
  Send(Wire(packet));
  answer = Receive();
  ASSERT_TRUE(answer->timestamp.has_value());
  EXPECT_EQ(answer->timestamp->client_called, 12345);
  EXPECT_GT(answer->timestamp->server_received, 1'600'000'000'000'000);
  EXPECT_GE(answer->timestamp->server_serialized, answer->timestamp->server_processed);
  EXPECT_GE(answer->timestamp->server_processed, answer->timestamp->server_waked);
}

TEST_F(ServerTest, ByteByByteAndPipelined) {
  for (const char c : Wire(Packet(1))) Send(std::string_view(&c, 1));
  EXPECT_EQ(Receive()->uuid, 1U);
  Send(Wire(Packet(2)) + Wire(Packet(3)) + Wire(Packet(4)));
  for (const uint64_t uuid : {2, 3, 4}) EXPECT_EQ(Receive()->uuid, uuid);
}

TEST_F(ServerTest, BadChecksumCloses) {
  std::string wire = Wire(Packet(1));
  wire.back() = static_cast<char>(wire.back() ^ 1);
  Send(wire);
  EXPECT_TRUE(Closed());
}

TEST_F(ServerTest, BadMagicCloses) {
  std::string wire = Wire(Packet(1));
  wire[0] = 0x11;
  Send(wire);
  EXPECT_TRUE(Closed());
}

TEST_F(ServerTest, HugeSizeCloses) {
  for (const uint32_t size : {600U << 20, 512U << 20, 0xffffffffU}) {
    Connect();
    std::string wire = Wire(Packet(1));
    std::memcpy(wire.data() + 4, &size, 4);
    Send(wire);
    EXPECT_TRUE(Closed()) << size;
  }
}

TEST_F(ServerTest, UndecodablePacketAndBadZstdClose) {
  for (const bool compressed : {false, true}) {
    Connect();
    std::string body = "\x7f not a packet";
    const uint32_t word = (Crc32cRaw(0, AsBytes(body)) & 0xffffff00) | (compressed ? 0x87 : 0x86);
    const auto size = static_cast<uint32_t>(body.size());
    std::string wire(8, '\0');
    std::memcpy(wire.data(), &word, 4);
    std::memcpy(wire.data() + 4, &size, 4);
    Send(wire + body);
    EXPECT_TRUE(Closed());
  }
}

TEST_F(ServerTest, NoIsReqFlagNoAnswer) {
  auto packet = Packet(1);
  packet.flags = 0;
  Send(Wire(packet));
  Send(Wire(Packet(2)));
  EXPECT_EQ(Receive()->uuid, 2U) << "nothing for the first";
}

TEST_F(ServerTest, UnknownIds) {
  auto packet = Packet(1);
  packet.method_id = 99;
  Send(Wire(packet));
  EXPECT_EQ(CodeOf(*Receive()), Code::kRPCInvalidMethodID);
  packet.service_id = 4242;
  packet.method_id = 1;
  Send(Wire(packet));
  auto answer = Receive();
  EXPECT_EQ(CodeOf(*answer), Code::kRPCInvalidMethodID);
  EXPECT_EQ(answer->service_id, 4242);
}

TEST_F(ServerTest, BadPayload) {
  serde::Encoded half;
  half.pieces.push_back(Bytes::CopyOf(std::string_view("\x0c\x01\x02", 3)));
  half.size = 3;
  Send(Wire(Packet(1, half)));
  EXPECT_EQ(CodeOf(*Receive()), Code::kRPCVerifyRequestFailed);
  Send(Wire(Packet(2, serde::Encoded{})));
  EXPECT_EQ(CodeOf(*Receive()), Code::kRPCVerifyRequestFailed) << "empty payload";
  Send(Wire(Packet(3)));
  EXPECT_EQ(CodeOf(*Receive()), Code::kOk) << "the connection goes on";
}

TEST_F(ServerTest, CompressesOnlyWhenAskedAndLarge) {
  size_t size = 0;
  uint8_t magic = 0;
  for (const bool asked : {false, true}) {
    for (const uint64_t bytes : {1000UL, 300000UL}) {
      auto packet = Packet(1, serde::Encode(FillReq{.size = bytes, .value = 0}));
      if (asked) packet.flags |= schema::kPacketUseCompress;
      Send(Wire(packet));
      auto answer = Receive(&size, &magic);
      ASSERT_TRUE(answer.has_value());
      auto rsp = serde::Decode<Result<FillRsp>>(answer->payload);
      EXPECT_EQ((*rsp)->data.size(), bytes);
      const bool compressed = asked && bytes >= kCompressThreshold;
      EXPECT_EQ(magic, compressed ? 0x87 : 0x86);
      EXPECT_EQ(size < bytes, compressed);
    }
  }
}

TEST_F(ServerTest, TakesCompressedRequests) {
  Send(Wire(Packet(5), Compression::kZstd));
  EXPECT_EQ(Receive()->uuid, 5U);
}

TEST_F(ServerTest, RefusesBeyond4096UnderWay) {
  std::string wire;
  for (uint64_t i = 0; i < 4097; ++i) {
    auto packet = Packet(i);
    packet.method_id = 2;
    wire += Wire(packet);
  }
  Send(wire);
  auto answer = Receive();
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->uuid, 4096U);
  EXPECT_EQ(CodeOf(*answer), Code::kRPCRequestRefused);
  release_.Set();
  for (int i = 0; i < 4096; ++i) ASSERT_TRUE(Receive().has_value());
  Send(Wire(Packet(1)));
  EXPECT_EQ(CodeOf(*Receive()), Code::kOk);
}

TEST_F(ServerTest, ClosesMidRequestWithoutHarm) {
  const std::string wire = Wire(Packet(1));
  Send(wire.substr(0, wire.size() - 1));
  Connect();
  Send(wire);
  EXPECT_EQ(Receive()->uuid, 1U);
}

// A server may send requests to its client; one nobody serves is answered 2009 and calls under way
// are not disturbed.
TEST_F(ServerTest, ClientAnswersRequestsOfTheServer) {
  SyncWait(loop(), [&]() -> Task<void> {
    std::unique_ptr<net::Transport> far;
    struct FakeServer : net::TransportHandler {
      std::unique_ptr<net::Transport>* far = nullptr;
      std::vector<schema::MessagePacket> got;
      static net::OutFrame Frame(const schema::OutPacket& p) {
        return *EncodeFrame(p, Compression::kNone);
      }
      void OnFrame(net::InFrame frame) override {
        got.push_back(*DecodeFrame(frame));
        if (got.size() > 1) return;
        schema::OutPacket ask = Packet(got[0].uuid);  // the same uuid: each side counts on its own
        ask.service_id = 10;
        (*far)->Send(Frame(ask));
        ask.method_id = 7;
        (*far)->Send(Frame(ask));
        schema::OutPacket answer = Packet(got[0].uuid, serde::Encode(Result<FillRsp>(FillRsp{})));
        answer.flags = 0;
        (*far)->Send(Frame(answer));
      }
      void OnClosed(Status) override {}
    } fake;
    fake.far = &far;
    auto listener = network_->Listen(loop(), {0x0100007f, 0}, [&](auto t) {
      far = std::move(t);
      far->Start(&fake);
    });
    auto client = Client::Create(loop(), *network_, {});
    client->HandleRaw(10, 1, [](CallInfo, Bytes) -> Task<serde::Encoded> {
      co_return serde::Encode(Result<FillRsp>(FillRsp{}));
    });
    auto r = co_await client->Call<Fill>((*listener)->address(), FillReq{}, {});
    EXPECT_TRUE(r.ok()) << r.status().ToString();
    while (fake.got.size() < 3) co_await SleepFor(1ms);
    EXPECT_EQ(CodeOf(fake.got[1]), Code::kOk);
    EXPECT_EQ(CodeOf(fake.got[2]), Code::kRPCInvalidMethodID);
    client.reset();
    far.reset();
    co_await SleepFor(1ms);
  });
}

}  // namespace
}  // namespace threefs::rpc

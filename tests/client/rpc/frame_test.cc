// SPDX-License-Identifier: Apache-2.0
#include "client/rpc/frame.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include <cstring>
#include <string>
#include <vector>

#include "client/base/crc32c.h"
#include "client/base/rng.h"

namespace threefs::rpc {
namespace {

std::vector<uint8_t> Hex(std::string_view text) {
  std::vector<uint8_t> out;
  std::string digits;
  for (const char c : text) {
    if (c == ' ' || c == '|') continue;
    digits += c;
    if (digits.size() == 2) {
      out.push_back(static_cast<uint8_t>(std::stoi(digits, nullptr, 16)));
      digits.clear();
    }
  }
  return out;
}

std::vector<uint8_t> Flat(const net::OutFrame& frame) {
  std::vector<uint8_t> out;
  for (const Bytes& b : frame.pieces) out.insert(out.end(), b.span().begin(), b.span().end());
  return out;
}

schema::OutPacket SamplePacket(serde::Encoded payload) {
  schema::OutPacket packet;
  packet.uuid = 1;
  packet.service_id = 217;
  packet.method_id = 1;
  packet.flags = schema::kPacketIsReq;
  packet.payload = std::move(payload);
  return packet;
}

serde::Encoded Payload(std::vector<uint8_t> bytes) {
  serde::Encoded e;
  e.size = bytes.size();
  e.pieces.push_back(Bytes::Own(std::move(bytes)));
  return e;
}

// 3fs/wire.md §2.4: getPrimaryMgmtd as the reference sends it.
constexpr std::string_view kReference =
    "86 de 8e 80 2b 00 00 00 2a 01 00 00 00 00 00 00 00 d9 00 01 00 01 00 07 00 00 00 00 00 00 00"
    "12 11 05 73 74 61 67 65 0a 00 00 00 00 00 00 00 00 00 00 00";

TEST(FrameTest, EncodesAsTheReference) {
  const auto packet =
      SamplePacket(Payload(Hex("11 05 73 74 61 67 65 0a 00 00 00 00 00 00 00 00 00 00")));
  const auto frame = EncodeFrame(packet, Compression::kNone);
  ASSERT_TRUE(frame.ok());
  EXPECT_EQ(Flat(*frame), Hex(kReference));
}

TEST(FrameTest, TimestampIsLastAndChecksummed) {
  auto packet = SamplePacket(Payload(Hex("11 05 73 74 61 67 65 0a 00 00 00 00 00 00 00 00 00 00")));
  packet.timestamp.emplace();
  const auto frame = Flat(*EncodeFrame(packet, Compression::kNone));
  ASSERT_EQ(frame.size(), 8U + 108);
  EXPECT_EQ(frame[0], 0x86);
  EXPECT_EQ(frame[4], 108);
  EXPECT_EQ(frame[8], 0x6b);
  const auto parsed = ParseFrame(Bytes::Own(frame));
  ASSERT_TRUE(parsed.ok());
  EXPECT_TRUE(parsed->timestamp.has_value());
}

TEST(FrameTest, DecodesAnErrorAnswer) {
  // 3fs/wire.md §2.4: error 5000 "12".
  const auto parsed = ParseFrame(Bytes::Own(Hex(
      "86 b2 88 97 20 00 00 00 1f 01 00 00 00 00 00 00 00 d9 00 01 00 00 00 07 00 00 00 00 00 00 00"
      "07 00 88 13 01 02 31 32 00")));
  ASSERT_TRUE(parsed.ok()) << parsed.status().ToString();
  const auto answer = serde::Decode<Result<serde::Void>>(parsed->payload);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(Raw(answer->code()), 5000);
  EXPECT_EQ(answer->status().message(), "12");
  EXPECT_EQ(answer->status().origin(), Origin::kPeer);
}

TEST(FrameTest, EveryFlippedBitIsFound) {
  const auto good = Hex(kReference);
  for (size_t bit = 8; bit < good.size() * 8; ++bit) {  // the low byte is the magic: see below
    auto bad = good;
    bad[bit / 8] = static_cast<uint8_t>(bad[bit / 8] ^ 1U << bit % 8);
    EXPECT_FALSE(ParseFrame(Bytes::Own(bad)).ok()) << "bit " << bit;
  }
  for (const int magic : {0x00, 0x06, 0x84, 0x96, 0xff}) {
    auto bad = good;
    bad[0] = static_cast<uint8_t>(magic);
    EXPECT_FALSE(ParseFrame(Bytes::Own(bad)).ok());
  }
}

TEST(FrameTest, CompressedRoundTrip) {
  for (const size_t size : {0U, 1U, 1000U, 300000U, 5U << 20}) {
    std::vector<uint8_t> data(size, 0x5a);
    const auto frame = EncodeFrame(SamplePacket(Payload(data)), Compression::kZstd);
    ASSERT_TRUE(frame.ok());
    const auto bytes = Flat(*frame);
    EXPECT_EQ(bytes[0], 0x87);
    if (size > 1000) EXPECT_LT(bytes.size(), size / 100);
    const auto parsed = ParseFrame(Bytes::Own(bytes));
    ASSERT_TRUE(parsed.ok()) << parsed.status().ToString();
    EXPECT_EQ(parsed->payload, Bytes::Own(data));
  }
}

Bytes CompressedFrame(std::vector<uint8_t> body) {
  std::vector<uint8_t> frame(8);
  const uint32_t word = (Crc32cRaw(0, body) & 0xffffff00) | 0x87;
  const auto size = static_cast<uint32_t>(body.size());
  std::memcpy(frame.data(), &word, 4);
  std::memcpy(frame.data() + 4, &size, 4);
  frame.insert(frame.end(), body.begin(), body.end());
  return Bytes::Own(std::move(frame));
}

TEST(FrameTest, BombsAndBrokenZstdAreRefused) {
  // 200 MiB of zeros are some KiB of zstd.
  std::vector<uint8_t> zeros(200U << 20);
  std::vector<uint8_t> bomb(ZSTD_compressBound(zeros.size()));
  bomb.resize(ZSTD_compress(bomb.data(), bomb.size(), zeros.data(), zeros.size(), 19));
  ASSERT_LT(bomb.size(), 64U << 10);
  const auto parsed = ParseFrame(CompressedFrame(bomb));
  EXPECT_EQ(parsed.code(), Code::kRPCVerifyResponseFailed);
  EXPECT_NE(parsed.status().message().find("inflates to more"), std::string::npos);

  std::vector<uint8_t> small(ZSTD_compressBound(100000));
  small.resize(ZSTD_compress(small.data(), small.size(), zeros.data(), 100000, 1));
  auto cut = small;
  cut.resize(cut.size() / 2);
  EXPECT_FALSE(ParseFrame(CompressedFrame(cut)).ok());
  auto surplus = small;
  surplus.push_back(0);
  EXPECT_FALSE(ParseFrame(CompressedFrame(surplus)).ok());
  EXPECT_FALSE(ParseFrame(CompressedFrame({})).ok());
  EXPECT_FALSE(ParseFrame(CompressedFrame({1, 2, 3, 4})).ok());
}

TEST(FrameTest, PayloadIsSplicedNotCopied) {
  const Bytes data = Bytes::Own(std::vector<uint8_t>(1U << 20, 7));
  serde::Encoded payload;
  payload.pieces = {Bytes::CopyOf("head"), data};
  payload.size = 4 + data.size();
  const auto frame = EncodeFrame(SamplePacket(payload), Compression::kNone);
  ASSERT_TRUE(frame.ok());
  bool shared = false;
  for (const Bytes& b : frame->pieces) shared |= b.data() == data.data();
  EXPECT_TRUE(shared);
  const Bytes flat = Bytes::Own(Flat(*frame));
  const auto parsed = ParseFrame(flat);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->payload.size(), payload.size);
  EXPECT_GE(parsed->payload.data(), flat.data());
  EXPECT_LT(parsed->payload.data(), flat.data() + flat.size());
}

TEST(FrameTest, RandomBytesNeverPass) {
  Rng rng(3);
  for (int i = 0; i < 20000; ++i) {
    std::vector<uint8_t> v(rng.Below(80));
    for (uint8_t& b : v) b = static_cast<uint8_t>(rng.Next());
    if (v.size() >= 8) {
      v[0] = 0x86;
      const auto size = static_cast<uint32_t>(v.size() - 8);
      std::memcpy(v.data() + 4, &size, 4);
    }
    (void)ParseFrame(Bytes::Own(std::move(v)));  // no crash; ASan and UBSan watch
  }
}

}  // namespace
}  // namespace threefs::rpc

// SPDX-License-Identifier: Apache-2.0
// Every golden vector, both ways: what the reference wrote decodes to the stated value and encodes
// back to the same bytes. The directory is $THREEFS_GOLDEN_DIR, else the repository's copy; a kind
// or type without a reader here fails.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "client/base/crc32c.h"
#include "client/layout/checksum.h"
#include "client/layout/chunk_id.h"
#include "client/layout/layout.h"
#include "client/layout/shuffle.h"
#include "client/net/address.h"
#include "client/net/transport.h"
#include "client/rpc/frame.h"
#include "client/schema/packet.h"
#include "client/serde/serde.h"
#include "tests/golden/registry.h"
#include "tests/golden/wire_json.h"

namespace threefs::golden {
namespace {

using layout::ChecksumInfo;
using layout::ChecksumType;

std::string Folder() {
  const char* folder = std::getenv("THREEFS_GOLDEN_DIR");
  return folder != nullptr ? folder : "tests/golden/data";
}

Bytes HexField(const Json& line, const char* key) {
  return Bytes::Own(FromHex(line.at(key).get<std::string>()));
}

// One value of `type` as `bytes`, shown as `expected`.
void CheckValue(const std::string& type, const Bytes& bytes, const Json& expected) {
  const WireType* wire = FindWireType(type);
  ASSERT_NE(wire, nullptr) << "no wire type named " << type;
  const auto shown = wire->show(bytes);
  ASSERT_TRUE(shown.ok()) << type << ": " << shown.status().ToString();
  EXPECT_EQ(*shown, Normalize(expected)) << type;
  const auto again = wire->recode(bytes);
  ASSERT_TRUE(again.ok()) << type;
  EXPECT_EQ(ToHex(again->span()), ToHex(bytes.span())) << type;
}

void CheckVarint(const Json& line) {
  const Bytes bytes = HexField(line, "hex");
  serde::Reader reader(bytes);
  uint64_t value = 0;
  ASSERT_TRUE(reader.Varint(&value));
  EXPECT_EQ(value, line.at("value").get<uint64_t>());
  serde::Writer writer;
  writer.Varint(value);
  EXPECT_EQ(std::move(writer).Finish().Flatten(), bytes);
}

void CheckTyped(const Json& line) {
  const auto type = line.at("type").get<std::string>();
  const Bytes bytes = HexField(line, "hex");
  CheckValue(type, bytes, line.at("value"));
  // A default value must be the reference's default: what an older sender leaves out is taken from
  // there. (The reference puts the machine's name into a default ClientId: the capture's was
  // "clienthost".)
  if (line.value("mode", "") == "default" && bytes.text().find("clienthost") == std::string::npos) {
    EXPECT_EQ(ToHex(FindWireType(type)->encode_default().span()), ToHex(bytes.span())) << type;
  }
}

void CheckMessage(const Json& line) {
  CheckTyped(line);
  const bool is_request = line.at("kind") == "req";
  if (line.at("kind") == "rsp") return;
  const WireType* payload = FindPayloadType(line.at("service_id").get<uint16_t>(),
                                            line.at("method_id").get<uint16_t>(), is_request);
  ASSERT_NE(payload, nullptr) << line.at("service") << "." << line.at("method");
  EXPECT_EQ(payload->name, line.at("type").get<std::string>());
}

void CheckAddress(const Json& line) {
  CheckTyped(line);
  const auto address = net::Address::Parse(line.at("value").get<std::string>());
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(address->Raw(), line.at("u64").get<uint64_t>());
}

void CheckShuffle(const Json& line) {
  const auto seed = line.at("seed").get<uint64_t>();
  const auto base = line.at("baseIndex").get<uint32_t>();
  const auto stripe = line.at("stripe").get<uint32_t>();
  using List = std::vector<uint32_t>;
  const auto gcc11 = layout::ShuffledChains(base, stripe, seed, layout::ShuffleVariant::kGcc11);
  EXPECT_EQ(gcc11, line.at("gcc11").get<List>());
  EXPECT_EQ(layout::ShuffledChains(base, stripe, seed, layout::ShuffleVariant::kGcc10),
            line.at("gcc10").get<List>());
  schema::meta::Layout layout{
      .table_id = 1, .table_version = 1, .chunk_size = 4096, .stripe_size = stripe};
  using Range = schema::meta::Layout::ChainRange;
  layout.chains = Range{.base_index = base, .seed = seed};
  EXPECT_EQ(layout::ChainIndexes(layout), line.at("no_shuffle").get<List>());
  layout.chains = Range{.base_index = base,
                        .shuffle = schema::meta::Layout::ShuffleType::kStdShuffleMt19937,
                        .seed = seed};
  EXPECT_EQ(layout::ChainIndexes(layout), line.at("layout_STD_SHUFFLE_MT19937").get<List>());
}

void CheckChunkId(const Json& line) {
  const layout::FileChunk chunk{.inode = line.at("inode").get<uint64_t>(),
                                .track = line.at("track").get<uint16_t>(),
                                .index = line.at("chunk").get<uint32_t>()};
  const std::string id = layout::MakeChunkId(chunk.inode, chunk.track, chunk.index);
  EXPECT_EQ(ToHex(AsBytes(id)), line.at("pack_hex").get<std::string>());
  EXPECT_EQ(serde::Encode(id).Flatten(), HexField(line, "hex"));
  const auto parsed = layout::ParseChunkId(id);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(*parsed, chunk);
}

std::vector<uint8_t> ChecksumData(const Json& line) {
  if (line.contains("data_hex")) return FromHex(line.at("data_hex").get<std::string>());
  const Json& gen = line.at("gen");
  std::vector<uint8_t> data(gen.at("len").get<size_t>());
  const auto mul = gen.at("mul").get<size_t>();
  const auto add = gen.at("add").get<size_t>();
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<uint8_t>(i * mul + add);
  return data;
}

// The checksum word of a frame's header (3fs/wire.md §2.1).
uint32_t HeaderWord(ByteSpan body, bool compressed) {
  return (Crc32cRaw(0, body) & 0xffffff00U) | (compressed ? 0x87U : 0x86U);
}

void CheckChecksum(const Json& line) {
  const auto data = ChecksumData(line);
  ASSERT_EQ(data.size(), line.at("length").get<size_t>());
  const auto crc32c = layout::ComputeChecksum(ChecksumType::kCrc32c, data);
  const auto crc32 = layout::ComputeChecksum(ChecksumType::kCrc32, data);
  EXPECT_EQ(crc32c.value, line.at("crc32c_value").get<uint32_t>());
  EXPECT_EQ(crc32.value, line.at("crc32_value").get<uint32_t>());
  EXPECT_EQ(serde::Encode(crc32c).Flatten(), HexField(line, "hex_crc32c"));
  EXPECT_EQ(serde::Encode(crc32).Flatten(), HexField(line, "hex_crc32"));
  const auto none = layout::ComputeChecksum(ChecksumType::kNone, data);
  EXPECT_EQ(serde::Encode(none).Flatten(), HexField(line, "hex_none"));
  EXPECT_EQ(HeaderWord(data, false), line.at("frame_checksum_uncompressed").get<uint32_t>());
  EXPECT_EQ(HeaderWord(data, true), line.at("frame_checksum_compressed").get<uint32_t>());
}

void CheckCombine(const Json& line) {
  const auto a = line.at("a").get<std::string>();
  const auto b = line.at("b").get<std::string>();
  const auto crc_a = layout::ComputeChecksum(ChecksumType::kCrc32c, AsBytes(a));
  const auto crc_b = layout::ComputeChecksum(ChecksumType::kCrc32c, AsBytes(b));
  EXPECT_EQ(crc_a.value, line.at("crc_a").get<uint32_t>());
  EXPECT_EQ(crc_b.value, line.at("crc_b").get<uint32_t>());
  const auto both = layout::CombineChecksums(crc_a, crc_b, b.size());
  ASSERT_TRUE(both.ok());
  EXPECT_EQ(both->value, line.at("combined").get<uint32_t>());
  EXPECT_EQ(both->value, layout::ComputeChecksum(ChecksumType::kCrc32c, AsBytes(a + b)).value);
}

void CheckPacket(const Json& line, const schema::MessagePacket& packet) {
  EXPECT_EQ(packet.uuid, line.at("uuid").get<uint64_t>());
  EXPECT_EQ(packet.service_id, line.at("serviceId").get<uint16_t>());
  EXPECT_EQ(packet.method_id, line.at("methodId").get<uint16_t>());
  EXPECT_EQ(packet.flags, line.at("flags").get<uint16_t>());
  EXPECT_EQ(ToJson(packet.version), line.at("version"));
  EXPECT_EQ(packet.timestamp.has_value(), line.at("timestamp").get<bool>());
  EXPECT_EQ(packet.payload, HexField(line, "payload_hex"));
}

Bytes Flat(const net::OutFrame& frame) {
  return serde::Encoded{frame.pieces, frame.size()}.Flatten();
}

void CheckFrame(const Json& line) {
  const Bytes frame = HexField(line, "hex");
  ASSERT_GE(frame.size(), net::kFrameHeaderSize);
  uint32_t word = 0;
  uint32_t size = 0;
  std::memcpy(&word, frame.data(), 4);
  std::memcpy(&size, frame.data() + 4, 4);
  EXPECT_EQ(word, line.at("header_checksum").get<uint32_t>());
  EXPECT_EQ(size, line.at("header_size").get<uint32_t>());
  const bool compressed = line.at("compressed").get<bool>();
  EXPECT_EQ(HeaderWord(frame.span().subspan(net::kFrameHeaderSize), compressed), word);
  const auto packet = rpc::ParseFrame(frame);
  ASSERT_TRUE(packet.ok()) << packet.status().ToString();
  CheckPacket(line, *packet);
  const schema::OutPacket out{.uuid = packet->uuid,
                              .service_id = packet->service_id,
                              .method_id = packet->method_id,
                              .flags = packet->flags,
                              .version = packet->version,
                              .payload = {{packet->payload}, packet->payload.size()},
                              .timestamp = packet->timestamp};
  // Compressed bytes are zstd's own affair: what is compared is what they inflate to.
  if (!compressed) {
    EXPECT_EQ(Flat(*rpc::EncodeFrame(out, rpc::Compression::kNone)), frame);
  }
  const Bytes deflated = Flat(*rpc::EncodeFrame(out, rpc::Compression::kZstd));
  const auto inflated = rpc::ParseFrame(deflated);
  ASSERT_TRUE(inflated.ok()) << inflated.status().ToString();
  EXPECT_EQ(serde::Encode(*inflated).Flatten(), serde::Encode(*packet).Flatten());
  CheckValue(line.at("type").get<std::string>(), packet->payload, line.at("value"));
}

void CheckStatusCode(const Json& line) {
  const auto number = line.at("code").get<uint16_t>();
  EXPECT_EQ(CodeName(static_cast<Code>(number)), line.at("name").get<std::string>());
}

using Check = void (*)(const Json& line);

const std::map<std::string, Check, std::less<>>& Checks() {
  static const std::map<std::string, Check, std::less<>> checks{
      {"varint32", CheckVarint},
      {"varint64", CheckVarint},
      {"prim", CheckTyped},
      {"status", CheckTyped},
      {"address", CheckAddress},
      {"struct", CheckTyped},
      {"inode", CheckTyped},
      {"req", CheckMessage},
      {"rsp", CheckMessage},
      {"rsp_result", CheckMessage},
      {"frame", CheckFrame},
      {"shuffle", CheckShuffle},
      {"chunkid", CheckChunkId},
      {"checksum", CheckChecksum},
      {"checksum_combine", CheckCombine},
      {"status_code", CheckStatusCode},
  };
  return checks;
}

// One test a file, so that a failure names it.
class GoldenFile : public testing::TestWithParam<std::string> {};

TEST_P(GoldenFile, EveryVectorBothWays) {
  std::ifstream file(GetParam());
  ASSERT_TRUE(file.is_open()) << GetParam();
  std::map<std::string, size_t> counts;
  std::string text;
  for (size_t number = 1; std::getline(file, text); ++number) {
    if (text.empty()) continue;
    SCOPED_TRACE(GetParam() + ":" + std::to_string(number));
    const Json line = Json::parse(text);
    const auto kind = line.at("kind").get<std::string>();
    const auto check = Checks().find(kind);
    ASSERT_NE(check, Checks().end()) << "unknown kind " << kind;
    check->second(line);
    ++counts[kind];
  }
  ASSERT_FALSE(counts.empty()) << "no vector in " << GetParam();
  for (const auto& [kind, count] : counts) {
    std::printf("golden %s: %zu vectors of kind %s\n",
                std::filesystem::path(GetParam()).filename().c_str(), count, kind.c_str());
  }
}

std::vector<std::string> Files() {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(Folder(), error)) {
    if (entry.path().extension() == ".jsonl") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

INSTANTIATE_TEST_SUITE_P(Vectors, GoldenFile, testing::ValuesIn(Files()), [](const auto& info) {
  std::string name = std::filesystem::path(info.param).stem();
  std::ranges::replace_if(name, [](char c) { return std::isalnum(c) == 0; }, '_');
  return name;
});

TEST(GoldenFolder, HoldsVectors) { EXPECT_FALSE(Files().empty()) << "no *.jsonl in " << Folder(); }

}  // namespace
}  // namespace threefs::golden

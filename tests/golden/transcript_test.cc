// SPDX-License-Identifier: Apache-2.0
// The recorded conversation of the stock FUSE client with stock servers
// (docs/3fs/transcript.jsonl): every payload that was not cut decodes, and encodes back to the same
// bytes.
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <string>

#include "tests/golden/registry.h"
#include "tests/golden/wire_json.h"

namespace threefs::golden {
namespace {

// The byte after the variant name "Empty" is unspecified (3fs/wire.md §1.2): stock servers send
// what lies in memory there, ours send 00.
std::string ClearEmptyByte(std::string hex) {
  static constexpr std::string_view kName = "05456d707479";
  for (size_t at = hex.find(kName); at != std::string::npos; at = hex.find(kName, at + 1)) {
    if (at % 2 == 0) hex.replace(at + kName.size(), 2, "00");
  }
  return hex;
}

TEST(Transcript, EveryPayloadBothWays) {
  std::ifstream file("docs/3fs/transcript.jsonl");
  ASSERT_TRUE(file.is_open());
  size_t decoded = 0;
  size_t cut = 0;
  std::set<std::string> methods;
  std::string text;
  for (size_t number = 1; std::getline(file, text); ++number) {
    SCOPED_TRACE("line " + std::to_string(number));
    const Json line = Json::parse(text);
    if (line.value("payload_cut", false)) {
      ++cut;
      continue;
    }
    const WireType* type =
        FindPayloadType(line.at("service_id").get<uint16_t>(), line.at("method_id").get<uint16_t>(),
                        line.at("dir") == "req");
    ASSERT_NE(type, nullptr) << line.at("service") << "." << line.at("method");
    const auto hex = line.at("payload_hex").get<std::string>();
    const auto again = type->recode(Bytes::Own(FromHex(hex)));
    ASSERT_TRUE(again.ok()) << type->name << ": " << again.status().ToString();
    EXPECT_EQ(ToHex(again->span()), ClearEmptyByte(hex)) << type->name;
    methods.insert(type->name);
    ++decoded;
  }
  std::printf("transcript: %zu payloads of %zu types, %zu cut ones left out\n", decoded,
              methods.size(), cut);
  EXPECT_GT(decoded, 400U);
  EXPECT_GT(methods.size(), 40U);
  EXPECT_LT(cut, 20U);
}

}  // namespace
}  // namespace threefs::golden

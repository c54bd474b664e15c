// SPDX-License-Identifier: Apache-2.0
#include "tests/golden/wire_json.h"

#include <algorithm>
#include <array>
#include <utility>

#include "client/base/check.h"

namespace threefs::golden {

std::string ToHex(ByteSpan bytes) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const uint8_t b : bytes) {
    out += kDigits[b >> 4];
    out += kDigits[b & 15];
  }
  return out;
}

std::vector<uint8_t> FromHex(std::string_view hex) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    CHECK(c >= 'a' && c <= 'f');
    return c - 'a' + 10;
  };
  CHECK(hex.size() % 2 == 0);
  std::vector<uint8_t> out;
  out.reserve(hex.size() / 2);
  for (size_t i = 0; i < hex.size(); i += 2) {
    out.push_back(static_cast<uint8_t>(digit(hex[i]) << 4 | digit(hex[i + 1])));
  }
  return out;
}

namespace {
std::string SnakeCase(std::string_view camel) {
  if (!camel.empty() && camel[0] == '_') camel.remove_prefix(1);
  std::string out;
  for (const char c : camel) {
    if (c >= 'A' && c <= 'Z') {
      out += '_';
      out += static_cast<char>(c - 'A' + 'a');
    } else {
      out += c;
    }
  }
  return out;
}
}  // namespace

Json Normalize(const Json& expected) {
  if (expected.is_object()) {
    Json out = Json::object();
    for (const auto& [key, value] : expected.items()) {
      if (key == "dummy" && value == Json::object()) continue;
      out[SnakeCase(key)] = Normalize(value);
    }
    return out;
  }
  if (expected.is_array()) {
    Json out = Json::array();
    bool pairs = true;
    for (const Json& element : expected) {
      pairs = pairs && element.is_array() && element.size() == 2;
      out.push_back(Normalize(element));
    }
    return pairs ? SortPairs(std::move(out)) : out;
  }
  return expected;
}

Json SortPairs(Json list) {
  std::sort(list.begin(), list.end(),
            [](const Json& a, const Json& b) { return a.at(0) < b.at(0); });
  return list;
}

Json ToJson(const Bytes& bytes) { return {{"data_hex", ToHex(bytes.span())}}; }

Json ToJson(const Status& status) {
  return {{"code", static_cast<uint16_t>(status.code())},
          {"msg", status.message().empty() ? Json(nullptr) : Json(status.message())}};
}

Json ToJson(const net::Address& address) { return address.ToString(); }

Json ToJson(const Uuid& uuid) { return uuid.ToString(); }

Json ToJson(const std::string& text) { return text; }

Json ToJson(const schema::RDMARemoteBuf& buf) {
  Json rkeys = Json::array();
  for (size_t i = 0; i < buf.count; ++i) {
    rkeys.push_back({{"rkey", buf.rkeys.at(i).rkey}, {"dev_id", buf.rkeys.at(i).dev_id}});
  }
  return {{"addr", buf.addr}, {"length", buf.length}, {"rkeys", rkeys}};
}

namespace internal {
bool IsBinary(std::string_view field) {
  for (const std::string_view name : {"chunk_id", "begin", "end", "last_chunk_id", "gid"}) {
    if (field == name) return true;
  }
  return false;
}
}  // namespace internal

}  // namespace threefs::golden

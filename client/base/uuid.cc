// SPDX-License-Identifier: Apache-2.0
#include "client/base/uuid.h"

#include <cctype>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "client/base/rng.h"
#include "client/base/status.h"
#include "client/base/status_code.h"

namespace threefs {
namespace {
constexpr std::string_view kHex = "0123456789abcdef";
constexpr size_t kTextSize = 36;
bool IsDash(size_t i) { return i == 8 || i == 13 || i == 18 || i == 23; }
}  // namespace

Uuid Uuid::Random(Rng& rng) {
  Uuid u{rng.Bytes16()};
  u.bytes[6] = static_cast<uint8_t>((u.bytes[6] & 0x0f) | 0x40);
  u.bytes[8] = static_cast<uint8_t>((u.bytes[8] & 0x3f) | 0x80);
  return u;
}

Result<Uuid> Uuid::Parse(std::string_view text) {
  const Status bad(Code::kInvalidFormat, "not a uuid: " + std::string(text.substr(0, 64)));
  if (text.size() != kTextSize) return bad;
  Uuid u;
  size_t nibble = 0;
  for (size_t i = 0; i < kTextSize; ++i) {
    if (IsDash(i)) {
      if (text[i] != '-') return bad;
      continue;
    }
    const auto v = kHex.find(static_cast<char>(std::tolower(static_cast<unsigned char>(text[i]))));
    if (v == std::string_view::npos) return bad;
    uint8_t& b = u.bytes[nibble / 2];
    b = static_cast<uint8_t>(nibble % 2 == 0 ? v << 4 : b | v);
    ++nibble;
  }
  return u;
}

std::string Uuid::ToString() const {
  std::string out;
  out.reserve(kTextSize);
  for (const uint8_t b : bytes) {
    if (IsDash(out.size())) out += '-';
    out += kHex[b >> 4];
    out += kHex[b & 0xf];
  }
  return out;
}

}  // namespace threefs

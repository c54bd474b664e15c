// SPDX-License-Identifier: Apache-2.0
#include "client/net/address.h"

#include <array>
#include <charconv>
#include <string>
#include <string_view>

namespace threefs::net {
namespace {

// In the order of AddressType; the spelling is the one servers print (3fs/wire.md §4).
constexpr std::array<std::string_view, 5> kSchemes{"TCP", "RDMA", "IPoIB", "LOCAL", "UNIX"};

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool EqualIgnoreCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (Lower(a[i]) != Lower(b[i])) return false;
  }
  return true;
}

// Decimal digits only, no sign, no leading zeros beyond "0", at most `max`.
bool ParseNumber(std::string_view text, uint32_t max, uint32_t* out) {
  if (text.empty() || text.size() > 5 || (text.size() > 1 && text[0] == '0')) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && end == text.data() + text.size() && *out <= max;
}

bool ParseIpv4(std::string_view text, uint32_t* out) {
  uint32_t ip = 0;
  for (unsigned octet = 0; octet < 4; ++octet) {
    const size_t dot = text.find('.');
    if ((dot == std::string_view::npos) != (octet == 3)) return false;
    uint32_t value = 0;
    if (!ParseNumber(text.substr(0, dot), 255, &value)) return false;
    ip |= value << (8 * octet);
    if (octet < 3) text.remove_prefix(dot + 1);
  }
  *out = ip;
  return true;
}

Status Bad(std::string_view text, std::string_view why) {
  return {Code::kInvalidFormat, "address \"" + std::string(text) + "\": " + std::string(why)};
}

}  // namespace

Result<Address> Address::Parse(std::string_view text) {
  Address address;
  std::string_view rest = text;
  if (const size_t mark = text.find("://"); mark != std::string_view::npos) {
    const std::string_view scheme = text.substr(0, mark);
    size_t type = 0;
    while (type < kSchemes.size() && !EqualIgnoreCase(scheme, kSchemes.at(type))) ++type;
    if (type == kSchemes.size()) return Bad(text, "write TCP:// or RDMA:// in front");
    address.type = static_cast<AddressType>(type);
    rest = text.substr(mark + 3);
  }
  const size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos) return Bad(text, "the port is missing, write a.b.c.d:port");
  uint32_t port = 0;
  if (!ParseNumber(rest.substr(colon + 1), 65535, &port)) {
    return Bad(text, "the port must be a number up to 65535");
  }
  if (!ParseIpv4(rest.substr(0, colon), &address.ip)) {
    return Bad(text, "the host must be an IPv4 address like 10.0.0.1 (no names, no IPv6)");
  }
  address.port = static_cast<uint16_t>(port);
  if (address.Raw() == 0) return Bad(text, "0.0.0.0:0 is no address");
  return address;
}

std::string Address::ToString() const {
  const auto index = static_cast<size_t>(type);
  std::string text(index < kSchemes.size() ? kSchemes.at(index) : "UNKNOWN");
  text += "://";
  for (unsigned octet = 0; octet < 4; ++octet) {
    if (octet != 0) text += '.';
    text += std::to_string((ip >> (8 * octet)) & 0xff);
  }
  return text + ":" + std::to_string(port);
}

}  // namespace threefs::net

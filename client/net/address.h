// SPDX-License-Identifier: Apache-2.0
// Address: where a server listens, in 3FS's terms (3fs/wire.md §4). A plain value; raw form is 8 bytes.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "client/base/status.h"

namespace threefs::net {

enum class AddressType : uint16_t { kTcp = 0, kRdma = 1, kIpoib = 2, kLocal = 3, kUnix = 4 };

struct Address {
  uint32_t ip = 0;  ///< octets a.b.c.d as a<<0 | b<<8 | c<<16 | d<<24, i.e. network order in memory
  uint16_t port = 0;
  AddressType type = AddressType::kTcp;

  /// "TYPE://a.b.c.d:port", scheme case-insensitive, none = TCP. kInvalidFormat with a sentence otherwise.
  static Result<Address> Parse(std::string_view text);
  [[nodiscard]] std::string ToString() const;
  [[nodiscard]] uint64_t Raw() const {
    return static_cast<uint64_t>(type) << 48 | static_cast<uint64_t>(port) << 32 | ip;
  }
  static Address FromRaw(uint64_t raw) {
    return {static_cast<uint32_t>(raw), static_cast<uint16_t>(raw >> 32),
            static_cast<AddressType>(static_cast<uint16_t>(raw >> 48))};
  }
  /// Same host and port, whatever the type: an RDMA:// endpoint also serves plain TCP (3fs/wire.md §4).
  [[nodiscard]] bool SameEndpoint(const Address& o) const { return ip == o.ip && port == o.port; }
  [[nodiscard]] Address As(AddressType t) const { return {ip, port, t}; }
  friend auto operator<=>(const Address&, const Address&) = default;
};

}  // namespace threefs::net

template <>
struct std::hash<threefs::net::Address> {
  size_t operator()(const threefs::net::Address& a) const noexcept {
    return std::hash<uint64_t>{}(a.Raw());
  }
};

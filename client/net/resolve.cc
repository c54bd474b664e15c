// SPDX-License-Identifier: Apache-2.0
#include "client/net/resolve.h"

#include <fmt/core.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "client/runtime/sync.h"

namespace threefs::net {
namespace {

Result<std::vector<uint32_t>> Lookup(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int error = getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (error != 0) {
    return Status(Code::kRPCInvalidAddr,
                  fmt::format("host name '{}' does not resolve to an IPv4 address: {}", host,
                              gai_strerror(error)));
  }
  std::vector<uint32_t> ips;
  for (const addrinfo* a = list; a != nullptr; a = a->ai_next) {
    sockaddr_in sa{};
    std::memcpy(&sa, a->ai_addr, sizeof sa);
    if (std::find(ips.begin(), ips.end(), sa.sin_addr.s_addr) == ips.end())
      ips.push_back(sa.sin_addr.s_addr);
  }
  freeaddrinfo(list);
  if (ips.empty())
    return Status(Code::kRPCInvalidAddr, fmt::format("host name '{}' has no IPv4 address", host));
  return ips;
}

bool LooksLikeName(const std::string& host) {
  return !host.empty() && host.size() <= 253 &&
         host.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") ==
             std::string::npos &&
         host.find_first_not_of("0123456789.") != std::string::npos;
}

Task<Result<std::vector<Address>>> ResolveOn(BlockingPool* pool, std::string text) {
  const Result<Address> literal = Address::Parse(text);
  if (literal.ok()) co_return std::vector<Address>{*literal};
  const size_t scheme_end = text.find("://");
  const size_t host_begin = scheme_end == std::string::npos ? 0 : scheme_end + 3;
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon < host_begin) co_return literal.status();
  const std::string host = text.substr(host_begin, colon - host_begin);
  if (!LooksLikeName(host)) co_return literal.status();
  // The scheme and the port are checked by the same parser, with a stand-in for the host.
  CO_TRY(const Address shape,
         Address::Parse(text.substr(0, host_begin) + "0.0.0.1" + text.substr(colon)));
  CO_TRY(const std::vector<uint32_t> ips,
         co_await RunBlocking(*pool, [host] { return Lookup(host); }));
  std::vector<Address> addresses;
  addresses.reserve(ips.size());
  for (const uint32_t ip : ips) addresses.push_back({ip, shape.port, shape.type});
  co_return addresses;
}

}  // namespace

Task<Result<std::vector<Address>>> ResolveAddress(BlockingPool& pool, std::string text) {
  return ResolveOn(&pool, std::move(text));
}

}  // namespace threefs::net

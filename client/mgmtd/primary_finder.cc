// SPDX-License-Identifier: Apache-2.0
#include "client/mgmtd/primary_finder.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "client/net/resolve.h"

namespace threefs::mgmtd {
namespace {

using schema::mgmtd::PersistentNodeInfo;
namespace method = schema::mgmtd::method;

// Answers may name ever new nodes: a round asks no more than this many.
constexpr size_t kMaxProbes = 64;

std::vector<net::Address> AddressesOf(const PersistentNodeInfo& node) {
  std::vector<net::Address> out;
  for (const auto& group : node.service_groups) {
    if (!group.services.contains("Mgmtd")) continue;
    for (const net::Address& a : group.endpoints) {
      if (a.ip != 0 && a.port != 0) out.push_back(a);
    }
  }
  return out;
}

}  // namespace

uint32_t PrimaryFinder::HintOf(const std::string& message) {
  uint32_t id = 0;
  const auto [end, error] = std::from_chars(message.data(), message.data() + message.size(), id);
  return error == std::errc{} ? id : 0;
}

Task<Result<PrimaryFinder::Probe>> PrimaryFinder::Ask(CallContext ctx, net::Address at) {
  method::GetPrimaryMgmtd::Req req;
  req.cluster_id = options_.cluster_id;
  auto rsp = co_await rpc_.Call<method::GetPrimaryMgmtd>(
      at, req, {.ctx = ctx, .timeout = options_.call_timeout});
  if (!rsp.ok()) co_return rsp.status();
  co_return Probe{(*rsp).primary};
}

// A name that does not resolve now may do so in a later round; the text's form was checked at the
// start.
Task<Status> PrimaryFinder::Resolve(std::deque<net::Address>* queue) {
  Status worst;
  for (const std::string& text : options_.addresses) {
    auto addresses = co_await net::ResolveAddress(pool_, text);
    if (!addresses.ok()) {
      worst = addresses.status();
      continue;
    }
    queue->insert(queue->end(), addresses->begin(), addresses->end());
  }
  co_return worst;
}

Task<Result<net::Address>> PrimaryFinder::Find(CallContext ctx, uint32_t hint) {
  std::deque<net::Address> queue;
  for (const ServerNode& node : learned_) {
    if (node.node_id == hint) queue.push_front(node.address);
  }
  Status worst = co_await Resolve(&queue);
  for (const ServerNode& node : learned_) queue.push_back(node.address);

  std::vector<net::Address> asked;
  std::optional<net::Address> tentative;  // answered, but named another that cannot be reached
  while (!queue.empty() && asked.size() < kMaxProbes) {
    const net::Address at = queue.front();
    queue.pop_front();
    const auto same = [at](const net::Address& a) { return a.SameEndpoint(at); };
    if (std::any_of(asked.begin(), asked.end(), same)) continue;
    asked.push_back(at);
    if (ctx.cancelled()) co_return Status(Code::kMgmtdClientExit, "the client is closing");
    auto probe = co_await Ask(ctx, at);
    if (!probe.ok()) {
      const bool keep = worst.code() == Code::kMgmtdClusterIdMismatch;
      if (!keep) worst = probe.status().WithContext(at.ToString());
      continue;
    }
    if (!(*probe).primary) {
      if (worst.ok()) {
        worst = {Code::kMgmtdClientPrimaryMgmtdNotFound,
                 fmt::format("{} knows no primary", at.ToString())};
      }
      continue;
    }
    const auto addresses = AddressesOf(*(*probe).primary);
    if (std::any_of(addresses.begin(), addresses.end(), same)) co_return at;
    if (!tentative) tentative = at;
    for (auto it = addresses.rbegin(); it != addresses.rend(); ++it) queue.push_front(*it);
  }
  // Behind address translation the primary's own idea of its address need not be ours: try who
  // answered. If it is another, its kMgmtdNotPrimary brings us back here.
  if (tentative) co_return *tentative;
  if (worst.ok()) worst = {Code::kMgmtdClientPrimaryMgmtdNotFound, "no address to ask"};
  co_return worst;
}

}  // namespace threefs::mgmtd

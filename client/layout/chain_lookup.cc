// SPDX-License-Identifier: Apache-2.0
#include "client/layout/chain_lookup.h"

#include <string>

namespace threefs::layout {

using schema::mgmtd::ChainTable;
using schema::mgmtd::RoutingInfo;

const ChainTable* FindChainTable(const RoutingInfo& routing, uint32_t table_id,
                                 uint32_t table_version) {
  const auto* versions = routing.chain_tables.Find(table_id);
  if (versions == nullptr || versions->empty()) return nullptr;
  if (table_version == 0) return &versions->rbegin()->second;
  const auto it = versions->find(table_version);
  return it == versions->end() ? nullptr : &it->second;
}

Result<uint32_t> ChainAt(const ChainTable& table, uint32_t index) {
  if (index == 0 || table.chains.empty()) {
    return Status(Code::kInvalidArg, "chain index " + std::to_string(index) + " of a table with " +
                                         std::to_string(table.chains.size()) + " chains");
  }
  return table.chains[(index - 1) % table.chains.size()];
}

Result<uint32_t> ResolveChain(const RoutingInfo& routing, const ChainRef& ref) {
  if (ref.table_id == 0 && ref.table_version == 0) {
    if (ref.index == 0) return Status(Code::kInvalidArg, "chain id 0 does not exist");
    return ref.index;
  }
  const ChainTable* table = FindChainTable(routing, ref.table_id, ref.table_version);
  if (table == nullptr) {
    return Status(Code::kMgmtdClientRoutingInfoNotReady,
                  "chain table " + std::to_string(ref.table_id) + " version " +
                      std::to_string(ref.table_version) + " is not in the routing information");
  }
  return ChainAt(*table, ref.index);
}

Result<std::vector<uint32_t>> ResolveStripe(const RoutingInfo& routing,
                                            const schema::meta::Layout& layout) {
  TRY(const StripeMap stripe, StripeMap::Build(layout));
  std::vector<uint32_t> chains;
  chains.reserve(stripe.stripe_size());
  for (const ChainRef& ref : stripe.Chains()) {
    TRY(const uint32_t chain, ResolveChain(routing, ref));
    chains.push_back(chain);
  }
  return chains;
}

}  // namespace threefs::layout

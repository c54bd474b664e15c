// SPDX-License-Identifier: Apache-2.0
#include "client/standalone/meta_context.h"

#include <fmt/core.h>

#include <variant>

#include "client/layout/chain_lookup.h"
#include "client/layout/layout.h"
#include "client/layout/shuffle.h"
#include "client/standalone/meta_access.h"

namespace threefs::standalone {

using schema::meta::Directory;
using schema::meta::Layout;
using schema::mgmtd::ChainInfo;
using schema::mgmtd::ChainTable;
using schema::mgmtd::RoutingInfo;

namespace {

Status Bad(std::string why) { return {Code::kMetaInvalidFileLayout, std::move(why)}; }

Result<const ChainTable*> FindTable(const RoutingInfo& routing, uint32_t id, uint32_t version) {
  const ChainTable* table = layout::FindChainTable(routing, id, version);
  if (table == nullptr)
    return Bad(fmt::format("there is no chain table {} of version {}", id, version));
  return table;
}

Status CheckAgainst(const RoutingInfo& routing, const Layout& layout) {
  if (std::holds_alternative<Layout::Empty>(layout.chains)) {
    TRY(const ChainTable* table, FindTable(routing, layout.table_id, layout.table_version));
    if (table->chains.size() >= layout.stripe_size) return {};
    return Bad(fmt::format("chain table {} has {} chains, the stripe size is {}", layout.table_id,
                           table->chains.size(), layout.stripe_size));
  }
  const auto chains = layout::ResolveStripe(routing, layout);
  if (!chains.ok()) return Bad(chains.status().message());
  for (const uint32_t id : *chains) {
    const ChainInfo* chain = routing.chains.Find(id);
    if (chain == nullptr) return Bad(fmt::format("there is no chain {}", id));
    if (chain->targets.empty()) return Bad(fmt::format("chain {} has no target", id));
  }
  return {};
}

}  // namespace

int64_t MetaContext::Cut(int64_t time_us) const {
  if (time_us == -1) return stamp_us;
  const int64_t unit = options.time_granularity_us;
  if (unit <= 1) return time_us;
  const int64_t over = time_us % unit;
  return time_us - (over < 0 ? over + unit : over);
}

Status ChainAllocator::Check(const Layout& layout) const {
  const std::shared_ptr<const RoutingInfo> routing = routing_();
  if (routing == nullptr || routing->routing_info_version == 0) {
    return {Code::kMgmtdClientRoutingInfoNotReady, "the meta server has no routing yet"};
  }
  return CheckAgainst(*routing, layout);
}

Result<bool> ChainAllocator::Fill(schema::meta::Inode* parent, Layout* layout) {
  const std::shared_ptr<const RoutingInfo> routing = routing_();
  if (routing == nullptr || routing->routing_info_version == 0) {
    return Status(Code::kMgmtdClientRoutingInfoNotReady, "the meta server has no routing yet");
  }
  TRY(CheckAgainst(*routing, *layout));
  if (!std::holds_alternative<Layout::Empty>(layout->chains)) return false;
  TRY(const ChainTable* table, FindTable(*routing, layout->table_id, layout->table_version));
  const auto chains = static_cast<uint32_t>(table->chains.size());
  const uint32_t stripe = layout->stripe_size;
  const auto start = [&] { return static_cast<uint32_t>(rng_->Below(chains) * stripe % chains); };
  Directory* dir = AsDirectory(*parent);
  const bool own = (parent->acl.iflags & schema::meta::kIflagChainAllocation) != 0;
  uint32_t* counter = &dir->chain_alloc_counter;
  if (own && *counter == Directory::kNoChainAllocCounter) *counter = start();
  if (!own) {
    const auto key = std::pair(layout->table_id, stripe);
    auto it = next_.find(key);
    if (it == next_.end()) it = next_.emplace(key, start()).first;
    counter = &it->second;
  }
  const uint32_t base = *counter % chains + 1;
  *counter = (*counter + stripe) % chains;
  TRY(const uint64_t seed, layout::PickShuffleSeed(*rng_, base, stripe));
  layout->table_version = table->chain_table_version;
  layout->chains = Layout::ChainRange{base, Layout::ShuffleType::kStdShuffleMt19937, seed};
  return own;
}

}  // namespace threefs::standalone

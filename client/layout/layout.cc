// SPDX-License-Identifier: Apache-2.0
#include "client/layout/layout.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <string>
#include <variant>

#include "client/layout/shuffle.h"

namespace threefs::layout {

using schema::meta::Layout;

namespace {

// Tracks of one file start 7 chains apart (3fs/meta.md §5).
constexpr uint64_t kTrackStep = 7;

Status Broken(std::string rule) { return {Code::kMetaInvalidFileLayout, "layout: " + rule}; }

Status CheckChains(const Layout& layout, const Layout::ChainRange& range) {
  if (layout.table_id == 0 || layout.table_version == 0) {
    return Broken("a range of chains needs a chain table and its version");
  }
  if (range.base_index == 0) return Broken("chain indexes count from 1");
  if (range.shuffle > Layout::ShuffleType::kStdShuffleMt19937) {
    return Broken("shuffle " + std::to_string(static_cast<int>(range.shuffle)) + " is unknown");
  }
  if (range.base_index > std::numeric_limits<uint32_t>::max() - layout.stripe_size) {
    return Broken("the range of chains passes 2^32");
  }
  return {};
}

Status CheckChains(const Layout& layout, const Layout::ChainList& list) {
  if ((layout.table_id == 0) != (layout.table_version == 0)) {
    return Broken("chain table and version must be given together, or neither");
  }
  if (list.chain_indexes.size() != layout.stripe_size) {
    return Broken("the list of chains is not as long as the stripe");
  }
  if (std::ranges::find(list.chain_indexes, 0U) != list.chain_indexes.end()) {
    return Broken("chain indexes count from 1");
  }
  return {};
}

Status CheckChains(const Layout& layout, const Layout::Empty&) {
  if (layout.table_id == 0) return Broken("the chain table is missing");
  return {};
}

}  // namespace

Status ValidateLayout(const Layout& layout, bool allow_empty) {
  if (!std::has_single_bit(layout.chunk_size)) {
    return Broken("the chunk size must be a power of two");
  }
  if (layout.stripe_size == 0) return Broken("the stripe size must not be 0");
  if (layout.stripe_size > kMaxStripe) return Broken("the stripe size is too large");
  if (std::holds_alternative<Layout::Empty>(layout.chains) && !allow_empty) {
    return Broken("the chains are missing");
  }
  return std::visit([&layout](const auto& chains) { return CheckChains(layout, chains); },
                    layout.chains);
}

std::vector<uint32_t> ChainIndexes(const Layout& layout) {
  if (const auto* list = std::get_if<Layout::ChainList>(&layout.chains)) {
    return list->chain_indexes;
  }
  const auto* range = std::get_if<Layout::ChainRange>(&layout.chains);
  if (range == nullptr) return {};
  if (range->shuffle == Layout::ShuffleType::kStdShuffleMt19937) {
    return ShuffledChains(range->base_index, layout.stripe_size, range->seed);
  }
  std::vector<uint32_t> indexes(layout.stripe_size);
  for (uint32_t i = 0; i < layout.stripe_size; ++i) indexes[i] = range->base_index + i;
  return indexes;
}

Result<StripeMap> StripeMap::Build(const Layout& layout) {
  TRY(ValidateLayout(layout, /*allow_empty=*/false));
  StripeMap map;
  map.table_id_ = layout.table_id;
  map.table_version_ = layout.table_version;
  map.chunk_size_ = layout.chunk_size;
  map.indexes_ = ChainIndexes(layout);
  return map;
}

ChainRef StripeMap::ChainOf(uint32_t chunk_index, uint16_t track) const {
  CHECK(!indexes_.empty());
  const uint64_t slot = (chunk_index + track * kTrackStep) % indexes_.size();
  return {table_id_, table_version_, indexes_[slot]};
}

std::vector<ChainRef> StripeMap::Chains() const {
  std::vector<ChainRef> chains;
  chains.reserve(indexes_.size());
  for (const uint32_t index : indexes_) chains.push_back({table_id_, table_version_, index});
  return chains;
}

}  // namespace threefs::layout

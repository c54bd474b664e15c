// SPDX-License-Identifier: Apache-2.0
// A file's Layout turned into chain indexes (3fs/meta.md §5). Pure functions, any thread. A Layout
// is a peer's data: check it with ValidateLayout before computing with it.
#pragma once

#include <cstdint>
#include <vector>

#include "client/base/status.h"
#include "client/schema/meta.h"

namespace threefs::layout {

/// kMetaInvalidFileLayout with the rule that is broken. `allow_empty`: a directory's layout, or one
/// a server shall fill.
Status ValidateLayout(const schema::meta::Layout& layout, bool allow_empty);

/// The chain indexes of the stripe, in stripe order; none for an empty layout. REQUIRES: a valid
/// layout.
std::vector<uint32_t> ChainIndexes(const schema::meta::Layout& layout);

/// A chain, as a layout names it: entry `index` (1-based, wrapping) of a chain table; or, when
/// table and version are both 0, the chain id itself.
struct ChainRef {
  uint32_t table_id = 0;
  uint32_t table_version = 0;
  uint32_t index = 0;
  friend bool operator==(const ChainRef&, const ChainRef&) = default;
};

/// Layout with its stripe worked out once; what an open file keeps.
class StripeMap {
 public:
  StripeMap() = default;
  /// kMetaInvalidFileLayout when the layout is not a file's.
  static Result<StripeMap> Build(const schema::meta::Layout& layout);

  [[nodiscard]] uint32_t chunk_size() const { return chunk_size_; }
  [[nodiscard]] uint32_t stripe_size() const { return static_cast<uint32_t>(indexes_.size()); }
  /// The chain of chunk `index`. REQUIRES: built.
  [[nodiscard]] ChainRef ChainOf(uint32_t chunk_index, uint16_t track = 0) const;
  /// All chains of the stripe, in stripe order.
  [[nodiscard]] std::vector<ChainRef> Chains() const;

 private:
  uint32_t table_id_ = 0;
  uint32_t table_version_ = 0;
  uint32_t chunk_size_ = 0;
  std::vector<uint32_t> indexes_;
};

}  // namespace threefs::layout

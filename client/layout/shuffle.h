// SPDX-License-Identifier: Apache-2.0
// The order of chains in a ChainRange (3fs/meta.md §5.1): a shuffle that servers and clients must
// compute alike. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "client/base/rng.h"
#include "client/base/status.h"

namespace threefs::layout {

/// The two ways std::shuffle drew numbers in 3FS's builds. Layouts in use give the same list by
/// both.
enum class ShuffleVariant : uint8_t { kGcc10, kGcc11 };

/// Beyond this a layout is refused: the shuffle's one-draw-for-two trick and memory stay far from
/// their limits.
inline constexpr uint32_t kMaxStripe = 1U << 20;

/// {base, base+1, … base+stripe-1} shuffled with `seed`. REQUIRES: stripe <= kMaxStripe
std::vector<uint32_t> ShuffledChains(uint32_t base, uint32_t stripe, uint64_t seed,
                                     ShuffleVariant variant = ShuffleVariant::kGcc11);

/// A seed for which every variant gives the same list, as whoever creates a ChainRange must pick.
/// kFoundBug when a thousand tries found none. REQUIRES: stripe <= kMaxStripe
Result<uint64_t> PickShuffleSeed(Rng& rng, uint32_t base, uint32_t stripe);

}  // namespace threefs::layout

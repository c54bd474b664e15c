// SPDX-License-Identifier: Apache-2.0
// The algorithm is libstdc++'s std::shuffle (two swaps out of one draw) with the library's
// generator mt19937_64; only the reduction of a draw to a range changed between GCC 10 and 11. It
// is spelled out here because a standard library is free to change it again, and a changed order
// would read other chunks than were written.
#include "client/layout/shuffle.h"

#include <limits>
#include <numeric>
#include <random>
#include <utility>

namespace threefs::layout {
namespace {

// Uniform in [0, k). `k` is at most kMaxStripe squared.
uint64_t Below(std::mt19937_64& engine, uint64_t k, ShuffleVariant variant) {
  if (variant == ShuffleVariant::kGcc10) {
    const uint64_t scale = std::numeric_limits<uint64_t>::max() / k;
    const uint64_t limit = k * scale;
    uint64_t draw = engine();
    while (draw >= limit) draw = engine();
    return draw / scale;
  }
  using Wide = unsigned __int128;
  Wide product = static_cast<Wide>(engine()) * k;
  if (static_cast<uint64_t>(product) < k) {
    const uint64_t threshold = (0 - k) % k;
    while (static_cast<uint64_t>(product) < threshold) {
      product = static_cast<Wide>(engine()) * k;
    }
  }
  return static_cast<uint64_t>(product >> 64);
}

}  // namespace

std::vector<uint32_t> ShuffledChains(uint32_t base, uint32_t stripe, uint64_t seed,
                                     ShuffleVariant variant) {
  CHECK(stripe <= kMaxStripe);
  std::vector<uint32_t> list(stripe);
  std::iota(list.begin(), list.end(), base);
  if (stripe == 0) return list;
  std::mt19937_64 engine(seed);
  size_t i = 1;
  if (stripe % 2 == 0) {
    std::swap(list[1], list[Below(engine, 2, variant)]);
    i = 2;
  }
  for (; i < stripe; i += 2) {
    const uint64_t first_range = i + 1;
    const uint64_t second_range = i + 2;
    const uint64_t both = Below(engine, first_range * second_range, variant);
    std::swap(list[i], list[both / second_range]);
    std::swap(list[i + 1], list[both % second_range]);
  }
  return list;
}

Result<uint64_t> PickShuffleSeed(Rng& rng, uint32_t base, uint32_t stripe) {
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const uint64_t seed = rng.Next();
    if (ShuffledChains(base, stripe, seed, ShuffleVariant::kGcc10) ==
        ShuffledChains(base, stripe, seed, ShuffleVariant::kGcc11)) {
      return seed;
    }
  }
  return Status(Code::kFoundBug, "no seed shuffles alike in every variant");
}

}  // namespace threefs::layout

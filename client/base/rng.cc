// SPDX-License-Identifier: Apache-2.0
#include "client/base/rng.h"

#include <sys/random.h>

#include <array>
#include <cstdint>
#include <cstring>

#include "client/base/check.h"

namespace threefs {

Rng Rng::FromKernel() {
  uint64_t seed = 0;
  CHECK(getrandom(&seed, sizeof seed, 0) == static_cast<ssize_t>(sizeof seed));
  return Rng(seed);
}

std::array<uint8_t, 16> Rng::Bytes16() {
  std::array<uint8_t, 16> out{};
  const uint64_t a = Next();
  const uint64_t b = Next();
  std::memcpy(out.data(), &a, sizeof a);
  std::memcpy(out.data() + sizeof a, &b, sizeof b);
  return out;
}

}  // namespace threefs

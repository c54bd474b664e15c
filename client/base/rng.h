// SPDX-License-Identifier: Apache-2.0
// Randomness comes in by constructor, as one interface: production seeds from the kernel, simulation from its seed.
// One Rng belongs to one loop (not thread-safe).
#pragma once

#include <array>
#include <cstdint>
#include <random>

namespace threefs {

class Rng {
 public:
  explicit Rng(uint64_t seed) : engine_(seed) {}
  /// Seeded with getrandom(2).
  static Rng FromKernel();

  uint64_t Next() { return engine_(); }
  /// Uniform in [0, bound). REQUIRES: bound > 0
  uint64_t Below(uint64_t bound) { return engine_() % bound; }
  /// In [0, 1).
  double Unit() { return static_cast<double>(engine_() >> 11) * 0x1.0p-53; }
  std::array<uint8_t, 16> Bytes16();

 private:
  std::mt19937_64 engine_;
};

}  // namespace threefs

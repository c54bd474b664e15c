// SPDX-License-Identifier: Apache-2.0
// Uuid: 16 bytes in text order (3fs/wire.md §1.2). A plain value.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "client/base/rng.h"
#include "client/base/status.h"

namespace threefs {

struct Uuid {
  std::array<uint8_t, 16> bytes{};

  /// A version 4 uuid.
  static Uuid Random(Rng& rng);
  /// From 8-4-4-4-12 hex; kInvalidFormat otherwise.
  static Result<Uuid> Parse(std::string_view text);
  /// Lower-case 8-4-4-4-12.
  [[nodiscard]] std::string ToString() const;
  [[nodiscard]] bool IsZero() const { return *this == Uuid{}; }
  friend auto operator<=>(const Uuid&, const Uuid&) = default;
};

}  // namespace threefs

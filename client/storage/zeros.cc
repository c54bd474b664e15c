// SPDX-License-Identifier: Apache-2.0
#include "client/storage/zeros.h"

#include <algorithm>
#include <array>

namespace threefs::storage {
namespace {
// In .bss and never written: costs no memory until read, and then one shared zero page a page.
constexpr size_t kRun = 1U << 20;
alignas(4096) const std::array<uint8_t, kRun> kZeros{};
}  // namespace

void AppendZeros(uint64_t count, std::vector<Bytes>* pieces) {
  while (count > 0) {
    const uint64_t n = std::min<uint64_t>(count, kRun);
    pieces->push_back(Bytes::Borrow({kZeros.data(), n}));
    count -= n;
  }
}

}  // namespace threefs::storage

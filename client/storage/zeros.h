// SPDX-License-Identifier: Apache-2.0
// Zeros without allocating: holes and short chunks read as slices of one static run. Any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "client/base/bytes.h"

namespace threefs::storage {

/// Appends pieces of together `count` zero bytes.
void AppendZeros(uint64_t count, std::vector<Bytes>* pieces);

}  // namespace threefs::storage

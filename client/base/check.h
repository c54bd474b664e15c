// SPDX-License-Identifier: Apache-2.0
// CHECK: invariants that stay on in release builds. Never for user or peer input (that is a Status).
#pragma once

namespace threefs::internal {
[[noreturn]] void CheckFailed(const char* expr, const char* file, int line);
}

#define CHECK(cond)                                                            \
  do {                                                                         \
    if (!(cond)) [[unlikely]]                                                  \
      ::threefs::internal::CheckFailed(#cond, __FILE__, __LINE__);             \
  } while (false)

// SPDX-License-Identifier: Apache-2.0
#include "client/runtime/task.h"

namespace threefs::internal {
namespace {
thread_local StartFrame* t_top = nullptr;
}  // namespace

[[gnu::noinline]] StartFrame* TopStart() noexcept { return t_top; }
[[gnu::noinline]] void SetTopStart(StartFrame* frame) noexcept { t_top = frame; }

}  // namespace threefs::internal

// SPDX-License-Identifier: Apache-2.0
#include "client/runtime/loop.h"

namespace threefs {
namespace {
thread_local Loop* t_current = nullptr;
}  // namespace

// Never inlined: a coroutine may move to another thread between two calls, and a cached
// thread-local address would then be the old thread's.
[[gnu::noinline]] Loop* Loop::Current() { return t_current; }
[[gnu::noinline]] void Loop::SetCurrent(Loop* loop) { t_current = loop; }

}  // namespace threefs

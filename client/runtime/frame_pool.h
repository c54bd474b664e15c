// SPDX-License-Identifier: Apache-2.0
// Coroutine frame memory: free lists by size class, one set a thread. A frame freed on another
// thread than it was allocated on simply joins that thread's lists. Sizes above the largest class
// go to malloc.
#pragma once

#include <cstddef>

namespace threefs {

void* FrameAlloc(size_t size);
void FrameFree(void* frame, size_t size);

}  // namespace threefs

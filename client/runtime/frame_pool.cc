// SPDX-License-Identifier: Apache-2.0
// A free list a size class and thread, no locks. What a thread keeps is bounded (kMaxCached), so
// that frames which are always made on one thread and freed on another do not pile up there. Under
// ASan the pool is off, so that a frame used after its end is found.
#include "client/runtime/frame_pool.h"

#include <array>
#include <cstddef>
#include <cstdlib>
#include <new>

#include "client/base/check.h"

namespace threefs {
namespace {

constexpr size_t kStep = 128;
constexpr size_t kClasses = 32;  // up to 4 KiB: larger frames are rare
constexpr size_t kMaxCached = 512U << 10;

struct FreeFrame {
  FreeFrame* next;
};

struct Cache {
  std::array<FreeFrame*, kClasses> lists{};
  size_t bytes = 0;
  bool closed = false;  // the thread is ending: its other thread-locals may still free frames

  Cache() = default;
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;
  ~Cache() {
    closed = true;
    for (FreeFrame*& list : lists) {
      while (list != nullptr) {
        FreeFrame* next = list->next;
        std::free(list);
        list = next;
      }
    }
  }
};

// Never inlined: see loop.cc.
[[gnu::noinline]] Cache& ThreadCache() {
  thread_local Cache cache;
  return cache;
}

constexpr bool kPooled =
#if defined(__has_feature) && __has_feature(address_sanitizer)
    false;
#else
    true;
#endif

size_t ClassOf(size_t size) { return (size + kStep - 1) / kStep - 1; }

void* Allocate(size_t size) {
  void* p = std::malloc(size);
  CHECK(p != nullptr);
  return p;
}

}  // namespace

void* FrameAlloc(size_t size) {
  const size_t c = ClassOf(size);
  if (!kPooled || c >= kClasses) return Allocate(size);
  Cache& cache = ThreadCache();
  FreeFrame* frame = cache.lists.at(c);
  if (frame == nullptr) return Allocate((c + 1) * kStep);
  cache.lists.at(c) = frame->next;
  cache.bytes -= (c + 1) * kStep;
  return frame;
}

void FrameFree(void* frame, size_t size) {
  const size_t c = ClassOf(size);
  if (!kPooled || c >= kClasses) {
    std::free(frame);
    return;
  }
  Cache& cache = ThreadCache();
  if (cache.closed || cache.bytes + (c + 1) * kStep > kMaxCached) {
    std::free(frame);
    return;
  }
  cache.lists.at(c) = new (frame) FreeFrame{cache.lists.at(c)};
  cache.bytes += (c + 1) * kStep;
}

}  // namespace threefs

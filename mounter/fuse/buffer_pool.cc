// SPDX-License-Identifier: Apache-2.0
#include "mounter/fuse/buffer_pool.h"

#include <sys/mman.h>

#include <utility>

#include "client/base/check.h"

namespace threefs::fuse {
namespace {

// Beyond this the mapping is given back at once: a burst of writes does not stay in memory.
constexpr size_t kKeep = 32;
constexpr size_t kMapped = (BufferPool::kSize + 4095) / 4096 * 4096;

uint8_t* Map() {
  void* p = ::mmap(nullptr, kMapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(p != MAP_FAILED);
  ::madvise(p, kMapped, MADV_NOHUGEPAGE);
  return static_cast<uint8_t*>(p);
}

}  // namespace

BufferPool::~BufferPool() {
  for (uint8_t* p : free_) ::munmap(p, kMapped);
}

BufferPool::Buffer::Buffer(Buffer&& o) noexcept
    : pool_(std::move(o.pool_)), data_(std::exchange(o.data_, nullptr)) {}

BufferPool::Buffer& BufferPool::Buffer::operator=(Buffer&& o) noexcept {
  std::swap(pool_, o.pool_);
  std::swap(data_, o.data_);
  return *this;
}

BufferPool::Buffer::~Buffer() {
  if (data_ != nullptr) pool_->Give(data_);
}

Bytes BufferPool::Buffer::Share(size_t offset, size_t size) && {
  CHECK(held() && offset <= kSize && size <= kSize - offset);
  auto owner = std::make_shared<Buffer>(std::move(*this));
  const uint8_t* begin = owner->data() + offset;
  return {std::move(owner), begin, size};
}

BufferPool::Buffer BufferPool::Take() {
  {
    const std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      uint8_t* p = free_.back();
      free_.pop_back();
      return {shared_from_this(), p};
    }
  }
  return {shared_from_this(), Map()};
}

void BufferPool::Give(uint8_t* data) {
  {
    const std::lock_guard lock(mutex_);
    if (free_.size() < kKeep) {
      free_.push_back(data);
      return;
    }
  }
  ::munmap(data, kMapped);
}

void BufferPool::Trim() {
  const std::lock_guard lock(mutex_);
  for (uint8_t* p : free_) ::madvise(p, kMapped, MADV_DONTNEED);
}

}  // namespace threefs::fuse

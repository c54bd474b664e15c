// SPDX-License-Identifier: Apache-2.0
#include "mounter/fuse/buffer_pool.h"

#include <gtest/gtest.h>

namespace threefs::fuse {
namespace {

TEST(BufferPool, ASharedBufferComesBackWithItsLastSlice) {
  const auto pool = BufferPool::Create();
  auto buffer = pool->Take();
  uint8_t* const memory = buffer.data();
  memory[100] = 42;
  Bytes all = std::move(buffer).Share(96, 16);
  Bytes part = all.Slice(4, 1);
  all = {};
  auto other = pool->Take();
  EXPECT_NE(other.data(), memory) << "still held by a slice";
  EXPECT_EQ(part.data()[0], 42);
  part = {};
  EXPECT_EQ(pool->Take().data(), memory);
}

TEST(BufferPool, SlicesOutliveThePoolsOwner) {
  Bytes kept;
  {
    const auto pool = BufferPool::Create();
    kept = pool->Take().Share(0, BufferPool::kSize);
  }
  EXPECT_EQ(kept.data()[BufferPool::kSize - 1], 0);
}

TEST(BufferPool, TrimKeepsBuffersUsable) {
  const auto pool = BufferPool::Create();
  {
    pool->Take().data()[0] = 1;
  }
  pool->Trim();
  EXPECT_EQ(pool->Take().data()[0], 0) << "given back to the system and zero again";
}

}  // namespace
}  // namespace threefs::fuse

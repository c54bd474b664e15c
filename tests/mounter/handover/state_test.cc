// SPDX-License-Identifier: Apache-2.0
#include "mounter/handover/state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

namespace threefs::handover {
namespace {

using testing::UnorderedElementsAre;

class StateTest : public testing::Test {
 protected:
  void SetUp() override {
    fd_ = ::memfd_create("state", MFD_CLOEXEC);
    ASSERT_GE(fd_, 0);
    ASSERT_EQ(::ftruncate(fd_, State::kSize), 0);
  }
  void TearDown() override { ::close(fd_); }
  int fd_ = -1;
};

TEST_F(StateTest, ASuccessorFindsWhatWasSaved) {
  {
    auto state = State::Map(fd_);
    ASSERT_TRUE(state.ok());
    EXPECT_TRUE((*state)->init_request()->empty());
    ASSERT_TRUE((*state)->SaveInit({1, 2, 3}).ok());
    EXPECT_EQ((*state)->ClientStart(77), 77);
    EXPECT_TRUE((*state)->MarkDirty(0x1000));
    EXPECT_TRUE((*state)->MarkDirty(0x2000));
    EXPECT_TRUE((*state)->MarkDirty(0x1000));
    (*state)->ClearDirty(0x2000);
  }
  auto next = State::Map(fd_);
  ASSERT_TRUE(next.ok());
  EXPECT_EQ(*(*next)->init_request(), (std::vector<uint8_t>{1, 2, 3}));
  EXPECT_EQ((*next)->ClientStart(99), 77);
  EXPECT_THAT((*next)->DirtyFiles(), UnorderedElementsAre(0x1000U));
}

TEST_F(StateTest, ForeignBytesAreRefusedNotTrusted) {
  auto* p = static_cast<uint8_t*>(
      ::mmap(nullptr, State::kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0));
  std::memset(p, 0xFF, 64);
  EXPECT_FALSE(State::Map(fd_).ok()) << "another magic";
  std::memset(p, 0, State::kSize);
  {
    auto state = State::Map(fd_);
    ASSERT_TRUE(state.ok());
    const uint32_t lie = 0x7FFFFFFF;
    std::memcpy(p + 12, &lie, sizeof(lie));
    EXPECT_FALSE((*state)->init_request().ok()) << "a length past the record's room";
    const uint32_t garbage = 8;
    std::memcpy(p + 12, &garbage, sizeof(garbage));
    std::memset(p + 16, 0xFF, 8);
    EXPECT_FALSE((*state)->init_request().ok());
  }
  const uint32_t newer = 2;
  std::memcpy(p + 8, &newer, sizeof(newer));
  EXPECT_FALSE(State::Map(fd_).ok()) << "a format to come";
  ::munmap(p, State::kSize);
  ASSERT_EQ(::ftruncate(fd_, 4096), 0);
  EXPECT_FALSE(State::Map(fd_).ok()) << "too small";
}

TEST(StateInMemory, AFullNeighbourhoodIsSaidNotLost) {
  const auto state = State::InMemory();
  size_t marked = 0;
  for (uint64_t i = 0; i < 70000; ++i) marked += state->MarkDirty(i) ? 1 : 0;
  EXPECT_GT(marked, 50000U);
  EXPECT_EQ(state->DirtyFiles().size(), marked);
  for (uint64_t i = 0; i < 70000; ++i) state->ClearDirty(i);
  EXPECT_TRUE(state->DirtyFiles().empty());
}

TEST(StateInMemory, TooLongAnInitIsRefused) {
  EXPECT_FALSE(State::InMemory()->SaveInit(std::vector<uint8_t>(70000)).ok());
}

}  // namespace
}  // namespace threefs::handover

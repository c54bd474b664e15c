// SPDX-License-Identifier: Apache-2.0
#include "client/layout/checksum.h"

#include <gtest/gtest.h>

#include <string>

#include "client/base/rng.h"

namespace threefs::layout {
namespace {

uint32_t Crc32c(std::string_view text) {
  return ComputeChecksum(ChecksumType::kCrc32c, AsBytes(text)).value;
}

TEST(Checksum, VectorsOfTheFacts) {
  EXPECT_EQ(Crc32c("123456789"), 0x1cf96d7cU);
  EXPECT_EQ(ComputeChecksum(ChecksumType::kCrc32, AsBytes("123456789")).value, 0x340bc6d9U);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x756ec955U);
  EXPECT_EQ(Crc32c(std::string(4096, 'a')), 0xd938b35dU);
  EXPECT_EQ(Crc32c("hello"), 0x658e44b3U);
  EXPECT_EQ(Crc32c(""), 0xffffffffU);
  EXPECT_EQ(ComputeChecksum(ChecksumType::kNone, AsBytes("x")).value, 0U);
  const auto unknown = ComputeChecksum(static_cast<ChecksumType>(9), AsBytes("x"));
  EXPECT_EQ(unknown.type, ChecksumType::kNone);
}

TEST(Checksum, CombineVector) {
  const auto both = CombineChecksums({ChecksumType::kCrc32c, Crc32c("hello ")},
                                     {ChecksumType::kCrc32c, Crc32c("world!!")}, 7);
  ASSERT_TRUE(both.ok());
  EXPECT_EQ(both->value, 0xda4f5ac2U);
}

TEST(Checksum, CombineIsTheChecksumOfBoth) {
  Rng rng(5);
  for (const auto type : {ChecksumType::kCrc32c, ChecksumType::kCrc32}) {
    for (const size_t size : {0UL, 1UL, 3UL, 100UL, 4096UL, 70001UL}) {
      std::string a(rng.Below(500), '\0');
      std::string b(size, '\0');
      for (char& c : a) c = static_cast<char>(rng.Next());
      for (char& c : b) c = static_cast<char>(rng.Next());
      const auto both = CombineChecksums(ComputeChecksum(type, AsBytes(a)),
                                         ComputeChecksum(type, AsBytes(b)), size);
      ASSERT_TRUE(both.ok());
      EXPECT_TRUE(SameChecksum(*both, ComputeChecksum(type, AsBytes(a + b)))) << size;
    }
  }
}

TEST(Checksum, CombineRules) {
  const ChecksumInfo none{};
  const ChecksumInfo c{ChecksumType::kCrc32c, Crc32c("a")};
  EXPECT_TRUE(SameChecksum(*CombineChecksums(none, c, 1), c));
  EXPECT_TRUE(SameChecksum(*CombineChecksums(c, none, 0), c));
  EXPECT_EQ(CombineChecksums(c, {ChecksumType::kCrc32, 1}, 1).code(),
            Code::kStorageClientChecksumMismatch);
  EXPECT_EQ(CombineChecksums(c, none, 1).code(), Code::kStorageClientChecksumMismatch);
}

TEST(Checksum, ZerosWithoutTouchingThem) {
  for (const auto type : {ChecksumType::kNone, ChecksumType::kCrc32c, ChecksumType::kCrc32}) {
    for (const size_t count : {0UL, 1UL, 511UL, 1UL << 20}) {
      EXPECT_TRUE(SameChecksum(ChecksumOfZeros(type, count),
                               ComputeChecksum(type, AsBytes(std::string(count, '\0')))))
          << count;
    }
  }
}

}  // namespace
}  // namespace threefs::layout

// SPDX-License-Identifier: Apache-2.0
// The values of client/base: what a caller relies on, and what must never pass.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/base/bytes.h"
#include "client/base/crc32c.h"
#include "client/base/fault.h"
#include "client/base/rng.h"
#include "client/base/status.h"
#include "client/base/status_code.h"
#include "client/base/uuid.h"

namespace threefs {
namespace {

TEST(Status, NamesCodeNumberAndSentence) {
  const Status status(Code::kMetaNotFound, "no such file");
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(status.ToString(), "Meta::NotFound(3000): no such file");
  EXPECT_EQ(status.WithContext("stat a").message(), "stat a: no such file");
  EXPECT_EQ(status.WithContext("stat a").code(), Code::kMetaNotFound);
  EXPECT_TRUE(Status().ok());
}

TEST(Status, KeepsUnknownCodesAndWhoseVerdictItIs) {
  const Status foreign(static_cast<Code>(64999), "from a newer peer", Origin::kPeer);
  EXPECT_EQ(static_cast<int>(foreign.code()), 64999);
  EXPECT_NE(foreign.ToString().find("64999"), std::string::npos);
  EXPECT_EQ(foreign.WithContext("x").origin(), Origin::kPeer);
}

Result<int> Half(int value) {
  if (value % 2 != 0) return Status(Code::kInvalidArg, "odd");
  return value / 2;
}
Result<int> Quarter(int value) {
  TRY(const int half, Half(value));
  TRY(Half(half));
  return Half(half);
}

TEST(Result, TryPassesTheFirstErrorOn) {
  ASSERT_TRUE(Quarter(12).ok());
  EXPECT_EQ(*Quarter(12), 3);
  EXPECT_EQ(Quarter(6).code(), Code::kInvalidArg);
  EXPECT_EQ(Quarter(3).status().message(), "odd");
  EXPECT_EQ(Quarter(12).code(), Code::kOk);
}

TEST(Result, HoldsWhatCannotBeCopied) {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(7));
  const std::unique_ptr<int> taken = *std::move(result);
  EXPECT_EQ(*taken, 7);
}

TEST(ResultDeathTest, AnErrorHasNoValueAndOkIsNoError) {
  EXPECT_DEATH((void)*Half(3), "");
  EXPECT_DEATH((void)Result<int>(Status()), "");
}

TEST(Bytes, SlicesShareTheirOwner) {
  auto owner = std::make_shared<std::vector<uint8_t>>(std::vector<uint8_t>{1, 2, 3, 4, 5});
  const std::weak_ptr<std::vector<uint8_t>> watch = owner;
  Bytes slice;
  {
    const uint8_t* data = owner->data();
    const Bytes whole(std::move(owner), data, 5);
    slice = whole.Slice(1, 3).Slice(1, 2);
  }
  EXPECT_FALSE(watch.expired());
  EXPECT_EQ(slice, Bytes::Own({3, 4}));
  slice = {};
  EXPECT_TRUE(watch.expired());
}

TEST(BytesDeathTest, SliceStaysInside) {
  const Bytes bytes = Bytes::CopyOf(std::string_view("abc"));
  EXPECT_TRUE(bytes.Slice(3, 0).empty());
  EXPECT_DEATH((void)bytes.Slice(4, 0), "");
  EXPECT_DEATH((void)bytes.Slice(1, 3), "");
  EXPECT_DEATH((void)bytes.Slice(1, SIZE_MAX), "");  // offset + size wraps
}

TEST(Uuid, TextAndBack) {
  const std::string text = "0123abcd-4567-89ef-0011-2233445566ff";
  const auto parsed = Uuid::Parse(text);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->ToString(), text);
  EXPECT_EQ(parsed->bytes[0], 0x01);
  EXPECT_EQ(parsed->bytes[15], 0xff);
  for (const char* wrong :
       {"", "0123abcd", "0123abcd-4567-89ef-0011-2233445566f",
        "0123abcd-4567-89ef-0011-2233445566fff", "0123abcd+4567-89ef-0011-2233445566ff",
        "g123abcd-4567-89ef-0011-2233445566ff"}) {
    EXPECT_FALSE(Uuid::Parse(wrong).ok()) << wrong;
  }
}

TEST(Uuid, RandomOnesAreOfVersionFourAndReplay) {
  Rng one(7);
  Rng two(7);
  const Uuid uuid = Uuid::Random(one);
  EXPECT_EQ(uuid, Uuid::Random(two));
  EXPECT_NE(uuid, Uuid::Random(one));
  EXPECT_EQ(uuid.bytes[6] >> 4, 4);
  EXPECT_EQ(uuid.bytes[8] >> 6, 2);
  EXPECT_FALSE(uuid.IsZero());
}

TEST(Rng, StaysBelowItsBound) {
  Rng rng(1);
  bool seen[5] = {};
  for (int i = 0; i < 500; ++i) seen[rng.Below(5)] = true;
  for (const bool hit : seen) EXPECT_TRUE(hit);
  for (int i = 0; i < 500; ++i) {
    const double unit = rng.Unit();
    EXPECT_TRUE(unit >= 0 && unit < 1);
  }
}

uint32_t Crc32c(std::string_view text) { return ~Crc32cRaw(~0U, AsBytes(text)); }

TEST(Crc32c, KnownValuesAndPieces) {
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283U);  // the check value of the polynomial
  EXPECT_EQ(~Crc32Raw(~0U, AsBytes("123456789")), 0xCBF43926U);
  const std::string zeros(1000, '\0');
  EXPECT_EQ(Crc32cShift(0x12345678, zeros.size()), Crc32cRaw(0x12345678, AsBytes(zeros)));
  EXPECT_EQ(Crc32Shift(0x12345678, zeros.size()), Crc32Raw(0x12345678, AsBytes(zeros)));
  EXPECT_EQ(Crc32cRaw(Crc32cRaw(~0U, AsBytes("1234")), AsBytes("56789")),
            Crc32cRaw(~0U, AsBytes("123456789")));
}

TEST(FaultPoints, CountAndEnd) {
  FaultPoints& points = FaultPoints::Instance();
  points.ClearAll();
  EXPECT_FALSE(FaultPoints::Armed());
  points.Set("a", {.error = Status(Code::kOSError, "x"), .remaining = 2});
  points.Set("never", {.probability = 0});
  EXPECT_TRUE(FaultPoints::Armed());
  EXPECT_FALSE(points.Hit("b").has_value());
  EXPECT_EQ(points.Hit("a")->error.code(), Code::kOSError);
  EXPECT_TRUE(points.Hit("a").has_value());
  EXPECT_FALSE(points.Hit("a").has_value()) << "it was for two hits";
  EXPECT_FALSE(points.Hit("never", 0.5).has_value());
  EXPECT_EQ(points.Hits().at("a"), 2U);
  points.Clear("a");
  EXPECT_TRUE(FaultPoints::Armed());
  points.ClearAll();
  EXPECT_FALSE(FaultPoints::Armed());
}

}  // namespace
}  // namespace threefs

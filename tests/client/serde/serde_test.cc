// SPDX-License-Identifier: Apache-2.0
// The codec on hand-made structs: the worked examples of 3fs/wire.md §1.7, older and newer senders,
// hostile input, spliced payloads. The wire's own structs are covered by tests/golden and
// round_trip_test.cc.
#include "client/serde/serde.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/core.h>
#include <string>

namespace threefs::serde {
namespace {

std::string Hex(const Bytes& bytes) {
  std::string out;
  for (const uint8_t b : bytes.span()) out += fmt::format("{:02x}", b);
  return out;
}
Bytes FromHex(std::string_view hex) {
  std::vector<uint8_t> out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    out.push_back(static_cast<uint8_t>(std::stoul(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return Bytes::Own(std::move(out));
}
template <class T>
std::string EncodeHex(const T& value) {
  return Hex(Encode(value).Flatten());
}
template <class T>
Code DecodeError(std::string_view hex) {
  return Decode<T>(FromHex(hex)).code();
}

enum class Small : uint8_t { kFive = 5 };
enum class Plain { kOne = 1 };  // no underlying type: 4 bytes
static_assert(sizeof(Plain) == 4);

struct Mixed {
  uint8_t u8 = 0;
  bool flag = false;
  uint32_t u32 = 0;
  int64_t i64 = 0;
  double real = 0;
  std::string text{};
  std::vector<uint16_t> list{};
  std::map<std::string, uint32_t> map{};
  std::set<std::string> set{};
  std::optional<uint32_t> present{};
  std::optional<uint32_t> absent{};
  Small small = Small::kFive;
  Plain plain = Plain::kOne;
  SERDE_FIELDS(u8, flag, u32, i64, real, text, list, map, set, present, absent, small, plain)
};
struct Base {
  uint16_t a = 0;
  SERDE_FIELDS(a)
};
struct WithBase {
  Base base{};
  uint8_t b = 7;
  SERDE_BASE_FIELDS(base, b)
};
struct Inherits : Base {
  uint8_t b = 7;
  SERDE_DERIVED_FIELDS(Base, b)
};
struct EmptyDerived {
  Base base{};
  SERDE_BASE_FIELDS(base)
};
struct OnlyBase {
  Base base{};
  SERDE_BASE_ONLY(base)
};
struct Nothing {
  SERDE_FIELDS()
};
struct One {
  uint32_t n = 1;
  SERDE_NAME("One")
  SERDE_FIELDS(n)
};
struct Two {
  std::string s{};
  SERDE_NAME("Two")
  SERDE_FIELDS(s)
};
struct Trailing {
  uint16_t first = 11;
  std::string second = "kept";
  std::optional<uint32_t> third = 33;
  SERDE_FIELDS(first, second, third)
};
struct Payload {
  uint8_t before = 1;
  Bytes data{};
  uint8_t after = 2;
  SERDE_FIELDS(before, data, after)
};
struct Out {
  Encoded data{};
  SERDE_FIELDS(data)
};
struct Outer {
  Payload inner{};
  std::vector<Payload> more{};
  SERDE_FIELDS(inner, more)
};

TEST(Encode, WorkedExamples) {
  EXPECT_EQ(EncodeHex<uint16_t>(0x1234), "3412");
  EXPECT_EQ(EncodeHex(std::string("abc")), "03616263");
  EXPECT_EQ(EncodeHex(std::string(300, 'x')).substr(0, 6), "ac0278");
  EXPECT_EQ(EncodeHex(std::vector<uint16_t>{1, 2, 3}), "03010002000300");
  EXPECT_EQ(EncodeHex(std::map<std::string, uint32_t>{{"a", 1}, {"b", 2}}),
            "02016101000000016202000000");
  EXPECT_EQ(EncodeHex(PairMap<std::string, uint32_t>{{"b", 2}, {"a", 1}}),
            "02016202000000016101000000");
  EXPECT_EQ(EncodeHex(std::optional<uint32_t>(7)), "0107000000");
  EXPECT_EQ(EncodeHex(std::optional<uint32_t>()), "00");
  EXPECT_EQ(EncodeHex(Plain::kOne), "01000000");
  EXPECT_EQ(EncodeHex(Base{.a = 0x1122}), "022211");
  EXPECT_EQ(EncodeHex(WithBase{.base = {.a = 0x1122}, .b = 0x33}), "0222110133");
  EXPECT_EQ(EncodeHex(EmptyDerived{.base = {.a = 0x1122}}), "02221100");
  EXPECT_EQ(EncodeHex(OnlyBase{.base = {.a = 0x1122}}), "022211");
  EXPECT_EQ(EncodeHex(Nothing{}), "00");
  EXPECT_EQ(EncodeHex(Result<uint32_t>(0x01020304U)), "0104030201");
  EXPECT_EQ(EncodeHex(Result<uint32_t>(Code::kRPCTimeout)), "00d50700");
  EXPECT_EQ(EncodeHex(Result<uint32_t>(Status(Code::kMgmtdNotPrimary, "12"))),
            "008813"
            "01023132");
  EXPECT_EQ(EncodeHex(Result<Void>(Void{})), "01");
  EXPECT_EQ(EncodeHex(Result<Nothing>(Nothing{})), "0100");
  EXPECT_EQ(EncodeHex(std::vector<Result<uint8_t>>{uint8_t{3}, Code::kMetaNotFound}),
            "02010300b80b00");
  Inherits inherits;
  inherits.a = 0x1122;
  inherits.b = 0x33;
  EXPECT_EQ(EncodeHex(inherits), "0222110133");
}

TEST(Encode, MixedStructOfTheReference) {
  const Mixed mixed{.u8 = 1,
                    .flag = true,
                    .u32 = 0x01020304,
                    .i64 = -2,
                    .real = 1.0,
                    .text = "abc",
                    .list = {1, 2, 3},
                    .map = {{"a", 1}, {"b", 2}},
                    .set = {"x", "yy"},
                    .present = 7};
  EXPECT_EQ(EncodeHex(mixed),
            "3f010104030201feffffffffffffff000000000000f03f036162630301000200030002016101000000"
            "016202000000020178027979010700000000"
            "0501000000");
  const auto back = Decode<Mixed>(Encode(mixed).Flatten());
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(EncodeHex(*back), EncodeHex(mixed));
}

TEST(Encode, TableLengthsAreMinimalAtEachStep) {
  // Bodies around every size at which the length prefix grows.
  for (const size_t size :
       {0UL, 1UL, 125UL, 126UL, 127UL, 128UL, 16380UL, 16381UL, 16384UL, 2097148UL, 2097152UL}) {
    const Two two{.s = std::string(size, 'q')};
    Writer body;
    body.Text(two.s);
    const Bytes expected_body = std::move(body).Finish().Flatten();
    Writer whole;
    whole.Varint(expected_body.size());
    whole.Raw(expected_body.data(), expected_body.size());
    EXPECT_EQ(Encode(two).Flatten(), std::move(whole).Finish().Flatten()) << size;
  }
}

TEST(Splice, BigPayloadsAreNotCopied) {
  const Bytes big = Bytes::CopyOf(std::string(kSpliceThreshold, 'p'));
  const Bytes small = Bytes::CopyOf(std::string(kSpliceThreshold - 1, 's'));
  const Outer outer{.inner = {.data = big}, .more = {{.data = small}, {.data = big}}};
  const Encoded encoded = Encode(outer);
  size_t spliced = 0;
  size_t total = 0;
  for (const Bytes& piece : encoded.pieces) {
    spliced += piece.data() == big.data() ? 1 : 0;
    EXPECT_NE(piece.data(), small.data());
    EXPECT_FALSE(piece.empty());
    total += piece.size();
  }
  EXPECT_EQ(spliced, 2U);
  EXPECT_EQ(encoded.size, total);

  const Bytes flat = encoded.Flatten();
  ASSERT_EQ(flat.size(), total);
  const auto back = Decode<Outer>(flat);
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  EXPECT_EQ(back->inner.data, big);
  EXPECT_EQ(back->more.at(0).data, small);
  EXPECT_EQ(back->more.at(1).data, big);
  EXPECT_EQ(back->more.at(1).after, 2);
  // Decoded payload is a slice of the input and keeps it alive.
  EXPECT_GE(back->inner.data.data(), flat.data());
  EXPECT_LT(back->inner.data.data(), flat.data() + flat.size());
  EXPECT_EQ(back->inner.data.owner(), flat.owner());
}

TEST(Splice, EncodedFieldIsTheSameAsItsBytes) {
  const Encoded inner = Encode(Payload{.data = Bytes::CopyOf(std::string(10000, 'z'))});
  ASSERT_GT(inner.pieces.size(), 1U);
  Writer expected;
  const Writer::Table table = expected.BeginTable();
  expected.Blob(inner.Flatten());
  expected.EndTable(table);
  EXPECT_EQ(Encode(Out{.data = inner}).Flatten(), std::move(expected).Finish().Flatten());
}

TEST(Decode, OlderSenderKeepsInitializers) {
  const auto none = Decode<Trailing>(FromHex("00"));
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(none->first, 11);
  EXPECT_EQ(none->second, "kept");
  EXPECT_EQ(none->third, 33U);
  const auto one = Decode<Trailing>(FromHex("020500"));
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(one->first, 5);
  EXPECT_EQ(one->second, "kept");
  const auto all =
      Decode<Trailing>(FromHex("05"
                               "0500"
                               "0161"
                               "00"));
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->second, "a");
  EXPECT_FALSE(all->third.has_value());
}

TEST(Decode, NewerSenderIsCutShort) {
  const auto newer =
      Decode<WithBase>(FromHex("04"
                               "2211ffff"
                               "03"
                               "33ffff"));
  ASSERT_TRUE(newer.ok());
  EXPECT_EQ(newer->base.a, 0x1122);
  EXPECT_EQ(newer->b, 0x33);
  EXPECT_TRUE(Decode<uint16_t>(FromHex("0102ff")).ok());
}

TEST(Decode, DerivedTableIsMandatory) {
  EXPECT_EQ(DecodeError<EmptyDerived>("022211"), Code::kSerdeInsufficientLength);
  EXPECT_EQ(DecodeError<WithBase>("022211"), Code::kSerdeInsufficientLength);
  EXPECT_TRUE(Decode<WithBase>(FromHex("02221100")).ok());
  EXPECT_TRUE(Decode<OnlyBase>(FromHex("022211")).ok());
}

TEST(Decode, FlagsAreNormalised) {
  const auto flag = Decode<bool>(FromHex("80"));
  ASSERT_TRUE(flag.ok());
  EXPECT_EQ(EncodeHex(*flag), "01");
  const auto list = Decode<std::vector<bool>>(FromHex("0300ff02"));
  ASSERT_TRUE(list.ok());
  EXPECT_EQ(EncodeHex(*list), "03000101");
  EXPECT_EQ(EncodeHex(*Decode<std::optional<uint8_t>>(FromHex("7f05"))), "0105");
}

TEST(Decode, VariantByName) {
  using V = std::variant<One, Two>;
  EXPECT_EQ(EncodeHex(V(Two{.s = "x"})),
            "03"
            "54776f"
            "02"
            "0178");
  const auto two = Decode<V>(FromHex("0354776f020178"));
  ASSERT_TRUE(two.ok());
  EXPECT_EQ(std::get<Two>(*two).s, "x");
  EXPECT_EQ(DecodeError<V>("0354776e020178"), Code::kSerdeVariantIndexExceeded);
  EXPECT_EQ(DecodeError<V>("00020178"), Code::kSerdeVariantIndexExceeded);
  EXPECT_EQ(DecodeError<V>("0454776f"), Code::kSerdeInsufficientLength);
}

TEST(Decode, PeerStatusSaysSo) {
  const auto error = Decode<Result<uint32_t>>(FromHex("00b80b010178"));
  ASSERT_TRUE(error.ok());
  EXPECT_EQ(error->code(), Code::kMetaNotFound);
  EXPECT_EQ(error->status().origin(), Origin::kPeer);
  EXPECT_EQ(error->status().message(), "x");
  // A number nobody knows is kept.
  EXPECT_EQ(static_cast<uint16_t>((*Decode<Result<Void>>(FromHex("00ffff00"))).code()), 0xffff);
  EXPECT_EQ(DecodeError<Result<Void>>("00000000"), Code::kDataCorruption);
}

TEST(Decode, HostileInputIsRefused) {
  struct Case {
    const char* why;
    std::string hex;
    Code (*decode)(std::string_view);
  };
  const std::vector<Case> cases{
      {"nothing at all", "", DecodeError<Mixed>},
      {"table longer than the input",
       "05"
       "0102",
       DecodeError<Base>},
      {"half a field",
       "01"
       "11",
       DecodeError<Base>},
      {"varint without end", "ffffffffffffffffffffff", DecodeError<Base>},
      {"varint beyond 64 bits", "ffffffffffffffffff02", DecodeError<std::string>},
      {"string of 2^63 bytes", "80808080808080808001", DecodeError<std::string>},
      {"string one byte short",
       "0461"
       "6161",
       DecodeError<std::string>},
      {"count of 2^32", "808080801000", DecodeError<std::vector<uint32_t>>},
      {"count of strings above the bytes left", "0500000000",
       DecodeError<std::vector<std::string>>},
      {"count of tables above the bytes left", "7f00", DecodeError<std::vector<Mixed>>},
      {"map entry cut", "0101610100", (DecodeError<std::map<std::string, uint32_t>>)},
      {"pair cut", "010100", (DecodeError<PairMap<uint32_t, uint32_t>>)},
      {"optional without its value", "01", DecodeError<std::optional<uint16_t>>},
      {"result without its status", "00d5", DecodeError<Result<uint32_t>>},
      {"payload above the table",
       "03"
       "01"
       "0502",
       DecodeError<Payload>},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(c.decode(c.hex), Code::kSerdeInsufficientLength) << c.why;
  }
}

TEST(Decode, NonMinimalVarintsAreAccepted) {
  EXPECT_EQ(*Decode<std::string>(FromHex("8100"
                                         "61")),
            "a");
  EXPECT_EQ(Decode<Base>(FromHex("828000"
                                 "2211"))
                ->a,
            0x1122);
}

TEST(Decode, MemoryIsBoundedByTheInput) {
  // 8 MiB of empty tables would become 4 million structs of hundreds of bytes each.
  std::vector<uint8_t> bytes{0x80, 0x80, 0x80, 0x04};
  bytes.resize(bytes.size() + (8U << 20), 0);
  const auto huge = Decode<std::vector<Mixed>>(Bytes::Own(bytes));
  EXPECT_EQ(huge.code(), Code::kDataCorruption);
  // The same count of small things is fine.
  EXPECT_TRUE(Decode<std::vector<uint8_t>>(Bytes::Own(bytes)).ok());
}

TEST(Decode, EveryPrefixOfAMessageIsRefusedOrShorter) {
  const Outer outer{.inner = {.data = Bytes::CopyOf("abcdefgh")},
                    .more = {{.data = Bytes::CopyOf("x")}, {.data = Bytes::CopyOf("yz")}}};
  const Bytes whole = Encode(outer).Flatten();
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(Decode<Outer>(whole.Slice(0, size)).code(), Code::kSerdeInsufficientLength) << size;
  }
}

TEST(PairMap, FindsAndAdds) {
  PairMap<uint32_t, std::string> map;
  map.At(2) = "two";
  map.At(1) = "one";
  map.At(2) += "!";
  ASSERT_NE(map.Find(2), nullptr);
  EXPECT_EQ(*map.Find(2), "two!");
  EXPECT_EQ(map.Find(3), nullptr);
  EXPECT_EQ(map.size(), 2U);
}

}  // namespace
}  // namespace threefs::serde

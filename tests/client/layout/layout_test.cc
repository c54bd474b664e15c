// SPDX-License-Identifier: Apache-2.0
#include "client/layout/layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <numeric>
#include <random>

#include "client/base/rng.h"
#include "client/layout/chain_lookup.h"
#include "client/layout/chunk_id.h"
#include "client/layout/chunk_map.h"
#include "client/layout/shuffle.h"

namespace threefs::layout {
namespace {

using schema::meta::Layout;
using Range = Layout::ChainRange;
using List = Layout::ChainList;
using testing::ElementsAre;
constexpr auto kShuffled = Layout::ShuffleType::kStdShuffleMt19937;

Layout File(decltype(Layout::chains) chains) {
  return {.table_id = 1,
          .table_version = 1,
          .chunk_size = 1U << 20,
          .stripe_size = 3,
          .chains = std::move(chains)};
}

TEST(Shuffle, VectorsOfTheFacts) {
  struct Case {
    uint32_t base;
    uint32_t stripe;
    uint64_t seed;
    std::vector<uint32_t> list;
  };
  const std::vector<Case> cases{
      {1, 1, 1, {1}},
      {1, 2, 1, {2, 1}},
      {1, 4, 1, {3, 4, 2, 1}},
      {1, 8, 42, {7, 3, 2, 5, 6, 4, 1, 8}},
      {5, 7, 0x123456789abcdef0, {10, 11, 8, 5, 6, 9, 7}},
      {1, 16, 0xdeadbeefcafef00d, {1, 9, 8, 13, 11, 12, 14, 7, 5, 6, 2, 10, 16, 3, 15, 4}},
      {9, 5, 5489, {13, 12, 10, 11, 9}},
  };
  for (const Case& c : cases) {
    for (const auto variant : {ShuffleVariant::kGcc10, ShuffleVariant::kGcc11}) {
      EXPECT_EQ(ShuffledChains(c.base, c.stripe, c.seed, variant), c.list) << c.seed;
    }
  }
  EXPECT_TRUE(ShuffledChains(1, 0, 1).empty());
}

TEST(Shuffle, IsThisLibrarysStdShuffle) {
  for (uint32_t stripe = 1; stripe < 300; stripe += 7) {
    std::vector<uint32_t> list(stripe);
    std::iota(list.begin(), list.end(), 1U);
    std::mt19937_64 engine(stripe);
    std::shuffle(list.begin(), list.end(), engine);
    EXPECT_EQ(ShuffledChains(1, stripe, stripe), list) << stripe;
  }
}

TEST(Shuffle, PickedSeedsAgree) {
  Rng rng(3);
  const auto seed = PickShuffleSeed(rng, 1, 200);
  ASSERT_TRUE(seed.ok());
  EXPECT_EQ(ShuffledChains(1, 200, *seed, ShuffleVariant::kGcc10),
            ShuffledChains(1, 200, *seed, ShuffleVariant::kGcc11));
  EXPECT_NE(*seed, *PickShuffleSeed(rng, 1, 200));
}

TEST(Validate, EachRule) {
  EXPECT_TRUE(ValidateLayout(File(Range{.base_index = 1}), false).ok());
  EXPECT_TRUE(ValidateLayout(File(List{{5, 5, 6}}), false).ok());
  EXPECT_TRUE(ValidateLayout(File(Layout::Empty{}), true).ok());

  std::vector<std::pair<const char*, Layout>> broken;
  const auto add = [&broken](const char* rule, Layout layout, auto change) {
    change(layout);
    broken.emplace_back(rule, std::move(layout));
  };
  const Layout range = File(Range{.base_index = 1});
  const Layout list = File(List{{5, 5, 6}});
  add("chunk size 0", range, [](Layout& l) { l.chunk_size = 0; });
  add("chunk size odd", range, [](Layout& l) { l.chunk_size = 3000; });
  add("stripe 0", range, [](Layout& l) { l.stripe_size = 0; });
  add("stripe huge", range, [](Layout& l) { l.stripe_size = 0xffffffff; });
  add("no table", range, [](Layout& l) { l.table_id = 0; });
  add("no version", range, [](Layout& l) { l.table_version = 0; });
  add("base 0", range, [](Layout& l) { l.chains = Range{}; });
  add("base overflows", range, [](Layout& l) { l.chains = Range{.base_index = 0xffffffff}; });
  add("unknown shuffle", range, [](Layout& l) {
    l.chains = Range{.base_index = 1, .shuffle = static_cast<Layout::ShuffleType>(2)};
  });
  add("table without version", list, [](Layout& l) { l.table_version = 0; });
  add("version without table", list, [](Layout& l) { l.table_id = 0; });
  add("list too short", list, [](Layout& l) { l.chains = List{{5, 6}}; });
  add("list too long", list, [](Layout& l) { l.chains = List{{5, 6, 7, 8}}; });
  add("index 0", list, [](Layout& l) { l.chains = List{{5, 0, 7}}; });
  add("empty not allowed", File(Layout::Empty{}), [](Layout&) {});
  for (const auto& [rule, layout] : broken) {
    EXPECT_EQ(ValidateLayout(layout, false).code(), Code::kMetaInvalidFileLayout) << rule;
    EXPECT_EQ(StripeMap::Build(layout).code(), Code::kMetaInvalidFileLayout) << rule;
  }
  Layout no_table = File(Layout::Empty{});
  no_table.table_id = 0;
  EXPECT_EQ(ValidateLayout(no_table, true).code(), Code::kMetaInvalidFileLayout);
  // A list may name chains directly.
  Layout direct = list;
  direct.table_id = direct.table_version = 0;
  EXPECT_TRUE(ValidateLayout(direct, false).ok());
}

TEST(Stripe, ChunksGoRoundTheStripe) {
  const auto map = StripeMap::Build(File(List{{30, 10, 20}}));
  ASSERT_TRUE(map.ok());
  EXPECT_EQ(map->stripe_size(), 3U);
  EXPECT_EQ(map->ChainOf(0), (ChainRef{1, 1, 30}));
  EXPECT_EQ(map->ChainOf(1), (ChainRef{1, 1, 10}));
  EXPECT_EQ(map->ChainOf(5), (ChainRef{1, 1, 20}));
  EXPECT_EQ(map->ChainOf(0xffffffff), (ChainRef{1, 1, 30}));
  EXPECT_EQ(map->ChainOf(0xffffffff, 1), (ChainRef{1, 1, 10}));  // track 1 starts 7 further
  EXPECT_EQ(map->Chains().size(), 3U);
}

TEST(Stripe, RangesPlainAndShuffled) {
  Layout layout = File(Range{.base_index = 9, .seed = 5489});
  layout.stripe_size = 5;
  EXPECT_THAT(ChainIndexes(layout), ElementsAre(9, 10, 11, 12, 13));
  layout.chains = Range{.base_index = 9, .shuffle = kShuffled, .seed = 5489};
  EXPECT_THAT(ChainIndexes(layout), ElementsAre(13, 12, 10, 11, 9));
  layout.chains = Layout::Empty{};
  EXPECT_TRUE(ChainIndexes(layout).empty());
}

schema::mgmtd::RoutingInfo Routing() {
  schema::mgmtd::RoutingInfo routing;
  auto& versions = routing.chain_tables.At(1);
  versions[1] = {.chain_table_id = 1, .chain_table_version = 1, .chains = {101, 102}};
  versions[3] = {.chain_table_id = 1, .chain_table_version = 3, .chains = {301, 302, 303}};
  versions[2] = {.chain_table_id = 1, .chain_table_version = 2};
  return routing;
}

TEST(Lookup, TablesAndIndexes) {
  const auto routing = Routing();
  EXPECT_EQ(FindChainTable(routing, 1, 0)->chain_table_version, 3U);
  EXPECT_EQ(FindChainTable(routing, 1, 1)->chains.size(), 2U);
  EXPECT_EQ(FindChainTable(routing, 1, 9), nullptr);
  EXPECT_EQ(FindChainTable(routing, 2, 0), nullptr);

  EXPECT_EQ(*ResolveChain(routing, {1, 1, 1}), 101U);
  EXPECT_EQ(*ResolveChain(routing, {1, 1, 2}), 102U);
  EXPECT_EQ(*ResolveChain(routing, {1, 1, 3}), 101U);  // wraps
  EXPECT_EQ(*ResolveChain(routing, {1, 0, 3}), 303U);
  EXPECT_EQ(*ResolveChain(routing, {0, 0, 77}), 77U);
  EXPECT_EQ(*ResolveChain(routing, {1, 1, 0xffffffff}), 101U);
  EXPECT_EQ(ResolveChain(routing, {0, 0, 0}).code(), Code::kInvalidArg);
  EXPECT_EQ(ResolveChain(routing, {1, 1, 0}).code(), Code::kInvalidArg);
  EXPECT_EQ(ResolveChain(routing, {1, 2, 1}).code(), Code::kInvalidArg);  // no chains
  EXPECT_EQ(ResolveChain(routing, {1, 7, 1}).code(), Code::kMgmtdClientRoutingInfoNotReady);
  EXPECT_EQ(ResolveChain(routing, {0, 1, 1}).code(), Code::kMgmtdClientRoutingInfoNotReady);
}

TEST(Lookup, Stripes) {
  const auto routing = Routing();
  EXPECT_THAT(*ResolveStripe(routing, File(List{{2, 1, 4}})), ElementsAre(102, 101, 102));
  EXPECT_THAT(*ResolveStripe(routing, File(Range{.base_index = 2})), ElementsAre(102, 101, 102));
  EXPECT_EQ(ResolveStripe(routing, File(Layout::Empty{})).code(), Code::kMetaInvalidFileLayout);
  Layout missing = File(List{{2, 1, 4}});
  missing.table_version = 8;
  EXPECT_EQ(ResolveStripe(routing, missing).code(), Code::kMgmtdClientRoutingInfoNotReady);
}

TEST(ChunkMap, CutsAtChunkBounds) {
  const auto none = CutIntoChunks(5, 0, 4096);
  ASSERT_TRUE(none.ok());
  EXPECT_TRUE(none->empty());
  EXPECT_THAT(*CutIntoChunks(4095, 4098, 4096),
              ElementsAre(ChunkSlice{0, 4095, 1, 4095}, ChunkSlice{1, 0, 4096, 4096},
                          ChunkSlice{2, 0, 1, 8192}));
  EXPECT_THAT(*CutIntoChunks(4096, 4096, 4096), ElementsAre(ChunkSlice{1, 0, 4096, 4096}));
}

TEST(ChunkMap, SlicesCoverTheRangeExactly) {
  Rng rng(11);
  for (int round = 0; round < 500; ++round) {
    const uint32_t chunk_size = 1U << rng.Below(20);
    const uint64_t offset = rng.Below(1ULL << 30);
    const uint64_t length = 1 + rng.Below(chunk_size * 5ULL);
    const auto slices = CutIntoChunks(offset, length, chunk_size);
    ASSERT_TRUE(slices.ok());
    uint64_t at = offset;
    for (const ChunkSlice& slice : *slices) {
      ASSERT_EQ(slice.file_offset, at);
      ASSERT_EQ(uint64_t{slice.index} * chunk_size + slice.offset, at);
      ASSERT_GT(slice.length, 0U);
      ASSERT_LE(slice.offset + slice.length, chunk_size);
      at += slice.length;
    }
    ASSERT_EQ(at, offset + length);
  }
}

TEST(ChunkMap, EndsAtTheLastChunk) {
  constexpr uint64_t kChunks = 1ULL << 32;
  EXPECT_EQ(*ChunkIndexOf(kChunks * 512 - 1, 512), 0xffffffffU);
  EXPECT_EQ(ChunkIndexOf(kChunks * 512, 512).code(), Code::kMetaFileTooLarge);
  EXPECT_EQ(CutIntoChunks(kChunks * 512 - 1, 2, 512).code(), Code::kMetaFileTooLarge);
  EXPECT_EQ(CutIntoChunks(std::numeric_limits<uint64_t>::max(), 2, 1U << 31).code(),
            Code::kMetaFileTooLarge);
}

TEST(ChunkId, BytesOfTheFacts) {
  const std::string id = MakeChunkId(0x0100000000001234, 0, 7);
  EXPECT_EQ(id, std::string("\0\0\1\0\0\0\0\0\x12\x34\0\0\0\0\0\7", 16));
  EXPECT_EQ(*ParseChunkId(id), (FileChunk{0x0100000000001234, 0, 7}));
}

TEST(ChunkId, OrderIsInodeTrackIndex) {
  EXPECT_LT(MakeChunkId(5, 0, 255), MakeChunkId(5, 0, 256));
  EXPECT_LT(MakeChunkId(5, 0, 0xffffffff), MakeChunkId(5, 1, 0));
  EXPECT_LT(MakeChunkId(5, 0xffff, 0xffffffff), MakeChunkId(6, 0, 0));
  const auto range = ChunksFrom(5, 3, 10);
  EXPECT_EQ(range.begin, MakeChunkId(5, 0, 3));
  EXPECT_EQ(range.end, MakeChunkId(5, 1, 0));
  EXPECT_EQ(range.max_num_chunk_ids_to_process, 10U);
}

TEST(ChunkId, OthersAreRefused) {
  for (const std::string& id : {std::string(), std::string(15, '\0'), std::string(17, '\0'),
                                std::string("\1") + std::string(15, '\0'),
                                std::string("\0\1", 2) + std::string(14, '\0')}) {
    EXPECT_EQ(ParseChunkId(id).code(), Code::kInvalidFormat) << id.size();
  }
}

}  // namespace
}  // namespace threefs::layout

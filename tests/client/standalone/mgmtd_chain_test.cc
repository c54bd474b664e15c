// SPDX-License-Identifier: Apache-2.0
#include "client/standalone/mgmtd_chain.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "client/base/rng.h"

namespace threefs::standalone {
namespace {

using schema::mgmtd::ChainInfo;
using schema::mgmtd::LocalTargetState;
using schema::mgmtd::PublicTargetState;

constexpr auto kUp = LocalTargetState::kUptodate;
constexpr auto kOn = LocalTargetState::kOnline;
constexpr auto kOff = LocalTargetState::kOffline;

ChainInfo ChainOf(const std::string& states) {  // "SSS": targets 1, 2, 3 serving
  ChainInfo chain{.chain_id = 1, .chain_version = 1, .targets = {}, .preferred_target_order = {}};
  for (const char c : states) {
    const auto state = c == 'S'   ? PublicTargetState::kServing
                       : c == 'L' ? PublicTargetState::kLastsrv
                       : c == 'Y' ? PublicTargetState::kSyncing
                       : c == 'W' ? PublicTargetState::kWaiting
                                  : PublicTargetState::kOffline;
    chain.targets.push_back({chain.targets.size() + 1, state});
  }
  return chain;
}

std::string Print(const ChainInfo& chain) {
  std::string out;
  for (const auto& t : chain.targets) {
    const char c = t.public_state == PublicTargetState::kServing   ? 'S'
                   : t.public_state == PublicTargetState::kLastsrv ? 'L'
                   : t.public_state == PublicTargetState::kSyncing ? 'Y'
                   : t.public_state == PublicTargetState::kWaiting ? 'W'
                                                                   : 'O';
    out += std::to_string(t.target_id) + c;
  }
  return out;
}

std::string Step(ChainInfo* chain, const LocalStates& local) {
  const uint32_t before = chain->chain_version;
  const bool changed = StepChain(chain, local);
  EXPECT_EQ(chain->chain_version, before + (changed ? 1 : 0));
  return Print(*chain);
}

TEST(MgmtdChain, NothingHappensWhileAllServe) {
  ChainInfo chain = ChainOf("SSS");
  EXPECT_EQ(Step(&chain, {{1, kUp}, {2, kUp}, {3, kUp}}), "1S2S3S");
  EXPECT_EQ(chain.chain_version, 1U);
}

TEST(MgmtdChain, DeadHeadGoesToTheEndAndComesBackBehindTheTail) {
  ChainInfo chain = ChainOf("SSS");
  EXPECT_EQ(Step(&chain, {{2, kUp}, {3, kUp}}), "2S3S1O");
  EXPECT_EQ(Step(&chain, {{1, kOn}, {2, kUp}, {3, kUp}}), "2S3S1W");
  EXPECT_EQ(Step(&chain, {{1, kOn}, {2, kUp}, {3, kUp}}), "2S3S1Y");
  EXPECT_EQ(Step(&chain, {{1, kOn}, {2, kUp}, {3, kUp}}), "2S3S1Y");
  EXPECT_EQ(Step(&chain, {{1, kUp}, {2, kUp}, {3, kUp}}), "2S3S1S");
  EXPECT_EQ(chain.chain_version, 5U);
}

TEST(MgmtdChain, OneResyncAtATime) {
  ChainInfo chain = ChainOf("SWW");
  EXPECT_EQ(Step(&chain, {{1, kUp}, {2, kOn}, {3, kOn}}), "1S2Y3W");
  EXPECT_EQ(Step(&chain, {{1, kUp}, {2, kUp}, {3, kOn}}), "1S2S3W");
  EXPECT_EQ(Step(&chain, {{1, kUp}, {2, kUp}, {3, kOn}}), "1S2S3Y");
}

TEST(MgmtdChain, TheLastOneKeepsTheDataAndOnlyItMayServeAgain) {
  ChainInfo chain = ChainOf("S");
  EXPECT_EQ(Step(&chain, {}), "1L");
  chain = ChainOf("SSS");
  EXPECT_EQ(Step(&chain, {}), "3L1O2O");  // the tail has everything
  EXPECT_EQ(Step(&chain, {{1, kOn}}), "3L1W2O");
  EXPECT_EQ(Step(&chain, {{1, kOn}}), "3L1W2O");  // waits for ever without 3
  EXPECT_EQ(Step(&chain, {{1, kOn}, {3, kOn}}), "3S1Y2O");
}

TEST(MgmtdChain, SyncingWithoutAServerWaits) {
  ChainInfo chain = ChainOf("SY");
  EXPECT_EQ(Step(&chain, {{2, kOn}}), "1L2W");
  chain = ChainOf("SY");
  EXPECT_EQ(Step(&chain, {{1, kUp}, {2, kOff}}), "1S2O");
}

// Whatever happens, there is never a moment without somebody who has all the data.
TEST(MgmtdChain, RandomHistoriesKeepOneWithTheData) {
  Rng rng(7);
  for (int run = 0; run < 200; ++run) {
    ChainInfo chain = ChainOf("SSS");
    for (int step = 0; step < 50; ++step) {
      LocalStates local;
      for (const auto& t : chain.targets) {
        if (rng.Below(3) == 0) continue;
        const bool synced = t.public_state == PublicTargetState::kServing ||
                            t.public_state == PublicTargetState::kLastsrv || rng.Below(2) == 0;
        local[t.target_id] = synced ? kUp : kOn;
      }
      StepChain(&chain, local);
      int holders = 0;
      int last = 0;
      for (size_t i = 0; i < chain.targets.size(); ++i) {
        const auto state = chain.targets[i].public_state;
        holders += state == PublicTargetState::kServing || state == PublicTargetState::kLastsrv;
        last += state == PublicTargetState::kLastsrv;
        if (i != 0 && state == PublicTargetState::kServing) {
          EXPECT_EQ(chain.targets[i - 1].public_state, PublicTargetState::kServing);
        }
      }
      ASSERT_GE(holders, 1) << Print(chain);
      ASSERT_LE(last, 1) << Print(chain);
      if (last == 1) ASSERT_EQ(holders, 1) << Print(chain);
    }
  }
}

TEST(MgmtdChain, Rotations) {
  ChainInfo chain = ChainOf("LOO");
  EXPECT_TRUE(RotateLastServing(&chain).ok());
  EXPECT_EQ(Print(chain), "2L3O1O");
  chain = ChainOf("SSS");
  EXPECT_EQ(RotateLastServing(&chain).code(), Code::kMgmtdTargetNotFound);
  EXPECT_FALSE(RotateTowardsPreferred(&chain));
  chain.preferred_target_order = {2, 1, 3};
  EXPECT_TRUE(RotateTowardsPreferred(&chain));
  EXPECT_EQ(Print(chain), "2S3S1O");
  EXPECT_FALSE(RotateTowardsPreferred(&chain));  // not while one is away
}

}  // namespace
}  // namespace threefs::standalone

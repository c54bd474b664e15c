// SPDX-License-Identifier: Apache-2.0
// The storage room's small parts: target picker, gate, channels, errors, zeros.
#include <gtest/gtest.h>

#include <map>

#include "client/storage/channels.h"
#include "client/storage/errors.h"
#include "client/storage/gate.h"
#include "client/storage/target_picker.h"
#include "client/storage/zeros.h"
#include "tests/support/sim_loop.h"

namespace threefs::storage {
namespace {

mgmtd::Chain ThreeReplicas() {
  mgmtd::Chain chain{.id = 1, .version = 1, .serving = {}, .why_none = {}};
  for (uint32_t node = 1; node <= 3; ++node) {
    chain.serving.push_back({.target_id = 10 + node, .node_id = node, .address = {}});
  }
  return chain;
}

TEST(TargetPickerTest, EqualShares) {
  TargetPicker picker(1);
  const auto chain = ThreeReplicas();
  std::map<uint32_t, int> given;
  for (int i = 0; i < 3000; ++i) ++given[picker.Pick(chain, {}, 4096, {}).node_id];
  for (const auto& [node, n] : given) EXPECT_EQ(n, 1000) << node;
}

TEST(TargetPickerTest, FewestBytesUnderWayFirst) {
  TargetPicker picker(1);
  const auto chain = ThreeReplicas();
  picker.OnStart(1, 1000);
  picker.OnStart(2, 2000);
  EXPECT_EQ(picker.Pick(chain, {}, 1, {}).node_id, 3U);
  picker.OnStart(3, 5000);
  EXPECT_EQ(picker.Pick(chain, {}, 1, {}).node_id, 1U);
}

TEST(TargetPickerTest, LeavesOutWhatFailedUnlessAllDid) {
  TargetPicker picker(1);
  const auto chain = ThreeReplicas();
  const std::vector<uint64_t> two{11, 12};
  for (int i = 0; i < 10; ++i) EXPECT_EQ(picker.Pick(chain, two, 1, {}).target_id, 13U);
  const std::vector<uint64_t> all{11, 12, 13};
  picker.Pick(chain, all, 1, {});  // any, but one
  const TimePoint now{100s};
  picker.OnFailure(3, 0, now);
  for (int i = 0; i < 10; ++i) EXPECT_NE(picker.Pick(chain, {}, 1, now).node_id, 3U);
  // A failed node is still better than one that failed in this very call.
  EXPECT_EQ(picker.Pick(chain, two, 1, now).node_id, 3U);
  std::map<uint32_t, int> later;
  for (int i = 0; i < 9; ++i) ++later[picker.Pick(chain, {}, 1 << 20, now + 1s).node_id];
  EXPECT_GT(later[3], 0) << "the penalty ends";
}

TEST(TargetPickerTest, ReturningReplicaIsNotFlooded) {
  TargetPicker picker(1);
  auto chain = ThreeReplicas();
  const auto whole = chain;
  chain.serving.pop_back();
  for (int i = 0; i < 100000; ++i) picker.Pick(chain, {}, 1 << 20, {});
  std::map<uint32_t, int> given;
  for (int i = 0; i < 300; ++i) ++given[picker.Pick(whole, {}, 1 << 20, {}).node_id];
  EXPECT_LE(given[3], 200);
  EXPECT_GE(given[1], 40);
}

TEST(TargetPickerTest, SlowNodeIsTriedAgainAfterAWhile) {
  TargetPicker picker(1);
  const auto chain = ThreeReplicas();
  TimePoint now{100s};
  picker.OnSuccess(1, 0, 1ms, now);
  picker.OnSuccess(2, 0, 1ms, now);
  picker.OnSuccess(3, 0, 100ms, now);
  for (int i = 0; i < 30; ++i) EXPECT_NE(picker.Pick(chain, {}, 1, now).node_id, 3U);
  now += 60s;
  bool tried = false;
  for (int i = 0; i < 60; ++i) tried = tried || picker.Pick(chain, {}, 1, now).node_id == 3;
  EXPECT_TRUE(tried);
}

TEST(GateTest, FifoWithDeadlines) {
  sim::SimWorld world(1);
  Loop& loop = world.NewLoop();
  world.Run(loop, [&]() -> Task<void> {
    Gate gate(1);
    Gate::Permit held = co_await gate.Enter({});
    EXPECT_TRUE(held.owns());
    std::vector<int> order;
    TaskScope scope;
    const auto waiter = [](Gate* g, std::vector<int>* out, int id, TimePoint until) -> Task<void> {
      const Gate::Permit p = co_await g->Enter({.deadline = until});
      out->push_back(p.owns() ? id : -id);
    };
    const TimePoint now = Loop::Current()->Now();
    scope.Start(waiter(&gate, &order, 1, kNever));
    scope.Start(waiter(&gate, &order, 2, now + 1s));
    scope.Start(waiter(&gate, &order, 3, kNever));
    co_await SleepFor(2s);
    held.Release();
    co_await scope.Join();
    EXPECT_EQ(order, (std::vector<int>{-2, 1, 3}));
    EXPECT_TRUE((co_await gate.Enter({})).owns()) << "no permit was lost";
  });
}

TEST(ChannelPoolTest, LastReturnedFirstUsedAndEndsInTime) {
  sim::SimWorld world(1);
  Loop& loop = world.NewLoop();
  world.Run(loop, [&]() -> Task<void> {
    ChannelPool pool(5, 2, 100);
    {
      auto a = co_await pool.Take({});
      auto b = co_await pool.Take({});
      EXPECT_EQ(a.Next(1).id, 5);
      EXPECT_EQ(b.Next(4).seqnum, 101U);
      EXPECT_EQ(a.Next(1).seqnum, 105U);
      const auto none = co_await pool.Take({.deadline = Loop::Current()->Now() + 1s});
      EXPECT_FALSE(none.owns());
    }
    auto c = co_await pool.Take({});
    EXPECT_TRUE(c.owns());
    const uint64_t before = c.Next(1).seqnum;
    pool.JumpAhead();
    EXPECT_GT(c.Next(1).seqnum, before + (1ULL << 39));
  });
}

TEST(ErrorsTest, ConversionAndSeverity) {
  EXPECT_EQ(ToClientCode(Code::kInvalidArg), Code::kStorageClientInvalidArg);
  EXPECT_EQ(ToClientCode(Code::kReadOnlyMode), Code::kStorageClientReadOnlyServer);
  EXPECT_EQ(ToClientCode(Code::kRPCTimeout), Code::kStorageClientTimeout);
  EXPECT_EQ(ToClientCode(Code::kStorageChunkMetadataNotFound), Code::kStorageClientChunkNotFound);
  EXPECT_EQ(ToClientCode(Code::kStorageChannelIsLocked), Code::kStorageClientResourceBusy);
  EXPECT_EQ(ToClientCode(Code::kStorageTargetOffline), Code::kStorageClientServerError);
  EXPECT_EQ(ToClientCode(static_cast<Code>(64999)), Code::kStorageClientServerError);
  EXPECT_EQ(ToClientCode(static_cast<Code>(7777)), static_cast<Code>(7777));
  EXPECT_EQ(SeverityOf(Code::kStorageClientNoSpace), Severity::kPermanent);
  EXPECT_EQ(SeverityOf(Code::kStorageClientRoutingVersionMismatch), Severity::kRouting);
  EXPECT_EQ(SeverityOf(Code::kStorageClientServerError), Severity::kPlain);
}

TEST(ZerosTest, AnyCount) {
  std::vector<Bytes> pieces;
  AppendZeros(0, &pieces);
  EXPECT_TRUE(pieces.empty());
  AppendZeros((3U << 20) + 7, &pieces);
  size_t n = 0;
  for (const Bytes& b : pieces) {
    for (const uint8_t byte : b.span()) EXPECT_EQ(byte, 0);
    n += b.size();
  }
  EXPECT_EQ(n, (3U << 20) + 7);
}

}  // namespace
}  // namespace threefs::storage

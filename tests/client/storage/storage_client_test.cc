// SPDX-License-Identifier: Apache-2.0
#include "client/storage/storage_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "tests/client/file/with_cluster.h"

namespace threefs::storage {
namespace {

using ::testing::HasSubstr;

constexpr uint32_t kChain = 1001;
constexpr uint32_t kChunkSize = 4 << 20;
constexpr ChunkKey kChunk{.inode = 0x1000, .index = 3};

class StorageClientTest : public fake::WithCluster {
 protected:
  StorageClient& storage() { return session().storage(); }
  fake::Process& Node(uint32_t node_id) { return *servers().storages[node_id - 201]; }
  fake::Process& Head() { return Node(servers().chains[kChain].nodes.front()); }

  Status Write(std::string data, uint32_t offset = 0, Duration time = 60s) {
    auto out = Run([&] {
      return storage().Write(Op(time), {{.chain_id = kChain,
                                         .chunk = kChunk,
                                         .chunk_size = kChunkSize,
                                         .offset = offset,
                                         .data = Bytes::CopyOf(data)}});
    });
    return out.at(0);
  }
  ReadOutcome Read(uint32_t length = 100, Duration time = 60s) {
    auto out = Run([&] {
      return storage().Read(Op(time),
                            {{.chain_id = kChain, .chunk = kChunk, .offset = 0, .length = length}});
    });
    return std::move(out.at(0));
  }
  static std::string Text(const ReadOutcome& o) {
    std::string s;
    for (const Bytes& b : o.pieces) s += b.text();
    return s;
  }
  uint64_t Requests(uint16_t method) {
    uint64_t n = 0;
    for (auto& p : servers().storages) n += p->requests[method];
    return n;
  }
};

// --- exactly once ------------------------------------------------------------------------------

TEST_F(StorageClientTest, DroppedAnswerIsNotAppliedTwice) {
  Head().drop_answers[2] = 1;
  ASSERT_TRUE(Write("hello").ok());
  EXPECT_EQ(servers().applied, 1U);
  ASSERT_EQ(servers().update_tags.size(), 2U);
  const auto& first = servers().update_tags[0];
  const auto& second = servers().update_tags[1];
  EXPECT_EQ(first.request_id, second.request_id);
  EXPECT_EQ(first.channel.id, second.channel.id);
  EXPECT_EQ(first.channel.seqnum, second.channel.seqnum);
  EXPECT_EQ(Text(Read()), "hello");
}

TEST_F(StorageClientTest, ResetAfterExecutionIsNotAppliedTwice) {
  int calls = 0;
  servers().alter_write = [&](const auto&, auto*) {
    if (calls++ == 0) {
      servers().network.Kill(Head().address.ip, sim::SimNetwork::Death::kProcess);
      servers().client_loop.At(servers().world.Now() + 200ms,
                               [this] { servers().network.Revive(Head().address.ip); });
    }
  };
  ASSERT_TRUE(Write("hello").ok());
  EXPECT_EQ(servers().applied, 1U);
}

TEST_F(StorageClientTest, SequenceNumbersOfAChannelOnlyGrow) {
  for (int i = 0; i < 5; ++i) {
    if (i == 2) Head().drop_answers[2] = 1;
    ASSERT_TRUE(Write("x").ok());
  }
  std::map<uint16_t, uint64_t> last;
  for (const auto& tag : servers().update_tags) {
    EXPECT_NE(tag.channel.id, 0);
    EXPECT_GE(tag.channel.seqnum, last[tag.channel.id]);
    last[tag.channel.id] = tag.channel.seqnum;
  }
  EXPECT_EQ(servers().applied, 5U);
}

TEST_F(StorageClientTest, ParallelUpdatesUseDifferentChannels) {
  std::vector<WriteOp> ops;
  for (uint32_t i = 0; i < 40; ++i) {
    ops.push_back({.chain_id = kChain,
                   .chunk = {.inode = 1, .index = i},
                   .chunk_size = kChunkSize,
                   .offset = 0,
                   .data = Bytes::CopyOf("abc")});
  }
  auto out = Run([&] { return storage().Write(Op(), std::move(ops)); });
  for (const Status& s : out) EXPECT_TRUE(s.ok()) << s.ToString();
  std::set<std::pair<uint16_t, uint64_t>> seen;
  for (const auto& t : servers().update_tags) seen.insert({t.channel.id, t.channel.seqnum});
  EXPECT_EQ(seen.size(), 40U);
}

TEST_F(StorageClientTest, BusyChannelIsWaitedOut) {
  int busy = 3;
  servers().alter_write = [&](const auto&, auto* rsp) {
    if (busy-- > 0) rsp->result.length_info = Status(Code::kStorageChannelIsLocked, "busy");
  };
  EXPECT_TRUE(Write("hello").ok());
}

TEST_F(StorageClientTest, NumbersOfAFormerLifeAreJumpedOver) {
  int old = 1;
  servers().alter_write = [&](const auto&, auto* rsp) {
    if (old-- > 0) rsp->result.length_info = Status(Code::kStorageClientDuplicateUpdate, "old");
  };
  ASSERT_TRUE(Write("hello").ok());
  const auto& tags = servers().update_tags;
  ASSERT_EQ(tags.size(), 2U);
  EXPECT_GT(tags[1].channel.seqnum, tags[0].channel.seqnum + 1'000'000);
}

TEST_F(StorageClientTest, BigWriteTravelsInPieces) {
  const std::string data((3 << 20) + 5, 'z');
  ASSERT_TRUE(Write(data).ok());
  EXPECT_EQ(Requests(2), 4U);
  EXPECT_EQ(Text(Read(kChunkSize)), data);
  EXPECT_LE(Requests(1), 3U) << "pieces are spread over the replicas, a batch each";
}

TEST_F(StorageClientTest, WriteBeyondTheChunkIsRefusedHere) {
  EXPECT_EQ(Write("hello", kChunkSize - 2).code(), Code::kStorageClientInvalidArg);
  EXPECT_EQ(Requests(2), 0U);
}

// --- routing -----------------------------------------------------------------------------------

TEST_F(StorageClientTest, NewHeadIsFoundAtOnce) {
  ASSERT_TRUE(Write("one").ok());
  servers().MoveHead(kChain);
  servers().Publish();
  const TimePoint start = servers().world.Now();
  ASSERT_TRUE(Write("two").ok());
  EXPECT_LE(servers().world.Now() - start, 500ms);
  EXPECT_EQ(Text(Read()), "two");
}

TEST_F(StorageClientTest, WaitsWhileMgmtdIsBehindTheServers) {
  cluster();
  servers().MoveHead(kChain);
  servers().client_loop.At(servers().world.Now() + 4s, [this] { servers().Publish(); });
  const TimePoint start = servers().world.Now();
  ASSERT_TRUE(Write("two").ok());
  EXPECT_EQ(Text(Read()), "two");
  EXPECT_LE(servers().world.Now() - start, 6s);
  EXPECT_EQ(servers().applied, 1U);
}

TEST_F(StorageClientTest, DeadHeadIsReplaced) {
  cluster();
  servers().network.Kill(Head().address.ip, sim::SimNetwork::Death::kHost);
  servers().client_loop.At(servers().world.Now() + 5s, [this] {
    servers().MoveHead(kChain, true);
    servers().Publish();
  });
  const TimePoint start = servers().world.Now();
  EXPECT_TRUE(Write("hello", 0, 60s).ok());
  EXPECT_LE(servers().world.Now() - start, 20s);
}

TEST_F(StorageClientTest, DeadlineHoldsAndNamesTheCause) {
  cluster();
  servers().MoveHead(kChain);  // never published
  const TimePoint start = servers().world.Now();
  const Status s = Write("x", 0, 5s);
  EXPECT_LE(servers().world.Now() - start, 5s);
  EXPECT_EQ(s.code(), Code::kStorageClientRoutingVersionMismatch);
  EXPECT_THAT(s.message(), HasSubstr("chunk 3 of inode 0x1000 on chain 1001"));
  EXPECT_THAT(s.message(), HasSubstr("gave up after"));
  EXPECT_THAT(s.message(), HasSubstr("chain version mismatch"));
}

TEST_F(StorageClientTest, SilentServersCostNoMoreThanTheDeadline) {
  cluster();
  for (auto& p : servers().storages) {
    servers().network.Kill(p->address.ip, sim::SimNetwork::Death::kHost);
  }
  const TimePoint start = servers().world.Now();
  EXPECT_FALSE(Read(10, 7s).status.ok());
  EXPECT_FALSE(Write("x", 0, 7s).ok());
  EXPECT_LE(servers().world.Now() - start, 14s + 1ms);
}

TEST_F(StorageClientTest, UnknownChainIsWaitedForUntilTheDeadline) {
  auto out = Run([&] {
    return storage().Read(Op(2s), {{.chain_id = 9999, .chunk = kChunk, .offset = 0, .length = 1}});
  });
  EXPECT_EQ(out[0].status.code(), Code::kStorageClientRoutingError);
  EXPECT_THAT(out[0].status.message(), HasSubstr("chain 9999 is not in routing version"));
}

TEST_F(StorageClientTest, CancelledEndsSoon) {
  cluster();
  for (auto& p : servers().storages) {
    servers().network.Kill(p->address.ip, sim::SimNetwork::Death::kHost);
  }
  CancelSource cancel;
  servers().client_loop.At(servers().world.Now() + 1s, [&] { cancel.Cancel(); });
  const TimePoint start = servers().world.Now();
  auto out = Run([&] {
    OpContext op = Op();
    op.call.cancel = &cancel;
    return storage().Read(op, {{.chain_id = kChain, .chunk = kChunk, .offset = 0, .length = 1}});
  });
  EXPECT_EQ(out[0].status.code(), Code::kStorageClientRequestCanceled);
  EXPECT_LE(servers().world.Now() - start, 2500ms);
}

// --- reads -------------------------------------------------------------------------------------

TEST_F(StorageClientTest, ReadsAnyServingReplicaEvenly) {
  ASSERT_TRUE(Write("hello").ok());
  for (int i = 0; i < 300; ++i) ASSERT_EQ(Text(Read()), "hello");
  for (auto& p : servers().storages) {
    EXPECT_GE(p->requests[1], 90U);
    EXPECT_LE(p->requests[1], 110U);
  }
}

TEST_F(StorageClientTest, ReadMovesToAnotherReplica) {
  ASSERT_TRUE(Write("hello").ok());
  servers().network.Kill(Node(201).address.ip, sim::SimNetwork::Death::kHost);
  const TimePoint start = servers().world.Now();
  for (int i = 0; i < 50; ++i) ASSERT_EQ(Text(Read()), "hello");
  // Found out once or twice (penalties end and it is tried again), not fifty times.
  EXPECT_LE(servers().world.Now() - start, 9s);
}

TEST_F(StorageClientTest, SlowReplicaIsAvoided) {
  ASSERT_TRUE(Write("hello").ok());
  Node(202).server->SetFrameHook([](uint16_t, uint16_t, bool is_answer) -> Task<bool> {
    if (is_answer) co_await SleepFor(200ms);
    co_return true;
  });
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(Read().status.ok());
  EXPECT_LE(Node(202).requests[1], 20U);
}

TEST_F(StorageClientTest, MissingChunkIsAHole) {
  const ReadOutcome o = Read();
  EXPECT_TRUE(o.status.ok());
  EXPECT_FALSE(o.exists);
  EXPECT_EQ(o.length, 0U);
}

TEST_F(StorageClientTest, ReadPastTheEndIsShort) {
  ASSERT_TRUE(Write("hello").ok());
  const ReadOutcome o = Read(kChunkSize);
  EXPECT_TRUE(o.exists);
  EXPECT_EQ(Text(o), "hello");
}

TEST_F(StorageClientTest, OneBadReadDoesNotHarmTheOthers) {
  ASSERT_TRUE(Write("hello").ok());
  auto out = Run([&] {
    return storage().Read(Op(1s),
                          {{.chain_id = kChain, .chunk = kChunk, .offset = 1, .length = 3},
                           {.chain_id = 9999, .chunk = kChunk, .offset = 0, .length = 3},
                           {.chain_id = kChain, .chunk = kChunk, .offset = 4, .length = 3}});
  });
  EXPECT_EQ(Text(out[0]), "ell");
  EXPECT_FALSE(out[1].status.ok());
  EXPECT_EQ(Text(out[2]), "o");
}

TEST_F(StorageClientTest, BatchesByNodeWithinTheLimits) {
  std::vector<ReadOp> ops;
  for (uint32_t i = 0; i < 300; ++i) {
    ops.push_back({.chain_id = kChain + i % 6, .chunk = {1, i}, .offset = 0, .length = 4096});
  }
  size_t most = 0;
  servers().alter_read = [&](const auto& req, auto*) {
    most = std::max(most, req.payloads.size());
  };
  auto out = Run([&] { return storage().Read(Op(), std::move(ops)); });
  EXPECT_EQ(out.size(), 300U);
  EXPECT_LE(most, 128U);
  EXPECT_LE(Requests(1), 6U);
}

// --- damage and lies ---------------------------------------------------------------------------

TEST_F(StorageClientTest, DamagedDataIsReadElsewhere) {
  ASSERT_TRUE(Write("hello").ok());
  int bad = 1;
  servers().alter_read = [&](const auto&, auto* rsp) {
    if (bad-- > 0) rsp->inlinebuf.data = Bytes::CopyOf("jello");
  };
  EXPECT_EQ(Text(Read()), "hello");
  EXPECT_EQ(storage().stats().checksum_mismatches.value(), 1U);
}

TEST_F(StorageClientTest, DamageEverywhereNamesChunkAndTarget) {
  ASSERT_TRUE(Write("hello").ok());
  servers().alter_read = [](const auto&, auto* rsp) {
    rsp->inlinebuf.data = Bytes::CopyOf("jello");
  };
  const ReadOutcome o = Read();
  EXPECT_EQ(o.status.code(), Code::kStorageClientChecksumMismatch);
  EXPECT_THAT(o.status.message(), HasSubstr("chunk 3 of inode 0x1000 on chain 1001, target 1001"));
  EXPECT_TRUE(o.pieces.empty());
}

TEST_F(StorageClientTest, DamagedWriteIsSentAgain) {
  int bad = 1;
  servers().alter_write = [&](const auto&, auto* rsp) {
    if (bad-- > 0) rsp->result.length_info = Status(Code::kStorageChecksumMismatch, "crc");
  };
  EXPECT_TRUE(Write("hello").ok());
  bad = 1000;
  EXPECT_EQ(Write("hello").code(), Code::kStorageClientChecksumMismatch);
}

// Servers that contradict themselves: the data must not be trusted, and it must not kill us.
TEST_F(StorageClientTest, LiesAreNotBelieved) {
  using Alter = std::function<void(const fake::wire::BatchReadReq&, fake::wire::BatchReadRsp*)>;
  const std::vector<Alter> lies{
      [](const auto&, auto* rsp) { rsp->results.clear(); },
      [](const auto&, auto* rsp) { rsp->results.push_back(rsp->results[0]); },
      [](const auto&, auto* rsp) { rsp->inlinebuf.data = Bytes::CopyOf("hell"); },
      [](const auto&, auto* rsp) { rsp->inlinebuf.data = Bytes::CopyOf("hello world"); },
      [](const auto&, auto* rsp) { rsp->results[0].length_info = 4000000000U; },
      [](const auto& req, auto* rsp) {
        rsp->results[0].length_info = req.payloads[0].length + 1;
        rsp->inlinebuf.data = Bytes::CopyOf(std::string(req.payloads[0].length + 1, 'x'));
      },
  };
  ASSERT_TRUE(Write("hello").ok());
  for (const Alter& lie : lies) {
    int lying = 1;
    servers().alter_read = [&](const auto& req, auto* rsp) {
      if (lying-- > 0) lie(req, rsp);
    };
    EXPECT_EQ(Text(Read()), "hello") << "another replica tells the truth";
    servers().alter_read = lie;
    const ReadOutcome o = Read();
    EXPECT_FALSE(o.status.ok());
    EXPECT_TRUE(o.pieces.empty());
  }
  EXPECT_GE(storage().stats().bad_answers.value(), lies.size() * 2);
}

TEST_F(StorageClientTest, ServerThatClosesMidReplyIsLeft) {
  ASSERT_TRUE(Write("hello").ok());
  int deaths = 2;
  servers().alter_read = [&](const auto& req, auto*) {
    if (deaths-- <= 0) return;
    for (auto& p : servers().storages) {
      const uint32_t ip = p->address.ip;
      if (p->requests[1] == 0 || servers().network.dead(ip) || req.retry_count > 1) continue;
      servers().network.Kill(ip, sim::SimNetwork::Death::kProcess);
      break;
    }
  };
  EXPECT_EQ(Text(Read()), "hello");
}

TEST_F(StorageClientTest, ChunkSizeTheTargetsDoNotHaveIsSaidAtOnce) {
  servers().alter_write = [](const auto&, auto* rsp) {
    rsp->result.length_info = Status(Code::kStorageChunkInvalidChunkSize, "invalid chunk size");
  };
  const Status s = Write("x");
  EXPECT_EQ(Requests(2), 1U);
  EXPECT_THAT(s.message(), HasSubstr("do not take chunks of 4194304 bytes"));
}

TEST_F(StorageClientTest, PermanentErrorsEndAtOnce) {
  for (const Code code :
       {Code::kStorageClientNoSpace, Code::kReadOnlyMode, Code::kStorageClientFoundBug}) {
    servers().alter_write = [code](const auto&, auto* rsp) {
      rsp->result.length_info = Status(code, "no");
    };
    const uint64_t before = Requests(2);
    EXPECT_FALSE(Write("x").ok());
    EXPECT_EQ(Requests(2), before + 1);
  }
}

// --- the rest ----------------------------------------------------------------------------------

TEST_F(StorageClientTest, TruncateRemoveAndQuery) {
  ASSERT_TRUE(Write("hello").ok());
  auto length = Run([&] {
    return storage().Truncate(
        Op(), {.chain_id = kChain, .chunk = kChunk, .chunk_size = kChunkSize, .length = 2});
  });
  EXPECT_EQ(*length, 2U);
  EXPECT_EQ(Text(Read()), "he");
  auto last =
      Run([&] { return storage().QueryLastChunk(Op(), {.chain_id = kChain, .inode = 0x1000}); });
  ASSERT_TRUE(last.ok());
  EXPECT_TRUE(last->found);
  EXPECT_EQ(last->index, 3U);
  EXPECT_EQ(last->length, 2U);
  auto removed =
      Run([&] { return storage().Remove(Op(), {.chain_id = kChain, .inode = 0x1000}, 32); });
  EXPECT_EQ(removed->removed, 1U);
  EXPECT_FALSE(removed->more);
  last = Run([&] { return storage().QueryLastChunk(Op(), {.chain_id = kChain, .inode = 0x1000}); });
  EXPECT_FALSE(last->found);
}

TEST_F(StorageClientTest, RemovalIsNumberedAnewInEachRound) {
  ASSERT_TRUE(Write("hello").ok());
  Head().drop_answers[7] = 1;
  const size_t from = servers().update_tags.size();
  ASSERT_TRUE(
      Run([&] { return storage().Remove(Op(), {.chain_id = kChain, .inode = 0x1000}, 32); }).ok());
  ASSERT_EQ(servers().update_tags.size(), from + 2);
  const auto& a = servers().update_tags[from];
  const auto& b = servers().update_tags[from + 1];
  EXPECT_EQ(a.channel.id, b.channel.id);
  EXPECT_EQ(b.channel.seqnum, a.channel.seqnum + 32);
}

}  // namespace
}  // namespace threefs::storage

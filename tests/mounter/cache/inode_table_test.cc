// SPDX-License-Identifier: Apache-2.0
#include "mounter/cache/inode_table.h"

#include <gtest/gtest.h>

namespace threefs::cache {
namespace {

constexpr int64_t kSecond = 1'000'000;

schema::meta::Inode FileInode(uint64_t id, uint64_t length, int64_t mtime) {
  schema::meta::Inode i;
  i.id = id;
  schema::meta::File f;
  f.length = length;
  f.layout.table_id = 1;
  f.layout.table_version = 1;
  f.layout.chunk_size = 1U << 20;
  f.layout.stripe_size = 1;
  f.layout.chains = schema::meta::Layout::ChainRange{.base_index = 1};
  i.type = f;
  i.mtime = i.ctime = i.atime = mtime;
  i.acl.perm = 0644;
  return i;
}

TEST(TimeOverlay, ShowsOurTimeWhileTheServerHasItsFloor) {
  TimeOverlay t;
  t.SetExplicit(5 * kSecond + 123, 100 * kSecond);
  EXPECT_EQ(t.Apply(100 * kSecond), 5 * kSecond + 123) << "before the server answered";
  EXPECT_EQ(t.Apply(5 * kSecond), 5 * kSecond + 123) << "the server cut it";
  EXPECT_EQ(t.Apply(7 * kSecond), 7 * kSecond) << "somebody else set another";
  EXPECT_EQ(t.Apply(5 * kSecond), 5 * kSecond) << "ours is history";
}

TEST(TimeOverlay, NowYieldsToNewerTimes) {
  TimeOverlay t;
  t.SetNow(10 * kSecond + 5, 3 * kSecond);
  EXPECT_EQ(t.Apply(3 * kSecond), 10 * kSecond + 5);
  EXPECT_EQ(t.Apply(9 * kSecond), 10 * kSecond + 5);
  EXPECT_EQ(t.Apply(11 * kSecond), 11 * kSecond);
}

TEST(TimeOverlay, BeforeTheEpoch) {
  TimeOverlay t;
  t.SetExplicit(-1500, 0);
  EXPECT_EQ(t.Apply(-kSecond), -1500);
}

TEST(Node, CountsWhatTheServerHasNotHeard) {
  Node n(0x1000);
  n.OnInode(FileInode(0x1000, 10, 0), TimePoint{}, true);
  EXPECT_EQ(n.unsynced().writes, 0U);
  EXPECT_TRUE(n.OnWrite(kSecond));
  EXPECT_FALSE(n.OnWrite(2 * kSecond)) << "already known to be dirty";
  const auto first = n.unsynced();
  EXPECT_EQ(first.mtime_us, 2 * kSecond);
  EXPECT_FALSE(n.OnWrite(3 * kSecond));
  EXPECT_FALSE(n.OnSynced(first)) << "a write came meanwhile";
  EXPECT_FALSE(n.idle());
  EXPECT_TRUE(n.OnSynced(n.unsynced()));
  EXPECT_TRUE(n.idle());
  EXPECT_TRUE(n.OnWrite(4 * kSecond)) << "dirty anew";
}

TEST(Node, KeepsPagesOnlyWhenNobodyChangedTheFile) {
  Node n(0x1000);
  constexpr int64_t kNow = 100 * kSecond;
  bool stale = false;
  n.OnInode(FileInode(0x1000, 10, 50 * kSecond), TimePoint{}, true);
  EXPECT_FALSE(n.OnOpen(kNow, &stale)) << "the kernel has no pages yet";
  EXPECT_FALSE(stale);
  n.OnInode(FileInode(0x1000, 10, 50 * kSecond), TimePoint{}, false);
  EXPECT_TRUE(n.OnOpen(kNow, &stale));
  n.OnInode(FileInode(0x1000, 10, 60 * kSecond), TimePoint{}, false);
  EXPECT_FALSE(n.OnOpen(kNow, &stale)) << "mtime moved";
  EXPECT_TRUE(stale);
  n.OnInode(FileInode(0x1000, 10, 99 * kSecond), TimePoint{}, true);
  EXPECT_FALSE(n.OnOpen(kNow, &stale));
  EXPECT_FALSE(n.OnOpen(kNow, &stale))
      << "so fresh that a second change could hide in the same second";
}

TEST(Node, OwnLengthCountsBeforeTheServerKnows) {
  Node n(0x1000);
  const auto inode = FileInode(0x1000, 10, 0);
  n.OnInode(inode, TimePoint{}, true);
  const auto file = n.File(inode);
  ASSERT_TRUE(file.ok());
  const uint64_t version = (*file)->BeginWrite();
  (*file)->EndWrite(version, 500, true);
  EXPECT_EQ(n.OnInode(inode, TimePoint{}, true).size, 500U);
}

TEST(InodeTable, ForgetsOnlyTheIdle) {
  InodeTable t;
  NodeRef held = t.Get(1);
  t.Get(2)->OnWrite(5);
  t.Get(3);
  for (const uint64_t id : {1, 2, 3, 4}) t.Forget(id);
  EXPECT_EQ(t.size(), 2U);
  EXPECT_EQ(t.Find(1), held);
  EXPECT_NE(t.Find(2), nullptr) << "it holds a write the server has not heard of";
  EXPECT_EQ(t.Find(3), nullptr);
}

}  // namespace
}  // namespace threefs::cache

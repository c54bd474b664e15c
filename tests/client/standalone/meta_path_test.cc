// SPDX-License-Identifier: Apache-2.0
// Path resolution (3fs/meta.md §7), stat, batchStat, batchStatByPath, getRealPath, list.
#include "tests/client/standalone/meta_test_support.h"

namespace threefs::standalone::test {
namespace {

constexpr int32_t kFollow = wire::kAtSymlinkFollow;

class PathTest : public MetaTest {
 protected:
  // /a/b/c (file), /l -> a, /a/up -> ../a/b, /abs -> /a/b/c, /loop -> loop, /dangling -> gone,
  // /closed (0700)/x
  void SetUp() override {
    MetaTest::SetUp();
    ASSERT_TRUE(Mkdir(At("a")).ok());
    ASSERT_TRUE(Mkdir(At("a/b")).ok());
    ASSERT_TRUE(Create(At("a/b/c")).ok());
    ASSERT_TRUE(Link(At("l"), "a").ok());
    ASSERT_TRUE(Link(At("a/up"), "../a/b").ok());
    ASSERT_TRUE(Link(At("abs"), "/a/b/c").ok());
    ASSERT_TRUE(Link(At("loop"), "loop").ok());
    ASSERT_TRUE(Link(At("dangling"), "gone").ok());
    ASSERT_TRUE(Mkdir(At("closed"), 0700).ok());
    ASSERT_TRUE(Create(At("closed/x")).ok());
  }
  uint64_t IdOf(const std::string& path) { return Stat(At(path))->id; }
};

TEST_F(PathTest, ResolvesToTheSameInode) {
  const uint64_t a = IdOf("a");
  const uint64_t b = IdOf("a/b");
  const uint64_t c = IdOf("a/b/c");
  const struct {
    wire::PathAt path;
    int32_t flags;
    uint64_t inode;
  } cases[] = {
      {Id(wire::kRootInodeId), 0, 0},
      {At("/"), 0, 0},
      {At("."), 0, 0},
      {At(".."), 0, 0},
      {At("a"), 0, a},
      {At("/a"), 0, a},
      {At(b, "/a"), 0, a},
      {At("a/"), 0, a},
      {At("a/."), 0, a},
      {At("./a"), 0, a},
      {At("a//b"), 0, b},
      {At("a/b/.."), 0, a},
      {At(b, ".."), 0, a},
      {At(b, "../b/c"), 0, c},
      {At("l/b"), 0, b},
      {At("l/"), 0, a},
      {At("l"), kFollow, a},
      {At("a/up/c"), 0, c},
      {At("a/up"), kFollow, b},
      {At("abs"), kFollow, c},
      {At(b, ""), wire::kAtEmptyPath, b},
      {Id(c), 0, c},
  };
  for (const auto& test : cases) {
    const auto inode = Stat(test.path, test.flags);
    ASSERT_TRUE(inode.ok()) << test.path.path.value_or("(none)") << ": "
                            << inode.status().ToString();
    EXPECT_EQ(inode->id, test.inode) << test.path.path.value_or("(none)");
  }
}

TEST_F(PathTest, LastLinkIsFollowedOnlyWhenAsked) {
  EXPECT_TRUE(Stat(At("l"))->IsSymlink());
  EXPECT_TRUE(Stat(At("l"), kFollow | wire::kAtSymlinkNoFollow)->IsSymlink());
  EXPECT_TRUE(Stat(At("dangling"))->IsSymlink());
}

TEST_F(PathTest, Fails) {
  const struct {
    wire::PathAt path;
    int32_t flags;
    Code code;
  } cases[] = {
      {At(""), 0, Code::kMetaNotFound},
      {At("nope"), 0, Code::kMetaNotFound},
      {At("nope/x"), 0, Code::kMetaNotFound},
      {At("a/nope"), 0, Code::kMetaNotFound},
      {Id(0x7777), 0, Code::kMetaNotFound},
      {At(0x7777, "x"), 0, Code::kMetaNotFound},
      {At("a/b/c/d"), 0, Code::kMetaNotDirectory},
      {At("a/b/c/"), 0, Code::kMetaNotDirectory},
      {At("a/b/c/.."), 0, Code::kMetaNotDirectory},
      {At("abs/x"), 0, Code::kMetaNotDirectory},
      {At("loop"), kFollow, Code::kMetaTooManySymlinks},
      {At("loop/x"), 0, Code::kMetaTooManySymlinks},
      {At("dangling"), kFollow, Code::kMetaNotFound},
      {At("dangling/x"), 0, Code::kMetaNotFound},
      {At(std::string(256, 'n')), 0, Code::kMetaNameTooLong},
      {At(std::string(255, 'n')), 0, Code::kMetaNotFound},
      {At("a/" + std::string(256, 'n') + "/x"), 0, Code::kMetaNameTooLong},
  };
  for (const auto& test : cases) {
    EXPECT_EQ(Stat(test.path, test.flags).code(), test.code) << test.path.path.value_or("(none)");
  }
}

TEST_F(PathTest, ExecIsNeededToLookSomethingUpButNotById) {
  const uint64_t x = IdOf("closed/x");
  const uint64_t closed = IdOf("closed");
  EXPECT_EQ(StatAs(As(1, 1), At("closed/x")).code(), Code::kMetaNoPermission);
  EXPECT_EQ(StatAs(As(1, 1), At(closed, "x")).code(), Code::kMetaNoPermission);
  EXPECT_EQ(StatAs(As(1, 1), At(closed, "nope")).code(), Code::kMetaNoPermission);
  EXPECT_TRUE(StatAs(As(1, 1), At("closed")).ok());
  EXPECT_TRUE(StatAs(As(1, 1), Id(x)).ok());
}

TEST_F(PathTest, LinkLimits) {
  // Depth 4 is walked, 5 is not.
  ASSERT_TRUE(Link(At("d1"), "a").ok());
  for (int i = 2; i <= 5; ++i) {
    ASSERT_TRUE(Link(At("d" + std::to_string(i)), "d" + std::to_string(i - 1)).ok());
  }
  EXPECT_TRUE(Stat(At("d4"), kFollow).ok());
  EXPECT_EQ(Stat(At("d5"), kFollow).code(), Code::kMetaTooManySymlinks);
  // Ten links side by side are walked, eleven are not.
  ASSERT_TRUE(Link(At("a/self"), ".").ok());
  std::string path = "a";
  for (int i = 0; i < 10; ++i) path += "/self";
  EXPECT_TRUE(Stat(At(path + "/b")).ok());
  EXPECT_EQ(Stat(At(path + "/self/b")).code(), Code::kMetaTooManySymlinks);
}

TEST_F(PathTest, BatchStatKeepsOrderAndGaps) {
  const uint64_t a = IdOf("a");
  const uint64_t x = IdOf("closed/x");
  auto rsp = Run<method::BatchStat>({.base = As(1, 1), .inode_ids = {x, 0x9999, a}});
  ASSERT_TRUE(rsp.ok());
  ASSERT_EQ(rsp->inodes.size(), 3U);
  EXPECT_EQ(rsp->inodes[0]->id, x);
  EXPECT_FALSE(rsp->inodes[1].has_value());
  EXPECT_EQ(rsp->inodes[2]->id, a);
}

TEST_F(PathTest, BatchStatByPathAnswersEach) {
  auto rsp =
      Run<method::BatchStatByPath>({.base = As(1, 1),
                                    .paths = {At("a"), At("nope"), At("closed/x"), At("loop")},
                                    .flags = kFollow});
  ASSERT_TRUE(rsp.ok());
  ASSERT_EQ(rsp->inodes.size(), 4U);
  EXPECT_TRUE(rsp->inodes[0].ok());
  EXPECT_EQ(rsp->inodes[1].code(), Code::kMetaNotFound);
  EXPECT_EQ(rsp->inodes[2].code(), Code::kMetaNoPermission);
  EXPECT_EQ(rsp->inodes[3].code(), Code::kMetaTooManySymlinks);
}

TEST_F(PathTest, RealPath) {
  const uint64_t b = IdOf("a/b");
  const struct {
    wire::PathAt path;
    bool absolute;
    std::string answer;
  } cases[] = {
      {At("a/b/c"), false, "a/b/c"},
      {At("/a/b"), false, "/a/b"},
      {At("."), false, "."},
      {At("a/.."), false, "."},
      {At("a/../l/b"), false, "a/b"},
      {At(b, ".."), false, ".."},
      {At(b, "../.."), false, "../.."},
      {At("abs"), false, "/a/b/c"},
      {At("abs"), true, "/a/b/c"},
      {At(b, "c"), true, "/a/b/c"},
      {At("l/up/c"), true, "/a/b/c"},
      {At("/"), true, "/"},
      {At("a/b"), true, "/a/b"},
      {Id(b), false, "/a/b"},
      {Id(wire::kRootInodeId), true, "/"},
  };
  for (const auto& test : cases) {
    auto rsp = Run<method::GetRealPath>({Root(), test.path, test.absolute});
    ASSERT_TRUE(rsp.ok()) << test.path.path.value_or("(none)") << rsp.status().ToString();
    EXPECT_EQ(rsp->path, test.answer) << test.path.path.value_or("(none)");
  }
  EXPECT_EQ(Run<method::GetRealPath>({Root(), Id(IdOf("a/b/c")), true}).code(),
            Code::kMetaNotDirectory);
}

TEST_F(PathTest, ListPagesInByteOrder) {
  ASSERT_TRUE(Mkdir(At("many")).ok());
  const std::vector<std::string> sorted = {"A", "Z", "a", "a b", "ab", "b\n", "\xc3\xa4", "\xff"};
  for (auto it = sorted.rbegin(); it != sorted.rend(); ++it) {
    ASSERT_TRUE(Create(At("many/" + *it)).ok());
  }
  for (const int limit : {1, 2, 3, 8, 100, 0, -1}) {
    std::vector<std::string> seen;
    std::string prev;
    for (int page = 0; page < 20; ++page) {
      auto rsp = Run<method::List>(
          {.base = Root(), .path = At("many"), .prev = prev, .limit = limit, .status = true});
      ASSERT_TRUE(rsp.ok());
      ASSERT_EQ(rsp->inodes.size(), rsp->entries.size());
      for (size_t i = 0; i < rsp->entries.size(); ++i) {
        EXPECT_EQ(rsp->inodes[i].id, rsp->entries[i].id);
        seen.push_back(rsp->entries[i].name);
      }
      if (!rsp->more) break;
      prev = seen.back();
    }
    EXPECT_EQ(seen, sorted) << "limit " << limit;
  }
}

TEST_F(PathTest, ListRules) {
  EXPECT_EQ(Run<method::List>({.base = Root(), .path = At("a/b/c")}).code(),
            Code::kMetaNotDirectory);
  EXPECT_EQ(Run<method::List>({.base = As(1, 1), .path = At("closed")}).code(),
            Code::kMetaNoPermission);
  EXPECT_EQ(Names(At("l")), (std::vector<std::string>{"b", "up"}));  // follows
  ASSERT_TRUE(Mkdir(At("big")).ok());
  for (int i = 0; i < 130; ++i) ASSERT_TRUE(Create(At("big/" + std::to_string(i))).ok());
  auto rsp = Run<method::List>({.base = Root(), .path = At("big")});
  EXPECT_EQ(rsp->entries.size(), 128U);
  EXPECT_TRUE(rsp->more);
}

TEST_F(PathTest, EntriesTellTypesAndDirectoryAcl) {
  auto rsp = Run<method::List>({.base = Root(), .path = At("a"), .limit = 10});
  ASSERT_EQ(rsp->entries.size(), 2U);
  EXPECT_EQ(rsp->entries[0].type, wire::InodeType::kDirectory);
  EXPECT_EQ(rsp->entries[0].dir_acl->perm, 0755U);
  EXPECT_EQ(rsp->entries[1].type, wire::InodeType::kSymlink);
  EXPECT_FALSE(rsp->entries[1].dir_acl.has_value());
}

}  // namespace
}  // namespace threefs::standalone::test

// SPDX-License-Identifier: Apache-2.0
// Access bits, setAttr, lockDirectory, authentication, sync and close (3fs/meta.md §6, §8.9, §8.13,
// §9, §14).
#include "tests/client/standalone/meta_test_support.h"

namespace threefs::standalone::test {
namespace {

TEST(AccessTest, PermissionMatrix) {
  // Owner 10, group 20, each digit of the mode on its own.
  const struct {
    schema::UserInfo user;
    int shift;
  } who[] = {
      {{10, 99, {}, ""}, 6},   {{10, 20, {}, ""}, 6},       {{11, 20, {}, ""}, 3},
      {{11, 99, {20}, ""}, 3}, {{11, 99, {21, 22}, ""}, 0},
  };
  for (uint32_t perm = 0; perm < 01000; ++perm) {
    const wire::Acl acl{10, 20, perm, 0};
    for (const auto& caller : who) {
      for (uint32_t bits = 1; bits < 8; ++bits) {
        const bool granted = (perm >> caller.shift & bits) == bits;
        ASSERT_EQ(CheckAccess(acl, caller.user, bits).ok(), granted)
            << perm << " uid " << caller.user.uid << " bits " << bits;
      }
    }
    ASSERT_TRUE(CheckAccess(acl, {0, 0, {}, ""}, 7).ok());
  }
}

class AttrTest : public MetaTest {
 protected:
  void SetUp() override {
    MetaTest::SetUp();
    ASSERT_TRUE(Mkdir(At("d"), 0777).ok());
    ASSERT_TRUE(CreateAs(As(5, 50), At("d/f"), 0666).ok());
  }
  wire::SetAttrReq For(wire::ReqBase who, const char* path = "d/f") {
    return {.base = std::move(who), .path = At(path)};
  }
};

TEST_F(AttrTest, OwnershipRules) {
  const auto perm = [&](wire::ReqBase who, uint32_t value) {
    auto req = For(std::move(who));
    req.perm = value;
    return SetAttr(req);
  };
  const auto uid = [&](wire::ReqBase who, uint32_t value) {
    auto req = For(std::move(who));
    req.uid = value;
    return SetAttr(req);
  };
  const auto gid = [&](wire::ReqBase who, uint32_t value) {
    auto req = For(std::move(who));
    req.gid = value;
    return SetAttr(req);
  };
  EXPECT_EQ(perm(As(5, 50), 04711), Code::kOk);
  EXPECT_EQ(Stat(At("d/f"))->acl.perm, 04711U);
  EXPECT_EQ(perm(As(6, 50), 0777), Code::kMetaNoPermission);
  EXPECT_EQ(perm(Root(), 0666), Code::kOk);
  EXPECT_EQ(uid(As(5, 50), 6), Code::kMetaNoPermission);
  EXPECT_EQ(uid(As(5, 50), 5), Code::kOk);  // no change
  EXPECT_EQ(gid(As(5, 50), 60), Code::kMetaNoPermission);
  EXPECT_EQ(gid(As(5, 50, {60}), 60), Code::kOk);
  EXPECT_EQ(gid(As(5, 50), 50), Code::kOk);
  EXPECT_EQ(gid(As(6, 60), 60), Code::kMetaNoPermission);
  EXPECT_EQ(uid(Root(), 6), Code::kOk);
  EXPECT_EQ(gid(Root(), 70), Code::kOk);
  const auto inode = Stat(At("d/f"));
  EXPECT_EQ(inode->acl.uid, 6U);
  EXPECT_EQ(inode->acl.gid, 70U);
}

TEST_F(AttrTest, RootDirectoriesAreFixed) {
  auto req = For(Root(), "/");
  req.perm = 0777;
  EXPECT_EQ(SetAttr(req), Code::kMetaNoPermission);
  req = For(Root());
  req.path = Id(wire::kGcRootInodeId);
  req.uid = 1;
  EXPECT_EQ(SetAttr(req), Code::kMetaNoPermission);
  EXPECT_EQ(Stat(At("/"))->acl.perm, 0755U);
  EXPECT_EQ(Stat(At("/"))->acl.iflags, wire::kIflagImmutable);
  EXPECT_EQ(Stat(Id(wire::kGcRootInodeId))->acl.perm, 0700U);
}

TEST_F(AttrTest, Times) {
  const auto times = [&](wire::ReqBase who, std::optional<int64_t> atime,
                         std::optional<int64_t> mtime) {
    auto req = For(std::move(who));
    req.atime = atime;
    req.mtime = mtime;
    return SetAttr(req);
  };
  const int64_t old = 1'000'000'000'654'321;
  EXPECT_EQ(times(As(5, 5), old, old), Code::kOk);
  auto inode = Stat(At("d/f"));
  EXPECT_EQ(inode->atime, 1'000'000'000'000'000);
  EXPECT_EQ(inode->mtime, 1'000'000'000'000'000);
  EXPECT_EQ(inode->ctime, clock_.us);  // as made: times alone do not move it
  EXPECT_EQ(times(As(6, 6), old, -1), Code::kMetaNoPermission);
  EXPECT_EQ(times(As(6, 6), -1, -1), Code::kOk);  // 0666: may write
  EXPECT_EQ(Stat(At("d/f"))->mtime, clock_.us);
  ASSERT_EQ(SetAttr({.base = Root(), .path = At("d/f"), .perm = 0644}), Code::kOk);
  EXPECT_EQ(times(As(6, 6), -1, std::nullopt), Code::kMetaNoPermission);
  EXPECT_EQ(times(Root(), old, std::nullopt), Code::kOk);
  EXPECT_EQ(Stat(At("d/f"))->mtime, clock_.us);
  options_.time_granularity_us = 1;
  Reopen();
  EXPECT_EQ(times(Root(), old, old), Code::kOk);
  EXPECT_EQ(Stat(At("d/f"))->mtime, old);
  EXPECT_EQ(times(Root(), -5'000'001, 0), Code::kOk);
  EXPECT_EQ(Stat(At("d/f"))->atime, -5'000'001);
}

TEST_F(AttrTest, ChangeTimeFollowsAttributes) {
  const int64_t made = Stat(At("d/f"))->ctime;
  clock_.us += 9'500'000;
  auto req = For(As(5, 50));
  req.perm = 0666;  // the same
  ASSERT_EQ(SetAttr(req), Code::kOk);
  EXPECT_EQ(Stat(At("d/f"))->ctime, made);
  req.perm = 0600;
  ASSERT_EQ(SetAttr(req), Code::kOk);
  EXPECT_EQ(Stat(At("d/f"))->ctime, made + 9'000'000);
}

TEST_F(AttrTest, InodeFlags) {
  const auto set = [&](wire::ReqBase who, uint32_t flags, const char* path = "d/f") {
    auto req = For(std::move(who), path);
    req.iflags = flags;
    return SetAttr(req);
  };
  EXPECT_EQ(set(Root(), 0x2), Code::kInvalidArg);
  EXPECT_EQ(set(As(5, 5), wire::kIflagHugeFile), Code::kOk);
  EXPECT_EQ(set(As(6, 6), 0), Code::kMetaNoPermission);
  EXPECT_EQ(set(As(5, 5), wire::kIflagHugeFile | wire::kIflagImmutable), Code::kMetaNoPermission);
  EXPECT_EQ(set(As(5, 5), 0), Code::kOk);
  EXPECT_EQ(set(Root(), wire::kIflagImmutable), Code::kOk);
  EXPECT_EQ(set(As(5, 5), wire::kIflagImmutable), Code::kOk);  // no change
  EXPECT_EQ(set(Root(), wire::kIflagChainAllocation, "d"), Code::kMetaNoPermission);
  EXPECT_EQ(set(Root(), wire::kIflagChunkEngine, "d"), Code::kOk);
  options_.iflags_chain_allocation = true;
  options_.allow_owner_change_immutable = true;
  Reopen();
  EXPECT_EQ(set(As(5, 5), 0), Code::kOk);
  EXPECT_EQ(set(Root(), wire::kIflagChainAllocation, "d"), Code::kOk);
  // Its files take chains from the directory's own counter, which lasts.
  ASSERT_TRUE(Create(At("d/g")).ok());
  const uint32_t counter = std::get<wire::Directory>(Stat(At("d"))->type).chain_alloc_counter;
  EXPECT_NE(counter, wire::Directory::kNoChainAllocCounter);
  ASSERT_TRUE(Create(At("d/h")).ok());
  EXPECT_EQ(std::get<wire::Directory>(Stat(At("d"))->type).chain_alloc_counter, (counter + 4) % 8);
}

TEST_F(AttrTest, LayoutOfDirectoriesOnly) {
  auto req = For(Root());
  req.layout = wire::Layout{.table_id = 1, .chunk_size = 1U << 16, .stripe_size = 1};
  EXPECT_EQ(SetAttr(req), Code::kMetaNotDirectory);
  req.path = At("d");
  EXPECT_EQ(SetAttr(req), Code::kOk);
  EXPECT_EQ(FileOf(Create(At("d/g"))).layout.chunk_size, 1U << 16);
  EXPECT_EQ(FileOf(Stat(At("d/f"))).layout.chunk_size, 1U << 20);
  req.layout->chunk_size = 3;
  EXPECT_EQ(SetAttr(req), Code::kMetaInvalidFileLayout);
  req = For(Root(), "d");
  req.dyn_stripe = 2;
  EXPECT_EQ(SetAttr(req), Code::kMetaNotFile);
}

TEST_F(AttrTest, FollowsLinksAndKeepsTheEntrysCopy) {
  ASSERT_TRUE(Link(At("l"), "d").ok());
  auto req = For(Root(), "l");
  req.perm = 0700;
  ASSERT_EQ(SetAttr(req), Code::kOk);
  EXPECT_EQ(Stat(At("d"))->acl.perm, 0700U);
  EXPECT_EQ(Stat(At("l"))->acl.perm, 0777U);
  auto rsp = Run<method::List>({.base = Root(), .path = At("/"), .limit = 10});
  EXPECT_EQ(rsp->entries[0].dir_acl->perm, 0700U);
  req.path = Id(Stat(At("l"))->id);
  ASSERT_EQ(SetAttr(req), Code::kOk);
  EXPECT_EQ(Stat(At("l"))->acl.perm, 0700U);
}

TEST_F(AttrTest, DirectoryLock) {
  const uint64_t d = Stat(At("d"))->id;
  ASSERT_TRUE(Mkdir(At("d/sub"), 0777).ok());
  const auto lock = [&](uint64_t client, wire::LockAction action, uint64_t inode) {
    client_ = client;
    return Run<method::LockDirectory>({Root(), inode, action}).code();
  };
  using enum wire::LockAction;
  EXPECT_EQ(lock(1, kUnLock, d), Code::kMetaNoLock);
  EXPECT_EQ(lock(1, kTryLock, d), Code::kOk);
  EXPECT_EQ(lock(1, kTryLock, d), Code::kOk);
  EXPECT_EQ(lock(2, kTryLock, d), Code::kMetaNoLock);
  EXPECT_EQ(lock(2, kUnLock, d), Code::kMetaNoLock);
  client_ = 2;
  EXPECT_EQ(Create(At("d/x")).code(), Code::kMetaNoLock);
  EXPECT_EQ(Mkdir(At("d/x")).code(), Code::kMetaNoLock);
  EXPECT_EQ(Link(At("d/x"), "y").code(), Code::kMetaNoLock);
  EXPECT_EQ(Remove(At("d/f")), Code::kMetaNoLock);
  EXPECT_EQ(Rename(At("d/f"), At("f")), Code::kMetaNoLock);
  EXPECT_EQ(Run<method::HardLink>({Root(), At("d/f"), At("d/x")}).code(), Code::kMetaNoLock);
  EXPECT_TRUE(Create(At("d/sub/x")).ok());
  EXPECT_EQ(SetAttr({.base = Root(), .path = At("d/f"), .perm = 0644}), Code::kOk);
  client_ = 1;
  EXPECT_TRUE(Create(At("d/x")).ok());
  Reopen();
  EXPECT_EQ(lock(2, kTryLock, d), Code::kMetaNoLock);
  EXPECT_EQ(lock(2, kPreemptLock, d), Code::kOk);
  EXPECT_EQ(lock(2, kUnLock, d), Code::kOk);
  EXPECT_EQ(lock(1, kTryLock, d), Code::kOk);
  EXPECT_EQ(lock(2, kClear, d), Code::kOk);
  EXPECT_EQ(lock(2, kClear, d), Code::kOk);
  EXPECT_EQ(lock(1, kTryLock, Stat(At("d/f"))->id), Code::kMetaNotDirectory);
  EXPECT_EQ(lock(1, static_cast<wire::LockAction>(9), d), Code::kInvalidArg);
  ASSERT_EQ(SetAttr({.base = Root(), .path = At("d"), .perm = 0755}), Code::kOk);
  EXPECT_EQ(Run<method::LockDirectory>({As(9, 9), d, kTryLock}).code(), Code::kMetaNoPermission);
}

TEST_F(AttrTest, ReadOnlyServer) {
  options_.read_only = true;
  Reopen();
  EXPECT_EQ(Create(At("x")).code(), Code::kReadOnlyMode);
  EXPECT_EQ(Remove(At("d/f")), Code::kReadOnlyMode);
  EXPECT_TRUE(Stat(At("d/f")).ok());
}

class AuthTest : public MetaTest {
 protected:
  void SetUp() override {
    Rng rng(5);
    root_token_ = *users_->AddUser({.name = "root", .root = true}, rng);
    alice_token_ =
        *users_->AddUser({.name = "alice", .uid = 1000, .gid = 1000, .groups = {7}}, rng);
    options_.authenticate = true;
    MetaTest::SetUp();
  }
  Code StatWith(uint32_t uid, uint32_t gid, const std::string& token) {
    wire::ReqBase who = As(uid, gid);
    who.user.token = token;
    return StatAs(std::move(who), At("/")).code();
  }
  std::string root_token_;
  std::string alice_token_;
};

TEST_F(AuthTest, TokenMustMatch) {
  EXPECT_EQ(StatWith(0, 0, root_token_), Code::kOk);
  EXPECT_EQ(StatWith(1000, 1000, alice_token_), Code::kOk);
  EXPECT_EQ(StatWith(1000, 1000, root_token_), Code::kOk);
  EXPECT_EQ(StatWith(1001, 1001, root_token_), Code::kAuthenticationFail);  // unknown user
  EXPECT_EQ(StatWith(0, 0, alice_token_), Code::kAuthenticationFail);
  EXPECT_EQ(StatWith(1000, 0, alice_token_), Code::kAuthenticationFail);
  EXPECT_EQ(StatWith(0, 0, ""), Code::kAuthenticationFail);
  EXPECT_EQ(StatWith(0, 0, "nonsense"), Code::kAuthenticationFail);
}

TEST_F(AuthTest, GroupsComeFromTheStore) {
  wire::ReqBase who = As(1000, 1000, {0, 1, 2});
  who.user.token = alice_token_;
  auto rsp = Run<method::Authenticate>({who});
  ASSERT_TRUE(rsp.ok());
  EXPECT_EQ(rsp->user.groups, std::vector<uint32_t>{7});
  who.user.token = "x";
  EXPECT_EQ(Run<method::Authenticate>({who}).code(), Code::kAuthenticationFail);
  EXPECT_TRUE(Run<method::TestRpc>({who}).ok());
  EXPECT_TRUE(Run<method::DropUserCache>({who}).ok());
  EXPECT_TRUE(Run<method::PruneSession>({.base = who}).ok());
}

class SyncTest : public MetaTest {
 protected:
  void SetUp() override {
    MetaTest::SetUp();
    id_ = Create(At("f"))->id;
    clock_.us += 10'000'000;
  }
  ops::SyncWork Work() {
    ops::SyncWork work{.inode = id_};
    work.update_length = true;
    return work;
  }
  ops::SyncWork Hint(uint64_t length, uint64_t truncate_ver) {
    ops::SyncWork work = Work();
    work.hint = wire::VersionedLength{length, truncate_ver};
    return work;
  }
  uint64_t id_ = 0;
};

TEST_F(SyncTest, ExactLength) {
  auto out = store_->Sync(Work(), std::nullopt);
  ASSERT_TRUE(out.ok());
  EXPECT_TRUE(out->needs_length);
  EXPECT_EQ(FileOf(Stat(Id(id_))).length, 0U);
  out = store_->Sync(Work(), 1000);
  EXPECT_FALSE(out->needs_length);
  EXPECT_EQ(out->inode.AsFile().length, 1000U);
  EXPECT_EQ(out->inode.AsFile().truncate_ver, 0U);
  EXPECT_EQ(out->inode.mtime, clock_.us);
  EXPECT_EQ(out->inode.ctime, clock_.us - 10'000'000);
  out = store_->Sync(Work(), 400);  // shrunk: somebody truncated
  EXPECT_EQ(out->inode.AsFile().length, 400U);
  EXPECT_EQ(out->inode.AsFile().truncate_ver, 1U);
  EXPECT_EQ(out->inode.ctime, clock_.us);
  EXPECT_FALSE(store_->Sync(Work(), 400)->changed);
}

TEST_F(SyncTest, Truncated) {
  ASSERT_TRUE(store_->Sync(Work(), 1000).ok());
  ops::SyncWork work = Work();
  work.truncated = true;
  work.hint = wire::VersionedLength{5000, 0};
  EXPECT_TRUE(store_->Sync(work, std::nullopt)->needs_length);  // a hint does not count then
  const auto out = store_->Sync(work, 1000);
  EXPECT_EQ(out->inode.AsFile().length, 1000U);
  EXPECT_EQ(out->inode.AsFile().truncate_ver, 1U);
}

TEST_F(SyncTest, Hints) {
  EXPECT_EQ(store_->Sync(Hint(100, 0), std::nullopt)->inode.AsFile().length, 100U);
  EXPECT_EQ(store_->Sync(Hint(50, 0), std::nullopt)->inode.AsFile().length, 100U);
  EXPECT_EQ(store_->Sync(Hint(200, 1), std::nullopt).code(), Code::kMetaFoundBug);
  ops::SyncWork truncated = Work();
  truncated.truncated = true;
  ASSERT_TRUE(store_->Sync(truncated, 10).ok());
  // An old version and more than the file has: only storage knows.
  EXPECT_TRUE(store_->Sync(Hint(50, 0), std::nullopt)->needs_length);
  EXPECT_EQ(store_->Sync(Hint(50, 0), 10)->inode.AsFile().length, 10U);
  EXPECT_EQ(store_->Sync(Hint(50, 1), std::nullopt)->inode.AsFile().length, 50U);
  options_.ignore_length_hint = true;
  Reopen();
  EXPECT_TRUE(store_->Sync(Hint(5000, 1), std::nullopt)->needs_length);
}

TEST_F(SyncTest, TimesOnlyGrow) {
  ops::SyncWork work{.inode = id_};
  work.atime = clock_.us + 2'700'000;
  work.mtime = 5;
  const auto out = store_->Sync(work, std::nullopt);
  EXPECT_EQ(out->inode.atime, clock_.us + 2'000'000);
  EXPECT_EQ(out->inode.mtime, clock_.us - 10'000'000);
  EXPECT_TRUE(out->changed);
  EXPECT_FALSE(store_->Sync(work, std::nullopt)->changed);
}

TEST_F(SyncTest, WrongInodes) {
  ops::SyncWork work = Work();
  work.inode = 0x7777;
  EXPECT_EQ(store_->Sync(work, 1).code(), Code::kMetaNotFound);
  work.inode = Mkdir(At("d"))->id;
  EXPECT_EQ(store_->Sync(work, 1).code(), Code::kMetaNotFile);
  work.update_length = false;
  work.mtime = clock_.us;
  EXPECT_TRUE(store_->Sync(work, std::nullopt).ok());
  work.session = Session(1);
  work.is_close = true;
  EXPECT_EQ(store_->Sync(work, std::nullopt).code(), Code::kMetaNotFile);
}

}  // namespace
}  // namespace threefs::standalone::test

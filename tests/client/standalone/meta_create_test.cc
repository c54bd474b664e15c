// SPDX-License-Identifier: Apache-2.0
// create, open, mkdirs, symlink, hardLink: rules, codes, replay (3fs/meta.md §3.2, §5.2,
// §8.2–§8.4).
#include <set>

#include "client/layout/layout.h"
#include "tests/client/standalone/meta_test_support.h"

namespace threefs::standalone::test {
namespace {

constexpr int32_t kWr = wire::kOpenWriteOnly;
constexpr int32_t kRdWr = wire::kOpenReadWrite;
constexpr int32_t kExcl = wire::kOpenExclusive;
constexpr int32_t kTrunc = wire::kOpenTruncate;

class CreateTest : public MetaTest {
 protected:
  wire::CreateReq Req(wire::ReqBase who, std::string path, int32_t flags) {
    wire::CreateReq req{.base = std::move(who), .path = At(std::move(path)), .flags = flags};
    req.perm = 0644;
    req.remove_chunks_batch_size = 32;
    if ((flags & wire::kOpenAccessMask) != 0) req.session = Session(1);
    return req;
  }
  wire::OpenReq OpenOf(wire::ReqBase who, wire::PathAt path, int32_t flags) {
    wire::OpenReq req{.base = std::move(who), .path = std::move(path), .flags = flags};
    req.remove_chunks_batch_size = 32;
    if ((flags & wire::kOpenAccessMask) != 0) req.session = Session(2);
    return req;
  }
};

TEST_F(CreateTest, NewFile) {
  clock_.us = 1'700'000'123'456'789;
  auto rsp = Run<method::Create>(Req(As(7, 8), "/f", kWr));
  EXPECT_EQ(rsp.code(), Code::kMetaNoPermission);  // / is root's, 0755
  ASSERT_TRUE(Mkdir(At("d"), 0777).ok());
  wire::CreateReq req = Req(As(7, 8), "d/f", kWr);
  req.perm = 0106644;
  rsp = Run<method::Create>(req);
  ASSERT_TRUE(rsp.ok()) << rsp.status().ToString();
  const wire::Inode& inode = rsp->stat;
  EXPECT_GE(inode.id, 0x1000U);
  EXPECT_EQ(inode.acl.uid, 7U);
  EXPECT_EQ(inode.acl.gid, 8U);
  EXPECT_EQ(inode.acl.perm, 06644U);
  EXPECT_EQ(inode.nlink, 1);
  EXPECT_EQ(inode.mtime, 1'700'000'123'000'000);  // cut to a second
  EXPECT_EQ(inode.atime, inode.mtime);
  EXPECT_EQ(inode.ctime, inode.mtime);
  EXPECT_FALSE(rsp->need_truncate);
  const wire::File& file = inode.AsFile();
  EXPECT_EQ(file.length, 0U);
  EXPECT_EQ(file.dyn_stripe, 0U);
  EXPECT_EQ(file.layout.table_version, 1U);
  EXPECT_EQ(file.layout.stripe_size, 4U);
  EXPECT_TRUE(layout::ValidateLayout(file.layout, false).ok());
  EXPECT_EQ(Stat(At("d"))->mtime, Stat(At("d"))->ctime);
  EXPECT_EQ(Stat(Id(inode.id))->id, inode.id);
}

TEST_F(CreateTest, ParentTimesAndLinksStay) {
  ASSERT_TRUE(Mkdir(At("d")).ok());
  const auto before = Stat(At("d"));
  clock_.us += 100'000'000;
  ASSERT_TRUE(Create(At("d/f")).ok());
  ASSERT_TRUE(Mkdir(At("d/e")).ok());
  ASSERT_EQ(Remove(At("d/f")), Code::kOk);
  const auto after = Stat(At("d"));
  EXPECT_EQ(after->mtime, before->mtime);
  EXPECT_EQ(after->ctime, before->ctime);
  EXPECT_EQ(after->nlink, 1);
}

TEST_F(CreateTest, ChainsRotate) {
  std::set<uint32_t> bases;
  for (int i = 0; i < 8; ++i) {
    const auto inode = Create(At("f" + std::to_string(i)));
    ASSERT_TRUE(inode.ok());
    bases.insert(std::get<wire::Layout::ChainRange>(FileOf(inode).layout.chains).base_index);
  }
  EXPECT_EQ(bases.size(), 2U);  // 8 chains, stripe 4: two places
}

TEST_F(CreateTest, LayoutOfRequestOrParent) {
  wire::Layout layout{.table_id = 1, .chunk_size = 4U << 20, .stripe_size = 2};
  wire::MkdirsReq mkdir{.base = Root(), .path = At("d"), .perm = 0755, .layout = layout};
  ASSERT_TRUE(Run<method::Mkdirs>(mkdir).ok());
  auto inode = Create(At("d/f"));
  EXPECT_EQ(FileOf(inode).layout.chunk_size, 4U << 20);
  EXPECT_EQ(FileOf(inode).layout.stripe_size, 2U);
  ASSERT_TRUE(Mkdir(At("d/e")).ok());
  EXPECT_EQ(std::get<wire::Directory>(Stat(At("d/e"))->type).layout.chunk_size, 4U << 20);
  wire::CreateReq req = Req(Root(), "d/g", 0);
  req.layout = wire::Layout{
      .chunk_size = 1U << 19, .stripe_size = 1, .chains = wire::Layout::ChainList{{100003}}};
  auto rsp = Run<method::Create>(req);
  ASSERT_TRUE(rsp.ok()) << rsp.status().ToString();
  EXPECT_EQ(rsp->stat.AsFile().layout.chunk_size, 1U << 19);
}

TEST_F(CreateTest, BadLayouts) {
  const auto with = [](uint32_t chunk, uint32_t stripe, decltype(wire::Layout::chains) chains,
                       uint32_t table = 1, uint32_t version = 0) {
    return wire::Layout{table, version, chunk, stripe, std::move(chains)};
  };
  const wire::Layout::Empty empty;
  const wire::Layout bad[] = {
      with(0, 1, empty),
      with(1000, 1, empty),
      with(1024, 0, empty),
      with(1024, 1, empty, 0),
      with(1024, 9, empty),      // the table has 8 chains
      with(1024, 1, empty, 77),  // no such table
      with(1024, 1, empty, 1, 9),
      with(1024, 2, wire::Layout::ChainList{{1}}, 1, 1),
      with(1024, 1, wire::Layout::ChainList{{0}}, 1, 1),
      with(1024, 1, wire::Layout::ChainList{{99}}, 0, 0),  // no such chain
      with(1024, 1, wire::Layout::ChainRange{0}, 1, 1),
      with(1024, 1, wire::Layout::ChainRange{1}, 1, 0),
  };
  for (size_t i = 0; i < std::size(bad); ++i) {
    wire::CreateReq req = Req(Root(), "f", 0);
    req.layout = bad[i];
    EXPECT_EQ(Run<method::Create>(req).code(), Code::kMetaInvalidFileLayout) << i;
    EXPECT_EQ(Run<method::Mkdirs>({.base = Root(), .path = At("d"), .layout = bad[i]}).code(),
              Code::kMetaInvalidFileLayout)
        << i;
  }
  routing_ = nullptr;
  EXPECT_EQ(Create(At("f")).code(), Code::kMgmtdClientRoutingInfoNotReady);
  // A server that has just started has routing without tables: to be retried, not a bad layout.
  routing_ = std::make_shared<schema::mgmtd::RoutingInfo>();
  EXPECT_EQ(Create(At("f")).code(), Code::kMgmtdClientRoutingInfoNotReady);
  EXPECT_EQ(Mkdir(At("d")).code(), Code::kMgmtdClientRoutingInfoNotReady);
}

TEST_F(CreateTest, RequestChecks) {
  ASSERT_TRUE(Mkdir(At("d")).ok());
  for (const char* path : {"", "/", ".", "..", "d/", "d/.", "d/.."}) {
    EXPECT_EQ(Run<method::Create>(Req(Root(), path, 0)).code(), Code::kInvalidArg) << path;
  }
  wire::CreateReq req = Req(Root(), "f", kWr);
  req.session.reset();
  EXPECT_EQ(Run<method::Create>(req).code(), Code::kInvalidArg);
  req = Req(Root(), "f", kWr | kTrunc);
  req.remove_chunks_batch_size = 0;
  EXPECT_EQ(Run<method::Create>(req).code(), Code::kInvalidArg);
  req = Req(Root(), "f", kWr | wire::kOpenDirectory);
  EXPECT_EQ(Run<method::Create>(req).code(), Code::kInvalidArg);
  EXPECT_EQ(Run<method::Open>(OpenOf(Root(), At("d"), wire::kOpenAppend)).code(),
            Code::kInvalidArg);
  EXPECT_EQ(Run<method::Open>(OpenOf(Root(), At("d"), kTrunc)).code(), Code::kInvalidArg);
  EXPECT_EQ(Create(At(std::string(256, 'x'))).code(), Code::kMetaNameTooLong);
  EXPECT_EQ(Run<method::Truncate>({.base = Root()}).code(), Code::kNotImplemented);
}

TEST_F(CreateTest, ExistingName) {
  ASSERT_TRUE(Mkdir(At("d"), 0777).ok());
  ASSERT_TRUE(CreateAs(As(7, 7), At("d/f"), 0640).ok());
  ASSERT_TRUE(Link(At("d/l"), "f").ok());
  const uint64_t d = Stat(At("d"))->id;
  const auto create = [&](wire::ReqBase who, const char* name, int32_t flags) {
    wire::CreateReq req = Req(std::move(who), name, flags);
    req.path.parent = d;
    return Run<method::Create>(req);
  };
  EXPECT_TRUE(create(As(7, 7), "f", kRdWr).ok());
  EXPECT_EQ(create(As(7, 7), "f", kRdWr | kExcl).code(), Code::kMetaExists);
  EXPECT_EQ(create(As(7, 7), "l", kRdWr).code(), Code::kMetaBusy);
  EXPECT_EQ(create(As(8, 7), "f", kWr).code(), Code::kMetaNoPermission);
  EXPECT_TRUE(create(As(8, 7), "f", 0).ok());
  EXPECT_EQ(create(As(8, 8), "f", 0).code(), Code::kMetaNoPermission);
  EXPECT_TRUE(create(As(8, 8, {7}), "f", 0).ok());
  EXPECT_TRUE(create(As(7, 7), "f", kWr | kTrunc)->need_truncate);
  EXPECT_FALSE(create(As(7, 7), "f", kWr)->need_truncate);
  ASSERT_TRUE(Mkdir(At("d/sub")).ok());
  EXPECT_EQ(create(Root(), "sub", 0).code(), Code::kMetaIsDirectory);
}

TEST_F(CreateTest, PathsOfSeveralNames) {
  ASSERT_TRUE(Mkdir(At("d")).ok());
  ASSERT_TRUE(Mkdir(At("e")).ok());
  ASSERT_TRUE(Create(At("d/f")).ok());
  EXPECT_EQ(Run<method::Create>(Req(Root(), "nope/f", 0)).code(), Code::kMetaNotFound);
  EXPECT_EQ(Run<method::Create>(Req(Root(), "d/f/g", 0)).code(), Code::kMetaNotDirectory);
  EXPECT_EQ(Run<method::Create>(Req(Root(), "d/f", kExcl)).code(), Code::kMetaExists);
  // The link is followed; a dangling one gives the file the link's name in the directory it leads
  // to.
  ASSERT_TRUE(Link(At("d/l"), "f").ok());
  EXPECT_EQ(Run<method::Create>(Req(Root(), "d/l", kWr))->stat.id, Stat(At("d/f"))->id);
  ASSERT_TRUE(Link(At("d/far"), "/e/x").ok());
  ASSERT_TRUE(Run<method::Create>(Req(Root(), "d/far", kWr)).ok());
  EXPECT_EQ(Names(At("e")), std::vector<std::string>{"far"});
}

TEST_F(CreateTest, SearchPermissionIsSkippedForOneName) {
  ASSERT_TRUE(MkdirAs(Root(), At("d"), 0722).ok());  // others: write, no exec
  const uint64_t d = Stat(At("d"))->id;
  EXPECT_EQ(CreateAs(As(5, 5), At("d/f")).code(), Code::kMetaNoPermission);
  EXPECT_TRUE(CreateAs(As(5, 5), At(d, "f")).ok());
}

TEST_F(CreateTest, ReplayGivesTheSameFile) {
  wire::CreateReq req = Req(Root(), "f", kWr | kExcl);
  const auto first = Run<method::Create>(req);
  const auto again = Run<method::Create>(req);
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  EXPECT_EQ(first->stat.id, again->stat.id);
  req.base.uuid = MakeUuid(99);
  EXPECT_EQ(Run<method::Create>(req).code(), Code::kMetaExists);
}

TEST_F(CreateTest, GroupAndEngineFollowTheParent) {
  ASSERT_TRUE(MkdirAs(Root(), At("d"), 02777).ok());
  ASSERT_EQ(
      SetAttr({.base = Root(), .path = At("d"), .gid = 55, .iflags = wire::kIflagChunkEngine}),
      Code::kOk);
  const auto file = CreateAs(As(5, 6), At("d/f"));
  EXPECT_EQ(file->acl.gid, 55U);
  EXPECT_EQ(file->acl.iflags, 0U);
  EXPECT_NE(file->id & wire::kInodeIdChunkEngine, 0U);
  const auto sub = MkdirAs(As(5, 6), At("d/s"), 0755);
  EXPECT_EQ(sub->acl.gid, 55U);
  EXPECT_EQ(sub->acl.perm, 02755U);
  EXPECT_EQ(sub->acl.iflags, wire::kIflagChunkEngine);
  EXPECT_EQ(sub->id & wire::kInodeIdChunkEngine, 0U);
}

TEST_F(CreateTest, OpenRules) {
  ASSERT_TRUE(Mkdir(At("d"), 0755).ok());
  ASSERT_TRUE(Create(At("f"), 04755).ok());
  ASSERT_TRUE(Link(At("l"), "f").ok());
  const uint64_t f = Stat(At("f"))->id;
  const struct {
    wire::PathAt path;
    int32_t flags;
    Code root;
    Code other;
  } cases[] = {
      {At("f"), 0, Code::kOk, Code::kOk},
      {At("f"), kWr, Code::kOk, Code::kMetaNoPermission},
      {At("l"), kRdWr, Code::kOk, Code::kMetaNoPermission},
      {Id(f), kWr, Code::kOk, Code::kMetaNoPermission},
      {At("f"), kExcl, Code::kMetaExists, Code::kMetaExists},
      {At("f"), wire::kOpenDirectory, Code::kMetaNotDirectory, Code::kMetaNotDirectory},
      {At("d"), wire::kOpenDirectory, Code::kOk, Code::kOk},
      {At("d"), 0, Code::kOk, Code::kOk},
      {At("d"), kWr, Code::kMetaIsDirectory, Code::kMetaIsDirectory},
      {At("nope"), 0, Code::kMetaNotFound, Code::kMetaNotFound},
  };
  for (const auto& test : cases) {
    EXPECT_EQ(Run<method::Open>(OpenOf(Root(), test.path, test.flags)).code(), test.root)
        << test.path.path.value_or("-") << test.flags;
    EXPECT_EQ(Run<method::Open>(OpenOf(As(9, 9), test.path, test.flags)).code(), test.other)
        << test.path.path.value_or("-") << test.flags;
  }
  EXPECT_TRUE(Run<method::Open>(OpenOf(Root(), At("f"), kWr | kTrunc))->need_truncate);
}

TEST_F(CreateTest, WritingClearsSetuidForOthers) {
  ASSERT_TRUE(Mkdir(At("d"), 0777).ok());
  ASSERT_TRUE(CreateAs(As(5, 5), At("d/f"), 06777).ok());
  EXPECT_EQ(Run<method::Open>(OpenOf(As(5, 5), At("d/f"), kWr))->stat.acl.perm, 06777U);
  EXPECT_EQ(Run<method::Open>(OpenOf(As(6, 6), At("d/f"), 0))->stat.acl.perm, 06777U);
  EXPECT_EQ(Run<method::Open>(OpenOf(As(6, 6), At("d/f"), kWr))->stat.acl.perm, 0777U);
  EXPECT_EQ(Stat(At("d/f"))->acl.perm, 0777U);
}

TEST_F(CreateTest, ImmutableFileOpensForReadingOnly) {
  ASSERT_TRUE(Create(At("f")).ok());
  ASSERT_EQ(SetAttr({.base = Root(), .path = At("f"), .iflags = wire::kIflagImmutable}), Code::kOk);
  EXPECT_TRUE(Run<method::Open>(OpenOf(Root(), At("f"), 0)).ok());
  EXPECT_EQ(Run<method::Open>(OpenOf(Root(), At("f"), kWr)).code(), Code::kMetaNoPermission);
  EXPECT_EQ(Remove(At("f")), Code::kMetaNoPermission);
  EXPECT_EQ(Rename(At("f"), At("g")), Code::kMetaNoPermission);
  EXPECT_EQ(Run<method::HardLink>({Root(), At("f"), At("g")}).code(), Code::kMetaNoPermission);
}

TEST_F(CreateTest, TruncatingALongIdleFileReplacesIt) {
  options_.otrunc_replace_file_threshold = 1000;
  Reopen();
  const uint64_t id = Create(At("f"), 0600)->id;
  ops::SyncWork work{.inode = id};
  work.update_length = true;
  ASSERT_TRUE(store_->Sync(work, 5000).ok());
  // By inode, or while somebody has it open: the client truncates.
  EXPECT_TRUE(Run<method::Open>(OpenOf(Root(), Id(id), kWr | kTrunc))->need_truncate);
  EXPECT_TRUE(Run<method::Open>(OpenOf(Root(), At("f"), kWr | kTrunc))->need_truncate);
  work = {.inode = id, .session = Session(2), .is_close = true};
  ASSERT_TRUE(store_->Sync(work, std::nullopt).ok());
  const auto rsp = Run<method::Open>(OpenOf(Root(), At("f"), kWr | kTrunc));
  ASSERT_TRUE(rsp.ok());
  EXPECT_FALSE(rsp->need_truncate);
  EXPECT_NE(rsp->stat.id, id);
  EXPECT_EQ(rsp->stat.AsFile().length, 0U);
  EXPECT_EQ(rsp->stat.acl.perm, 0600U);
  EXPECT_EQ(Stat(At("f"))->id, rsp->stat.id);
  EXPECT_EQ(Stat(Id(id))->nlink, 0);
}

TEST_F(CreateTest, DynamicStripe) {
  options_.dynamic_stripe = true;
  options_.dyn_stripe_initial = 2;
  Reopen();
  wire::CreateReq req = Req(Root(), "f", 0);
  req.dyn_stripe = true;
  EXPECT_EQ(Run<method::Create>(req)->stat.AsFile().dyn_stripe, 2U);
  wire::OpenReq open = OpenOf(Root(), At("f"), kWr);
  open.dyn_stripe = true;
  EXPECT_EQ(Run<method::Open>(open)->stat.AsFile().dyn_stripe, 2U);
  EXPECT_EQ(SetAttr({.base = Root(), .path = At("f"), .dyn_stripe = 3}), Code::kOk);
  EXPECT_EQ(FileOf(Stat(At("f"))).dyn_stripe, 4U);
  ASSERT_TRUE(Run<method::Create>(Req(Root(), "g", 0)).ok());
  EXPECT_EQ(FileOf(Stat(At("g"))).dyn_stripe, 0U);
  EXPECT_EQ(SetAttr({.base = Root(), .path = At("g"), .dyn_stripe = 3}), Code::kOk);
  EXPECT_EQ(FileOf(Stat(At("g"))).dyn_stripe, 0U);
  // A client without the feature lifts the limit.
  req = Req(Root(), "h", 0);
  req.dyn_stripe = true;
  ASSERT_EQ(Run<method::Create>(req)->stat.AsFile().dyn_stripe, 2U);
  EXPECT_EQ(Run<method::Open>(OpenOf(Root(), At("h"), kWr))->stat.AsFile().dyn_stripe, 0U);
}

TEST_F(CreateTest, MkdirsRules) {
  const auto mkdirs = [&](const char* path, bool recursive) {
    return MkdirAs(Root(), At(path), 0750, recursive).code();
  };
  EXPECT_EQ(mkdirs("a/b/c", false), Code::kMetaNotFound);
  EXPECT_EQ(mkdirs("a/b/c", true), Code::kOk);
  EXPECT_EQ(Stat(At("a/b"))->acl.perm, 0750U);
  EXPECT_EQ(mkdirs("a/b/c", true), Code::kMetaExists);
  EXPECT_EQ(mkdirs("a", false), Code::kMetaExists);
  EXPECT_EQ(mkdirs("/", false), Code::kMetaExists);
  EXPECT_EQ(mkdirs("", false), Code::kInvalidArg);
  EXPECT_EQ(mkdirs("x/..", true), Code::kInvalidArg);
  EXPECT_EQ(mkdirs("x/../y", true), Code::kInvalidArg);
  EXPECT_EQ(mkdirs("x/", false), Code::kOk);
  ASSERT_TRUE(Create(At("f")).ok());
  EXPECT_EQ(mkdirs("f/x", false), Code::kMetaNotDirectory);
  EXPECT_EQ(mkdirs("f", false), Code::kMetaExists);
  EXPECT_EQ(MkdirAs(As(4, 4), At("a/q")).code(), Code::kMetaNoPermission);
  EXPECT_EQ(mkdirs(std::string(256, 'x').c_str(), true), Code::kMetaNameTooLong);
  wire::MkdirsReq req{.base = Root(), .path = At("r/s"), .perm = 0755, .recursive = true};
  const auto first = Run<method::Mkdirs>(req);
  const auto again = Run<method::Mkdirs>(req);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(first->stat.id, again->stat.id);
}

TEST_F(CreateTest, SymlinkRules) {
  wire::SymlinkReq req{.base = As(3, 4), .path = At("d/l"), .target = "any/../where"};
  EXPECT_EQ(Run<method::Symlink>(req).code(), Code::kMetaNotFound);
  ASSERT_TRUE(Mkdir(At("d"), 0755).ok());
  EXPECT_EQ(Run<method::Symlink>(req).code(), Code::kMetaNoPermission);
  ASSERT_EQ(SetAttr({.base = Root(), .path = At("d"), .perm = 0777}), Code::kOk);
  const auto rsp = Run<method::Symlink>(req);
  ASSERT_TRUE(rsp.ok());
  EXPECT_EQ(std::get<wire::Symlink>(rsp->stat.type).target, "any/../where");
  EXPECT_EQ(rsp->stat.acl.perm, 0777U);
  EXPECT_EQ(rsp->stat.acl.uid, 3U);
  EXPECT_EQ(rsp->stat.acl.gid, 4U);
  EXPECT_EQ(Run<method::Symlink>(req)->stat.id, rsp->stat.id);  // replay
  req.base.uuid = MakeUuid(5);
  EXPECT_EQ(Run<method::Symlink>(req).code(), Code::kMetaExists);
}

TEST_F(CreateTest, HardLinkRules) {
  ASSERT_TRUE(Mkdir(At("d"), 0777).ok());
  const auto file = Create(At("f"), 0600);
  ASSERT_TRUE(Link(At("l"), "f").ok());
  clock_.us += 5'000'000;
  wire::HardLinkReq req{.base = As(9, 9), .old_path = At("f"), .new_path = At("d/g")};
  const auto rsp = Run<method::HardLink>(req);  // no ownership is asked
  ASSERT_TRUE(rsp.ok());
  EXPECT_EQ(rsp->stat.id, file->id);
  EXPECT_EQ(rsp->stat.nlink, 2);
  EXPECT_EQ(rsp->stat.ctime, file->ctime + 5'000'000);
  EXPECT_EQ(rsp->stat.mtime, file->mtime);
  EXPECT_EQ(Run<method::HardLink>(req)->stat.nlink, 2);  // replay
  req.base.uuid = MakeUuid(77);
  EXPECT_EQ(Run<method::HardLink>(req).code(), Code::kMetaExists);
  const auto link = [&](wire::PathAt from, const char* to, int32_t flags) {
    return Run<method::HardLink>({Root(), std::move(from), At(to), flags});
  };
  EXPECT_EQ(link(At("d"), "x", 0).code(), Code::kMetaIsDirectory);
  EXPECT_EQ(link(At("nope"), "x", 0).code(), Code::kMetaNotFound);
  EXPECT_EQ(link(At("l"), "x", wire::kAtSymlinkFollow)->stat.id, file->id);
  EXPECT_TRUE(link(At("l"), "y", 0)->stat.IsSymlink());
  EXPECT_EQ(link(Id(file->id), "d/nope/z", 0).code(), Code::kMetaNotFound);
  for (const char* name : {"f", "d/g", "x"}) EXPECT_EQ(Remove(At(name)), Code::kOk) << name;
  EXPECT_EQ(Stat(Id(file->id))->nlink, 0);
  EXPECT_EQ(link(Id(file->id), "z", 0).code(), Code::kMetaNotFound);
  EXPECT_EQ(Run<method::Open>(OpenOf(Root(), Id(file->id), 0)).code(), Code::kMetaNotFound);
}

}  // namespace
}  // namespace threefs::standalone::test

// SPDX-License-Identifier: Apache-2.0
// remove and rename: codes in 3FS's order, replay, permissions (3fs/meta.md §8.5, §8.6, §11).
#include "tests/client/standalone/meta_test_support.h"

namespace threefs::standalone::test {
namespace {

class RemoveTest : public MetaTest {
 protected:
  Code RemoveTyped(wire::PathAt path, int32_t at_flags) {
    return Run<method::Remove>(
               {.base = Root(), .path = std::move(path), .at_flags = at_flags, .check_type = true})
        .code();
  }
};

TEST_F(RemoveTest, TypesAndCodes) {
  ASSERT_TRUE(Mkdir(At("d")).ok());
  ASSERT_TRUE(Mkdir(At("full")).ok());
  ASSERT_TRUE(Create(At("full/x")).ok());
  ASSERT_TRUE(Create(At("f")).ok());
  ASSERT_TRUE(Link(At("l"), "full").ok());
  ASSERT_TRUE(Link(At("l2"), "nowhere").ok());
  EXPECT_EQ(Remove(At("nope")), Code::kMetaNotFound);
  EXPECT_EQ(Remove(At("nope/x")), Code::kMetaNotFound);
  EXPECT_EQ(Remove(At("f/x")), Code::kMetaNotDirectory);
  EXPECT_EQ(RemoveTyped(At("f"), wire::kAtRemoveDir), Code::kMetaNotDirectory);
  EXPECT_EQ(RemoveTyped(At("d"), 0), Code::kMetaIsDirectory);
  EXPECT_EQ(Remove(At("full")), Code::kMetaNotEmpty);
  EXPECT_EQ(RemoveTyped(At("full"), wire::kAtRemoveDir), Code::kMetaNotEmpty);
  EXPECT_EQ(RemoveTyped(At("l"), wire::kAtRemoveDir), Code::kOk);  // a link passes, and goes itself
  EXPECT_EQ(Names(At("full")), std::vector<std::string>{"x"});
  EXPECT_EQ(RemoveTyped(At("l2"), 0), Code::kOk);
  EXPECT_EQ(RemoveTyped(At("f"), 0), Code::kOk);
  EXPECT_EQ(RemoveTyped(At("d"), wire::kAtRemoveDir), Code::kOk);
  EXPECT_EQ(Names(At("/")), std::vector<std::string>{"full"});
  for (const char* path : {"", "/", ".", "full/.."}) {
    EXPECT_EQ(Remove(At(path)), Code::kInvalidArg) << path;
  }
}

TEST_F(RemoveTest, ByInode) {
  const auto dir = Mkdir(At("d"));
  const auto file = Create(At("f"));
  EXPECT_EQ(Remove(Id(file->id)), Code::kMetaNotDirectory);
  EXPECT_EQ(Remove(Id(0)), Code::kMetaNoPermission);
  EXPECT_EQ(Remove(Id(1)), Code::kMetaNoPermission);
  EXPECT_EQ(Remove(Id(0x5555)), Code::kMetaNotFound);
  EXPECT_EQ(Remove(Id(dir->id)), Code::kOk);
  EXPECT_EQ(Stat(Id(dir->id)).code(), Code::kMetaNotFound);
  const auto named = [&](uint64_t inode) {
    return Run<method::Remove>({.base = Root(), .path = At("f"), .inode_id = inode}).code();
  };
  EXPECT_EQ(named(file->id + 1), Code::kMetaNotFound);
  EXPECT_EQ(named(file->id), Code::kOk);
}

TEST_F(RemoveTest, UnlinkedFileStaysReadable) {
  const auto file = Create(At("f"));
  clock_.us += 3'000'000;
  EXPECT_EQ(Remove(At("f")), Code::kOk);
  const auto gone = Stat(Id(file->id));
  ASSERT_TRUE(gone.ok());
  EXPECT_EQ(gone->nlink, 0);
  EXPECT_EQ(gone->ctime, file->ctime + 3'000'000);
  EXPECT_EQ(SetAttr({.base = Root(), .path = Id(file->id), .perm = 0}), Code::kMetaNotFound);
  ops::SyncWork work{.inode = file->id};
  work.update_length = true;
  EXPECT_EQ(store_->Sync(work, 123)->inode.AsFile().length, 123U);
}

TEST_F(RemoveTest, ReplayAnswersTheSame) {
  ASSERT_TRUE(Create(At("f")).ok());
  wire::RemoveReq req{.base = Root(), .path = At("f")};
  ASSERT_TRUE(Run<method::Remove>(req).ok());
  ASSERT_TRUE(Create(At("f")).ok());
  EXPECT_TRUE(Run<method::Remove>(req).ok());  // the answer of the first, nothing removed
  EXPECT_TRUE(Stat(At("f")).ok());
  Reopen();
  EXPECT_TRUE(Run<method::Remove>(req).ok());
  EXPECT_TRUE(Stat(At("f")).ok());
  // A final failure is remembered too.
  wire::RemoveReq missing{.base = Root(), .path = At("g")};
  EXPECT_EQ(Run<method::Remove>(missing).code(), Code::kMetaNotFound);
  ASSERT_TRUE(Create(At("g")).ok());
  EXPECT_EQ(Run<method::Remove>(missing).code(), Code::kMetaNotFound);
  EXPECT_TRUE(Stat(At("g")).ok());
  // For half an hour.
  clock_.us += int64_t{31} * 60 * 1'000'000;
  ASSERT_TRUE(store_->PruneSessions(nullptr).ok());
  EXPECT_TRUE(Run<method::Remove>(missing).ok());
  EXPECT_EQ(Stat(At("g")).code(), Code::kMetaNotFound);
  // Another client's request with the same uuid is another request.
  client_ = 2;
  req.base.client = {MakeUuid(2), "other"};
  EXPECT_TRUE(Run<method::Remove>(req).ok());
  EXPECT_EQ(Stat(At("f")).code(), Code::kMetaNotFound);
}

TEST_F(RemoveTest, Permissions) {
  ASSERT_TRUE(Mkdir(At("d"), 0755).ok());
  ASSERT_TRUE(Mkdir(At("t"), 01777).ok());
  ASSERT_TRUE(Create(At("d/f"), 0666).ok());
  ASSERT_TRUE(CreateAs(As(5, 5), At("t/five")).ok());
  ASSERT_TRUE(CreateAs(As(6, 6), At("t/six")).ok());
  EXPECT_EQ(RemoveAs(As(5, 5), At("d/f")), Code::kMetaNoPermission);
  EXPECT_EQ(RemoveAs(As(5, 5), At("t/six")), Code::kMetaNoPermission);
  EXPECT_EQ(RemoveAs(As(5, 5), At("t/five")), Code::kOk);
  EXPECT_EQ(RemoveAs(Root(), At("t/six")), Code::kOk);
  ASSERT_TRUE(Mkdir(At("own"), 01777).ok());
  ASSERT_EQ(SetAttr({.base = Root(), .path = At("own"), .uid = 5}), Code::kOk);
  ASSERT_TRUE(CreateAs(As(6, 6), At("own/six")).ok());
  EXPECT_EQ(RemoveAs(As(5, 5), At("own/six")), Code::kOk);  // owns the directory
}

TEST_F(RemoveTest, Recursive) {
  ASSERT_TRUE(Mkdir(At("top"), 0777).ok());
  ASSERT_TRUE(MkdirAs(As(5, 5), At("top/a"), 0755).ok());
  ASSERT_TRUE(MkdirAs(As(5, 5), At("top/a/b"), 0755).ok());
  const auto file = CreateAs(As(5, 5), At("top/a/b/f"));
  wire::RemoveReq req{.base = As(5, 5), .path = At("top/a"), .recursive = true};
  req.base.uuid = {};
  EXPECT_EQ(Run<method::Remove>(req).code(), Code::kInvalidArg);
  ASSERT_EQ(SetAttr({.base = Root(), .path = At("top/a/b"), .uid = 6}), Code::kOk);
  EXPECT_EQ(RemoveAs(As(5, 5), At("top/a"), true), Code::kMetaNoPermission);
  EXPECT_EQ(RemoveAs(As(6, 6), At("top/a"), true), Code::kMetaNoPermission);
  ASSERT_EQ(SetAttr({.base = Root(), .path = At("top/a/b"), .uid = 5}), Code::kOk);
  const uint64_t a = Stat(At("top/a"))->id;
  EXPECT_EQ(RemoveAs(As(5, 5), At("top/a"), true), Code::kOk);
  EXPECT_EQ(Stat(At("top/a")).code(), Code::kMetaNotFound);
  EXPECT_TRUE(Stat(Id(file->id)).ok());
  EXPECT_EQ(CreateAs(As(5, 5), At(a, "late")).code(), Code::kMetaNotFound);
}

class RenameTest : public MetaTest {
 protected:
  // Directories full (with x), empty, d; files f, g; link l.
  void SetUp() override {
    MetaTest::SetUp();
    for (const char* dir : {"full", "empty", "d"}) ASSERT_TRUE(Mkdir(At(dir)).ok());
    for (const char* file : {"full/x", "f", "g"}) ASSERT_TRUE(Create(At(file)).ok());
    ASSERT_TRUE(Link(At("l"), "f").ok());
  }
};

TEST_F(RenameTest, Matrix) {
  const struct {
    const char* from;
    const char* to;
    Code code;
  } cases[] = {
      {"nope", "x", Code::kMetaNotFound},
      {"f", "nope/x", Code::kMetaNotFound},
      {"f", "g/x", Code::kMetaNotDirectory},
      {"f", "full", Code::kMetaNotEmpty},
      {"d", "full", Code::kMetaNotEmpty},
      {"d", "f", Code::kMetaNotDirectory},
      {"d", "l", Code::kMetaNotDirectory},
      {"d", "d/x", Code::kInvalidArg},
      {"full", "full/y", Code::kInvalidArg},
      {"f", "f", Code::kOk},
      {"d", "d", Code::kOk},
      {"/", "x", Code::kInvalidArg},
      {"f", "/", Code::kInvalidArg},
      {"f", "d/", Code::kInvalidArg},
      {"f", "d/..", Code::kInvalidArg},
      {"f", "", Code::kInvalidArg},
  };
  for (const auto& test : cases) {
    EXPECT_EQ(Rename(At(test.from), At(test.to)), test.code) << test.from << " -> " << test.to;
  }
  EXPECT_EQ(Rename(At("f"), At(std::string(256, 'n'))), Code::kMetaNameTooLong);
  EXPECT_EQ(Names(At("/")), (std::vector<std::string>{"d", "empty", "f", "full", "g", "l"}));
}

TEST_F(RenameTest, FileReplacesFile) {
  const uint64_t f = Stat(At("f"))->id;
  const uint64_t g = Stat(At("g"))->id;
  auto rsp = Run<method::Rename>({.base = Root(), .src = At("f"), .dest = At("g")});
  ASSERT_TRUE(rsp.ok());
  EXPECT_EQ(rsp->stat->id, f);
  EXPECT_EQ(Stat(At("g"))->id, f);
  EXPECT_EQ(Stat(At("f")).code(), Code::kMetaNotFound);
  EXPECT_EQ(Stat(Id(g))->nlink, 0);
}

TEST_F(RenameTest, DirectoryMovesAndKeepsItsTree) {
  const uint64_t full = Stat(At("full"))->id;
  EXPECT_EQ(Rename(At("full"), At("empty")), Code::kOk);
  EXPECT_EQ(Stat(At("empty"))->id, full);
  EXPECT_EQ(Rename(At("empty"), At("d/moved")), Code::kOk);
  EXPECT_TRUE(Stat(At("d/moved/x")).ok());
  EXPECT_EQ(Stat(At(full, ".."))->id, Stat(At("d"))->id);
  EXPECT_EQ(Run<method::GetRealPath>({Root(), Id(full), true})->path, "/d/moved");
  EXPECT_EQ(std::get<wire::Directory>(Stat(Id(full))->type).name, "moved");
  EXPECT_EQ(Rename(At("d"), At("d/moved/deep")), Code::kInvalidArg);
}

TEST_F(RenameTest, FileReplacesEmptyDirectoryAndLink) {
  const uint64_t empty = Stat(At("empty"))->id;
  const uint64_t link = Stat(At("l"))->id;
  EXPECT_EQ(Rename(At("f"), At("empty")), Code::kOk);
  EXPECT_TRUE(Stat(At("empty"))->IsFile());
  EXPECT_EQ(Stat(Id(empty)).code(), Code::kMetaNotFound);
  EXPECT_EQ(Rename(At("g"), At("l")), Code::kOk);
  EXPECT_TRUE(Stat(At("l"))->IsFile());
  EXPECT_NE(Stat(At("l"))->id, link);
  EXPECT_EQ(Names(At("/")), (std::vector<std::string>{"d", "empty", "full", "l"}));
}

TEST_F(RenameTest, LinksAreMovedNotFollowed) {
  EXPECT_EQ(Rename(At("l"), At("d/l")), Code::kOk);
  EXPECT_TRUE(Stat(At("d/l"))->IsSymlink());
  EXPECT_TRUE(Stat(At("f"))->IsFile());
}

TEST_F(RenameTest, ReplayAndGuards) {
  wire::RenameReq req{.base = Root(), .src = At("f"), .dest = At("h")};
  const auto first = Run<method::Rename>(req);
  const auto again = Run<method::Rename>(req);
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  EXPECT_EQ(first->stat->id, again->stat->id);
  const auto guarded = [&](uint64_t inode) {
    return Run<method::Rename>({.base = Root(), .src = At("g"), .dest = At("i"), .inode_id = inode})
        .code();
  };
  EXPECT_EQ(guarded(0x4444), Code::kMetaNotFound);
  EXPECT_EQ(guarded(Stat(At("g"))->id), Code::kOk);
}

TEST_F(RenameTest, Permissions) {
  ASSERT_TRUE(Mkdir(At("open"), 0777).ok());
  ASSERT_TRUE(Mkdir(At("sticky"), 01777).ok());
  ASSERT_TRUE(CreateAs(As(5, 5), At("open/mine")).ok());
  ASSERT_TRUE(CreateAs(As(5, 5), At("sticky/five")).ok());
  ASSERT_TRUE(CreateAs(As(6, 6), At("sticky/six")).ok());
  EXPECT_EQ(RenameAs(As(5, 5), At("f"), At("open/f")), Code::kMetaNoPermission);
  EXPECT_EQ(RenameAs(As(5, 5), At("open/mine"), At("d/mine")), Code::kMetaNoPermission);
  EXPECT_EQ(RenameAs(As(5, 5), At("sticky/six"), At("open/six")), Code::kMetaNoPermission);
  EXPECT_EQ(RenameAs(As(5, 5), At("open/mine"), At("sticky/six")), Code::kMetaNoPermission);
  EXPECT_EQ(RenameAs(As(5, 5), At("sticky/five"), At("open/five")), Code::kOk);
  EXPECT_EQ(RenameAs(As(5, 5), At("open/five"), At("sticky/back")), Code::kOk);
}

TEST_F(RenameTest, IntoARemovedDirectory) {
  const uint64_t d = Stat(At("d"))->id;
  ASSERT_TRUE(Create(At("d/x")).ok());
  ASSERT_EQ(RemoveAs(Root(), At("d"), true), Code::kOk);
  EXPECT_EQ(Rename(At("f"), At(d, "f")), Code::kMetaNotFound);
}

TEST_F(RenameTest, Trash) {
  ASSERT_TRUE(MkdirAs(Root(), At("trash"), 0777).ok());
  ASSERT_TRUE(Mkdir(At("home"), 0777).ok());
  ASSERT_TRUE(MkdirAs(As(5, 5), At("home/mine"), 0755).ok());
  ASSERT_TRUE(MkdirAs(As(6, 6), At("home/other"), 0755).ok());
  const auto move = [&](const char* from, const char* to, bool to_trash) {
    return Run<method::Rename>(
               {.base = As(5, 5), .src = At(from), .dest = At(to), .move_to_trash = to_trash})
        .code();
  };
  EXPECT_EQ(move("home/mine", "trash/m", false), Code::kMetaNoPermission);
  EXPECT_EQ(move("home/other", "trash/o", true), Code::kMetaNoPermission);
  EXPECT_EQ(move("home/mine", "trash/m", true), Code::kOk);
  EXPECT_EQ(move("trash/m", "trash/n", false), Code::kOk);  // is in the trash already
  ASSERT_TRUE(CreateAs(As(5, 5), At("home/f")).ok());
  ASSERT_TRUE(CreateAs(As(5, 5), At("trash/f")).ok());
  EXPECT_EQ(move("home/f", "trash/f", true), Code::kMetaExists);
  EXPECT_EQ(Rename(At("home/other"), At("trash/o")), Code::kOk);  // root may
  // A lost answer of moveToTrash is given again even when the entry has moved on.
  ASSERT_TRUE(MkdirAs(As(5, 5), At("home/two"), 0755).ok());
  wire::RenameReq req{.base = As(5, 5), .src = At("home/two"), .dest = At("trash/two")};
  req.move_to_trash = true;
  ASSERT_TRUE(Run<method::Rename>(req).ok());
  ASSERT_EQ(move("trash/two", "trash/three", false), Code::kOk);
  EXPECT_TRUE(Run<method::Rename>(req).ok());
}

TEST_F(RenameTest, GcFolderIsOutOfReach) {
  ASSERT_EQ(Remove(At("f")), Code::kOk);
  const std::vector<std::string> waiting = Names(Id(wire::kGcRootInodeId));
  ASSERT_EQ(waiting.size(), 1U);
  EXPECT_EQ(Remove(At(wire::kGcRootInodeId, waiting[0])), Code::kMetaNoPermission);
  EXPECT_EQ(Rename(At(wire::kGcRootInodeId, waiting[0]), At("back")), Code::kMetaNoPermission);
  EXPECT_EQ(Create(At(wire::kGcRootInodeId, "x")).code(), Code::kMetaNoPermission);
}

}  // namespace
}  // namespace threefs::standalone::test

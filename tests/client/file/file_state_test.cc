// SPDX-License-Identifier: Apache-2.0
#include "client/file/file_state.h"

#include <gtest/gtest.h>

namespace threefs::file {
namespace {

schema::meta::Inode Inode(uint64_t length, uint64_t truncate_version, uint32_t dyn_stripe = 0) {
  schema::meta::Inode inode;
  inode.id = 0x1000;
  schema::meta::File file;
  file.length = length;
  file.truncate_ver = truncate_version;
  file.dyn_stripe = dyn_stripe;
  file.layout = {.table_id = 0,
                 .table_version = 0,
                 .chunk_size = 1 << 20,
                 .stripe_size = 4,
                 .chains = schema::meta::Layout::ChainList{{11, 12, 11, 14}}};
  inode.type = std::move(file);
  return inode;
}

std::shared_ptr<FileState> Make(uint64_t length = 0, uint64_t version = 0, uint32_t dyn = 0) {
  auto file = FileState::FromInode(Inode(length, version, dyn));
  EXPECT_TRUE(file.ok());
  return *file;
}

mgmtd::RoutingRef Routing() {
  schema::mgmtd::RoutingInfo info;
  info.routing_info_version = 1;
  return *mgmtd::RoutingTable::Build(std::move(info));
}

TEST(FileStateTest, RefusesWhatIsNoFile) {
  schema::meta::Inode dir;
  dir.type = schema::meta::Directory{};
  EXPECT_EQ(FileState::FromInode(dir).code(), Code::kMetaNotFile);
  auto odd = Inode(0, 0);
  odd.AsFile().layout.chunk_size = 0;
  EXPECT_EQ(FileState::FromInode(odd).code(), Code::kMetaInvalidFileLayout);
}

TEST(FileStateTest, ChainsByChunkAndEachOnce) {
  auto file = Make();
  auto routing = Routing();
  EXPECT_EQ(*file->ChainOf(*routing, 1), 12U);
  EXPECT_EQ(*file->ChainOf(*routing, 6), 11U);
  EXPECT_EQ(*file->Chains(*routing), (std::vector<uint32_t>{11, 12, 14}));
  EXPECT_EQ(*Make(0, 0, 2)->Chains(*routing), (std::vector<uint32_t>{11, 12}));
}

TEST(FileStateTest, OwnWritesShowAtOnce) {
  auto file = Make(100);
  const uint64_t v = file->BeginWrite();
  EXPECT_TRUE(file->dirty());
  file->EndWrite(v, 250, true);
  EXPECT_EQ(file->length(), 250U);
  // A late answer from before the write does not take it back.
  file->OnInode(Inode(100, 0));
  EXPECT_EQ(file->length(), 250U);
}

TEST(FileStateTest, AnswersThatOvertookEachOther) {
  auto file = Make(100, 3);
  file->OnInode(Inode(500, 2));
  EXPECT_EQ(file->length(), 100U) << "an older truncate version is ignored";
  file->OnInode(Inode(300, 3));
  file->OnInode(Inode(200, 3));
  EXPECT_EQ(file->length(), 300U) << "within a version a file only grows";
  file->OnInode(Inode(50, 4));
  EXPECT_EQ(file->length(), 50U);
}

TEST(FileStateTest, HintFollowsWritesUntilOneFails) {
  auto file = Make(100, 5);
  file->EndWrite(file->BeginWrite(), 400, true);
  auto point = file->BeginSync();
  ASSERT_TRUE(point.hint.has_value());
  EXPECT_EQ(point.hint->length, 400U);
  EXPECT_EQ(point.hint->truncate_ver, 5U);
  file->EndWrite(file->BeginWrite(), 0, false);
  EXPECT_FALSE(file->BeginSync().hint.has_value());
  // An exact sync cures that.
  point = file->BeginSync();
  point.hint.reset();
  auto after = Inode(400, 5);
  file->EndSync(point, &after);
  EXPECT_TRUE(file->BeginSync().hint.has_value());
  EXPECT_FALSE(file->dirty());
}

TEST(FileStateTest, WriteDuringTruncateGivesNoHint) {
  auto file = Make(100, 1);
  const uint64_t v = file->BeginWrite();
  file->OnInode(Inode(0, 2));
  file->EndWrite(v, 80, true);
  EXPECT_FALSE(file->BeginSync().hint.has_value());
  EXPECT_EQ(file->length(), 80U);
}

TEST(FileStateTest, WriteDuringSyncStaysDirty) {
  auto file = Make();
  file->EndWrite(file->BeginWrite(), 10, true);
  auto point = file->BeginSync();
  point.hint.reset();
  file->EndWrite(file->BeginWrite(), 20, true);
  auto after = Inode(10, 0);
  file->EndSync(point, &after);
  EXPECT_TRUE(file->dirty());
  EXPECT_EQ(file->length(), 20U);
}

TEST(FileStateTest, AcceptedHintIsClean) {
  auto file = Make();
  file->EndWrite(file->BeginWrite(), 10, true);
  auto point = file->BeginSync();
  auto refused = Inode(5, 0);
  file->EndSync(point, &refused);
  EXPECT_TRUE(file->dirty()) << "the server did not take our word";
  auto after = Inode(10, 0);
  file->EndSync(point, &after);
  EXPECT_FALSE(file->dirty());
  EXPECT_EQ(file->length(), 10U);
}

TEST(FileStateTest, FailedSyncGivesNoHint) {
  auto file = Make();
  file->EndWrite(file->BeginWrite(), 10, true);
  file->EndSync(file->BeginSync(), nullptr);
  EXPECT_TRUE(file->dirty());
  EXPECT_FALSE(file->BeginSync().hint.has_value());
}

TEST(FileStateTest, OwnTruncationEndsEarlierWrites) {
  auto file = Make();
  file->EndWrite(file->BeginWrite(), 1000, true);
  file->OnInode(Inode(10, 1), true);
  EXPECT_EQ(file->length(), 10U);
  EXPECT_FALSE(file->dirty());
}

TEST(FileStateTest, DynamicStripeGrowsOrIsLifted) {
  auto file = Make(0, 0, 2);
  file->OnInode(Inode(0, 0, 3));
  file->OnInode(Inode(0, 0, 2));
  EXPECT_EQ(file->dyn_stripe(), 3U);
  file->OnInode(Inode(0, 0, 0));
  EXPECT_EQ(file->dyn_stripe(), 0U);
}

}  // namespace
}  // namespace threefs::file

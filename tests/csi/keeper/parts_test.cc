// SPDX-License-Identifier: Apache-2.0
// The keeper's small parts: journal, mount table, checks of a MountSpec.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "csi/keeper/journal.h"
#include "csi/keeper/mount_table.h"
#include "csi/keeper/spec_check.h"

namespace threefs::keeper {
namespace {

TEST(JournalTest, KeepsRecordsAndSetsDamagedOnesAside) {
  const std::string directory = ::testing::TempDir() + "journal_" + std::to_string(::getpid());
  const Journal journal = *Journal::Open(directory);
  mounter::MountRecord record;
  record.mutable_spec()->set_volume_id("stage/../\n");
  record.set_mounter_pid(42);
  ASSERT_TRUE(journal.Save(record).ok());
  record.set_mounter_pid(43);
  ASSERT_TRUE(journal.Save(record).ok());
  ASSERT_EQ(journal.LoadAll().size(), 1U);
  EXPECT_EQ(journal.LoadAll()[0].mounter_pid(), 43);
  const std::string file = directory + "/" + Journal::FileName("stage/../\n");
  std::fstream(file, std::ios::in | std::ios::out).seekp(13).put('!');
  EXPECT_TRUE(journal.LoadAll().empty());
  EXPECT_TRUE(std::filesystem::exists(file + ".bad"));
  journal.Remove("never there");
  std::filesystem::remove_all(directory);
}

TEST(JournalTest, FileNamesAreShortSafeAndDistinct) {
  std::set<std::string> names;
  for (const std::string id : {"a/b", "a_b", "a\nb", "../x", ".", "", "a"}) {
    names.insert(Journal::FileName(id));
    names.insert(Journal::FileName(std::string(300, 'x') + id));
  }
  EXPECT_EQ(names.size(), 14U);
  for (const std::string& name : names) {
    EXPECT_LT(name.size(), 200U);
    EXPECT_EQ(name.find_first_of("/\n"), std::string::npos);
  }
}

TEST(MountTableTest, ParsesEscapesOptionalTagsAndStackedMounts) {
  const auto table = ParseMountInfo(
      "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
      "not a line\n"
      "40 22 0:50 / /a\\040b rw,nosuid,nodev shared:7 master:2 - fuse.hf3fs hf3fs.stage rw\n"
      "41 22 0:50 / /pods/x ro,nosuid - fuse.hf3fs hf3fs.stage rw\n"
      "42 22 0:51 /sub /pods/x rw - tmpfs none rw");
  ASSERT_EQ(table.size(), 4U);
  const MountEntry* staged = FindMount(table, "/a b");
  ASSERT_NE(staged, nullptr);
  EXPECT_EQ(staged->type, "fuse.hf3fs");
  EXPECT_EQ(staged->source, "hf3fs.stage");
  EXPECT_EQ(staged->device_minor, 50U);
  EXPECT_FALSE(staged->read_only);
  EXPECT_TRUE(table[2].read_only);
  EXPECT_EQ(FindMount(table, "/pods/x")->type, "tmpfs");  // the topmost
  EXPECT_EQ(FindMount(table, "/pods/x")->root, "/sub");
  EXPECT_EQ(FindMount(table, "/pods"), nullptr);
}

TEST(MountTableTest, ReadsTheLivingOne) {
  const auto table = ReadMountTable();
  ASSERT_TRUE(table.ok());
  EXPECT_NE(FindMount(*table, "/proc"), nullptr);
}

mounter::MountSpec GoodSpec() {
  mounter::MountSpec spec;
  spec.set_volume_id("stage/v");
  spec.set_cluster_id("stage");
  spec.add_mgmtd_addresses("TCP://127.0.0.1:8000");
  spec.set_path("/volumes/v");
  spec.set_mount_path("/var/lib/x/globalmount");
  return spec;
}

TEST(SpecCheckTest, LetsGoodSpecsPassAndNamesWhatIsWrong) {
  EXPECT_TRUE(CheckSpec(GoodSpec()).ok());
  auto root = GoodSpec();
  root.set_path("/");
  EXPECT_TRUE(CheckSpec(root).ok());
  const auto refuses = [](auto change, const std::string& word) {
    mounter::MountSpec spec = GoodSpec();
    change(&spec);
    const Status status = CheckSpec(spec);
    EXPECT_EQ(status.code(), Code::kInvalidArg) << word;
    EXPECT_NE(status.message().find(word), std::string::npos) << status.message();
  };
  refuses([](auto* s) { s->set_volume_id(""); }, "volume id");
  refuses([](auto* s) { s->set_volume_id(std::string(257, 'v')); }, "volume id");
  refuses([](auto* s) { s->set_cluster_id(std::string(32, 'c')); }, "cluster id");
  refuses([](auto* s) { s->set_cluster_id("a\nb"); }, "cluster id");
  refuses([](auto* s) { s->clear_mgmtd_addresses(); }, "mgmtd");
  refuses([](auto* s) { s->set_path("relative"); }, "volume path");
  refuses([](auto* s) { s->set_path("/a/../b"); }, "volume path");
  refuses([](auto* s) { s->set_path("/a//b"); }, "volume path");
  refuses([](auto* s) { s->set_path("/a\nb"); }, "volume path");
  refuses([](auto* s) { s->set_mount_path("/"); }, "mount path");
  refuses([](auto* s) { s->set_mount_path("/a/"); }, "mount path");
}

}  // namespace
}  // namespace threefs::keeper

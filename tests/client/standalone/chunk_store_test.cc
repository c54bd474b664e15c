// SPDX-License-Identifier: Apache-2.0
// ChunkStore on both devices against a plain byte vector, and over restarts.
#include "client/standalone/chunk_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/base/crc32c.h"
#include "client/base/rng.h"
#include "client/runtime/loop.h"
#include "client/runtime/sync_wait.h"

namespace threefs::standalone {
namespace {

constexpr uint32_t kChunk = 1U << 20;
constexpr uint64_t kTarget = 101000100101;

class ChunkStoreTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) {
      std::string pattern = testing::TempDir() + "/chunks-XXXXXX";
      ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
      folder_ = pattern;
    }
    Open({});
  }
  void TearDown() override {
    store_.reset();
    disk_.reset();
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

  void Open(ChunkStoreOptions options) {
    store_.reset();
    disk_.reset();
    if (GetParam()) {
      auto disk = OpenFileDisk(folder_);
      ASSERT_TRUE(disk.ok()) << disk.status().ToString();
      disk_ = *std::move(disk);
    } else {
      disk_ = OpenMemoryDisk(platter_);
    }
    auto targets = disk_->Targets();
    ASSERT_TRUE(targets.ok());
    if (targets->empty()) ASSERT_TRUE(disk_->AddTarget({kTarget, 7, {kChunk}}).ok());
    auto device = disk_->OpenTarget(kTarget);
    ASSERT_TRUE(device.ok());
    auto store =
        SyncWait(loop(), [&] { return ChunkStore::Open(*pool_, *std::move(device), options); });
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    store_ = *std::move(store);
  }

  Loop& loop() { return thread_->loop(); }

  Status Change(ChunkChange change) {
    return SyncWait(loop(), [&]() -> Task<Status> { return Run(this, change); });
  }
  static Task<Status> Run(ChunkStoreTest* self, ChunkChange change) {
    const ChunkPtr base = self->store_->Find(change.id);
    change.version = base == nullptr ? 1 : base->version + 1;
    change.chunk_size = kChunk;
    CO_TRY(auto image, co_await self->store_->Prepare(base, change));
    co_return co_await self->store_->Commit(image);
  }
  Status Write(const std::string& id, uint32_t offset, std::vector<uint8_t> data) {
    ChunkChange change;
    change.id = id;
    change.offset = offset;
    change.verify = ChunkChange::Verify::kCrc32c;
    change.checksum = Crc32cRaw(0xFFFFFFFFU, data);
    change.data = Bytes::Own(std::move(data));
    return Change(std::move(change));
  }
  Status Resize(const std::string& id, ChunkChange::Kind kind, uint32_t length) {
    ChunkChange change;
    change.kind = kind;
    change.id = id;
    change.length = length;
    return Change(std::move(change));
  }
  std::vector<uint8_t> Read(const std::string& id, uint32_t offset, uint32_t length) {
    std::vector<uint8_t> out(length, 0xee);
    const ChunkPtr image = SyncWait(loop(), [&]() -> Task<ChunkPtr> { return FindOn(this, id); });
    const Status status = SyncWait(loop(), [&] { return store_->Read(image, offset, out); });
    EXPECT_TRUE(status.ok()) << status.ToString();
    EXPECT_EQ(ChunkStore::RangeChecksum(*image, offset, out), Crc32cRaw(0xFFFFFFFFU, out));
    return out;
  }
  static Task<ChunkPtr> FindOn(ChunkStoreTest* self, std::string id) {
    co_return self->store_->Find(id);
  }
  void ExpectContent(const std::string& id, const std::vector<uint8_t>& want) {
    const ChunkPtr image = store_->Find(id);
    ASSERT_NE(image, nullptr);
    ASSERT_EQ(image->length, want.size());
    EXPECT_EQ(image->WireChecksum(), Crc32cRaw(0xFFFFFFFFU, want));
    EXPECT_EQ(Read(id, 0, image->length), want);
  }

  std::unique_ptr<LoopThread> thread_ = LoopThread::Start("chunk-test");
  std::unique_ptr<BlockingPool> pool_ = BlockingPool::Create(2, "chunk-pool");
  std::string folder_;
  std::shared_ptr<MemoryPlatter> platter_ = std::make_shared<MemoryPlatter>();
  std::unique_ptr<ChunkDisk> disk_;
  std::unique_ptr<ChunkStore> store_;
};

std::vector<uint8_t> RandomBytes(Rng& rng, size_t size) {
  std::vector<uint8_t> data(size);
  for (uint8_t& b : data) b = static_cast<uint8_t>(rng.Next());
  return data;
}

TEST_P(ChunkStoreTest, RandomUpdatesMatchAVector) {
  Rng rng(42);
  std::vector<uint8_t> model;
  for (int round = 0; round < 300; ++round) {
    const uint64_t kind = rng.Below(10);
    if (kind < 7 || model.empty()) {
      const uint64_t size_class = rng.Below(3);
      const uint64_t limit = size_class == 0 ? 5000 : size_class == 1 ? 70000 : 400000;
      const auto length = static_cast<uint32_t>(1 + rng.Below(limit));
      uint64_t offset = rng.Below(kChunk - length + 1);
      if (rng.Below(3) == 0) offset = std::min<uint64_t>(model.size(), kChunk - length);
      auto data = RandomBytes(rng, length);
      if (model.size() < offset + length) model.resize(offset + length);
      std::copy(data.begin(), data.end(), model.begin() + static_cast<ptrdiff_t>(offset));
      ASSERT_TRUE(Write("c", static_cast<uint32_t>(offset), std::move(data)).ok());
    } else if (kind < 9) {
      const auto length = static_cast<uint32_t>(rng.Below(kChunk + 1));
      model.resize(length);
      ASSERT_TRUE(Resize("c", ChunkChange::Kind::kTruncate, length).ok());
    } else {
      const auto length = static_cast<uint32_t>(rng.Below(kChunk + 1));
      model.resize(std::max<size_t>(model.size(), length));
      ASSERT_TRUE(Resize("c", ChunkChange::Kind::kExtend, length).ok());
    }
    ExpectContent("c", model);
    if (round % 50 == 49) {
      ASSERT_TRUE(SyncWait(loop(), [&] { return store_->Sync(); }).ok());
      Open({});
      ExpectContent("c", model);
      EXPECT_EQ(store_->Find("c")->version, static_cast<uint32_t>(round + 1));
    }
    if (HasFailure()) FAIL() << "round " << round;
  }
}

TEST_P(ChunkStoreTest, SpaceOfReplacedBlocksIsUsedAgain) {
  Open({.sync = SyncMode::kNever, .capacity = 0});
  Rng rng(1);
  ASSERT_TRUE(Write("c", 0, RandomBytes(rng, kChunk)).ok());
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(
        Write("c", static_cast<uint32_t>(rng.Below(kChunk - 4096)), RandomBytes(rng, 4096)).ok());
  }
  EXPECT_EQ(store_->used_bytes(), kChunk);
  ASSERT_TRUE(SyncWait(loop(), [&] { return store_->Remove("c"); }).ok());
  EXPECT_EQ(store_->used_bytes(), 0U);
  EXPECT_EQ(store_->Find("c"), nullptr);
  Open({});
  EXPECT_EQ(store_->Find("c"), nullptr);
}

TEST_P(ChunkStoreTest, FullTargetRefusesAndKeepsWhatItHas) {
  Open({.sync = SyncMode::kNever, .capacity = 2 * kChunk});
  Rng rng(2);
  const auto data = RandomBytes(rng, kChunk);
  ASSERT_TRUE(Write("a", 0, data).ok());
  ASSERT_TRUE(Write("b", 0, data).ok());
  EXPECT_EQ(Write("c", 0, RandomBytes(rng, 1)).code(), Code::kStorageClientNoSpace);
  EXPECT_EQ(Write("a", 0, data).code(), Code::kStorageClientNoSpace);
  ExpectContent("a", data);
  EXPECT_EQ(store_->Find("c"), nullptr);
  ASSERT_TRUE(SyncWait(loop(), [&] { return store_->Remove("b"); }).ok());
  EXPECT_TRUE(Write("c", 0, data).ok());
}

TEST_P(ChunkStoreTest, WrongChecksumChangesNothing) {
  Rng rng(3);
  const auto data = RandomBytes(rng, 10000);
  ASSERT_TRUE(Write("a", 0, data).ok());
  ChunkChange change;
  change.id = "a";
  change.data = Bytes::CopyOf("hello");
  change.verify = ChunkChange::Verify::kCrc32c;
  change.checksum = 12345;
  EXPECT_EQ(Change(change).code(), Code::kStorageChecksumMismatch);
  ExpectContent("a", data);
  EXPECT_EQ(store_->Find("a")->version, 1U);
  change.verify = ChunkChange::Verify::kCrc32;
  change.checksum = Crc32Raw(0xFFFFFFFFU, AsBytes("hello"));
  EXPECT_TRUE(Change(change).ok());
  EXPECT_EQ(Read("a", 0, 5), std::vector<uint8_t>({'h', 'e', 'l', 'l', 'o'}));
}

// A reader that started before an update sees the old bytes to the end, whatever comes after.
TEST_P(ChunkStoreTest, AnImageKeepsItsBytes) {
  Open({.sync = SyncMode::kNever, .capacity = 0});
  Rng rng(4);
  const auto before = RandomBytes(rng, 100000);
  ASSERT_TRUE(Write("a", 0, before).ok());
  const ChunkPtr old = store_->Find("a");
  ASSERT_TRUE(Resize("a", ChunkChange::Kind::kTruncate, 50000).ok());
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(Write("a", 50000, RandomBytes(rng, 50000)).ok());
    ASSERT_TRUE(Write("a", 0, RandomBytes(rng, 100000)).ok());
  }
  std::vector<uint8_t> out(old->length);
  ASSERT_TRUE(SyncWait(loop(), [&] { return store_->Read(old, 0, out); }).ok());
  EXPECT_EQ(out, before);
}

// Prepare without Commit is an update that never was.
TEST_P(ChunkStoreTest, DroppedImageLeavesTheCommittedOne) {
  Rng rng(5);
  const auto before = RandomBytes(rng, 30000);
  ASSERT_TRUE(Write("a", 0, before).ok());
  ChunkChange change;
  change.id = "a";
  change.chunk_size = kChunk;
  change.version = 2;
  change.offset = 30000;
  change.data = Bytes::Own(RandomBytes(rng, 30000));
  ASSERT_TRUE(SyncWait(loop(), [&] { return store_->Prepare(store_->Find("a"), change); }).ok());
  ExpectContent("a", before);
  const auto tail = RandomBytes(rng, 10);
  ASSERT_TRUE(Write("a", 40000, tail).ok());
  auto want = before;
  want.resize(40000);
  want.insert(want.end(), tail.begin(), tail.end());
  ExpectContent("a", want);
}

INSTANTIATE_TEST_SUITE_P(Devices, ChunkStoreTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "File" : "Memory"; });

}  // namespace
}  // namespace threefs::standalone

// SPDX-License-Identifier: Apache-2.0
#include "client/file/file_io.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tests/client/file/with_cluster.h"

namespace threefs::file {
namespace {

constexpr uint32_t kChunk = 64 << 10;
constexpr uint64_t kInode = 0x0100000000001000;

class FileIoTest : public fake::WithCluster {
 protected:
  FileRef Make(uint32_t stripe, uint32_t dyn_stripe = 0) {
    auto file = FileState::FromInode(servers().MakeFile(kInode, kChunk, stripe, dyn_stripe));
    EXPECT_TRUE(file.ok());
    return *file;
  }
  Result<uint64_t> Write(FileRef file, uint64_t offset, ByteSpan data) {
    return Run([&] {
      return session().io().Write(Op(), file, offset, std::vector<Bytes>{Bytes::CopyOf(data)});
    });
  }
  Result<std::vector<uint8_t>> Read(FileRef file, uint64_t offset, uint64_t length) {
    auto r = Run([&] { return session().io().Read(Op(), file, offset, length); });
    if (!r.ok()) return r.status();
    std::vector<uint8_t> out;
    for (const Bytes& b : r->pieces) out.insert(out.end(), b.data(), b.data() + b.size());
    EXPECT_EQ(out.size(), r->length);
    return out;
  }
  static std::vector<uint8_t> Pattern(size_t n, uint64_t seed) {
    Rng rng(seed);
    std::vector<uint8_t> out(n);
    for (auto& b : out) b = static_cast<uint8_t>(rng.Next());
    return out;
  }
};

TEST_F(FileIoTest, ReadsBackAcrossChunksAndChains) {
  auto file = Make(4);
  const auto data = Pattern(5 * kChunk + 1234, 1);
  ASSERT_EQ(*Write(file, 777, data), data.size());
  EXPECT_EQ(file->length(), 777 + data.size());
  auto back = Read(file, 777, data.size() + 1000);
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  EXPECT_EQ(*back, data);
  EXPECT_EQ(Read(file, 0, 777)->size(), 777U);
}

TEST_F(FileIoTest, GathersManyBuffers) {
  auto file = Make(2);
  const auto data = Pattern(2 * kChunk, 2);
  std::vector<Bytes> pieces;
  for (size_t at = 0; at < data.size();) {
    const size_t n = std::min<size_t>(data.size() - at, 4096 + at % 999);
    pieces.push_back(Bytes::CopyOf(ByteSpan(data).subspan(at, n)));
    pieces.push_back(Bytes());
    at += n;
  }
  auto n = Run([&] { return session().io().Write(Op(), file, 100, pieces); });
  ASSERT_TRUE(n.ok());
  EXPECT_EQ(*Read(file, 100, data.size()), data);
}

TEST_F(FileIoTest, HolesAreZerosUpToTheLength) {
  auto file = Make(3);
  const auto data = Pattern(100, 3);
  ASSERT_TRUE(Write(file, 4 * kChunk + 50, data).ok());
  auto all = Read(file, 0, UINT64_MAX / 2);
  ASSERT_TRUE(all.ok());
  ASSERT_EQ(all->size(), 4 * kChunk + 150U);
  EXPECT_TRUE(std::all_of(all->begin(), all->end() - 100, [](uint8_t b) { return b == 0; }));
  EXPECT_TRUE(std::equal(data.begin(), data.end(), all->end() - 100));
  EXPECT_EQ(Read(file, all->size(), 10)->size(), 0U);
}

// Random writes, truncations, holes and reads against a plain buffer.
TEST_F(FileIoTest, AgreesWithAModel) {
  auto file = Make(4, 1);
  std::vector<uint8_t> model;
  Rng rng(11);
  for (int i = 0; i < 300; ++i) {
    const uint64_t offset = rng.Below(7 * kChunk);
    const uint64_t length = 1 + rng.Below(2 * kChunk);
    switch (rng.Below(5)) {
      case 0:
      case 1: {
        const auto data = Pattern(length, rng.Next());
        ASSERT_EQ(*Write(file, offset, data), length);
        if (model.size() < offset + length) model.resize(offset + length);
        std::copy(data.begin(), data.end(), model.begin() + static_cast<int64_t>(offset));
        break;
      }
      case 2: {
        auto inode = Run([&] { return session().io().Truncate(Op(), file, offset); });
        ASSERT_TRUE(inode.ok()) << inode.status().ToString();
        model.resize(offset);
        ASSERT_EQ(inode->AsFile().length, offset);
        break;
      }
      case 3: {
        auto punched = Run([&] { return session().io().PunchHole(Op(), file, offset, length); });
        ASSERT_TRUE(punched.ok()) << punched.ToString();
        const uint64_t end = std::min<uint64_t>(model.size(), offset + length);
        for (uint64_t k = offset; k < end; ++k) model[k] = 0;
        break;
      }
      default: {
        auto synced = Run([&] { return session().io().Sync(Op(), file, {.exact = i % 2 == 0}); });
        ASSERT_TRUE(synced.ok());
        ASSERT_EQ(synced->AsFile().length, model.size());
      }
    }
    ASSERT_EQ(file->length(), model.size()) << "after step " << i;
    ASSERT_EQ(*Read(file, 0, model.size() + 10), model) << "after step " << i;
    ASSERT_EQ(*Run([&] { return session().io().QueryLength(Op(), file); }), model.size());
  }
}

TEST_F(FileIoTest, DynamicStripeIsWidenedBeforeTheWrite) {
  auto file = Make(4, 1);
  ASSERT_TRUE(Write(file, 0, Pattern(100, 1)).ok());
  EXPECT_EQ(servers().inodes[kInode].AsFile().dyn_stripe, 1U);
  ASSERT_TRUE(Write(file, 2 * kChunk, Pattern(100, 2)).ok());
  EXPECT_EQ(servers().inodes[kInode].AsFile().dyn_stripe, 3U);
  EXPECT_EQ(file->dyn_stripe(), 3U);
  // Refused: nothing may be written where length queries do not look.
  for (auto& p : servers().metas) {
    p->refuse = [](uint16_t method) -> std::optional<Status> {
      if (method != schema::meta::method::SetAttr::kMethodId) return std::nullopt;
      return Status(Code::kMetaNoPermission, "no");
    };
  }
  const uint64_t applied = servers().applied;
  EXPECT_EQ(Write(file, 3 * kChunk, Pattern(10, 3)).code(), Code::kMetaNoPermission);
  EXPECT_EQ(servers().applied, applied);
}

TEST_F(FileIoTest, ExtendCreatesTheLastChunkAndNeverShortens) {
  auto file = Make(2);
  ASSERT_TRUE(Write(file, 0, Pattern(500, 1)).ok());
  auto inode = Run([&] { return session().io().Extend(Op(), file, 3 * kChunk + 9); });
  ASSERT_TRUE(inode.ok());
  EXPECT_EQ(inode->AsFile().length, 3 * kChunk + 9U);
  inode = Run([&] { return session().io().Extend(Op(), file, 100); });
  EXPECT_EQ(inode->AsFile().length, 3 * kChunk + 9U);
}

TEST_F(FileIoTest, TruncateRemovesManyChunksInSteps) {
  auto file = Make(1);
  ASSERT_TRUE(Write(file, 0, Pattern(100 * kChunk, 1)).ok());
  ASSERT_TRUE(Run([&] { return session().io().Truncate(Op(), file, 1); }).ok());
  EXPECT_EQ(servers().chunks.size(), 1U);
  uint64_t removals = 0;
  for (auto& p : servers().storages) removals += p->requests[7];
  EXPECT_EQ(removals, 4U);  // 99 chunks, 32 a step
}

TEST_F(FileIoTest, ServerThatRemovesNothingButHasMoreIsNotBelieved) {
  auto file = Make(1);
  // "more" forever would be an endless loop.
  servers().alter_remove = [](auto* rsp) { rsp->results[0].more_chunks_in_range = true; };
  auto truncated = Run([&] { return session().io().Truncate(Op(), file, 0); });
  EXPECT_EQ(truncated.code(), Code::kStorageClientFoundBug);
}

TEST_F(FileIoTest, PartlyFailedWriteReportsThePrefix) {
  auto file = Make(3);
  servers().alter_write = [](const auto& req, auto* rsp) {
    const auto id = req.payload.key.chunk_id;
    if (id.back() == 2) rsp->result.length_info = Status(Code::kStorageClientNoSpace, "full");
  };
  EXPECT_EQ(*Write(file, 0, Pattern(4 * kChunk, 1)), 2 * kChunk);
  EXPECT_FALSE(file->BeginSync().hint.has_value());
  EXPECT_EQ(Write(file, 2 * kChunk, Pattern(10, 1)).code(), Code::kStorageClientNoSpace);
}

TEST_F(FileIoTest, ReadErrorIsNeverAShortRead) {
  auto file = Make(3);
  ASSERT_TRUE(Write(file, 0, Pattern(3 * kChunk, 1)).ok());
  servers().alter_read = [](const auto& req, auto* rsp) {
    for (size_t i = 0; i < req.payloads.size(); ++i) {
      if (req.payloads[i].key.chunk_id.back() != 1) continue;
      rsp->results[i].length_info = Status(Code::kStorageClientMemoryError, "bad");
      rsp->inlinebuf.data = Bytes();
      rsp->results.resize(i + 1);
    }
  };
  EXPECT_FALSE(Read(file, 0, 3 * kChunk).ok());
}

TEST_F(FileIoTest, WaitsForTheTableOfANewLayout) {
  auto file = Make(2);
  auto inode = servers().MakeFile(kInode + 1, kChunk, 2);
  inode.AsFile().layout.table_version = 2;
  auto newer = FileState::FromInode(inode);
  ASSERT_TRUE(newer.ok());
  cluster();
  servers().client_loop.At(servers().world.Now() + 3s, [this] {
    servers().Publish();
    auto& tables = servers().routing.chain_tables.At(1);
    tables[2] = tables[1];
    tables[2].chain_table_version = 2;
  });
  ASSERT_TRUE(Write(*newer, 0, Pattern(10, 1)).ok());
  // And gives up at the deadline with the reason.
  inode.AsFile().layout.table_version = 9;
  auto never = FileState::FromInode(inode);
  auto r = Run([&] { return session().io().Read(Op(5s), *never, 0, 10, 10); });
  EXPECT_EQ(r.code(), Code::kMgmtdClientRoutingInfoNotReady);
}

TEST_F(FileIoTest, SeeksDataAndHoles) {
  auto file = Make(4);
  ASSERT_TRUE(Write(file, kChunk + 10, Pattern(100, 1)).ok());  // chunk 1, zeros before it are data
  ASSERT_TRUE(Write(file, 40 * kChunk, Pattern(kChunk, 1)).ok());
  const auto seek = [&](uint64_t at, FileIo::Seek what) {
    auto r = Run([&] { return session().io().SeekTo(Op(), file, at, what); });
    EXPECT_TRUE(r.ok());
    return *r;
  };
  using enum FileIo::Seek;
  EXPECT_EQ(seek(0, kData), kChunk);
  EXPECT_EQ(seek(0, kHole), 0U);
  EXPECT_EQ(seek(kChunk + 5, kData), kChunk + 5);
  EXPECT_EQ(seek(kChunk + 5, kHole), kChunk + 110);
  EXPECT_EQ(seek(2 * kChunk, kData), 40 * kChunk);
  EXPECT_EQ(seek(40 * kChunk, kHole), 41 * kChunk);
  EXPECT_EQ(seek(41 * kChunk, kData), std::nullopt);
}

TEST_F(FileIoTest, CloseUpdatesTheLengthOnlyAfterWrites) {
  auto file = Make(1);
  Rng rng(5);
  const Uuid id = Uuid::Random(rng);
  servers();
  auto clean = Run([&] { return session().io().Close(Op(), file, id, {}); });
  ASSERT_TRUE(clean.ok());
  ASSERT_TRUE(Write(file, 0, Pattern(10, 1)).ok());
  auto dirty = Run([&] { return session().io().Close(Op(), file, id, {}); });
  EXPECT_EQ(dirty->AsFile().length, 10U);
  EXPECT_FALSE(file->dirty());
}

TEST_F(FileIoTest, TooLargeIsSaid) {
  auto file = Make(1);
  const uint64_t beyond = (uint64_t{1} << 32) * kChunk;
  EXPECT_EQ(Write(file, beyond, Pattern(1, 1)).code(), Code::kMetaFileTooLarge);
  EXPECT_EQ(Write(file, UINT64_MAX - 1, Pattern(5, 1)).code(), Code::kMetaFileTooLarge);
  EXPECT_EQ(Run([&] { return session().io().Truncate(Op(), file, UINT64_MAX); }).code(),
            Code::kMetaFileTooLarge);
}

}  // namespace
}  // namespace threefs::file

// SPDX-License-Identifier: Apache-2.0
// What real storage servers answered (3fs/measured.md, "storage"), asked of ours, line by line;
// then the rest of 3fs/storage.md §6, §7, §9.
#include "client/standalone/storage_service.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "client/base/crc32c.h"
#include "tests/client/standalone/cluster_fixture.h"

namespace threefs::standalone {
namespace {

namespace st = schema::storage;

class StorageServiceTest : public testing::Test {
 protected:
  st::IOResult Write(const st::WriteReq& req, int position = 0) {
    auto rsp = sim_.Call<st::method::Write>(sim_.Storage(sim_.NodeAt(position)), req);
    EXPECT_TRUE(rsp.ok()) << rsp.status().ToString();
    if (!rsp.ok()) return {};
    EXPECT_EQ(rsp->tag.request_id, req.tag.request_id);
    return rsp->result;
  }
  Result<st::BatchReadRsp> Read(const st::BatchReadReq& req, int position = 0) {
    return sim_.Call<st::method::BatchRead>(sim_.Storage(sim_.NodeAt(position)), req);
  }
  // The measured chunk: bytes 0, 1, … 255, 0, … of 12,288.
  static Bytes Counting(size_t n) {
    std::vector<uint8_t> data(n);
    for (size_t i = 0; i < n; ++i) data[i] = static_cast<uint8_t>(i);
    return Bytes::Own(std::move(data));
  }
  void WriteMeasuredChunk() {
    ASSERT_TRUE(Write(requests_.Write(1, id_, 0, Counting(12288))).length_info.ok());
  }

  SimCluster sim_;
  Requests requests_;
  std::string id_ = Requests::ChunkId(0x777);
};

TEST_F(StorageServiceTest, VersionsAndTheChecksumOfTheWholeChunk) {
  const auto first = requests_.Write(1, id_, 0, Counting(4096));
  const st::IOResult one = Write(first);
  ASSERT_TRUE(one.length_info.ok()) << one.length_info.status().ToString();
  EXPECT_EQ(*one.length_info, 4096U);
  EXPECT_EQ(one.commit_ver, 1U);
  EXPECT_EQ(one.update_ver, 1U);
  EXPECT_EQ(one.commit_chain_ver, 1U);
  EXPECT_EQ(one.checksum.type, st::ChecksumType::kCrc32c);
  EXPECT_EQ(one.checksum.value, 0x638e01cdU);  // as measured
  const st::IOResult again = Write(first);     // duplicate: remembered
  ASSERT_TRUE(again.length_info.ok());
  EXPECT_EQ(again.commit_ver, 1U);
  EXPECT_EQ(again.checksum.value, 0x638e01cdU);
  const st::IOResult two = Write(requests_.Write(1, id_, 4096, Counting(4096)));
  ASSERT_TRUE(two.length_info.ok());
  EXPECT_EQ(two.commit_ver, 2U);
  EXPECT_EQ(two.checksum.value, 0xd88f08a5U);
  auto none = requests_.Write(1, id_, 0, Counting(4096));
  none.payload.checksum = {};
  const st::IOResult three = Write(none);
  ASSERT_TRUE(three.length_info.ok());
  EXPECT_EQ(three.commit_ver, 3U);
  EXPECT_EQ(three.checksum.type, st::ChecksumType::kNone);
  EXPECT_EQ(three.checksum.value, 0U);
  const st::IOResult four = Write(requests_.Write(1, id_, 8192, Counting(4096)));
  ASSERT_TRUE(four.length_info.ok());
  EXPECT_EQ(four.commit_ver, 4U);
  EXPECT_EQ(four.checksum.value, 0xd3275fb5U);
}

TEST_F(StorageServiceTest, RefusesWritesAsMeasured) {
  WriteMeasuredChunk();
  const auto code = [&](const st::WriteReq& req, int position = 0) {
    return Write(req, position).length_info.code();
  };
  auto old = requests_.Write(1, id_, 0, Counting(16));
  old.tag.channel.seqnum = 0;
  EXPECT_EQ(code(old), Code::kStorageClientDuplicateUpdate);
  auto no_channel = requests_.Write(1, id_, 0, Counting(16));
  no_channel.tag.channel.id = 0;
  EXPECT_EQ(code(no_channel), Code::kStorageClientFoundBug);
  auto wrong = requests_.Write(1, id_, 0, Counting(16));
  wrong.payload.checksum.value ^= 1;
  const st::IOResult mismatch = Write(wrong);
  EXPECT_EQ(mismatch.length_info.code(), Code::kStorageChecksumMismatch);
  EXPECT_EQ(mismatch.commit_ver, 1U);
  EXPECT_EQ(mismatch.checksum.value, 0xd3275fb5U);
  EXPECT_EQ(mismatch.commit_chain_ver, 1U);
  const st::IOResult version = Write(requests_.Write(9, id_, 0, Counting(16)));
  EXPECT_EQ(version.length_info.code(), Code::kStorageClientRoutingVersionMismatch);
  EXPECT_EQ(version.length_info.status().message(),
            "chain ChainId(900100001) version mismatch request ChainVersion(9) != local "
            "ChainVersion(1)");
  EXPECT_EQ(version.commit_chain_ver, 0U);
  const st::IOResult tail = Write(requests_.Write(1, id_, 0, Counting(16)), 2);
  EXPECT_EQ(tail.length_info.code(), Code::kStorageClientRoutingError);
  EXPECT_EQ(tail.length_info.status().message(), "non-head node receive a client update request");
  auto not_inline = requests_.Write(1, id_, 0, Counting(16));
  not_inline.feature_flags = 0;
  const st::IOResult rdma = Write(not_inline);
  EXPECT_EQ(rdma.length_info.code(), Code::kInvalidArg);
  EXPECT_TRUE(rdma.length_info.status().message().starts_with("update no RDMA socket"));
  EXPECT_EQ(code(requests_.Write(1, id_, kTestChunk - 100, Counting(4096))), Code::kInvalidArg);
  auto other_size = requests_.Write(1, id_, 0, Counting(16));
  other_size.payload.chunk_size = 1U << 20;
  EXPECT_EQ(code(other_size), Code::kStorageChunkSizeMismatch);
  auto bad_size = requests_.Write(1, Requests::ChunkId(0x888), 0, Counting(16));
  bad_size.payload.chunk_size = 12345;
  const st::IOResult invalid = Write(bad_size);
  EXPECT_EQ(invalid.length_info.code(), Code::kStorageChunkInvalidChunkSize);
  EXPECT_EQ(invalid.length_info.status().message(), "invalid chunk size 12345");
  EXPECT_EQ(invalid.commit_ver, 0U);
  EXPECT_EQ(invalid.commit_chain_ver, 1U);
  auto short_data = requests_.Write(1, id_, 0, Counting(16));
  short_data.payload.length = 17;
  EXPECT_EQ(code(short_data), Code::kStorageClientFoundBug);
  EXPECT_EQ(code(requests_.Write(1, "", 0, Counting(16))), Code::kInvalidArg);
  // None of these changed anything.
  const auto read = Read(Requests::Read(1, id_, 0, 12288));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->inlinebuf.data, Counting(12288));
  EXPECT_EQ(read->results[0].commit_ver, 1U);
}

TEST_F(StorageServiceTest, ReadsAsMeasured) {
  WriteMeasuredChunk();
  for (int position = 0; position < 3; ++position) {  // any replica
    const auto read = Read(Requests::Read(1, id_, 0, 16), position);
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    EXPECT_EQ(*read->results[0].length_info, 16U);
    EXPECT_EQ(read->results[0].checksum.value, 0x2636f714U);
    EXPECT_EQ(read->inlinebuf.data, Counting(16));
  }
  const auto beyond = Read(Requests::Read(1, id_, 8000, 8192));
  EXPECT_EQ(*beyond->results[0].length_info, 4288U);
  EXPECT_EQ(beyond->results[0].checksum.value, 0xcbb97a10U);
  EXPECT_EQ(beyond->inlinebuf.data.data()[0], 0x40);
  const auto past = Read(Requests::Read(1, id_, 20000, 100));
  EXPECT_EQ(*past->results[0].length_info, 0U);
  EXPECT_EQ(past->results[0].checksum.value, 0xffffffffU);
  const auto missing = Read(Requests::Read(1, Requests::ChunkId(0x999), 0, 16));
  ASSERT_TRUE(missing.ok());
  EXPECT_EQ(missing->results[0].length_info.code(), Code::kStorageChunkMetadataNotFound);
  EXPECT_EQ(missing->results[0].commit_chain_ver, 0U);
  auto no_check = Requests::Read(1, id_, 0, 16);
  no_check.checksum_type = st::ChecksumType::kNone;
  EXPECT_EQ(Read(no_check)->results[0].checksum.value, 0U);
  EXPECT_EQ(Read(Requests::Read(1, id_, 5, 3))->results[0].checksum.value, 0x19015f38U);
}

TEST_F(StorageServiceTest, RefusesReadsAsMeasured) {
  WriteMeasuredChunk();
  auto not_inline = Requests::Read(1, id_, 0, 16);
  not_inline.feature_flags = 0;
  EXPECT_EQ(Read(not_inline).code(), Code::kInvalidArg);
  EXPECT_EQ(Read(not_inline).status().message(), "batch read no RDMA socket");
  auto small = Requests::Read(1, id_, 0, 16);
  small.payloads[0].rdmabuf.length = 4;
  EXPECT_EQ(Read(small).code(), Code::kInvalidArg);
  EXPECT_TRUE(Read(small).status().message().starts_with("invalid read buffer size"));
  EXPECT_EQ(Read(Requests::Read(5, id_, 0, 16)).code(), Code::kStorageClientRoutingVersionMismatch);
  auto unknown = Requests::Read(1, id_, 0, 16);
  unknown.payloads[0].key.v_chain_id.chain_id = 424242;
  EXPECT_EQ(Read(unknown).code(), Code::kStorageClientRoutingError);
  EXPECT_EQ(Read(unknown).status().message(), "chain ChainId(424242) not found");
}

TEST_F(StorageServiceTest, BatchJoinsTheSuccessfulReadsOnly) {
  WriteMeasuredChunk();
  auto batch = Requests::Read(1, id_, 0, 4);
  batch.payloads.push_back(Requests::Read(1, Requests::ChunkId(1), 0, 4).payloads[0]);
  batch.payloads.push_back(Requests::Read(1, id_, 8, 4).payloads[0]);
  const auto rsp = Read(batch);
  ASSERT_TRUE(rsp.ok());
  ASSERT_EQ(rsp->results.size(), 3U);
  EXPECT_EQ(rsp->results[0].checksum.value, 0x26cce55cU);
  EXPECT_EQ(rsp->results[1].length_info.code(), Code::kStorageChunkMetadataNotFound);
  EXPECT_EQ(rsp->inlinebuf.data, Bytes::CopyOf(std::string_view("\0\1\2\3\x8\x9\xa\xb", 8)));
  const auto empty = Read({});
  ASSERT_TRUE(empty.ok());
  EXPECT_TRUE(empty->results.empty());
}

TEST_F(StorageServiceTest, QueryLastChunkWalksDown) {
  for (const uint16_t n : std::vector<uint16_t>{1, 2, 5}) {
    ASSERT_TRUE(
        Write(requests_.Write(1, Requests::ChunkId(n), 0, Counting(n * 10U))).length_info.ok());
  }
  st::QueryLastChunkReq req;
  req.payloads.push_back({{kFirstChainId, 1}, {Requests::ChunkId(0), Requests::ChunkId(9), 1}});
  req.payloads.push_back({{kFirstChainId, 1}, {Requests::ChunkId(0), Requests::ChunkId(5), 0}});
  req.payloads.push_back({{kFirstChainId, 1}, {Requests::ChunkId(6), Requests::ChunkId(9), 1}});
  req.payloads.push_back({{kFirstChainId, 7}, {Requests::ChunkId(6), Requests::ChunkId(9), 1}});
  for (int position = 0; position < 3; ++position) {
    const auto rsp =
        sim_.Call<st::method::QueryLastChunk>(sim_.Storage(sim_.NodeAt(position)), req);
    ASSERT_TRUE(rsp.ok());
    EXPECT_EQ(rsp->results[0].last_chunk_id, Requests::ChunkId(5));
    EXPECT_EQ(rsp->results[0].last_chunk_len, 50U);
    EXPECT_EQ(rsp->results[0].total_num_chunks, 1U);
    EXPECT_TRUE(rsp->results[0].more_chunks_in_range);
    EXPECT_EQ(rsp->results[1].last_chunk_id, Requests::ChunkId(2));
    EXPECT_EQ(rsp->results[1].total_num_chunks, 2U);
    EXPECT_EQ(rsp->results[1].total_chunk_len, 30U);
    EXPECT_FALSE(rsp->results[1].more_chunks_in_range);
    EXPECT_TRUE(rsp->results[2].status_code.ok());
    EXPECT_TRUE(rsp->results[2].last_chunk_id.empty());
    EXPECT_EQ(rsp->results[3].status_code.code(), Code::kStorageClientRoutingVersionMismatch);
  }
}

TEST_F(StorageServiceTest, TruncateExtendAndRemove) {
  const auto resize = [&](const std::string& id, uint32_t length, bool extend) {
    st::TruncateChunksReq req;
    req.payloads.push_back({.v_chain_id = {kFirstChainId, 1},
                            .chunk_id = id,
                            .chunk_len = length,
                            .chunk_size = kTestChunk,
                            .only_extend_chunk = extend,
                            .tag = requests_.NextTag(),
                            .retry_count = 0});
    return sim_.Call<st::method::TruncateChunks>(sim_.Storage(sim_.NodeAt(0)), req)->results[0];
  };
  WriteMeasuredChunk();
  EXPECT_EQ(*resize(id_, 5000, false).length_info, 5000U);
  EXPECT_EQ(*resize(id_, 100, true).length_info, 5000U);  // no effect, but a version
  const auto grown = resize(id_, 6000, true);
  EXPECT_EQ(*grown.length_info, 6000U);
  EXPECT_EQ(grown.commit_ver, 4U);
  std::vector<uint8_t> want(6000);
  for (size_t i = 0; i < 5000; ++i) want[i] = static_cast<uint8_t>(i);
  EXPECT_EQ(grown.checksum.value, Crc32cRaw(0xFFFFFFFFU, want));
  EXPECT_EQ(*resize(Requests::ChunkId(3), 77, false).length_info, 77U);  // made
  EXPECT_EQ(resize(id_, kTestChunk + 1, false).length_info.code(), Code::kInvalidArg);
  for (int position = 0; position < 3; ++position) {
    EXPECT_EQ(Read(Requests::Read(1, id_, 0, 9000), position)->inlinebuf.data,
              Bytes::Own(std::vector<uint8_t>(want)));
  }
  for (const uint16_t n : std::vector<uint16_t>{10, 11, 12, 13}) {
    ASSERT_TRUE(Write(requests_.Write(1, Requests::ChunkId(n), 0, Counting(9))).length_info.ok());
  }
  const auto remove = [&](uint32_t limit) {
    st::RemoveChunksReq req;
    st::MessageTag tag = requests_.NextTag();
    for (uint32_t i = 1; i < limit; ++i)
      (void)requests_.NextTag();  // a removal takes `limit` numbers
    req.payloads.push_back(
        {{kFirstChainId, 1}, {Requests::ChunkId(10), Requests::ChunkId(14), limit}, tag, 0});
    return sim_.Call<st::method::RemoveChunks>(sim_.Storage(sim_.NodeAt(0)), req)->results[0];
  };
  const auto two = remove(2);
  EXPECT_TRUE(two.status_code.ok());
  EXPECT_EQ(two.num_chunks_removed, 2U);
  EXPECT_TRUE(two.more_chunks_in_range);
  EXPECT_TRUE(Read(Requests::Read(1, Requests::ChunkId(11), 0, 9))->results[0].length_info.ok());
  EXPECT_EQ(Read(Requests::Read(1, Requests::ChunkId(12), 0, 9), 2)->results[0].length_info.code(),
            Code::kStorageChunkMetadataNotFound);
  const auto rest = remove(32);
  EXPECT_EQ(rest.num_chunks_removed, 2U);
  EXPECT_FALSE(rest.more_chunks_in_range);
  EXPECT_EQ(remove(32).num_chunks_removed, 0U);
  // A chunk that comes back starts at version 1.
  EXPECT_EQ(Write(requests_.Write(1, Requests::ChunkId(12), 0, Counting(9))).commit_ver, 1U);
}

TEST_F(StorageServiceTest, FullDiskRefusesAndReadOnlyToo) {
  WriteMeasuredChunk();
  const int head = sim_.NodeAt(0);
  ASSERT_TRUE(
      sim_.OnNode(head, [](StorageNode& n) { n.service().faults().disk_full = true; }).ok());
  EXPECT_EQ(Write(requests_.Write(1, id_, 0, Counting(1))).length_info.code(),
            Code::kStorageClientNoSpace);
  ASSERT_TRUE(sim_.OnNode(head,
                          [](StorageNode& n) {
                            n.service().faults().disk_full = false;
                            n.service().options().read_only = true;
                          })
                  .ok());
  EXPECT_EQ(Write(requests_.Write(1, id_, 0, Counting(1))).length_info.code(), Code::kReadOnlyMode);
  ASSERT_TRUE(
      sim_.OnNode(head, [](StorageNode& n) { n.service().options().read_only = false; }).ok());
  EXPECT_TRUE(Write(requests_.Write(1, id_, 0, Counting(1))).length_info.ok());
}

// A full successor: the write fails at the head too, and nothing of it stays anywhere.
TEST_F(StorageServiceTest, FullSuccessorFailsTheWriteEverywhere) {
  WriteMeasuredChunk();
  ASSERT_TRUE(
      sim_.OnNode(sim_.NodeAt(2), [](StorageNode& n) { n.service().faults().disk_full = true; })
          .ok());
  EXPECT_EQ(Write(requests_.Write(1, id_, 0, Pattern(100, 1))).length_info.code(),
            Code::kStorageClientNoSpace);
  for (int position = 0; position < 3; ++position) {
    const auto read = Read(Requests::Read(1, id_, 0, 12288), position);
    EXPECT_EQ(read->inlinebuf.data, Counting(12288));
    EXPECT_EQ(read->results[0].commit_ver, 1U);
  }
}

TEST_F(StorageServiceTest, ToolsSeeChunksAndSpace) {
  WriteMeasuredChunk();
  const net::Address head = sim_.Storage(sim_.NodeAt(0));
  const auto chunk = sim_.Call<st::method::QueryChunk>(head, {kFirstChainId, id_});
  ASSERT_TRUE(chunk.ok());
  EXPECT_TRUE(chunk->target.is_head);
  EXPECT_FALSE(chunk->target.is_tail);
  ASSERT_TRUE(chunk->meta.ok());
  EXPECT_EQ(chunk->meta->size, 12288U);
  EXPECT_EQ(sim_.Call<st::method::QueryChunk>(head, {kFirstChainId, ""})->meta.code(),
            Code::kInvalidArg);
  const uint64_t target = sim_.Chain().targets[0].target_id;
  const auto all = sim_.Call<st::method::GetAllChunkMetadata>(head, {target});
  ASSERT_TRUE(all.ok());
  ASSERT_EQ(all->chunk_meta_vec.size(), 1U);
  EXPECT_EQ(all->chunk_meta_vec[0].checksum.value, 0xd3275fb5U);
  const auto space = sim_.Call<st::method::SpaceInfo>(head, {.tag = {}, .force = true});
  ASSERT_TRUE(space.ok());
  EXPECT_GT(space->space_infos[0].capacity, space->space_infos[0].free);
  EXPECT_EQ(space->space_infos[0].target_ids.size(), 2U);
  EXPECT_EQ(sim_.Call<st::method::SyncStart>(head, {{kFirstChainId, 1}}).code(),
            Code::kStorageSyncStartFailed);
}

}  // namespace
}  // namespace threefs::standalone

// SPDX-License-Identifier: Apache-2.0
#include "client/standalone/chunk_image.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/base/crc32c.h"
#include "client/serde/serde.h"

namespace threefs::standalone {
namespace {

constexpr uint32_t kMaxChunk = 64U << 20;
constexpr uint32_t kBlocksAChunk = 64;
constexpr uint64_t kNoExtent = ~uint64_t{0};

struct Record {
  uint32_t chunk_size = 0;
  uint32_t length = 0;
  uint32_t version = 0;
  uint32_t chain_version = 0;
  bool has_checksum = true;
  int64_t timestamp = 0;
  Uuid client{};
  uint64_t request_id = 0;
  std::vector<uint64_t> starts;  // unit, kNoExtent for zeros
  std::vector<uint32_t> crcs;
  SERDE_FIELDS(chunk_size, length, version, chain_version, has_checksum, timestamp, client,
               request_id, starts, crcs)
};

}  // namespace

uint32_t ChunkImage::BlockSize(uint32_t chunk_size) {
  const uint32_t part = std::bit_ceil(std::max(chunk_size, 1U)) / kBlocksAChunk;
  return std::max<uint32_t>(part, kUnit);
}

uint32_t ChunkImage::WireChecksum() const { return Crc32cShift(0xFFFFFFFFU, length) ^ crc0; }

void ChunkImage::Recombine() {
  crc0 = 0;
  for (size_t i = 0; i < blocks.size(); ++i) {
    crc0 = Crc32cShift(crc0, BlockLength(i)) ^ blocks[i].crc0;
  }
}

std::string EncodeChunkRecord(const ChunkImage& image) {
  Record record{.chunk_size = image.chunk_size,
                .length = image.length,
                .version = image.version,
                .chain_version = image.chain_version,
                .has_checksum = image.has_checksum,
                .timestamp = image.timestamp,
                .client = image.client,
                .request_id = image.request_id,
                .starts = {},
                .crcs = {}};
  record.starts.reserve(image.blocks.size());
  record.crcs.reserve(image.blocks.size());
  for (const ChunkBlock& block : image.blocks) {
    record.starts.push_back(block.extent == nullptr ? kNoExtent : block.extent->start());
    record.crcs.push_back(block.crc0);
  }
  return std::string(serde::Encode(record).Flatten().text());
}

Result<ChunkPtr> DecodeChunkRecord(std::string_view id, std::string_view record, SpaceMap* space) {
  const Status bad(Code::kStorageChunkMetadataUnpackError, "a chunk's record is damaged");
  auto decoded = serde::Decode<Record>(Bytes::CopyOf(record));
  if (!decoded.ok()) return bad;
  Record& r = *decoded;
  if (r.chunk_size == 0 || r.chunk_size > kMaxChunk || r.length > r.chunk_size) return bad;
  const uint32_t block_size = ChunkImage::BlockSize(r.chunk_size);
  const size_t count = (r.length + block_size - 1) / block_size;
  if (r.starts.size() != count || r.crcs.size() != count) return bad;
  auto image = std::make_shared<ChunkImage>();
  image->id = id;
  image->chunk_size = r.chunk_size;
  image->length = r.length;
  image->version = r.version;
  image->chain_version = r.chain_version;
  image->has_checksum = r.has_checksum;
  image->timestamp = r.timestamp;
  image->client = r.client;
  image->request_id = r.request_id;
  for (size_t i = 0; i < count; ++i) {
    ChunkBlock block{.extent = nullptr, .crc0 = r.crcs[i], .sealed = false};
    if (r.starts[i] != kNoExtent) {
      TRY(block.extent, space->Claim(r.starts[i], block_size / kUnit));
    }
    image->blocks.push_back(std::move(block));
  }
  image->Recombine();
  return ChunkPtr(std::move(image));
}

}  // namespace threefs::standalone

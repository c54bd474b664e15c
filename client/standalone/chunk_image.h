// SPDX-License-Identifier: Apache-2.0
// ChunkImage: one version of one chunk, immutable and shared. An update builds the next image
// beside the committed one (copy on write by blocks), so readers keep the version they started with
// and a failed update changes nothing. Checksums are kept a block, with a zero starting register,
// so that the whole chunk's follows by combining and a small overwrite does not read the rest of
// the chunk.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "client/base/status.h"
#include "client/base/uuid.h"
#include "client/standalone/chunk_space.h"

namespace threefs::standalone {

struct ChunkBlock {
  ExtentPtr extent;   ///< null: all zeros
  uint32_t crc0 = 0;  ///< CRC-32C register of the valid bytes, started from 0
  bool sealed =
      false;  ///< bytes after the valid ones may still be read by someone: no appending in place
};

struct ChunkImage {
  std::string id;
  uint32_t chunk_size = 0;
  uint32_t length = 0;
  uint32_t version = 0;
  uint32_t chain_version = 0;
  bool has_checksum = true;  ///< false after a write that carried none (3fs/storage.md §6)
  uint32_t crc0 = 0;         ///< of the whole chunk, started from 0
  int64_t timestamp = 0;
  Uuid client{};
  uint64_t request_id = 0;
  std::vector<ChunkBlock> blocks;  ///< ceil(length / block_size())

  [[nodiscard]] uint32_t block_size() const { return BlockSize(chunk_size); }
  /// Valid bytes of block `i`.
  [[nodiscard]] uint32_t BlockLength(size_t i) const {
    const uint64_t start = static_cast<uint64_t>(i) * block_size();
    return static_cast<uint32_t>(std::min<uint64_t>(block_size(), length - start));
  }
  /// The wire's CRC-32C of the whole chunk (3fs/storage.md §2.3).
  [[nodiscard]] uint32_t WireChecksum() const;
  /// `crc0` from the blocks.
  void Recombine();

  /// 1/64 of the chunk, at least a unit: bounds both the bytes copied by a small write and the size
  /// of a record.
  static uint32_t BlockSize(uint32_t chunk_size);
};
using ChunkPtr = std::shared_ptr<const ChunkImage>;

/// The record of an image on the device.
std::string EncodeChunkRecord(const ChunkImage& image);
/// Claims the image's space in `space`. kStorageChunkMetadataUnpackError.
Result<ChunkPtr> DecodeChunkRecord(std::string_view id, std::string_view record, SpaceMap* space);

}  // namespace threefs::standalone

// SPDX-License-Identifier: Apache-2.0
// A byte range of a file cut into chunk ranges (3fs/storage.md §3). Pure functions, any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "client/base/status.h"

namespace threefs::layout {

/// [offset, offset+length) of chunk `index` is [file_offset, file_offset+length) of the file.
struct ChunkSlice {
  uint32_t index = 0;
  uint32_t offset = 0;
  uint32_t length = 0;
  uint64_t file_offset = 0;
  friend bool operator==(const ChunkSlice&, const ChunkSlice&) = default;
};

/// Cuts [offset, offset+length) at multiples of `chunk_size`; empty for length 0.
/// kMetaFileTooLarge when a chunk index would not fit 32 bits. REQUIRES: chunk_size != 0
Result<std::vector<ChunkSlice>> CutIntoChunks(uint64_t offset, uint64_t length,
                                              uint32_t chunk_size);

/// Index of the chunk that holds byte `offset`; kMetaFileTooLarge as above. REQUIRES: chunk_size !=
/// 0
Result<uint32_t> ChunkIndexOf(uint64_t offset, uint32_t chunk_size);

}  // namespace threefs::layout

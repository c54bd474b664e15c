// SPDX-License-Identifier: Apache-2.0
#include "client/layout/chunk_map.h"

#include <algorithm>
#include <limits>
#include <string>

namespace threefs::layout {

Result<uint32_t> ChunkIndexOf(uint64_t offset, uint32_t chunk_size) {
  CHECK(chunk_size != 0);
  const uint64_t index = offset / chunk_size;
  if (index > std::numeric_limits<uint32_t>::max()) {
    return Status(Code::kMetaFileTooLarge,
                  "offset " + std::to_string(offset) + " is beyond the last chunk a file can have");
  }
  return static_cast<uint32_t>(index);
}

Result<std::vector<ChunkSlice>> CutIntoChunks(uint64_t offset, uint64_t length,
                                              uint32_t chunk_size) {
  CHECK(chunk_size != 0);
  std::vector<ChunkSlice> slices;
  if (length == 0) return slices;
  if (length - 1 > std::numeric_limits<uint64_t>::max() - offset) {
    return Status(Code::kMetaFileTooLarge, "the range goes beyond 2^64 bytes");
  }
  TRY(uint32_t index, ChunkIndexOf(offset, chunk_size));
  TRY(const uint32_t last, ChunkIndexOf(offset + (length - 1), chunk_size));
  slices.reserve(static_cast<size_t>(last - index) + 1);
  for (uint64_t done = 0; done < length; ++index) {
    const uint64_t at = offset + done;
    const auto in_chunk = static_cast<uint32_t>(at % chunk_size);
    const auto take =
        static_cast<uint32_t>(std::min<uint64_t>(chunk_size - in_chunk, length - done));
    slices.push_back({.index = index, .offset = in_chunk, .length = take, .file_offset = at});
    done += take;
  }
  return slices;
}

}  // namespace threefs::layout

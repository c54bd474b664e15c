// SPDX-License-Identifier: Apache-2.0
// The chunks of a file, by name (3fs/meta.md §4.2): 16 bytes, so that byte order is (inode, track,
// chunk) order. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "client/base/status.h"
#include "client/schema/storage.h"

namespace threefs::layout {

inline constexpr size_t kChunkIdSize = 16;

struct FileChunk {
  uint64_t inode = 0;
  uint16_t track = 0;  ///< 0 for normal files
  uint32_t index = 0;
  friend bool operator==(const FileChunk&, const FileChunk&) = default;
};

schema::storage::ChunkId MakeChunkId(uint64_t inode, uint16_t track, uint32_t index);
/// The reverse; kInvalidFormat when `id` is no file chunk's (storage also holds others).
Result<FileChunk> ParseChunkId(std::string_view id);
/// The chunks of `inode` from `first` on: [.begin, .end), max_num_chunk_ids_to_process = `limit`.
schema::storage::ChunkIdRange ChunksFrom(uint64_t inode, uint32_t first, uint32_t limit);

}  // namespace threefs::layout

// SPDX-License-Identifier: Apache-2.0
// Layout: tenant 0, reserved 0, then inode, track and chunk index, each big-endian.
#include "client/layout/chunk_id.h"

namespace threefs::layout {
namespace {

void PutBigEndian(uint64_t value, size_t bytes, std::string* out) {
  for (size_t i = bytes; i-- > 0;) out->push_back(static_cast<char>(value >> (8 * i)));
}

uint64_t GetBigEndian(std::string_view bytes) {
  uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<uint8_t>(c);
  return value;
}

}  // namespace

schema::storage::ChunkId MakeChunkId(uint64_t inode, uint16_t track, uint32_t index) {
  std::string id;
  id.reserve(kChunkIdSize);
  id.append(2, '\0');
  PutBigEndian(inode, 8, &id);
  PutBigEndian(track, 2, &id);
  PutBigEndian(index, 4, &id);
  return id;
}

Result<FileChunk> ParseChunkId(std::string_view id) {
  if (id.size() != kChunkIdSize || id[0] != '\0' || id[1] != '\0') {
    return Status(Code::kInvalidFormat, "chunk id is not that of a file's chunk");
  }
  return FileChunk{.inode = GetBigEndian(id.substr(2, 8)),
                   .track = static_cast<uint16_t>(GetBigEndian(id.substr(10, 2))),
                   .index = static_cast<uint32_t>(GetBigEndian(id.substr(12, 4)))};
}

schema::storage::ChunkIdRange ChunksFrom(uint64_t inode, uint32_t first, uint32_t limit) {
  return {.begin = MakeChunkId(inode, 0, first),
          .end = MakeChunkId(inode, 1, 0),
          .max_num_chunk_ids_to_process = limit};
}

}  // namespace threefs::layout

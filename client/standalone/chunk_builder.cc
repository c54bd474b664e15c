// SPDX-License-Identifier: Apache-2.0
// Block by block: a block the change covers is written from the change's own bytes; one that only
// grows is appended to in place (bytes after the committed ones are nobody's); any other is read,
// checked, patched and written to a new place.
#include "client/standalone/chunk_builder.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "client/base/check.h"
#include "client/base/crc32c.h"

namespace threefs::standalone {
namespace {

// Collects writes and joins those that follow each other in memory and on the device.
class WriteList {
 public:
  void Add(uint64_t offset, ByteSpan data) {
    if (data.empty()) return;
    if (!writes_.empty()) {
      Write& last = writes_.back();
      if (last.offset + last.data.size() == offset &&
          last.data.data() + last.data.size() == data.data()) {
        last.data = {last.data.data(), last.data.size() + data.size()};
        return;
      }
    }
    writes_.push_back({offset, data});
  }
  void Own(uint64_t offset, std::vector<uint8_t> data) {
    owned_.push_back(std::move(data));
    Add(offset, owned_.back());
  }
  Status Run(ChunkDevice& device) const {
    for (const Write& w : writes_) TRY(device.Write(w.offset, w.data));
    return {};
  }

 private:
  struct Write {
    uint64_t offset;
    ByteSpan data;
  };
  std::vector<Write> writes_;
  std::vector<std::vector<uint8_t>> owned_;  // moved vectors keep their buffers
};

class Builder {
 public:
  Builder(ChunkDevice& device, SpaceMap& space, const ChunkPtr& base, const ChunkChange& change)
      : device_(device), space_(space), base_(base.get()), change_(change) {}

  Result<ChunkPtr> Build() {
    image_ =
        base_ == nullptr ? std::make_shared<ChunkImage>() : std::make_shared<ChunkImage>(*base_);
    StampImage();
    TRY(VerifyData());
    switch (change_.kind) {
      case ChunkChange::Kind::kReplace:
        image_->blocks.clear();
        image_->length = 0;
        image_->crc0 = 0;
        base_ = nullptr;
        TRY(Grow(0, change_.data.span()));
        break;
      case ChunkChange::Kind::kWrite:
        TRY(Grow(change_.offset, change_.data.span()));
        break;
      case ChunkChange::Kind::kTruncate:
        TRY(change_.length < old_length() ? Cut() : Grow(change_.length, {}));
        break;
      case ChunkChange::Kind::kExtend:
        if (change_.length > old_length()) TRY(Grow(change_.length, {}));
        break;
    }
    TRY(writes_.Run(device_));
    return ChunkPtr(std::move(image_));
  }

 private:
  [[nodiscard]] uint32_t old_length() const { return base_ == nullptr ? 0 : base_->length; }

  void StampImage() {
    image_->id = change_.id;
    image_->chunk_size = change_.chunk_size;
    image_->version = change_.version;
    image_->chain_version = change_.chain_version;
    image_->has_checksum = change_.keep_checksum;
    image_->timestamp = change_.timestamp;
    image_->client = change_.client;
    image_->request_id = change_.request_id;
  }

  [[nodiscard]] Status VerifyData() const {
    uint32_t found = change_.checksum;
    if (change_.verify == ChunkChange::Verify::kCrc32c) {
      found = Crc32cRaw(0xFFFFFFFFU, change_.data.span());
    } else if (change_.verify == ChunkChange::Verify::kCrc32) {
      found = Crc32Raw(0xFFFFFFFFU, change_.data.span());
    }
    return found == change_.checksum ? Status() : Status(Code::kStorageChecksumMismatch);
  }

  // Puts `data` at `offset`; everything between the old end and `offset` becomes zeros.
  Status Grow(uint32_t offset, ByteSpan data) {
    const auto end = static_cast<uint32_t>(offset + data.size());
    const uint32_t before = old_length();
    const uint32_t bs = image_->block_size();
    image_->length = std::max(before, end);
    image_->blocks.resize((image_->length + bs - 1) / bs);
    image_->crc0 = Crc32cShift(image_->crc0, image_->length - before);
    if (end == before && data.empty()) return {};
    // Blocks to work on: the partial last one when it grows, and those under the data. Blocks in a
    // gap stay zeros.
    const size_t last_old = before == 0 ? 0 : (before - 1) / bs;
    if (before % bs != 0 && image_->BlockLength(last_old) > before - last_old * bs &&
        (data.empty() || last_old < offset / bs)) {
      TRY(Patch(last_old, image_->BlockLength(last_old), {}));
    }
    if (data.empty()) return {};
    TRY(AllocateCovered(offset, end));
    for (size_t i = offset / bs; i <= (end - 1) / bs; ++i) {
      const uint64_t start = uint64_t{i} * bs;
      const auto from = static_cast<uint32_t>(std::max<uint64_t>(start, offset) - start);
      const auto to = static_cast<uint32_t>(std::min<uint64_t>(start + bs, end) - start);
      TRY(Patch(i, from, data.subspan(start + from - offset, to - from)));
    }
    return {};
  }

  // Space for the blocks that will be written whole, in one run where possible.
  Status AllocateCovered(uint32_t offset, uint32_t end) {
    const uint32_t bs = image_->block_size();
    size_t count = 0;
    for (size_t i = offset / bs; i <= (end - 1) / bs; ++i) {
      count += Covered(i, offset, end) ? 1U : 0U;
    }
    TRY(fresh_, space_.Allocate(count, bs / kUnit));
    next_fresh_ = 0;
    return {};
  }
  [[nodiscard]] bool Covered(size_t i, uint32_t offset, uint32_t end) const {
    const uint64_t start = uint64_t{i} * image_->block_size();
    return offset <= start && end >= start + image_->BlockLength(i);
  }
  Result<ExtentPtr> NewExtent() {
    if (next_fresh_ < fresh_.size()) return std::move(fresh_[next_fresh_++]);
    TRY(auto one, space_.Allocate(1, image_->block_size() / kUnit));
    return std::move(one[0]);
  }

  // Block `i` gets `data` at `from` (inside the block); its length is the image's new one.
  Status Patch(size_t i, uint32_t from, ByteSpan data) {
    const uint32_t bs = image_->block_size();
    const uint64_t start = uint64_t{i} * bs;
    const uint32_t now = image_->BlockLength(i);
    const auto old = static_cast<uint32_t>(
        std::clamp<int64_t>(int64_t{old_length()} - static_cast<int64_t>(start), 0, bs));
    ChunkBlock& block = image_->blocks[i];
    const uint32_t old_crc = Crc32cShift(block.crc0, now - old);  // as if zero-extended
    const auto to = static_cast<uint32_t>(from + data.size());
    if (from == 0 && to == now) {
      TRY(block.extent, NewExtent());
      block.crc0 = Crc32cRaw(0, data);
      block.sealed = false;
      writes_.Add(block.extent->offset(), data);
    } else if (from >= old && block.extent != nullptr && !block.sealed) {
      CHECK(to == now);
      if (from > old) {
        writes_.Own(block.extent->offset() + old, std::vector<uint8_t>(from - old));
      }
      writes_.Add(block.extent->offset() + from, data);
      block.crc0 = Crc32cShift(block.crc0, from - old);
      block.crc0 = Crc32cRaw(block.crc0, data);
    } else if (data.empty() && block.extent == nullptr) {
      return {};  // zeros that grow stay zeros
    } else {
      TRY(Rewrite(&block, old, now, from, data));
    }
    image_->crc0 ^= Crc32cShift(old_crc ^ block.crc0, image_->length - (start + now));
    return {};
  }

  Status Rewrite(ChunkBlock* block, uint32_t old, uint32_t now, uint32_t from, ByteSpan data) {
    std::vector<uint8_t> content(now);
    if (block->extent != nullptr && old != 0) {
      TRY(device_.Read(block->extent->offset(), {content.data(), old}));
      if (Crc32cRaw(0, {content.data(), old}) != block->crc0) {
        return Status(Code::kStorageChunkReadFailed, "a stored block is damaged");
      }
    }
    if (!data.empty()) std::memcpy(content.data() + from, data.data(), data.size());
    TRY(block->extent, NewExtent());
    block->crc0 = Crc32cRaw(0, content);
    block->sealed = false;
    writes_.Own(block->extent->offset(), std::move(content));
    return {};
  }

  Status Cut() {
    const uint32_t bs = image_->block_size();
    image_->length = change_.length;
    image_->blocks.resize((image_->length + bs - 1) / bs);
    if (image_->length % bs != 0) {
      ChunkBlock& block = image_->blocks.back();
      if (block.extent != nullptr) {
        std::vector<uint8_t> kept(image_->length % bs);
        TRY(device_.Read(block.extent->offset(), kept));
        block.crc0 = Crc32cRaw(0, kept);
        block.sealed = true;
      }
    }
    image_->Recombine();
    return {};
  }

  ChunkDevice& device_;
  SpaceMap& space_;
  const ChunkImage* base_;
  const ChunkChange& change_;
  std::shared_ptr<ChunkImage> image_;
  WriteList writes_;
  std::vector<ExtentPtr> fresh_;
  size_t next_fresh_ = 0;
};

}  // namespace

Result<ChunkPtr> BuildImage(ChunkDevice& device, SpaceMap& space, const ChunkPtr& base,
                            const ChunkChange& change) {
  return Builder(device, space, base, change).Build();
}

}  // namespace threefs::standalone

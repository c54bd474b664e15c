// SPDX-License-Identifier: Apache-2.0
#include "client/standalone/chunk_store.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/base/check.h"
#include "client/base/crc32c.h"
#include "client/base/log.h"
#include "client/runtime/sync.h"
#include "client/standalone/chunk_builder.h"

namespace threefs::standalone {
namespace {

// Punching holes costs a system call a range: worth it only when there is something to give back.
constexpr uint64_t kPunchThreshold = 64U << 20;

struct Segment {
  uint64_t offset = 0;  // on the device
  MutableByteSpan out;
};

// The device ranges under [offset, offset + out.size()); holes are zeroed here.
std::vector<Segment> Segments(const ChunkImage& image, uint32_t offset, MutableByteSpan out) {
  std::vector<Segment> segments;
  const uint32_t bs = image.block_size();
  while (!out.empty()) {
    const size_t i = offset / bs;
    const uint32_t at = offset % bs;
    const size_t n = std::min<size_t>(out.size(), bs - at);
    const ChunkBlock& block = image.blocks[i];
    if (block.extent == nullptr) {
      std::memset(out.data(), 0, n);
    } else {
      const uint64_t place = block.extent->offset() + at;
      Segment* last = segments.empty() ? nullptr : &segments.back();
      if (last != nullptr && last->offset + last->out.size() == place &&
          last->out.data() + last->out.size() == out.data()) {
        last->out = {last->out.data(), last->out.size() + n};
      } else {
        segments.push_back({place, out.first(n)});
      }
    }
    offset += static_cast<uint32_t>(n);
    out = out.subspan(n);
  }
  return segments;
}

}  // namespace

ChunkStore::ChunkStore(BlockingPool& pool, std::unique_ptr<ChunkDevice> device,
                       ChunkStoreOptions options)
    : pool_(pool),
      options_(options),
      device_(std::move(device)),
      space_(std::make_shared<SpaceMap>(options.capacity, options.sync == SyncMode::kOnFsync)) {}

Task<Result<std::unique_ptr<ChunkStore>>> ChunkStore::Open(BlockingPool& pool,
                                                           std::unique_ptr<ChunkDevice> device,
                                                           ChunkStoreOptions options) {
  std::unique_ptr<ChunkStore> store(new ChunkStore(pool, std::move(device), options));
  ChunkStore* raw = store.get();
  const Status loaded = co_await RunBlocking(pool, [raw] { return raw->Load(); });
  CO_TRY(loaded);
  co_return std::move(store);
}

Status ChunkStore::Load() {
  std::vector<std::string> damaged;
  const Status status = device_->Load([&](std::string_view key, std::string_view value) -> Status {
    auto image = DecodeChunkRecord(key, value, space_.get());
    if (image.ok()) {
      index_.emplace_hint(index_.end(), std::string(key), *std::move(image));
    } else {
      damaged.emplace_back(key);
    }
    return {};
  });
  space_->EndLoading();
  TRY(status);
  for (const std::string& key : damaged) {
    LOG_ERROR("dropping a damaged chunk record: its replicas bring it back");
    TRY(device_->Apply({key, std::nullopt}, false));
  }
  return {};
}

ChunkPtr ChunkStore::Find(std::string_view id) const {
  const auto it = index_.find(id);
  return it == index_.end() ? nullptr : it->second;
}

Task<Result<ChunkPtr>> ChunkStore::Prepare(ChunkPtr base, ChunkChange change) {
  co_return co_await RunBlocking(
      pool_, [this, &base, &change] { return BuildImage(*device_, *space_, base, change); });
}

Task<Status> ChunkStore::Commit(ChunkPtr image) {
  const bool durable = options_.sync == SyncMode::kAlways;
  const Status status = co_await RunBlocking(pool_, [this, &image, durable] {
    return device_->Apply({image->id, EncodeChunkRecord(*image)}, durable);
  });
  if (status.ok()) {
    ++changes_;
    index_.insert_or_assign(image->id, std::move(image));
  }
  co_return status;
}

Task<Status> ChunkStore::Remove(std::string id) {
  if (!index_.contains(id)) co_return Status();
  const bool durable = options_.sync == SyncMode::kAlways;
  const Status status = co_await RunBlocking(
      pool_, [this, &id, durable] { return device_->Apply({id, std::nullopt}, durable); });
  if (status.ok()) {
    ++changes_;
    index_.erase(id);
  }
  co_return status;
}

Task<Status> ChunkStore::Read(ChunkPtr image, uint32_t offset, MutableByteSpan out) {
  CHECK(uint64_t{offset} + out.size() <= image->length);
  std::vector<Segment> segments = Segments(*image, offset, out);
  std::erase_if(segments, [this](const Segment& s) { return device_->TryRead(s.offset, s.out); });
  if (segments.empty()) co_return Status();
  co_return co_await RunBlocking(pool_, [this, &segments]() -> Status {
    for (const Segment& s : segments) TRY(device_->Read(s.offset, s.out));
    return {};
  });
}

uint32_t ChunkStore::RangeChecksum(const ChunkImage& image, uint32_t offset, ByteSpan data) {
  const uint32_t bs = image.block_size();
  uint32_t reg = 0xFFFFFFFFU;
  while (!data.empty()) {
    const size_t i = offset / bs;
    const uint32_t at = offset % bs;
    const size_t n = std::min<size_t>(data.size(), bs - at);
    if (at == 0 && n == image.BlockLength(i)) {
      reg = Crc32cShift(reg, n) ^ image.blocks[i].crc0;
    } else {
      reg = Crc32cRaw(reg, data.first(n));
    }
    offset += static_cast<uint32_t>(n);
    data = data.subspan(n);
  }
  return reg;
}

Task<Status> ChunkStore::Sync() {
  const uint64_t wanted = changes_;
  const auto guard = co_await syncing_.Lock();
  if (synced_ >= wanted) co_return Status();
  const uint64_t reached = changes_;
  const Status status = co_await SyncDevice();
  if (status.ok()) synced_ = reached;
  co_return status;
}

Task<Status> ChunkStore::SyncDevice() {
  co_return co_await RunBlocking(pool_, [this]() -> Status {
    const auto quarantine = space_->TakeQuarantine();
    if (options_.sync != SyncMode::kNever) {
      if (Status status = device_->Sync(); !status.ok()) {
        // Not proven safe for reuse: it becomes free at the next start.
        return status;
      }
    }
    space_->EndQuarantine(quarantine);
    const auto holes = space_->TakePunchable(kPunchThreshold);
    for (const auto& [start, units] : holes) device_->Punch(start * kUnit, units * kUnit);
    space_->PunchDone(holes);
    return {};
  });
}

}  // namespace threefs::standalone

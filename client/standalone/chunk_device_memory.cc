// SPDX-License-Identifier: Apache-2.0
// The memory tenant: 64 KiB pages in a map.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/standalone/chunk_device.h"

namespace threefs::standalone {
namespace {

constexpr uint64_t kPage = 64U << 10;
constexpr uint64_t kNominalCapacity = uint64_t{64} << 30;

class MemoryDevice final : public ChunkDevice {
 public:
  explicit MemoryDevice(std::shared_ptr<MemoryPlatter::Target> target)
      : target_(std::move(target)) {}

  Status Load(const std::function<Status(std::string_view, std::string_view)>& visit) override {
    const std::shared_lock lock(target_->mutex);
    for (const auto& [key, value] : target_->records) TRY(visit(key, value));
    return {};
  }

  Status Write(uint64_t offset, ByteSpan data) override {
    const std::unique_lock lock(target_->mutex);
    while (!data.empty()) {
      std::vector<uint8_t>& page = target_->pages[offset / kPage];
      page.resize(kPage);
      const size_t at = offset % kPage;
      const size_t n = std::min<size_t>(data.size(), kPage - at);
      std::memcpy(page.data() + at, data.data(), n);
      offset += n;
      data = data.subspan(n);
    }
    return {};
  }

  Status Read(uint64_t offset, MutableByteSpan out) override {
    const std::shared_lock lock(target_->mutex);
    while (!out.empty()) {
      const size_t at = offset % kPage;
      const size_t n = std::min<size_t>(out.size(), kPage - at);
      const auto page = target_->pages.find(offset / kPage);
      if (page == target_->pages.end()) {
        std::memset(out.data(), 0, n);
      } else {
        std::memcpy(out.data(), page->second.data() + at, n);
      }
      offset += n;
      out = out.subspan(n);
    }
    return {};
  }

  bool TryRead(uint64_t offset, MutableByteSpan out) override { return Read(offset, out).ok(); }

  Status Apply(const RecordChange& change, bool /*durable*/) override {
    const std::unique_lock lock(target_->mutex);
    if (change.value.has_value()) {
      target_->records[change.key] = *change.value;
    } else {
      target_->records.erase(change.key);
    }
    return {};
  }

  Status Sync() override { return {}; }

  void Punch(uint64_t offset, uint64_t length) override {
    const std::unique_lock lock(target_->mutex);
    const uint64_t first = (offset + kPage - 1) / kPage;
    const uint64_t last = (offset + length) / kPage;
    if (first < last) {
      target_->pages.erase(target_->pages.lower_bound(first), target_->pages.lower_bound(last));
    }
  }

 private:
  std::shared_ptr<MemoryPlatter::Target> target_;
};

class MemoryDisk final : public ChunkDisk {
 public:
  explicit MemoryDisk(std::shared_ptr<MemoryPlatter> platter) : platter_(std::move(platter)) {}

  Result<std::vector<TargetRecord>> Targets() override {
    const std::lock_guard lock(platter_->mutex);
    std::vector<TargetRecord> all;
    for (const auto& [id, target] : platter_->targets) all.push_back(target->record);
    return all;
  }
  Status AddTarget(const TargetRecord& record) override {
    const std::lock_guard lock(platter_->mutex);
    auto& target = platter_->targets[record.target_id];
    if (target == nullptr) target = std::make_shared<MemoryPlatter::Target>();
    target->record = record;
    return {};
  }
  Status RemoveTarget(uint64_t target_id) override {
    const std::lock_guard lock(platter_->mutex);
    platter_->targets.erase(target_id);
    return {};
  }
  Result<std::unique_ptr<ChunkDevice>> OpenTarget(uint64_t target_id) override {
    const std::lock_guard lock(platter_->mutex);
    const auto it = platter_->targets.find(target_id);
    if (it == platter_->targets.end()) return Code::kStorageTargetNotFound;
    return std::unique_ptr<ChunkDevice>(std::make_unique<MemoryDevice>(it->second));
  }
  Result<DiskSpace> Space() override {
    const std::lock_guard lock(platter_->mutex);
    uint64_t used = 0;
    for (const auto& [id, target] : platter_->targets) {
      const std::shared_lock inner(target->mutex);
      used += target->pages.size() * kPage;
    }
    return DiskSpace{kNominalCapacity, kNominalCapacity - std::min(used, kNominalCapacity)};
  }
  [[nodiscard]] const std::string& path() const override { return path_; }

 private:
  std::shared_ptr<MemoryPlatter> platter_;
  std::string path_ = "memory";
};

}  // namespace

Result<SyncMode> ParseSyncMode(std::string_view text) {
  if (text == "always") return SyncMode::kAlways;
  if (text == "fsync") return SyncMode::kOnFsync;
  if (text == "never") return SyncMode::kNever;
  return Status(Code::kInvalidArg, "sync mode must be always, fsync or never");
}

std::unique_ptr<ChunkDisk> OpenMemoryDisk(std::shared_ptr<MemoryPlatter> platter) {
  return std::make_unique<MemoryDisk>(std::move(platter));
}

}  // namespace threefs::standalone

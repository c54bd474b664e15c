// SPDX-License-Identifier: Apache-2.0
// The in-memory tenant of MetaDb: a sorted map behind a reader-writer lock, staged changes in a
// second map on top.
#include <mutex>
#include <utility>

#include "client/standalone/meta_db.h"

namespace threefs::standalone {
namespace {

class MemoryTxn final : public MetaTxn {
 public:
  MemoryTxn(std::shared_ptr<MemoryDisk> disk, bool write) : disk_(std::move(disk)) {
    if (write) {
      exclusive_ = std::unique_lock(disk_->mutex);
    } else {
      shared_ = std::shared_lock(disk_->mutex);
    }
  }

  Result<std::optional<std::string>> Get(std::string_view key) override {
    if (const auto it = staged_.find(key); it != staged_.end()) return it->second;
    const auto it = disk_->data.find(key);
    if (it == disk_->data.end()) return std::optional<std::string>();
    return std::optional<std::string>(it->second);
  }

  void Put(std::string_view key, std::string_view value) override {
    CHECK(exclusive_.owns_lock());
    staged_.insert_or_assign(std::string(key), std::string(value));
  }

  void Delete(std::string_view key) override {
    CHECK(exclusive_.owns_lock());
    staged_.insert_or_assign(std::string(key), std::nullopt);
  }

  Status Scan(std::string_view begin, std::string_view end, const Visitor& visit) override {
    auto old = disk_->data.lower_bound(begin);
    auto changed = staged_.lower_bound(begin);
    const auto old_ends = [&] { return old == disk_->data.end() || old->first >= end; };
    const auto changed_ends = [&] { return changed == staged_.end() || changed->first >= end; };
    while (!old_ends() || !changed_ends()) {
      if (changed_ends() || (!old_ends() && old->first < changed->first)) {
        if (!visit(old->first, old->second)) return {};
        ++old;
        continue;
      }
      if (!old_ends() && old->first == changed->first) ++old;
      if (changed->second && !visit(changed->first, *changed->second)) return {};
      ++changed;
    }
    return {};
  }

  [[nodiscard]] bool dirty() const override { return !staged_.empty(); }

  Result<uint64_t> Commit() override {
    CHECK(exclusive_.owns_lock());
    for (auto& [key, value] : staged_) {
      if (value) {
        disk_->data.insert_or_assign(key, *std::move(value));
      } else {
        disk_->data.erase(key);
      }
    }
    staged_.clear();
    exclusive_.unlock();
    return uint64_t{0};
  }

 private:
  std::shared_ptr<MemoryDisk> disk_;
  std::unique_lock<std::shared_mutex> exclusive_;
  std::shared_lock<std::shared_mutex> shared_;
  std::map<std::string, std::optional<std::string>, std::less<>> staged_;
};

class MemoryMetaDb final : public MetaDb {
 public:
  explicit MemoryMetaDb(std::shared_ptr<MemoryDisk> disk) : disk_(std::move(disk)) {}
  std::unique_ptr<MetaTxn> BeginRead() override {
    return std::make_unique<MemoryTxn>(disk_, /*write=*/false);
  }
  std::unique_ptr<MetaTxn> BeginWrite() override {
    return std::make_unique<MemoryTxn>(disk_, /*write=*/true);
  }
  Status WaitDurable(uint64_t /*ticket*/) override { return {}; }
  uint64_t LastTicket() override { return 0; }

 private:
  std::shared_ptr<MemoryDisk> disk_;
};

}  // namespace

std::unique_ptr<MetaDb> MetaDb::OpenMemory(std::shared_ptr<MemoryDisk> disk) {
  return std::make_unique<MemoryMetaDb>(std::move(disk));
}

}  // namespace threefs::standalone

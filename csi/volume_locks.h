// SPDX-License-Identifier: Apache-2.0
// VolumeLocks: at most one call a volume at a time. A second one is told so at once (gRPC ABORTED),
// never queued: the orchestrator repeats. Any thread.
#pragma once

#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace threefs::csi {

class VolumeLocks {
 public:
  /// Holds a volume until it goes.
  class Guard {
   public:
    Guard(VolumeLocks* locks, std::string id) : locks_(locks), id_(std::move(id)) {}
    Guard(Guard&& other) noexcept
        : locks_(std::exchange(other.locks_, nullptr)), id_(std::move(other.id_)) {}
    Guard& operator=(Guard&&) = delete;
    ~Guard() {
      if (locks_ != nullptr) locks_->Release(id_);
    }

   private:
    VolumeLocks* locks_;
    std::string id_;
  };

  /// nullopt: another call works on the volume.
  std::optional<Guard> TryLock(const std::string& id) {
    const std::lock_guard<std::mutex> hold(mutex_);
    if (!held_.insert(id).second) return std::nullopt;
    return std::optional<Guard>(std::in_place, this, id);
  }

 private:
  void Release(const std::string& id) {
    const std::lock_guard<std::mutex> hold(mutex_);
    held_.erase(id);
  }

  std::mutex mutex_;
  std::set<std::string> held_;
};

}  // namespace threefs::csi

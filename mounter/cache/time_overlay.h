// SPDX-License-Identifier: Apache-2.0
// TimeOverlay: a time this mount knows better than the meta server. Servers cut times to whole
// seconds and do not touch a directory's times at all (3fs/meta.md §8); what we did ourselves is
// shown to the microsecond for as long as the server's value is still the one it had then, or the
// one that became of ours. A plain value, guarded by its owner.
#pragma once

#include <cstdint>

namespace threefs::cache {

class TimeOverlay {
 public:
  /// A time somebody set: shown until the server's value is neither the old one nor this one.
  void SetExplicit(int64_t us, int64_t server_before) {
    value_ = us;
    base_ = server_before;
    kind_ = Kind::kExplicit;
  }
  /// Something happened now: shown until the server's value passes it.
  void SetNow(int64_t us, int64_t server_before) {
    if (kind_ == Kind::kNow && value_ >= us) return;
    value_ = us;
    base_ = server_before;
    kind_ = Kind::kNow;
  }
  /// What to show for the server's `us`.
  int64_t Apply(int64_t us) {
    if (kind_ == Kind::kNone) return us;
    const bool ours = us == base_ || us == FloorSecond(value_) || us == value_;
    const bool older = kind_ == Kind::kNow && us >= base_ && us <= value_;
    if (ours || older) return value_;
    kind_ = Kind::kNone;
    return us;
  }
  [[nodiscard]] bool set() const { return kind_ != Kind::kNone; }

 private:
  enum class Kind : uint8_t { kNone, kExplicit, kNow };
  static int64_t FloorSecond(int64_t us) {
    const int64_t s = us / 1'000'000;
    return (us % 1'000'000 < 0 ? s - 1 : s) * 1'000'000;
  }
  int64_t value_ = 0;
  int64_t base_ = 0;
  Kind kind_ = Kind::kNone;
};

}  // namespace threefs::cache

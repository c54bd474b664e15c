// SPDX-License-Identifier: Apache-2.0
// State: the state memfd of a mount, mapped (layout: proto/mounter/state.proto). What must be known
// to the mounter after this one: the INIT request, when this client began (mgmtd wants it constant
// for one client id), and which files were written without the meta server knowing their length
// yet. Foreign bytes: checked at Map, never trusted. Dirty files: any thread, lock-free; a full
// table only means the successor asks storage for lengths less often than it could have to, so
// callers sync at once then (Mark returns false).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "client/base/status.h"

namespace threefs::handover {

class State {
 public:
  static constexpr size_t kSize = 1U << 20;
  /// `fd` is a memfd of kSize bytes; duplicated by the mapping, not kept. A fresh one is all zeros.
  static Result<std::unique_ptr<State>> Map(int fd);
  /// In plain memory, for a mounter without a keeper.
  static std::unique_ptr<State> InMemory();
  ~State();
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  /// Empty when none was recorded.
  [[nodiscard]] Result<std::vector<uint8_t>> init_request() const;
  /// Once a mount. Seen whole or not at all by a reader after a crash.
  Status SaveInit(const std::vector<uint8_t>& request);

  /// The first caller's value, for ever.
  int64_t ClientStart(int64_t now_us);

  /// The file was written and its length not told yet.
  bool MarkDirty(uint64_t inode);
  void ClearDirty(uint64_t inode);
  /// What is marked now: asked once, by a successor, before it serves.
  [[nodiscard]] std::vector<uint64_t> DirtyFiles() const;

 private:
  State(uint8_t* base, bool mapped) : base_(base), mapped_(mapped) {}
  [[nodiscard]] std::atomic<uint64_t>* slots() const;
  uint8_t* const base_;
  const bool mapped_;
};

}  // namespace threefs::handover

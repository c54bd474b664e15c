// SPDX-License-Identifier: Apache-2.0
// UpdateChannels: exactly-once for updates of one target (3fs/storage.md §4). Remembers, per client
// and channel, the last update and its outcome, so that a repeated request is answered and not
// executed again. In memory only, as 3FS's: a restarted target comes back with a new chain version,
// which old requests do not carry. Loop-confined.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include "client/base/clock.h"
#include "client/base/uuid.h"
#include "client/schema/storage.h"

namespace threefs::standalone {

class UpdateChannels {
 public:
  struct Key {
    Uuid client{};
    uint16_t channel = 0;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  static Key KeyOf(const schema::storage::MessageTag& tag) {
    return {tag.client_id.uuid, tag.channel.id};
  }

  /// The answer to give at once, or nullopt: execute the update, then call End. `length` and
  /// `extend` are the request's: a remembered result carries the length of this request unless it
  /// is an EXTEND.
  std::optional<schema::storage::IOResult> Begin(const schema::storage::MessageTag& tag,
                                                 uint64_t generation, uint32_t length, bool extend,
                                                 TimePoint now);
  void End(const schema::storage::MessageTag& tag, const schema::storage::IOResult& result,
           TimePoint now);
  /// What was done so far is no answer any more: a resync begins, which may undo it. A resent
  /// request is executed again.
  void Invalidate();
  [[nodiscard]] size_t size() const { return records_.size(); }

 private:
  struct Record {
    bool busy = false;
    bool finished = false;  ///< `result` is that of `seqnum`
    bool invalid = false;   ///< invalidated while busy: its result is not kept
    uint64_t seqnum = 0;
    uint64_t request_id = 0;
    uint64_t generation = 0;
    schema::storage::IOResult result;
    TimePoint used{};
  };
  void Prune(TimePoint now);
  std::map<Key, Record> records_;
  size_t prune_at_;

 public:
  UpdateChannels();
};

}  // namespace threefs::standalone

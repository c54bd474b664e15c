// SPDX-License-Identifier: Apache-2.0
#include "client/standalone/storage_channels.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "client/base/check.h"

namespace threefs::standalone {
namespace {

using schema::storage::IOResult;
using schema::storage::MessageTag;

// A client keeps at most 12,288 channels. A record idle for an hour belongs to a client that has
// given up or gone (3fs/mgmtd.md §7 uses the same hour); looked for only when there are many.
constexpr size_t kPruneAt = size_t{1} << 16;
constexpr Duration kIdle = 1h;

IOResult Failure(Code code) {
  IOResult result;
  result.length_info = code;
  return result;
}

}  // namespace

UpdateChannels::UpdateChannels() : prune_at_(kPruneAt) {}

std::optional<IOResult> UpdateChannels::Begin(const MessageTag& tag, uint64_t generation,
                                              uint32_t length, bool extend, TimePoint now) {
  if (tag.channel.id == 0) return Failure(Code::kStorageClientFoundBug);
  if (records_.size() >= prune_at_) Prune(now);
  Record& record = records_[KeyOf(tag)];
  record.used = now;
  if (record.busy) return Failure(Code::kStorageChannelIsLocked);
  if (tag.channel.seqnum < record.seqnum) return Failure(Code::kStorageClientDuplicateUpdate);
  const bool same =
      record.finished && tag.channel.seqnum == record.seqnum && generation == record.generation;
  if (same && tag.request_id != record.request_id) {
    return Failure(Code::kStorageClientFoundBug);
  }
  if (same && record.result.length_info.ok()) {
    IOResult again = record.result;
    if (!extend) again.length_info = length;
    return again;
  }
  record.busy = true;
  record.finished = false;
  record.invalid = false;
  record.seqnum = tag.channel.seqnum;
  record.request_id = tag.request_id;
  record.generation = generation;
  return std::nullopt;
}

void UpdateChannels::End(const MessageTag& tag, const IOResult& result, TimePoint now) {
  const auto it = records_.find(KeyOf(tag));
  CHECK(it != records_.end() && it->second.busy);
  it->second.busy = false;
  it->second.finished = !it->second.invalid;
  it->second.result = result;
  it->second.used = now;
}

void UpdateChannels::Invalidate() {
  for (auto& [key, record] : records_) {
    record.finished = false;
    record.invalid = record.busy;
  }
}

void UpdateChannels::Prune(TimePoint now) {
  std::erase_if(records_, [now](const auto& entry) {
    return !entry.second.busy && now - entry.second.used > kIdle;
  });
  prune_at_ = std::max(kPruneAt, records_.size() * 2);
}

}  // namespace threefs::standalone

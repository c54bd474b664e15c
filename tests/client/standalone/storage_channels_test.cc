// SPDX-License-Identifier: Apache-2.0
// The table of 3fs/storage.md §4, row by row.
#include "client/standalone/storage_channels.h"

#include <gtest/gtest.h>

namespace threefs::standalone {
namespace {

using schema::storage::IOResult;
using schema::storage::MessageTag;

MessageTag Tag(uint64_t seqnum, uint64_t request, uint16_t channel = 1) {
  MessageTag tag;
  tag.request_id = request;
  tag.channel = {.id = channel, .seqnum = seqnum};
  return tag;
}
IOResult Done(uint32_t length) {
  IOResult r;
  r.length_info = length;
  r.commit_ver = 9;
  return r;
}

TEST(UpdateChannels, EveryRow) {
  UpdateChannels channels;
  const TimePoint now{};
  const auto code = [&](const MessageTag& tag, uint64_t generation = 1) {
    const auto known = channels.Begin(tag, generation, 5, false, now);
    return known.has_value() ? known->length_info.code() : Code::kFoundBug;
  };
  EXPECT_EQ(code(Tag(1, 1, 0)), Code::kStorageClientFoundBug);
  EXPECT_FALSE(channels.Begin(Tag(5, 1), 1, 5, false, now).has_value());
  EXPECT_EQ(code(Tag(5, 1)), Code::kStorageChannelIsLocked);
  EXPECT_EQ(code(Tag(6, 2)), Code::kStorageChannelIsLocked);
  channels.End(Tag(5, 1), Done(5), now);
  EXPECT_EQ(code(Tag(4, 3)), Code::kStorageClientDuplicateUpdate);
  EXPECT_EQ(code(Tag(5, 3)), Code::kStorageClientFoundBug);
  const auto again = channels.Begin(Tag(5, 1), 1, 7, false, now);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(*again->length_info, 7U);
  EXPECT_EQ(again->commit_ver, 9U);
  EXPECT_EQ(*channels.Begin(Tag(5, 1), 1, 7, true, now)->length_info, 5U);
  // Another generation, a remembered failure, a later number: executed.
  EXPECT_FALSE(channels.Begin(Tag(5, 1), 2, 5, false, now).has_value());
  IOResult failed;
  failed.length_info = Code::kStorageClientNoSpace;
  channels.End(Tag(5, 1), failed, now);
  EXPECT_FALSE(channels.Begin(Tag(5, 1), 2, 5, false, now).has_value());
  channels.End(Tag(5, 1), Done(5), now);
  EXPECT_FALSE(channels.Begin(Tag(6, 2), 2, 5, false, now).has_value());
  channels.End(Tag(6, 2), Done(5), now);
  EXPECT_EQ(channels.size(), 1U);
}

}  // namespace
}  // namespace threefs::standalone

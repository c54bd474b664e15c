// SPDX-License-Identifier: Apache-2.0
#include "client/storage/channels.h"

#include "client/base/check.h"

namespace threefs::storage {

ChannelPool::ChannelPool(uint16_t first, uint16_t count, uint64_t first_sequence)
    : gate_(count), sequence_(first_sequence) {
  CHECK(first != 0 && count != 0 && uint32_t{first} + count <= 0x10000);
  free_.reserve(count);
  for (uint32_t id = uint32_t{first} + count; id-- > first;) {
    free_.push_back(static_cast<uint16_t>(id));
  }
}

Task<ChannelPool::Lease> ChannelPool::Take(CallContext ctx) {
  Gate::Permit permit = co_await gate_.Enter(ctx);
  if (!permit.owns()) co_return Lease();
  CHECK(!free_.empty());
  const uint16_t id = free_.back();
  free_.pop_back();
  co_return Lease(this, id, std::move(permit));
}

schema::storage::UpdateChannel ChannelPool::Next(uint16_t id, uint64_t slots) {
  schema::storage::UpdateChannel channel;
  channel.id = id;
  channel.seqnum = sequence_;
  sequence_ += slots;
  return channel;
}

}  // namespace threefs::storage

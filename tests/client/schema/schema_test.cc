// SPDX-License-Identifier: Apache-2.0
// What the golden vectors do not say about the schema: hostile raw types, traps of single messages,
// method numbers.
#include <gtest/gtest.h>

#include "client/schema/core.h"
#include "client/schema/meta_rpc.h"
#include "client/schema/mgmtd_rpc.h"
#include "client/schema/packet.h"
#include "client/schema/rdma.h"
#include "client/schema/storage_rpc.h"

namespace threefs::schema {
namespace {

TEST(RemoteBuf, NoneIsSeventeenZeroBytes) {
  const Bytes bytes = serde::Encode(RDMARemoteBuf{}).Flatten();
  EXPECT_EQ(bytes, Bytes::Own(std::vector<uint8_t>(17, 0)));
}

TEST(RemoteBuf, CountIsBounded) {
  std::vector<uint8_t> bytes(17 + 8 * 255, 0);
  for (const uint8_t count : std::vector<uint8_t>{0, 4}) {
    bytes[16] = count;
    EXPECT_TRUE(serde::Decode<RDMARemoteBuf>(Bytes::Own(bytes)).ok()) << int{count};
  }
  for (const uint8_t count : std::vector<uint8_t>{5, 255}) {
    bytes[16] = count;
    EXPECT_EQ(serde::Decode<RDMARemoteBuf>(Bytes::Own(bytes)).code(), Code::kDataCorruption)
        << int{count};
  }
  bytes.resize(17);
  bytes[16] = 1;
  EXPECT_EQ(serde::Decode<RDMARemoteBuf>(Bytes::Own(bytes)).code(), Code::kSerdeInsufficientLength);
}

TEST(Layout, EmptysByteIsIgnored) {
  meta::Layout layout{.table_id = 1, .chunk_size = 4096, .stripe_size = 1};
  const Bytes clean = serde::Encode(layout).Flatten();
  std::vector<uint8_t> dirty(clean.data(), clean.data() + clean.size());
  dirty.back() = 0xa5;
  const auto back = serde::Decode<meta::Layout>(Bytes::Own(dirty));
  ASSERT_TRUE(back.ok());
  EXPECT_TRUE(std::holds_alternative<meta::Layout::Empty>(back->chains));
  EXPECT_EQ(serde::Encode(*back).Flatten(), clean);
}

TEST(Rename, OldServersSendNoInode) {
  const std::vector<uint8_t> old{0x01, 0x00, 0x00};
  const auto rsp = serde::Decode<Result<meta::RenameRsp>>(Bytes::Own(old));
  ASSERT_TRUE(rsp.ok());
  ASSERT_TRUE(rsp->ok());
  EXPECT_FALSE((*rsp)->stat.has_value());
}

TEST(Inode, MissingTimesAreTheReferencesDefault) {
  const std::vector<uint8_t> old{0x00, 0x00};
  const auto inode = serde::Decode<meta::Inode>(Bytes::Own(old));
  ASSERT_TRUE(inode.ok());
  EXPECT_EQ(inode->nlink, 1);
  EXPECT_EQ(inode->mtime, meta::kDefaultTime);
}

TEST(Packet, PiecesAndPayloadEncodeAlike) {
  const serde::Encoded payload = serde::Encode(
      storage::WriteReq{.payload = {.inlinebuf = {Bytes::CopyOf(std::string(100000, 'd'))}}});
  ASSERT_GT(payload.pieces.size(), 1U);
  const OutPacket out{.uuid = 5,
                      .service_id = 3,
                      .method_id = 2,
                      .flags = kPacketIsReq,
                      .payload = payload,
                      .timestamp = Timestamp{.client_called = 9}};
  const serde::Encoded frame = serde::Encode(out);
  EXPECT_GT(frame.pieces.size(), 1U);
  const auto in = serde::Decode<MessagePacket>(frame.Flatten());
  ASSERT_TRUE(in.ok());
  EXPECT_EQ(in->payload, payload.Flatten());
  EXPECT_EQ(in->timestamp->client_called, 9);
  EXPECT_EQ(serde::Encode(*in).Flatten(), frame.Flatten());
}

// The last 64 bytes of an uncompressed body are the timestamps: senders patch them there.
TEST(Packet, TimestampIsLast) {
  const OutPacket out{.timestamp = Timestamp{.client_waked = 0x1122334455667788}};
  const Bytes body = serde::Encode(out).Flatten();
  int64_t last = 0;
  std::memcpy(&last, body.data() + body.size() - 8, 8);
  EXPECT_EQ(last, 0x1122334455667788);
  EXPECT_EQ(body.data()[body.size() - 65], 0x40);
}

template <class M, class Req, class Rsp>
constexpr bool kIs = std::is_same_v<typename M::Req, Req> && std::is_same_v<typename M::Rsp, Rsp>;
static_assert(kIs<meta::method::Authenticate, meta::AuthReq, meta::AuthRsp>);
static_assert(kIs<storage::method::SyncStart, storage::SyncStartReq, storage::TargetSyncInfo>);
static_assert(meta::method::TestRpc::kServiceId == 4 && meta::method::TestRpc::kMethodId == 50);
static_assert(storage::method::RemoveTarget::kServiceId == 3);
static_assert(mgmtd::method::UpdateChain::kServiceId == 217);
static_assert(core::method::Shutdown::kServiceId == 10001 &&
              core::method::Shutdown::kMethodId == 6);
static_assert(method::Echo::kServiceId == 10000);
static_assert(rdma::method::Apply::kServiceId == 10 && rdma::method::IBConnect::kServiceId == 11);

}  // namespace
}  // namespace threefs::schema

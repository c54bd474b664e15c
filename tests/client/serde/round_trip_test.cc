// SPDX-License-Identifier: Apache-2.0
// Random values of the wire's bigger structs: decode(encode(x)) is x, every cut of the bytes is
// survived, and so is every flipped byte.
#include <gtest/gtest.h>

#include "client/base/rng.h"
#include "client/schema/core.h"
#include "client/schema/meta_rpc.h"
#include "client/schema/mgmtd_rpc.h"
#include "client/schema/packet.h"
#include "client/schema/rdma.h"
#include "client/schema/storage_rpc.h"
#include "tests/client/serde/random_value.h"

namespace threefs {
namespace {

template <class T>
class RoundTrip : public testing::Test {};

using Types =
    testing::Types<schema::mgmtd::HeartbeatReq, Result<schema::mgmtd::GetRoutingInfoRsp>,
                   Result<schema::mgmtd::ListClientSessionsRsp>, schema::meta::CreateReq,
                   Result<schema::meta::ListRsp>, Result<schema::meta::BatchStatByPathRsp>,
                   Result<schema::meta::BatchStatRsp>, schema::meta::PruneSessionReq,
                   schema::storage::BatchReadReq, Result<schema::storage::BatchReadRsp>,
                   schema::storage::UpdateReq, Result<schema::storage::QueryChunkRsp>,
                   Result<schema::core::GetLastConfigUpdateRecordRsp>, schema::rdma::IBConnectReq,
                   schema::MessagePacket>;

template <class T>
T RandomValue(uint64_t seed) {
  Rng rng(seed);
  T value = serde::internal::MakeBlank<T>();
  test::RandomFill(rng).Fill(&value);
  return value;
}

TYPED_TEST_SUITE(RoundTrip, Types);

TYPED_TEST(RoundTrip, RandomValues) {
  for (uint64_t seed = 1; seed <= 16; ++seed) {
    const serde::Encoded encoded = serde::Encode(RandomValue<TypeParam>(seed));
    const Bytes bytes = encoded.Flatten();
    ASSERT_EQ(bytes.size(), encoded.size);
    const auto back = serde::Decode<TypeParam>(bytes);
    ASSERT_TRUE(back.ok()) << "seed " << seed << ": " << back.status().ToString();
    ASSERT_EQ(serde::Encode(*back).Flatten(), bytes) << "seed " << seed;
  }
}

TYPED_TEST(RoundTrip, CutsAndFlipsAreSurvived) {
  Rng rng(77);
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    const Bytes bytes = serde::Encode(RandomValue<TypeParam>(seed)).Flatten();
    for (int round = 0; round < 60; ++round) {
      std::vector<uint8_t> bad(bytes.data(), bytes.data() + bytes.size());
      if (round % 2 == 0) {
        bad.resize(rng.Below(bad.size() + 1));
      } else {
        // Lengths stand near the front: aim there half of the time.
        const size_t range = round % 4 == 1 ? std::min<size_t>(bad.size(), 40) : bad.size();
        bad[rng.Below(range)] = static_cast<uint8_t>(rng.Next());
      }
      // Whatever still decodes is a value: it encodes, and its encoding decodes to itself.
      const auto value = serde::Decode<TypeParam>(Bytes::Own(std::move(bad)));
      if (!value.ok()) continue;
      const Bytes again = serde::Encode(*value).Flatten();
      const auto twice = serde::Decode<TypeParam>(again);
      ASSERT_TRUE(twice.ok()) << "seed " << seed << " round " << round;
      ASSERT_EQ(serde::Encode(*twice).Flatten(), again) << "seed " << seed << " round " << round;
    }
  }
}

}  // namespace
}  // namespace threefs

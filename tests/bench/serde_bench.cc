// SPDX-License-Identifier: Apache-2.0
// Cost of encoding and decoding the messages of the hot paths.
#include <benchmark/benchmark.h>

#include "client/layout/chunk_id.h"
#include "client/schema/meta_rpc.h"
#include "client/schema/mgmtd_rpc.h"
#include "client/schema/packet.h"
#include "client/schema/storage_rpc.h"

namespace threefs {
namespace {

namespace meta = schema::meta;
namespace mgmtd = schema::mgmtd;
namespace storage = schema::storage;
using schema::OutPacket;

storage::MessageTag Tag() {
  return {.client_id = {.hostname = "node-17.example"}, .request_id = 77, .channel = {3, 99}};
}

storage::BatchReadReq BatchRead(size_t count) {
  storage::BatchReadReq req{.tag = Tag(), .user_info = {.uid = 1000, .gid = 1000}};
  for (size_t i = 0; i < count; ++i) {
    req.payloads.push_back(
        {.offset = 4096,
         .length = 4096,
         .key = {.v_chain_id = {900100001, 5},
                 .chunk_id = layout::MakeChunkId(0x1234, 0, static_cast<uint32_t>(i))}});
  }
  return req;
}

void EncodeBatchRead(benchmark::State& state) {
  const auto req = BatchRead(static_cast<size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(serde::Encode(req));
}
BENCHMARK(EncodeBatchRead)->Arg(1)->Arg(128);

void DecodeBatchRead(benchmark::State& state) {
  const Bytes bytes = serde::Encode(BatchRead(static_cast<size_t>(state.range(0)))).Flatten();
  for (auto _ : state) benchmark::DoNotOptimize(serde::Decode<storage::BatchReadReq>(bytes));
}
BENCHMARK(DecodeBatchRead)->Arg(1)->Arg(128);

void EncodeWritePacket(benchmark::State& state) {
  const Bytes data = Bytes::Own(std::vector<uint8_t>(static_cast<size_t>(state.range(0)), 1));
  for (auto _ : state) {
    storage::WriteReq req{.payload = {.length = static_cast<uint32_t>(data.size()),
                                      .chunk_size = 1U << 20,
                                      .key = {.chunk_id = layout::MakeChunkId(1, 0, 1)},
                                      .inlinebuf = {data}},
                          .tag = Tag()};
    benchmark::DoNotOptimize(serde::Encode(
        OutPacket{.uuid = 1, .service_id = 3, .method_id = 2, .payload = serde::Encode(req)}));
  }
}
BENCHMARK(EncodeWritePacket)->Arg(4096)->Arg(1 << 20);

void DecodeReadAnswer(benchmark::State& state) {
  storage::BatchReadRsp rsp{.tag = Tag()};
  rsp.results.resize(1);
  rsp.results[0].length_info = 1U << 20;
  rsp.inlinebuf.data = Bytes::Own(std::vector<uint8_t>(1U << 20));
  const Bytes bytes = serde::Encode(Result<storage::BatchReadRsp>(rsp)).Flatten();
  for (auto _ : state) {
    benchmark::DoNotOptimize(serde::Decode<Result<storage::BatchReadRsp>>(bytes));
  }
}
BENCHMARK(DecodeReadAnswer);

void DecodeStatAnswer(benchmark::State& state) {
  meta::StatRsp rsp{};
  rsp.stat.type =
      meta::File{.length = 5,
                 .layout = {.table_id = 1,
                            .table_version = 1,
                            .chunk_size = 1U << 20,
                            .stripe_size = 16,
                            .chains = meta::Layout::ChainRange{
                                .base_index = 1,
                                .shuffle = meta::Layout::ShuffleType::kStdShuffleMt19937,
                                .seed = 9}}};
  const Bytes bytes = serde::Encode(Result<meta::StatRsp>(rsp)).Flatten();
  for (auto _ : state) benchmark::DoNotOptimize(serde::Decode<Result<meta::StatRsp>>(bytes));
}
BENCHMARK(DecodeStatAnswer);

void EncodeStat(benchmark::State& state) {
  const meta::StatReq req{.base = {.user = {.uid = 1000,
                                            .gid = 1000,
                                            .groups = {1000},
                                            .token = "0123456789abcdef01234567"},
                                   .client = {.hostname = "node"}},
                          .path = {.parent = 5, .path = "some-file-name"}};
  for (auto _ : state) benchmark::DoNotOptimize(serde::Encode(req));
}
BENCHMARK(EncodeStat);

void DecodeRouting(benchmark::State& state) {
  mgmtd::RoutingInfo info;
  for (uint32_t i = 1; i <= 10000; ++i) {
    info.chains.emplace_back(
        i, mgmtd::ChainInfo{.chain_id = i,
                            .targets = {{i * 10ULL}, {i * 10ULL + 1}, {i * 10ULL + 2}}});
    info.targets.emplace_back(i, mgmtd::TargetInfo{.target_id = i, .chain_id = i, .node_id = 5});
  }
  const Bytes bytes = serde::Encode(info).Flatten();
  for (auto _ : state) benchmark::DoNotOptimize(serde::Decode<mgmtd::RoutingInfo>(bytes));
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * bytes.size()));
}
BENCHMARK(DecodeRouting);

}  // namespace
}  // namespace threefs

BENCHMARK_MAIN();

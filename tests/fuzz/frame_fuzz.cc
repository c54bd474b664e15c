// SPDX-License-Identifier: Apache-2.0
// Whole frames: header, checksum, zstd, packet. The checksum would stop nearly every mutation at
// the door, so it is mended first; the magic and the compressed flag stay as the fuzzer made them.
// A packet that parses must survive being framed again, and its payload is handed to the decoder
// its ids name.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "client/base/check.h"
#include "client/base/crc32c.h"
#include "client/net/transport.h"
#include "client/rpc/frame.h"
#include "client/serde/serde.h"
#include "tests/golden/registry.h"

namespace threefs {
namespace {

void MendHeader(std::vector<uint8_t>* frame) {
  if (frame->size() < net::kFrameHeaderSize) return;
  const ByteSpan body = ByteSpan(*frame).subspan(net::kFrameHeaderSize);
  const uint32_t word = (Crc32cRaw(0, body) & 0xffffff00U) | frame->front();
  const auto size = static_cast<uint32_t>(body.size());
  std::memcpy(frame->data(), &word, sizeof word);
  std::memcpy(frame->data() + sizeof word, &size, sizeof size);
}

void Run(std::vector<uint8_t> bytes) {
  const auto packet = rpc::ParseFrame(Bytes::Own(std::move(bytes)));
  if (!packet.ok()) return;
  const bool is_request = (packet->flags & schema::kPacketIsReq) != 0;
  if (const auto* type =
          golden::FindPayloadType(packet->service_id, packet->method_id, is_request)) {
    (void)type->recode(packet->payload);
  }
  const schema::OutPacket out{.uuid = packet->uuid,
                              .service_id = packet->service_id,
                              .method_id = packet->method_id,
                              .flags = packet->flags,
                              .version = packet->version,
                              .payload = {{packet->payload}, packet->payload.size()},
                              .timestamp = packet->timestamp};
  const auto framed = rpc::EncodeFrame(out, rpc::Compression::kNone);
  CHECK(framed.ok());
  const auto again = rpc::ParseFrame(serde::Encoded{framed->pieces, framed->size()}.Flatten());
  CHECK(again.ok());
  CHECK(serde::Encode(*again).Flatten() == serde::Encode(*packet).Flatten());
}

}  // namespace
}  // namespace threefs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  threefs::Run({data, data + size});
  std::vector<uint8_t> mended(data, data + size);
  threefs::MendHeader(&mended);
  threefs::Run(std::move(mended));
  return 0;
}

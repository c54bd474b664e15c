// SPDX-License-Identifier: Apache-2.0
#include "client/rpc/frame.h"

#include <fmt/core.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "client/base/crc32c.h"
#include "client/serde/serde.h"

namespace threefs::rpc {
namespace {

constexpr uint32_t kMagic = 0x86;
constexpr uint32_t kMagicMask = 0xfe;
constexpr uint32_t kCompressed = 0x01;
constexpr uint32_t kChecksumMask = 0xffffff00;
constexpr int kLevel = 1;  // the reference's default

Bytes Header(uint32_t crc, uint32_t flag, size_t size) {
  std::vector<uint8_t> header(net::kFrameHeaderSize);
  const uint32_t word = (crc & kChecksumMask) | kMagic | flag;
  const auto size32 = static_cast<uint32_t>(size);
  std::memcpy(header.data(), &word, sizeof word);
  std::memcpy(header.data() + sizeof word, &size32, sizeof size32);
  return Bytes::Own(std::move(header));
}

Status BadBody(std::string text) { return {Code::kRPCVerifyResponseFailed, std::move(text)}; }

Result<Bytes> Deflate(const Bytes& body) {
  std::vector<uint8_t> out(ZSTD_compressBound(body.size()));
  const size_t n = ZSTD_compress(out.data(), out.size(), body.data(), body.size(), kLevel);
  if (ZSTD_isError(n) != 0) return BadBody(fmt::format("zstd: {}", ZSTD_getErrorName(n)));
  out.resize(n);
  return Bytes::Own(std::move(out));
}

// Output grows with what really comes out, whatever size the zstd frame announces.
Result<Bytes> Inflate(const Bytes& body) {
  const size_t limit =
      std::min<size_t>(net::kMaxFrameBody - 1, kInflateFree + kInflateRatio * body.size());
  const std::unique_ptr<ZSTD_DStream, size_t (*)(ZSTD_DStream*)> stream(ZSTD_createDStream(),
                                                                        ZSTD_freeDStream);
  CHECK(stream != nullptr);
  ZSTD_inBuffer in{body.data(), body.size(), 0};
  std::vector<uint8_t> out;
  size_t filled = 0;
  size_t left = 1;
  while (left != 0) {
    if (filled == out.size()) {
      if (filled == limit)
        return BadBody(fmt::format("compressed frame of {} bytes inflates to more than {}",
                                   body.size(), limit));
      out.resize(std::min(limit, std::max<size_t>(64U << 10, 2 * out.size())));
    }
    ZSTD_outBuffer space{out.data(), out.size(), filled};
    left = ZSTD_decompressStream(stream.get(), &space, &in);
    if (ZSTD_isError(left) != 0) return BadBody(fmt::format("zstd: {}", ZSTD_getErrorName(left)));
    const bool stuck = space.pos == filled && in.pos == in.size;
    filled = space.pos;
    if (left != 0 && stuck) return BadBody("compressed frame ends too early");
  }
  if (in.pos != in.size) return BadBody("compressed frame has bytes after its end");
  out.resize(filled);
  return Bytes::Own(std::move(out));
}

}  // namespace

Result<net::OutFrame> EncodeFrame(const schema::OutPacket& packet, Compression compression) {
  serde::Encoded body = serde::Encode(packet);
  if (body.size >= net::kMaxFrameBody) {
    return Status(
        Code::kRPCVerifyRequestFailed,
        fmt::format("message of {} bytes does not fit a frame (limit 512 MiB)", body.size));
  }
  uint32_t flag = 0;
  if (compression == Compression::kZstd) {
    TRY(Bytes small, Deflate(body.Flatten()));
    body.size = small.size();
    body.pieces.assign(1, std::move(small));
    flag = kCompressed;
  }
  uint32_t crc = 0;
  for (const Bytes& piece : body.pieces) crc = Crc32cRaw(crc, piece.span());
  net::OutFrame frame;
  frame.pieces.reserve(1 + body.pieces.size());
  frame.pieces.push_back(Header(crc, flag, body.size));
  for (Bytes& piece : body.pieces) frame.pieces.push_back(std::move(piece));
  return frame;
}

Result<schema::MessagePacket> DecodeFrame(const net::InFrame& frame) {
  const uint32_t crc = Crc32cRaw(0, frame.body.span());
  if ((crc & kChecksumMask) != (frame.checksum_word & kChecksumMask)) {
    return BadBody(fmt::format("frame of {} bytes has checksum {:06x}, its header says {:06x}",
                               frame.body.size(), crc >> 8, frame.checksum_word >> 8));
  }
  Bytes body = frame.body;
  if ((frame.checksum_word & kCompressed) != 0) {
    TRY(body, Inflate(frame.body));
  }
  return serde::Decode<schema::MessagePacket>(body);
}

Result<schema::MessagePacket> ParseFrame(const Bytes& bytes) {
  if (bytes.size() < net::kFrameHeaderSize) return BadBody("frame is shorter than its header");
  net::InFrame frame;
  uint32_t size = 0;
  std::memcpy(&frame.checksum_word, bytes.data(), 4);
  std::memcpy(&size, bytes.data() + 4, 4);
  if ((frame.checksum_word & kMagicMask) != kMagic) return BadBody("frame has a wrong magic byte");
  if (size != bytes.size() - net::kFrameHeaderSize)
    return BadBody("frame's size is not its body's");
  frame.body = bytes.Slice(net::kFrameHeaderSize, size);
  return DecodeFrame(frame);
}

}  // namespace threefs::rpc

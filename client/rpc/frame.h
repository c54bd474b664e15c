// SPDX-License-Identifier: Apache-2.0
// Frames (3fs/wire.md §2.1–2.3): packet ⇄ header, checksum, optional zstd. Pure functions, any
// thread. Input is foreign: nothing here crashes on it, and what a small frame may inflate to is
// bounded.
#pragma once

#include <cstdint>

#include "client/base/bytes.h"
#include "client/base/status.h"
#include "client/net/transport.h"
#include "client/schema/packet.h"

namespace threefs::rpc {

/// A compressed body may inflate to kInflateFree bytes whatever its size, beyond that to
/// kInflateRatio times its own size, and never to net::kMaxFrameBody or more. (zstd itself reaches
/// 32000:1 on zeros.)
inline constexpr size_t kInflateFree = 64U << 20;
inline constexpr size_t kInflateRatio = 1024;

/// Servers compress answers of at least this many bytes when the request allows it
/// (3fs/measured.md).
inline constexpr size_t kCompressThreshold = 128U << 10;

enum class Compression : uint8_t { kNone, kZstd };

/// The frame to send. Payload pieces are not copied (they are when compressed). A packet that does
/// not fit a frame is kRPCVerifyRequestFailed.
Result<net::OutFrame> EncodeFrame(const schema::OutPacket& packet, Compression compression);

/// Verifies the checksum, inflates, decodes the packet. Its payload is a slice of `frame.body` (or
/// of the inflated body). Any error means: close the connection. kRPCVerifyResponseFailed for a
/// wrong checksum or a body that does not inflate, the serde's code for a packet that does not
/// decode.
Result<schema::MessagePacket> DecodeFrame(const net::InFrame& frame);

/// The same on a header and its whole body in one piece, as they stand in a stream (golden vectors,
/// fuzzing).
Result<schema::MessagePacket> ParseFrame(const Bytes& bytes);

}  // namespace threefs::rpc

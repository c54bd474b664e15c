// SPDX-License-Identifier: Apache-2.0
// MessagePacket: the body of a frame (3fs/wire.md §2.3). The frame's header and checksum are
// client/rpc's.
#pragma once

#include <cstdint>
#include <optional>

#include "client/base/bytes.h"
#include "client/serde/serde.h"

namespace threefs::schema {

/// Microseconds since 1970 UTC. From a peer: hints, not facts.
struct Timestamp {
  int64_t client_called = 0;
  int64_t client_serialized = 0;
  int64_t server_received = 0;
  int64_t server_waked = 0;
  int64_t server_processed = 0;
  int64_t server_serialized = 0;
  int64_t client_received = 0;
  int64_t client_waked = 0;
  SERDE_FIELDS(client_called, client_serialized, server_received, server_waked, server_processed,
               server_serialized, client_received, client_waked)
};

struct Version {
  uint8_t major = 0;
  uint8_t minor = 0;
  uint8_t patch = 0;
  uint32_t hash = 0;
  SERDE_FIELDS(major, minor, patch, hash)
};

inline constexpr uint16_t kPacketIsReq = 1;
inline constexpr uint16_t kPacketUseCompress = 2;
inline constexpr uint16_t kPacketControlRdma = 4;

template <class Payload>
struct BasicPacket {
  uint64_t uuid = 0;
  uint16_t service_id = 0;
  uint16_t method_id = 0;
  uint16_t flags = 0;
  Version version{};
  Payload payload{};
  std::optional<Timestamp> timestamp{};
  SERDE_FIELDS(uuid, service_id, method_id, flags, version, payload, timestamp)
};
/// As received: the payload is a slice of the frame's body.
using MessagePacket = BasicPacket<Bytes>;
/// To be sent: the payload's pieces are spliced into the packet.
using OutPacket = BasicPacket<serde::Encoded>;

}  // namespace threefs::schema

SERDE_EXTERN(::threefs::schema::MessagePacket)
extern template ::threefs::serde::Encoded threefs::serde::Encode<::threefs::schema::OutPacket>(
    const ::threefs::schema::OutPacket&);

// SPDX-License-Identifier: Apache-2.0
// The two checksums of the 3FS wire (3fs/wire.md §2.1, 3fs/storage.md §2.3), both in raw register form: a starting
// register goes in, the register after the data comes out, no inversion. Frames start from 0, storage from 0xFFFFFFFF.
#pragma once

#include <cstddef>
#include <cstdint>

#include "client/base/bytes.h"

namespace threefs {

/// CRC-32C (Castagnoli, reflected 0x82F63B78) register after `data`, starting from `reg`.
uint32_t Crc32cRaw(uint32_t reg, ByteSpan data);
/// CRC-32 (IEEE, reflected 0xEDB88320) register after `data`, starting from `reg`.
uint32_t Crc32Raw(uint32_t reg, ByteSpan data);

/// The register after `count` zero bytes, in O(log count); for combining checksums.
uint32_t Crc32cShift(uint32_t reg, uint64_t count);
uint32_t Crc32Shift(uint32_t reg, uint64_t count);

}  // namespace threefs

// SPDX-License-Identifier: Apache-2.0
// Checksums of chunk data as storage sends them (3fs/storage.md §2.3): the raw CRC register,
// started at all ones, not inverted at the end; type NONE always has value 0. Pure functions, any
// thread; used by client and server alike.
#pragma once

#include <cstdint>

#include "client/base/bytes.h"
#include "client/base/status.h"
#include "client/schema/storage.h"

namespace threefs::layout {

using schema::storage::ChecksumInfo;
using schema::storage::ChecksumType;

/// Of `data`. Unknown types count as NONE.
ChecksumInfo ComputeChecksum(ChecksumType type, ByteSpan data);
/// Of `count` zero bytes, without touching them.
ChecksumInfo ChecksumOfZeros(ChecksumType type, uint64_t count);
/// Of A followed by B, from a = checksum(A), b = checksum(B) and B's length. `a` of type NONE: the
/// result is `b`. kStorageClientChecksumMismatch when the types differ.
Result<ChecksumInfo> CombineChecksums(const ChecksumInfo& a, const ChecksumInfo& b,
                                      uint64_t b_length);
/// Same type, same value.
bool SameChecksum(const ChecksumInfo& a, const ChecksumInfo& b);

}  // namespace threefs::layout

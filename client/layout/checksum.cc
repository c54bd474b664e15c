// SPDX-License-Identifier: Apache-2.0
#include "client/layout/checksum.h"

#include "client/base/crc32c.h"

namespace threefs::layout {
namespace {
constexpr uint32_t kStart = 0xffffffff;
}  // namespace

ChecksumInfo ComputeChecksum(ChecksumType type, ByteSpan data) {
  switch (type) {
    case ChecksumType::kCrc32c:
      return {type, Crc32cRaw(kStart, data)};
    case ChecksumType::kCrc32:
      return {type, Crc32Raw(kStart, data)};
    case ChecksumType::kNone:
      break;
  }
  return {};
}

ChecksumInfo ChecksumOfZeros(ChecksumType type, uint64_t count) {
  switch (type) {
    case ChecksumType::kCrc32c:
      return {type, Crc32cShift(kStart, count)};
    case ChecksumType::kCrc32:
      return {type, Crc32Shift(kStart, count)};
    case ChecksumType::kNone:
      break;
  }
  return {};
}

// The register is linear in its start value, so the bytes of B contribute b XOR shift(all ones) and
// A's register, moved over B's length, contributes shift(a): together shift(a XOR all ones) XOR b.
Result<ChecksumInfo> CombineChecksums(const ChecksumInfo& a, const ChecksumInfo& b,
                                      uint64_t b_length) {
  if (a.type == ChecksumType::kNone) return b;
  if (b_length == 0) return a;
  if (a.type != b.type) {
    return Status(Code::kStorageClientChecksumMismatch,
                  "checksums of different types cannot be combined");
  }
  const uint32_t moved = a.type == ChecksumType::kCrc32c ? Crc32cShift(a.value ^ kStart, b_length)
                                                         : Crc32Shift(a.value ^ kStart, b_length);
  return ChecksumInfo{a.type, moved ^ b.value};
}

bool SameChecksum(const ChecksumInfo& a, const ChecksumInfo& b) {
  return a.type == b.type && a.value == b.value;
}

}  // namespace threefs::layout

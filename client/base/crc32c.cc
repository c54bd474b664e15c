// SPDX-License-Identifier: Apache-2.0
#include "client/base/crc32c.h"

#include <isa-l/crc.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "client/base/bytes.h"

namespace threefs {
namespace {

// ISA-L takes int lengths: feed long inputs in pieces.
constexpr size_t kPiece = size_t{1} << 30;

using Matrix = std::array<uint32_t, 32>;  // GF(2): column i is the image of bit i

uint32_t Times(const Matrix& m, uint32_t v) {
  uint32_t r = 0;
  for (size_t i = 0; v != 0; v >>= 1, ++i) {
    if (v & 1) r ^= m[i];
  }
  return r;
}

Matrix Square(const Matrix& m) {
  Matrix r{};
  for (size_t i = 0; i < 32; ++i) r[i] = Times(m, m[i]);
  return r;
}

// powers[k] advances a register over 2^k zero bytes.
std::array<Matrix, 64> MakePowers(uint32_t polynomial) {
  Matrix bit{};  // one zero bit, reflected register
  bit[0] = polynomial;
  for (size_t i = 1; i < 32; ++i) bit[i] = uint32_t{1} << (i - 1);
  std::array<Matrix, 64> powers{};
  powers[0] = Square(Square(Square(bit)));
  for (size_t k = 1; k < 64; ++k) powers[k] = Square(powers[k - 1]);
  return powers;
}

uint32_t Shift(const std::array<Matrix, 64>& powers, uint32_t reg, uint64_t count) {
  for (size_t k = 0; count != 0; count >>= 1, ++k) {
    if (count & 1) reg = Times(powers[k], reg);
  }
  return reg;
}

}  // namespace

uint32_t Crc32cRaw(uint32_t reg, ByteSpan data) {
  while (!data.empty()) {
    const size_t n = data.size() < kPiece ? data.size() : kPiece;
    // The library's signature lacks const; it does not write.
    reg = crc32_iscsi(const_cast<unsigned char*>(data.data()), static_cast<int>(n), reg);
    data = data.subspan(n);
  }
  return reg;
}

uint32_t Crc32Raw(uint32_t reg, ByteSpan data) {
  // crc32_gzip_refl inverts on entry and exit; undo both.
  return ~crc32_gzip_refl(~reg, data.data(), data.size());
}

uint32_t Crc32cShift(uint32_t reg, uint64_t count) {
  static const auto kPowers = MakePowers(0x82F63B78U);
  return Shift(kPowers, reg, count);
}

uint32_t Crc32Shift(uint32_t reg, uint64_t count) {
  static const auto kPowers = MakePowers(0xEDB88320U);
  return Shift(kPowers, reg, count);
}

}  // namespace threefs

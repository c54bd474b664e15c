// SPDX-License-Identifier: Apache-2.0
// The reference writes downwards so that lengths are known when they are written (3fs/wire.md
// §1.1). Here bytes go forward: a table reserves one byte for its length, which fits most tables; a
// longer length moves the body up by one to four bytes when the table ends. Spliced pieces are not
// in the buffer, so a big payload never moves.
#include "client/serde/writer.h"

#include <algorithm>
#include <array>
#include <limits>

namespace threefs::serde {
namespace {

constexpr size_t kFirstCapacity = 512;
constexpr size_t kMaxVarint = 10;

size_t PutVarint(uint64_t value, std::array<uint8_t, kMaxVarint>* out) {
  size_t n = 0;
  while (value >= 0x80) {
    (*out)[n++] = static_cast<uint8_t>(value | 0x80);
    value >>= 7;
  }
  (*out)[n++] = static_cast<uint8_t>(value);
  return n;
}

}  // namespace

Bytes Encoded::Flatten() const {
  if (pieces.empty()) return {};
  if (pieces.size() == 1) return pieces[0];
  std::vector<uint8_t> all;
  all.reserve(size);
  for (const Bytes& piece : pieces) {
    all.insert(all.end(), piece.data(), piece.data() + piece.size());
  }
  return Bytes::Own(std::move(all));
}

void Writer::Grow(size_t more) {
  CHECK(more < std::numeric_limits<size_t>::max() / 4);
  const size_t capacity = std::max({kFirstCapacity, capacity_ * 2, size_ + more});
  auto buffer = std::make_shared_for_overwrite<uint8_t[]>(capacity);
  if (size_ != 0) std::memcpy(buffer.get(), buffer_.get(), size_);
  buffer_ = std::move(buffer);
  capacity_ = capacity;
}

void Writer::Varint(uint64_t value) {
  std::array<uint8_t, kMaxVarint> bytes;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  Raw(bytes.data(), PutVarint(value, &bytes));
}

void Writer::Splice(const Bytes& bytes) {
  if (bytes.size() < kSpliceThreshold) {
    Raw(bytes.data(), bytes.size());
    return;
  }
  splices_.push_back({size_, bytes});
  spliced_bytes_ += bytes.size();
}

void Writer::EndTable(const Table& table) {
  const size_t body_at = table.offset + 1;
  const size_t buffered = size_ - body_at;
  const uint64_t length = buffered + (spliced_bytes_ - table.spliced_bytes);
  if (length < 0x80) {
    buffer_[static_cast<ptrdiff_t>(table.offset)] = static_cast<uint8_t>(length);
    return;
  }
  std::array<uint8_t, kMaxVarint> prefix;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  const size_t prefix_size = PutVarint(length, &prefix);
  const size_t shift = prefix_size - 1;
  if (shift > capacity_ - size_) Grow(shift);
  std::memmove(buffer_.get() + body_at + shift, buffer_.get() + body_at, buffered);
  std::memcpy(buffer_.get() + table.offset, prefix.data(), prefix_size);
  size_ += shift;
  for (size_t i = table.splices; i < splices_.size(); ++i) splices_[i].offset += shift;
}

Encoded Writer::Finish() && {
  Encoded out;
  out.size = size_ + spliced_bytes_;
  if (size_ == 0 && splices_.empty()) return out;
  const Bytes all(buffer_, buffer_.get(), size_);
  if (splices_.empty()) {
    out.pieces.push_back(all);
    return out;
  }
  out.pieces.reserve(2 * splices_.size() + 1);
  size_t from = 0;
  for (SplicePoint& splice : splices_) {
    if (splice.offset > from) out.pieces.push_back(all.Slice(from, splice.offset - from));
    from = splice.offset;
    out.pieces.push_back(std::move(splice.bytes));
  }
  if (size_ > from) out.pieces.push_back(all.Slice(from, size_ - from));
  return out;
}

}  // namespace threefs::serde

// SPDX-License-Identifier: Apache-2.0
// Encoded, what an encoding gives, and Writer, the buffer under encode.h. Only codecs of custom
// types call Writer directly.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <type_traits>
#include <vector>

#include "client/base/bytes.h"

namespace threefs::serde {

/// A `Bytes` field of at least this size becomes a piece of its own instead of being copied: below
/// it, one more piece in writev costs more than the copy.
inline constexpr size_t kSpliceThreshold = 4096;

/// The outcome of an encoding: pieces that follow each other. A spliced piece is the caller's Bytes
/// (shared, or borrowed when it was Bytes::Borrow: then it must live until the pieces are dropped).
struct Encoded {
  std::vector<Bytes> pieces;
  size_t size = 0;
  /// One contiguous piece; copies unless it is one already.
  [[nodiscard]] Bytes Flatten() const;
};

/// Appends wire bytes. Codecs of custom types use it; everybody else calls Encode.
class Writer {
 public:
  Writer() = default;
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void Raw(const void* data, size_t size) {
    if (size > capacity_ - size_) Grow(size);
    if (size != 0) std::memcpy(buffer_.get() + size_, data, size);
    size_ += size;
  }
  /// Any trivially copyable scalar, little-endian as the host is.
  template <class T>
    requires std::is_trivially_copyable_v<T>
  void Fixed(const T& value) {
    Raw(&value, sizeof(T));
  }
  void Varint(uint64_t value);
  /// Varint length and the bytes.
  void Text(std::string_view text) {
    Varint(text.size());
    Raw(text.data(), text.size());
  }
  /// As Text; spliced from kSpliceThreshold bytes on.
  void Blob(const Bytes& bytes) {
    Varint(bytes.size());
    Splice(bytes);
  }
  void Splice(const Bytes& bytes);

  /// A table: everything written between the two calls gets its byte length put in front.
  struct Table {
    size_t offset;
    size_t spliced_bytes;
    size_t splices;
  };
  Table BeginTable() {
    const Table t{size_, spliced_bytes_, splices_.size()};
    Fixed<uint8_t>(0);  // the length, should it fit one byte
    return t;
  }
  void EndTable(const Table& table);

  Encoded Finish() &&;

 private:
  struct SplicePoint {
    size_t offset;  // in buffer_
    Bytes bytes;
  };
  void Grow(size_t more);

  std::shared_ptr<uint8_t[]> buffer_;
  size_t size_ = 0;
  size_t capacity_ = 0;
  size_t spliced_bytes_ = 0;
  std::vector<SplicePoint> splices_;
};

}  // namespace threefs::serde

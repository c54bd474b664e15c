// SPDX-License-Identifier: Apache-2.0
// Bytes: an immutable, reference-counted view of memory. Copying shares; slicing never copies. It is how payload
// travels through the client without being copied: a frame received in one buffer is cut into Bytes, a write's data
// is spliced into the outgoing frame as Bytes. Any thread; the owner is released by whichever thread drops it last.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/base/check.h"

namespace threefs {

using ByteSpan = std::span<const uint8_t>;
using MutableByteSpan = std::span<uint8_t>;

inline ByteSpan AsBytes(std::string_view s) {
  return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}
inline std::string_view AsText(ByteSpan s) {
  return {reinterpret_cast<const char*>(s.data()), s.size()};
}

class Bytes {
 public:
  Bytes() = default;
  /// `owner` keeps [data, data+size) valid and unchanged for as long as any copy or slice lives.
  Bytes(std::shared_ptr<const void> owner, const uint8_t* data, size_t size)
      : owner_(std::move(owner)), data_(data), size_(size) {}

  static Bytes CopyOf(ByteSpan s) {
    auto v = std::make_shared<std::vector<uint8_t>>(s.begin(), s.end());
    const uint8_t* p = v->data();
    return {std::move(v), p, s.size()};
  }
  static Bytes CopyOf(std::string_view s) { return CopyOf(AsBytes(s)); }
  static Bytes Own(std::vector<uint8_t> v) {
    auto o = std::make_shared<std::vector<uint8_t>>(std::move(v));
    const uint8_t* p = o->data();
    size_t n = o->size();
    return {std::move(o), p, n};
  }
  /// Nobody owns it: the caller guarantees the memory outlives every copy (static data, or until an awaited call ends).
  static Bytes Borrow(ByteSpan s) { return {nullptr, s.data(), s.size()}; }

  [[nodiscard]] const uint8_t* data() const { return data_; }
  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] ByteSpan span() const { return {data_, size_}; }
  [[nodiscard]] std::string_view text() const { return AsText(span()); }
  [[nodiscard]] const std::shared_ptr<const void>& owner() const { return owner_; }

  // REQUIRES: offset + size <= this->size()
  [[nodiscard]] Bytes Slice(size_t offset, size_t size) const {
    CHECK(offset <= size_ && size <= size_ - offset);
    return {owner_, data_ + offset, size};
  }

  friend bool operator==(const Bytes& a, const Bytes& b) {
    return a.size_ == b.size_ && (a.size_ == 0 || std::memcmp(a.data_, b.data_, a.size_) == 0);
  }

 private:
  std::shared_ptr<const void> owner_;
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace threefs

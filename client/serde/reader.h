// SPDX-License-Identifier: Apache-2.0
// Reader: the bounded cursor under decode.h. Only codecs of custom types call it directly.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include "client/base/bytes.h"
#include "client/base/status.h"

namespace threefs::serde {

/// Cuts values off the input. Codecs of custom types use it; everybody else calls Decode. Every
/// method returns false after it (or an earlier one) failed.
class Reader {
 public:
  explicit Reader(const Bytes& input)
      : input_(input),
        at_(input.data()),
        end_(input.data() + input.size()),
        allowance_(kAllowanceBase + kAllowanceFactor * input.size()) {}

  [[nodiscard]] size_t remaining() const { return static_cast<size_t>(end_ - at_); }
  bool Raw(void* out, size_t size) {
    if (size > remaining()) return Fail(Code::kSerdeInsufficientLength);
    if (size != 0) std::memcpy(out, at_, size);
    at_ += size;
    return true;
  }
  template <class T>
    requires std::is_trivially_copyable_v<T>
  bool Fixed(T* out) {
    return Raw(out, sizeof(T));
  }
  bool Flag(bool* out);
  bool Varint(uint64_t* out);
  bool Text(std::string* out);
  /// A view of the input; valid as long as the input.
  bool View(std::string_view* out);
  /// A slice of the input.
  bool Blob(Bytes* out);
  /// The count of a container whose elements take at least `min_size` bytes each on the wire and
  /// `memory` bytes each when decoded; fails when the input is too small to justify them.
  bool Count(size_t min_size, size_t memory, size_t* out);

  /// Narrows the reader to the table that begins here; Leave with what Enter gave skips what was
  /// not read.
  bool Enter(const uint8_t** outer_end);
  void Leave(const uint8_t* outer_end) {
    at_ = end_;
    end_ = outer_end;
  }

  bool Fail(Code code);
  [[nodiscard]] Status TakeStatus() const;

 private:
  // Decoded forms are larger than their bytes: an absent optional<Inode> is 1 byte and 300 in
  // memory. Honest answers stay far below this; a hostile 512 MiB frame of empty tables does not.
  static constexpr size_t kAllowanceBase = 64U << 20;
  static constexpr size_t kAllowanceFactor = 4;

  const Bytes& input_;
  const uint8_t* at_;
  const uint8_t* end_;
  size_t allowance_;
  Code error_ = Code::kOk;
};

}  // namespace threefs::serde

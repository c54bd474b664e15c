// SPDX-License-Identifier: Apache-2.0
// Decoding (3fs/wire.md §1): foreign bytes → value. Pure, any thread. Never reads past the input,
// never allocates more than a bound that follows from the input's size, recursion is as deep as the
// type. Surplus bytes at the end of a table are ignored (newer sender), fields missing at its end
// keep their initializers (older sender), bools are normalised. Errors: kSerdeInsufficientLength
// (input ends too early, or a length lies), kSerdeVariantIndexExceeded (unknown variant
// alternative), kDataCorruption (what no sender writes).
#pragma once

#include <concepts>
#include <type_traits>
#include <utility>

#include "client/base/bytes.h"
#include "client/base/status.h"
#include "client/serde/fields.h"
#include "client/serde/reader.h"
#include "client/serde/value_reader.h"

namespace threefs::serde {

template <class T>
constexpr size_t MinSize() {
  if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T> || kRawCopyable<T>) {
    return sizeof(T);
  } else if constexpr (HasCustomCodec<T>) {
    return T::kSerdeMinSize;
  } else if constexpr (HasFields<T>) {
    return 1;
  } else {
    return internal::ValueReader<T>::kMin;
  }
}

template <class T>
bool ReadValue(Reader& r, T* out) {
  if constexpr (std::same_as<T, bool>) {
    return r.Flag(out);
  } else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T> || kRawCopyable<T>) {
    return r.Fixed(out);
  } else if constexpr (HasCustomCodec<T>) {
    return out->SerdeRead(r);
  } else if constexpr (HasFields<T>) {
    return internal::ReadTables(r, out);
  } else {
    return internal::ValueReader<T>::Read(r, out);
  }
}

/// Bytes after the value are ignored. A Status inside has Origin::kPeer. `Bytes` fields share
/// `input`'s memory.
template <class T>
Result<T> Decode(const Bytes& input) {
  Reader r(input);
  T value = internal::MakeBlank<T>();
  if (!ReadValue(r, &value)) return r.TakeStatus();
  return Result<T>(std::move(value));
}

}  // namespace threefs::serde

// SPDX-License-Identifier: Apache-2.0
// How decode.h reads each kind of value; included by it only.
#pragma once

#include <concepts>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "client/base/bytes.h"
#include "client/base/status.h"
#include "client/serde/fields.h"
#include "client/serde/reader.h"

namespace threefs::serde {

template <class T>
bool ReadValue(Reader& r, T* out);

/// The fewest bytes a T takes on the wire, at least 1.
template <class T>
constexpr size_t MinSize();

namespace internal {

struct FieldReader {
  Reader& r;
  template <class T>
  bool operator()(const char* /*name*/, T& field) {
    return r.remaining() == 0 || ReadValue(r, &field);
  }
};

template <HasFields T>
bool ReadTables(Reader& r, T* out) {
  if constexpr (HasBase<T>) {
    if (!ReadTables(r, &T::SerdeBase(*out))) return false;
  }
  if constexpr (HasOwnTable<T>) {
    const uint8_t* outer_end = nullptr;
    if (!r.Enter(&outer_end)) return false;
    FieldReader visitor{r};
    if (!VisitFields(*out, visitor)) return false;
    r.Leave(outer_end);
  }
  return true;
}

template <class T>
inline constexpr bool kIsResult = false;
template <class T>
inline constexpr bool kIsResult<Result<T>> = true;

/// A T to decode into. Result has no default: it starts as an error that decoding replaces.
template <class T>
T MakeBlank() {
  if constexpr (kIsResult<T>) {
    return T(Code::kFoundBug);
  } else {
    return T{};
  }
}

template <class T>
struct ValueReader;
template <>
struct ValueReader<std::string> {
  static constexpr size_t kMin = 1;
  static bool Read(Reader& r, std::string* out) { return r.Text(out); }
};
template <>
struct ValueReader<Bytes> {
  static constexpr size_t kMin = 1;
  static bool Read(Reader& r, Bytes* out) { return r.Blob(out); }
};
template <>
struct ValueReader<Void> {
  static constexpr size_t kMin = 1;
  static bool Read(Reader&, Void*) { return true; }
};
template <>
struct ValueReader<Status> {
  static constexpr size_t kMin = 3;
  static bool Read(Reader& r, Status* out);
};
template <class T>
struct ValueReader<Result<T>> {
  static constexpr size_t kMin = 1;
  static bool Read(Reader& r, Result<T>* out) {
    bool ok = false;
    if (!r.Flag(&ok)) return false;
    if (ok) {
      T value = MakeBlank<T>();
      if (!ReadValue(r, &value)) return false;
      *out = Result<T>(std::move(value));
      return true;
    }
    Status status;
    if (!ValueReader<Status>::Read(r, &status)) return false;
    if (status.ok()) return r.Fail(Code::kDataCorruption);  // an error that is none
    *out = Result<T>(std::move(status));
    return true;
  }
};
template <class T>
struct ValueReader<std::optional<T>> {
  static constexpr size_t kMin = 1;
  static bool Read(Reader& r, std::optional<T>* out) {
    bool present = false;
    if (!r.Flag(&present)) return false;
    out->reset();
    return !present || ReadValue(r, &out->emplace(MakeBlank<T>()));
  }
};
template <class A, class B>
struct ValueReader<std::pair<A, B>> {
  static constexpr size_t kMin = MinSize<A>() + MinSize<B>();
  static bool Read(Reader& r, std::pair<A, B>* out) {
    return ReadValue(r, &out->first) && ReadValue(r, &out->second);
  }
};

template <class T, class V>
bool ReadSequence(Reader& r, V* out) {
  size_t count = 0;
  if (!r.Count(MinSize<T>(), sizeof(T), &count)) return false;
  out->clear();
  out->reserve(count);
  for (size_t i = 0; i < count; ++i) {
    out->push_back(MakeBlank<T>());
    if constexpr (std::same_as<T, bool>) {
      bool b = false;
      if (!r.Flag(&b)) return false;
      out->back() = b;
    } else {
      if (!ReadValue(r, &out->back())) return false;
    }
  }
  return true;
}
template <class T>
struct ValueReader<std::vector<T>> {
  static constexpr size_t kMin = 1;
  static bool Read(Reader& r, std::vector<T>* out) {
    if constexpr (!std::same_as<T, bool> &&
                  (std::is_arithmetic_v<T> || std::is_enum_v<T> || kRawCopyable<T>)) {
      size_t count = 0;
      if (!r.Count(sizeof(T), sizeof(T), &count)) return false;
      out->resize(count);
      return r.Raw(out->data(), count * sizeof(T));
    } else {
      return ReadSequence<T>(r, out);
    }
  }
};
template <class K, class V>
struct ValueReader<PairMap<K, V>> {
  static constexpr size_t kMin = 1;
  static bool Read(Reader& r, PairMap<K, V>* out) { return ReadSequence<std::pair<K, V>>(r, out); }
};
// The allocator's share of a tree node.
inline constexpr size_t kNodeOverhead = 48;
template <class T>
struct ValueReader<std::set<T>> {
  static constexpr size_t kMin = 1;
  static bool Read(Reader& r, std::set<T>* out) {
    size_t count = 0;
    if (!r.Count(MinSize<T>(), sizeof(T) + kNodeOverhead, &count)) return false;
    out->clear();
    for (size_t i = 0; i < count; ++i) {
      T element = MakeBlank<T>();
      if (!ReadValue(r, &element)) return false;
      out->insert(out->end(), std::move(element));
    }
    return true;
  }
};
template <class K, class V>
struct ValueReader<std::map<K, V>> {
  static constexpr size_t kMin = 1;
  static bool Read(Reader& r, std::map<K, V>* out) {
    size_t count = 0;
    constexpr size_t kMemory = sizeof(K) + sizeof(V) + kNodeOverhead;
    if (!r.Count(MinSize<K>() + MinSize<V>(), kMemory, &count)) return false;
    out->clear();
    for (size_t i = 0; i < count; ++i) {
      K key = MakeBlank<K>();
      V value = MakeBlank<V>();
      if (!ReadValue(r, &key) || !ReadValue(r, &value)) return false;
      out->insert_or_assign(std::move(key), std::move(value));
    }
    return true;
  }
};
template <class... Ts>
struct ValueReader<std::variant<Ts...>> {
  static constexpr size_t kMin = 1;
  static bool Read(Reader& r, std::variant<Ts...>* out) {
    std::string_view name;
    if (!r.View(&name)) return false;
    bool known = false;
    const bool read = (TryOne<Ts>(r, name, out, &known) && ...);
    return read && (known || r.Fail(Code::kSerdeVariantIndexExceeded));
  }

 private:
  template <class T>
  static bool TryOne(Reader& r, std::string_view name, std::variant<Ts...>* out, bool* known) {
    if (*known || name != T::kSerdeName) return true;
    *known = true;
    return ReadValue(r, &out->template emplace<T>());
  }
};

}  // namespace internal

}  // namespace threefs::serde

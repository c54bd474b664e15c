// SPDX-License-Identifier: Apache-2.0
// Encoding (3fs/wire.md §1): value → Encoded. Pure, any thread, cannot fail.
#pragma once

#include <concepts>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
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
#include "client/serde/writer.h"

namespace threefs::serde {

// One overload set, found by type. Declared first so that they may call each other.
template <class T>
void WriteValue(Writer& w, const T& value);

namespace internal {

struct FieldWriter {
  Writer& w;
  template <class T>
  bool operator()(const char* /*name*/, const T& field) {
    WriteValue(w, field);
    return true;
  }
};

template <HasFields T>
void WriteTables(Writer& w, const T& value) {
  if constexpr (HasBase<T>) WriteTables(w, T::SerdeBase(value));
  if constexpr (HasOwnTable<T>) {
    const Writer::Table table = w.BeginTable();
    FieldWriter visitor{w};
    VisitFields(value, visitor);
    w.EndTable(table);
  }
}

template <class C>
void WriteContainer(Writer& w, const C& container) {
  w.Varint(container.size());
  for (const auto& element : container) WriteValue<typename C::value_type>(w, element);
}

// What is told apart by template, not by concept.
template <class T>
struct ValueWriter;
template <>
struct ValueWriter<std::string> {
  static void Write(Writer& w, const std::string& s) { w.Text(s); }
};
template <>
struct ValueWriter<Bytes> {
  static void Write(Writer& w, const Bytes& b) { w.Blob(b); }
};
template <>
struct ValueWriter<Encoded> {
  static void Write(Writer& w, const Encoded& e) {
    w.Varint(e.size);
    for (const Bytes& piece : e.pieces) w.Splice(piece);
  }
};
template <>
struct ValueWriter<Void> {
  static void Write(Writer&, const Void&) {}
};
template <>
struct ValueWriter<Status> {
  static void Write(Writer& w, const Status& s) {
    w.Fixed(static_cast<uint16_t>(s.code()));
    w.Fixed(static_cast<uint8_t>(s.message().empty() ? 0 : 1));
    if (!s.message().empty()) w.Text(s.message());
  }
};
template <class T>
struct ValueWriter<Result<T>> {
  static void Write(Writer& w, const Result<T>& r) {
    w.Fixed(static_cast<uint8_t>(r.ok() ? 1 : 0));
    if (r.ok()) {
      WriteValue(w, *r);
    } else {
      ValueWriter<Status>::Write(w, r.status());
    }
  }
};
template <class T>
struct ValueWriter<std::optional<T>> {
  static void Write(Writer& w, const std::optional<T>& o) {
    w.Fixed(static_cast<uint8_t>(o ? 1 : 0));
    if (o) WriteValue(w, *o);
  }
};
template <class A, class B>
struct ValueWriter<std::pair<A, B>> {
  static void Write(Writer& w, const std::pair<A, B>& p) {
    WriteValue(w, p.first);
    WriteValue(w, p.second);
  }
};
template <class T>
struct ValueWriter<std::vector<T>> {
  static void Write(Writer& w, const std::vector<T>& v) { WriteContainer(w, v); }
};
template <class K, class V>
struct ValueWriter<PairMap<K, V>> {
  static void Write(Writer& w, const PairMap<K, V>& v) { WriteContainer(w, v); }
};
template <class T>
struct ValueWriter<std::set<T>> {
  static void Write(Writer& w, const std::set<T>& s) { WriteContainer(w, s); }
};
template <class K, class V>
struct ValueWriter<std::map<K, V>> {
  static void Write(Writer& w, const std::map<K, V>& m) {
    w.Varint(m.size());
    for (const auto& [key, value] : m) {
      WriteValue(w, key);
      WriteValue(w, value);
    }
  }
};
template <class... Ts>
struct ValueWriter<std::variant<Ts...>> {
  static void Write(Writer& w, const std::variant<Ts...>& v) {
    std::visit(
        [&w]<class T>(const T& alternative) {
          w.Text(T::kSerdeName);
          WriteValue(w, alternative);
        },
        v);
  }
};

}  // namespace internal

template <class T>
void WriteValue(Writer& w, const T& value) {
  if constexpr (std::same_as<T, bool>) {
    w.Fixed(static_cast<uint8_t>(value ? 1 : 0));
  } else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T> || kRawCopyable<T>) {
    w.Fixed(value);
  } else if constexpr (HasCustomCodec<T>) {
    value.SerdeWrite(w);
  } else if constexpr (HasFields<T>) {
    internal::WriteTables(w, value);
  } else {
    internal::ValueWriter<T>::Write(w, value);
  }
}

template <class T>
Encoded Encode(const T& value) {
  Writer w;
  WriteValue(w, value);
  return std::move(w).Finish();
}

}  // namespace threefs::serde

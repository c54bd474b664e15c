// SPDX-License-Identifier: Apache-2.0
// Any wire value as JSON, in the form of the golden vectors (tests/golden/data/README.md), by
// visiting its field list. Field names stay in snake_case; Normalize turns the vectors' camelCase
// into the same.
#pragma once

#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "client/base/bytes.h"
#include "client/base/status.h"
#include "client/base/uuid.h"
#include "client/net/address.h"
#include "client/schema/meta.h"
#include "client/schema/rdma.h"
#include "client/serde/serde.h"

namespace threefs::golden {

using Json = nlohmann::ordered_json;

std::string ToHex(ByteSpan bytes);
/// Aborts the test on anything but hex digits.
std::vector<uint8_t> FromHex(std::string_view hex);
/// Expected value → comparable: keys in snake_case, "_unused" → "unused", `Void dummy` fields
/// dropped.
Json Normalize(const Json& expected);

/// [[key, value], …] by key. The vectors show hash maps in another order than the bytes hold them
/// (the reference walks its map backwards when it encodes); the order of the bytes is kept by
/// PairMap and checked by encoding again.
Json SortPairs(Json list);

Json ToJson(const Bytes& bytes);
Json ToJson(const Status& status);
Json ToJson(const net::Address& address);
Json ToJson(const Uuid& uuid);
Json ToJson(const schema::RDMARemoteBuf& buf);
Json ToJson(const std::string& text);
inline Json ToJson(const serde::Void&) { return Json::object(); }
inline Json ToJson(const schema::meta::Layout::Empty&) { return "empty"; }
template <class T>
  requires std::is_arithmetic_v<T>
Json ToJson(const T& value) {
  return value;
}
template <class T>
  requires std::is_enum_v<T>
Json ToJson(const T& value) {
  return static_cast<std::underlying_type_t<T>>(value);
}
template <serde::HasFields T>
Json ToJson(const T& value);
template <class T>
Json ToJson(const Result<T>& value);
template <class T>
Json ToJson(const std::optional<T>& value);
template <class A, class B>
Json ToJson(const std::pair<A, B>& value);
template <class T>
Json ToJson(const std::vector<T>& value);
template <class K, class V>
Json ToJson(const serde::PairMap<K, V>& value);
template <class T>
Json ToJson(const std::set<T>& value);
template <class K, class V>
Json ToJson(const std::map<K, V>& value);
template <class... Ts>
Json ToJson(const std::variant<Ts...>& value);

namespace internal {
/// Strings that hold bytes: the vectors give them as hex.
bool IsBinary(std::string_view field);

struct JsonVisitor {
  Json& out;
  template <class T>
  bool operator()(const char* name, const T& field) {
    if constexpr (std::is_same_v<T, std::string>) {
      out[name] = IsBinary(name) ? Json(ToHex(AsBytes(field))) : Json(field);
    } else if constexpr (std::is_same_v<T, Bytes>) {
      out[std::string(name) + "_hex"] = ToHex(field.span());
    } else {
      out[name] = ToJson(field);
    }
    return true;
  }
};
template <class C>
Json ListToJson(const C& container) {
  Json out = Json::array();
  for (const auto& element : container) {
    out.push_back(ToJson(static_cast<const typename C::value_type&>(element)));
  }
  return out;
}
template <class T>
void AddFields(const T& value, Json* out) {
  if constexpr (serde::HasBase<T>) AddFields(T::SerdeBase(value), out);
  if constexpr (serde::HasOwnTable<T>) {
    JsonVisitor visitor{*out};
    serde::VisitFields(value, visitor);
  }
}
}  // namespace internal

template <serde::HasFields T>
Json ToJson(const T& value) {
  Json out = Json::object();
  internal::AddFields(value, &out);
  return out;
}
template <class T>
Json ToJson(const Result<T>& value) {
  if (value.ok()) return {{"value", ToJson(*value)}};
  return {{"error", ToJson(value.status())}};
}
template <class T>
Json ToJson(const std::optional<T>& value) {
  return value ? ToJson(*value) : Json(nullptr);
}
template <class A, class B>
Json ToJson(const std::pair<A, B>& value) {
  return Json::array({ToJson(value.first), ToJson(value.second)});
}
template <class T>
Json ToJson(const std::vector<T>& value) {
  return internal::ListToJson(value);
}
template <class K, class V>
Json ToJson(const serde::PairMap<K, V>& value) {
  return SortPairs(internal::ListToJson(value));
}
template <class T>
Json ToJson(const std::set<T>& value) {
  return internal::ListToJson(value);
}
template <class K, class V>
Json ToJson(const std::map<K, V>& value) {
  Json out = Json::array();
  for (const auto& [key, element] : value) {
    out.push_back(Json::array({ToJson(key), ToJson(element)}));
  }
  return out;
}
template <class... Ts>
Json ToJson(const std::variant<Ts...>& value) {
  return std::visit(
      []<class T>(const T& alternative) {
        return Json{{"type", T::kSerdeName}, {"value", ToJson(alternative)}};
      },
      value);
}

}  // namespace threefs::golden

// SPDX-License-Identifier: Apache-2.0
// How a struct says what it is on the wire. One list a struct, in wire order; everything else
// (encoding, decoding, logs, the golden test's JSON) visits that list.
//
//   struct Acl {  // a table: varint length, then the fields
//     uint32_t uid = 0;
//     uint32_t gid = 0;
//     SERDE_FIELDS(uid, gid)
//   };
//   struct StatReq {  // two tables, the base's first (3fs/wire.md §1.5)
//     ReqBase base{};
//     PathAt path{};
//     int32_t flags = 0;
//     SERDE_BASE_FIELDS(base, path, flags)  // SERDE_BASE_FIELDS(base): an empty table of its own
//   };
//   StatReq{.base = b, .path = {.parent = 1}} stays possible.
//   struct Inode : InodeData {  // two tables by inheritance: inode.acl, inode.id
//     uint64_t id = 0;
//     SERDE_DERIVED_FIELDS(InodeData, id)
//   };
//   struct ChainRange { ...; SERDE_NAME("ChainRange") };  // alternative of a std::variant
//
// Such structs live at namespace or class scope (not in a function). Give every field an
// initializer: it is the value kept when an older sender leaves the field out (§1.4).
//
// Types that are no table: specialize kRawCopyable (sizeof bytes as they lie in memory), or give
// the type these members:
//   static constexpr size_t kSerdeMinSize;
//   void SerdeWrite(Writer&) const;
//   bool SerdeRead(Reader&);
#pragma once

#include <concepts>
#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "client/base/uuid.h"

namespace threefs::serde {

class Writer;
class Reader;

/// Nothing: zero bytes on the wire. Result<Void> is the answer without content.
struct Void {
  friend bool operator==(const Void&, const Void&) = default;
};

/// A hash map of the wire: pairs in the order they came, so that it encodes back to the same bytes.
/// Lookups are linear; client/layout builds indexes for what is looked up often. Keys are not
/// checked to be unique.
template <class K, class V>
struct PairMap : std::vector<std::pair<K, V>> {
  using std::vector<std::pair<K, V>>::vector;
  [[nodiscard]] const V* Find(const K& key) const {
    for (const auto& [k, v] : *this) {
      if (k == key) return &v;
    }
    return nullptr;
  }
  /// The value of `key`, appended when there is none.
  V& At(const K& key) {
    for (auto& [k, v] : *this) {
      if (k == key) return v;
    }
    return this->emplace_back(key, V{}).second;
  }
};

/// True: the wire holds the object's bytes as they lie in memory (little-endian, no padding).
template <class T>
inline constexpr bool kRawCopyable = false;
template <>
inline constexpr bool kRawCopyable<Uuid> = true;

namespace internal {
struct ProbeVisitor {
  template <class T>
  constexpr bool operator()(const char*, const T&) {
    return true;
  }
};
}  // namespace internal

template <class T>
concept HasFields = requires(const T& t, internal::ProbeVisitor& v) {
  { T::SerdeFields(t, v) } -> std::same_as<bool>;
};
template <class T>
concept HasBase = requires(const T& t) { T::SerdeBase(t); };
template <class T>
concept HasOwnTable = HasFields<T> && !requires { T::kSerdeNoOwnTable; };
template <class T>
concept HasCustomCodec = requires { T::kSerdeMinSize; };

/// Visits the fields of `object`'s own table in wire order: visitor(name, field) -> bool, false
/// stops. `visitor` sees the base first, as visitor.Base(base), when it has such a member.
template <class T, class V>
constexpr bool VisitFields(T& object, V& visitor) {
  return std::remove_const_t<T>::SerdeFields(object, visitor);
}

}  // namespace threefs::serde

// Preprocessor loop over the field names (C++20 __VA_OPT__); up to 64 fields.
#define SERDE_PARENS ()
#define SERDE_EXPAND(...) SERDE_EXPAND2(SERDE_EXPAND2(SERDE_EXPAND2(SERDE_EXPAND2(__VA_ARGS__))))
#define SERDE_EXPAND2(...) SERDE_EXPAND1(SERDE_EXPAND1(SERDE_EXPAND1(SERDE_EXPAND1(__VA_ARGS__))))
#define SERDE_EXPAND1(...) SERDE_EXPAND0(SERDE_EXPAND0(SERDE_EXPAND0(SERDE_EXPAND0(__VA_ARGS__))))
#define SERDE_EXPAND0(...) __VA_ARGS__
#define SERDE_VISIT(...) __VA_OPT__(SERDE_EXPAND(SERDE_VISIT_STEP(__VA_ARGS__)))
#define SERDE_VISIT_STEP(field, ...) \
  &&serde_visitor(#field, serde_self.field) __VA_OPT__(SERDE_VISIT_NEXT SERDE_PARENS(__VA_ARGS__))
#define SERDE_VISIT_NEXT() SERDE_VISIT_STEP

#define SERDE_FIELDS(...)                                                           \
  template <class SerdeSelf, class SerdeVisitor>                                    \
  static constexpr bool SerdeFields([[maybe_unused]] SerdeSelf& serde_self,         \
                                    [[maybe_unused]] SerdeVisitor& serde_visitor) { \
    return true SERDE_VISIT(__VA_ARGS__);                                           \
  }

#define SERDE_BASE_FIELDS(base_member, ...)                 \
  template <class SerdeSelf>                                \
  static constexpr auto& SerdeBase(SerdeSelf& serde_self) { \
    return serde_self.base_member;                          \
  }                                                         \
  SERDE_FIELDS(__VA_ARGS__)

#define SERDE_DERIVED_FIELDS(BaseClass, ...)                                                      \
  template <class SerdeSelf>                                                                      \
  static constexpr auto& SerdeBase(SerdeSelf& serde_self) {                                       \
    return static_cast<                                                                           \
        std::conditional_t<std::is_const_v<SerdeSelf>, const BaseClass, BaseClass>&>(serde_self); \
  }                                                                                               \
  SERDE_FIELDS(__VA_ARGS__)

// Derived class that declares no field at all: the base's table alone (meta's StatFsReq).
#define SERDE_BASE_ONLY(base_member)             \
  static constexpr bool kSerdeNoOwnTable = true; \
  SERDE_BASE_FIELDS(base_member)

#define SERDE_NAME(name) static constexpr const char* kSerdeName = name;

// Keeps the code of Encode/Decode for one type in one .cc: SERDE_EXTERN in the header,
// SERDE_INSTANTIATE in the .cc, both at namespace scope outside of every namespace.
#define SERDE_EXTERN(...)                                                             \
  extern template ::threefs::serde::Encoded threefs::serde::Encode<__VA_ARGS__>(      \
      const __VA_ARGS__&);                                                            \
  extern template ::threefs::Result<__VA_ARGS__> threefs::serde::Decode<__VA_ARGS__>( \
      const ::threefs::Bytes&);
#define SERDE_INSTANTIATE(...)                                                                \
  template ::threefs::serde::Encoded threefs::serde::Encode<__VA_ARGS__>(const __VA_ARGS__&); \
  template ::threefs::Result<__VA_ARGS__> threefs::serde::Decode<__VA_ARGS__>(                \
      const ::threefs::Bytes&);

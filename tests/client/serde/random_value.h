// SPDX-License-Identifier: Apache-2.0
// Any wire value filled at random by visiting its field list, for round-trip tests. Deterministic
// by the Rng's seed.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "client/base/rng.h"
#include "client/base/uuid.h"
#include "client/net/address.h"
#include "client/schema/meta.h"
#include "client/schema/rdma.h"
#include "client/serde/serde.h"

namespace threefs::test {

class RandomFill {
 public:
  explicit RandomFill(Rng& rng) : rng_(rng) {}

  template <class T>
  bool operator()(const char* /*name*/, T& field) {
    Fill(&field);
    return true;
  }

  template <class T>
  void Fill(T* out) {
    if constexpr (std::is_same_v<T, bool>) {
      *out = rng_.Below(2) == 1;
    } else if constexpr (std::is_arithmetic_v<T>) {
      *out = static_cast<T>(rng_.Next());
    } else if constexpr (std::is_enum_v<T>) {
      *out = static_cast<T>(static_cast<std::underlying_type_t<T>>(rng_.Next()));
    } else if constexpr (serde::HasFields<T>) {
      if constexpr (serde::HasBase<T>) Fill(&T::SerdeBase(*out));
      serde::VisitFields(*out, *this);
    } else {
      FillOther(out);
    }
  }

 private:
  size_t Count() { return rng_.Below(20) == 0 ? 130 + rng_.Below(100) : rng_.Below(4); }

  void FillOther(std::string* out) {
    out->clear();
    for (size_t n = rng_.Below(10) == 0 ? 5000 : Count(); n > 0; --n) {
      out->push_back(static_cast<char>(rng_.Next()));
    }
  }
  void FillOther(Bytes* out) {
    std::string text;
    FillOther(&text);
    *out = Bytes::CopyOf(text);
  }
  void FillOther(Uuid* out) { *out = Uuid::Random(rng_); }
  void FillOther(net::Address* out) { *out = net::Address::FromRaw(rng_.Next()); }
  void FillOther(schema::meta::Layout::Empty*) {}
  void FillOther(serde::Void*) {}
  void FillOther(schema::RDMARemoteBuf* out) {
    *out = {.addr = rng_.Next(), .length = rng_.Next()};
    out->count = static_cast<uint8_t>(rng_.Below(schema::RDMARemoteBuf::kMaxDevices + 1));
    for (size_t i = 0; i < out->count; ++i) {
      out->rkeys.at(i) = {static_cast<uint32_t>(rng_.Next()), static_cast<int32_t>(rng_.Next())};
    }
  }
  void FillOther(Status* out) {
    std::string message;
    FillOther(&message);
    *out = Status(static_cast<Code>(1 + rng_.Below(65535)), std::move(message), Origin::kPeer);
  }
  template <class T>
  void FillOther(Result<T>* out) {
    if (rng_.Below(2) == 0) {
      Status status;
      FillOther(&status);
      *out = status;
      return;
    }
    T value{};
    Fill(&value);
    *out = std::move(value);
  }
  template <class T>
  void FillOther(std::optional<T>* out) {
    out->reset();
    if (rng_.Below(2) == 1) Fill(&out->emplace());
  }
  template <class T>
  void FillOther(std::vector<T>* out) {
    out->clear();
    for (size_t n = Count(); n > 0; --n) {
      T element = serde::internal::MakeBlank<T>();
      Fill(&element);
      out->push_back(std::move(element));
    }
  }
  template <class K, class V>
  void FillOther(serde::PairMap<K, V>* out) {
    out->clear();
    for (size_t n = Count(); n > 0; --n) {
      auto& [key, value] = out->emplace_back();
      Fill(&key);
      Fill(&value);
    }
  }
  template <class T>
  void FillOther(std::set<T>* out) {
    std::vector<T> elements;
    FillOther(&elements);
    *out = {elements.begin(), elements.end()};
  }
  template <class K, class V>
  void FillOther(std::map<K, V>* out) {
    out->clear();
    for (size_t n = Count(); n > 0; --n) {
      K key{};
      Fill(&key);
      Fill(&(*out)[key]);
    }
  }
  template <class... Ts>
  void FillOther(std::variant<Ts...>* out) {
    const size_t chosen = rng_.Below(sizeof...(Ts));
    size_t index = 0;
    ((index++ == chosen ? Fill(&out->template emplace<Ts>()) : void()), ...);
  }

  Rng& rng_;
};

}  // namespace threefs::test

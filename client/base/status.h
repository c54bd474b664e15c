// SPDX-License-Identifier: Apache-2.0
// Status and Result<T>: how every fallible function of this project reports. Plain values, any thread.
// A Status carries a 3FS code (local failures use the same numbers: 3fs/wire.md §8), one sentence for a person and
// where it arose. TRY / CO_TRY are the only two error macros of the project:
//   TRY(DoIt());                      return on error (function returns Status or Result<U>)
//   TRY(auto x, Compute());           declare x from a Result, or return its status
//   CO_TRY(...)                       the same in a coroutine (co_return)
#pragma once

#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "client/base/check.h"
#include "client/base/status_code.h"

namespace threefs {

/// Whose verdict a status is: ours, or copied from a peer's answer.
enum class Origin : uint8_t { kLocal, kPeer };

class [[nodiscard]] Status {
 public:
  Status() = default;  // OK
  // NOLINTNEXTLINE(google-explicit-constructor): `return Code::kInvalidArg;` is the idiom.
  Status(Code code) : code_(code) {}
  Status(Code code, std::string message, Origin origin = Origin::kLocal)
      : code_(code), origin_(origin), message_(std::move(message)) {}

  [[nodiscard]] bool ok() const { return code_ == Code::kOk; }
  [[nodiscard]] Code code() const { return code_; }
  [[nodiscard]] Origin origin() const { return origin_; }
  [[nodiscard]] const std::string& message() const { return message_; }
  /// "Meta::NotFound(3000): no such file" — for logs and people.
  [[nodiscard]] std::string ToString() const;
  /// The same status with `context + ": "` put before its message.
  [[nodiscard]] Status WithContext(std::string_view context) const;

 private:
  Code code_ = Code::kOk;
  Origin origin_ = Origin::kLocal;
  std::string message_;
};

template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  // NOLINTBEGIN(google-explicit-constructor)
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Status status) : state_(std::in_place_index<1>, std::move(status)) {
    CHECK(!std::get<1>(state_).ok());
  }
  Result(Code code) : Result(Status(code)) {}
  // NOLINTEND(google-explicit-constructor)

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  /// The error; an OK status when ok().
  [[nodiscard]] Status status() const { return ok() ? Status() : std::get<1>(state_); }
  [[nodiscard]] Code code() const { return ok() ? Code::kOk : std::get<1>(state_).code(); }
  // REQUIRES: ok()
  T& operator*() & { return Get(); }
  const T& operator*() const& { return Get(); }
  T&& operator*() && { return std::move(Get()); }
  T* operator->() { return &Get(); }
  const T* operator->() const { return &Get(); }

 private:
  T& Get() {
    CHECK(ok());
    return *std::get_if<0>(&state_);
  }
  const T& Get() const {
    CHECK(ok());
    return *std::get_if<0>(&state_);
  }
  std::variant<T, Status> state_;
};

namespace internal {
inline Status ToStatus(Status s) { return s; }
template <class T>
Status ToStatus(const Result<T>& r) {
  return r.status();
}
}  // namespace internal

}  // namespace threefs

#define THREEFS_CAT2(a, b) a##b
#define THREEFS_CAT(a, b) THREEFS_CAT2(a, b)
#define THREEFS_TRY1(ret, expr)                                                  \
  do {                                                                           \
    if (auto&& try_result_ = (expr); !try_result_.ok()) [[unlikely]]             \
      ret ::threefs::internal::ToStatus(std::move(try_result_));                 \
  } while (false)
#define THREEFS_TRY2(ret, tmp, decl, expr)                     \
  auto tmp = (expr);                                           \
  if (!tmp.ok()) [[unlikely]]                                  \
    ret tmp.status();                                          \
  decl = *std::move(tmp)
#define THREEFS_PICK(a, b, name, ...) name
#define TRY(...)                                                                      \
  THREEFS_PICK(__VA_ARGS__, THREEFS_TRY_DECL, THREEFS_TRY_EXPR, )(return, __VA_ARGS__)
#define CO_TRY(...)                                                                      \
  THREEFS_PICK(__VA_ARGS__, THREEFS_TRY_DECL, THREEFS_TRY_EXPR, )(co_return, __VA_ARGS__)
#define THREEFS_TRY_EXPR(ret, expr) THREEFS_TRY1(ret, expr)
#define THREEFS_TRY_DECL(ret, decl, expr) \
  THREEFS_TRY2(ret, THREEFS_CAT(try_tmp_, __COUNTER__), decl, expr)

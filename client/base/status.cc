// SPDX-License-Identifier: Apache-2.0
#include "client/base/status.h"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "client/base/check.h"

namespace threefs {

namespace internal {
void CheckFailed(const char* expr, const char* file, int line) {
  std::fprintf(stderr, "CHECK failed: %s at %s:%d\n", expr, file, line);
  std::abort();
}
}  // namespace internal

std::string Status::ToString() const {
  if (ok()) return "OK";
  std::string text(CodeName(code_));
  text += "(" + std::to_string(Raw(code_)) + ")";
  if (!message_.empty()) text += ": " + message_;
  return text;
}

Status Status::WithContext(std::string_view context) const {
  if (ok()) return *this;
  std::string text(context);
  if (!message_.empty()) text += ": " + message_;
  return {code_, std::move(text), origin_};
}

}  // namespace threefs

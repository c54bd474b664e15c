// SPDX-License-Identifier: Apache-2.0
// Every decoder of the wire (tests/golden/registry.h). An input is: length of a type's name, the
// name, an encoding. A name that does not exist picks some type, so that no mutation is wasted.
// What decodes must encode to bytes that decode and encode to themselves.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "client/base/bytes.h"
#include "client/base/check.h"
#include "tests/golden/registry.h"

namespace threefs {
namespace {

const golden::WireType& Choose(std::string_view name) {
  if (const golden::WireType* type = golden::FindWireType(name)) return *type;
  size_t sum = 0;
  for (const char c : name) sum = sum * 31 + static_cast<uint8_t>(c);
  return golden::AllWireTypes()[sum % golden::AllWireTypes().size()];
}

void Run(ByteSpan input) {
  if (input.empty() || input.size() - 1 < input[0]) return;
  const golden::WireType& type = Choose(AsText(input.subspan(1, input[0])));
  const auto once = type.recode(Bytes::CopyOf(input.subspan(1 + size_t{input[0]})));
  if (!once.ok()) return;
  const auto twice = type.recode(*once);
  CHECK(twice.ok());
  CHECK(*twice == *once);
}

}  // namespace
}  // namespace threefs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  threefs::Run({data, size});
  return 0;
}

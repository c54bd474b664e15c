// SPDX-License-Identifier: Apache-2.0
// Every wire type by the name the golden vectors give it: the golden test and the fuzzers go
// through this one list.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "client/base/bytes.h"
#include "client/base/status.h"

namespace threefs::golden {

struct WireType {
  std::string name;
  /// Decodes, then encodes what was decoded.
  Result<Bytes> (*recode)(const Bytes& input);
  /// Decodes, then shows what was decoded (wire_json.h).
  Result<nlohmann::ordered_json> (*show)(const Bytes& input);
  /// Encodes a value nobody touched.
  Bytes (*encode_default)();
};

/// In a fixed order.
const std::vector<WireType>& AllWireTypes();
/// nullptr when there is none of that name.
const WireType* FindWireType(std::string_view name);
/// The type of the payload of a request, or of a response (Result<Rsp>); nullptr when the ids are
/// unknown.
const WireType* FindPayloadType(uint16_t service_id, uint16_t method_id, bool is_request);

}  // namespace threefs::golden

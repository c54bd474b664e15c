// SPDX-License-Identifier: Apache-2.0
// `threefsctl doctor`: why does it not connect? Goes the way a mount goes, step by step, and says
// at each one whether it works and what to do when it does not. Never prints the token.
#pragma once

#include <string>
#include <vector>

#include "client/base/status.h"
#include "tools/connect.h"

namespace threefs::tools {

struct Finding {
  enum class Kind : unsigned char { kOk, kWarning, kFailed };
  Kind kind = Kind::kOk;
  std::string step;    ///< "mgmtd 10.0.0.1:8000"
  std::string detail;  ///< what was seen
  std::string advice;  ///< what to do; empty when OK
};

struct Diagnosis {
  std::vector<Finding> findings;
  [[nodiscard]] bool healthy() const;
  [[nodiscard]] std::string ToText() const;
  [[nodiscard]] std::string ToJson() const;
};

/// Takes at most a few seconds a server. Blocking, main thread.
Diagnosis Diagnose(const ClusterFlags& flags);

}  // namespace threefs::tools

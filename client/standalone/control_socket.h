// SPDX-License-Identifier: Apache-2.0
// ControlSocket: DATA/control.sock, through which tests and people inject faults into a running
// threefs-standalone. One command a line; the answer is text that ends with the line "ok" or
// "error: why". On one loop.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "client/base/status.h"
#include "client/runtime/loop.h"
#include "client/runtime/task.h"

namespace threefs::standalone {

class ControlSocket {
 public:
  using Handler = std::function<Task<Result<std::string>>(std::string line)>;
  /// Listens on `path` (an old socket there is replaced, mode 0600). `handler` runs on `loop`.
  static Result<std::unique_ptr<ControlSocket>> Listen(Loop& loop, const std::string& path,
                                                       Handler handler);
  virtual ~ControlSocket() = default;
};

}  // namespace threefs::standalone

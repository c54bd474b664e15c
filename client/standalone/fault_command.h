// SPDX-License-Identifier: Apache-2.0
// Fault commands: what `--fault` and the control socket understand, one line each (README.md lists
// them).
//   kill node=1 · restart node=1 · stall node=1 for=5s · resume node=1 · slow node=1 delay=20ms
//   [target=ID] drop node=1 [service=3] [method=2] [side=answer] [count=1] [p=0.1] · delay …
//   delay=50ms · cut node=1 count=1 lie node=1 count=1 · bump chain=ID · full node=1 · corrupt
//   node=1 count=1 · point name=storage.commit … clear · status
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "client/base/clock.h"
#include "client/base/status.h"
#include "client/runtime/task.h"
#include "client/standalone/cluster.h"

namespace threefs::standalone {

struct FaultCommand {
  std::string verb;
  std::map<std::string, std::string> arguments;
};

/// "verb key=value key=value"; a colon after the verb and commas between arguments are as good as
/// blanks, for the shell. kInvalidFormat with a sentence.
Result<FaultCommand> ParseFaultCommand(std::string_view line);
/// "5s", "20ms", "100us". kInvalidFormat.
Result<Duration> ParseDuration(std::string_view text);

/// Carries it out; returns what to print. On the cluster's control loop. kInvalidArg with a
/// sentence.
Task<Result<std::string>> RunFaultCommand(StandaloneCluster* cluster, FaultCommand command);

}  // namespace threefs::standalone

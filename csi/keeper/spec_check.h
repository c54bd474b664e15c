// SPDX-License-Identifier: Apache-2.0
// Checks of what comes to the keeper from outside. Pure. Any thread.
#pragma once

#include <string>

#include "client/base/status.h"
#include "proto/mounter/control.pb.h"

namespace threefs::keeper {

/// A MountSpec that may be acted on: ids of sane length, no control characters, absolute paths
/// without empty, `.` or `..` parts, at least one mgmtd address. kInvalidArg with a sentence for
/// the caller otherwise.
Status CheckSpec(const mounter::MountSpec& spec);
/// Bytes that are equal exactly for equal specs (a protobuf map has no fixed order otherwise).
std::string CanonicalSpec(const mounter::MountSpec& spec);

}  // namespace threefs::keeper

// SPDX-License-Identifier: Apache-2.0
// ResolveAddress: turns what a person wrote ("TCP://mgmtd.example:8000", "10.0.0.1:8000") into
// addresses. Host names are ours: 3FS's own address text knows IPv4 literals only (3fs/wire.md §4).
// DNS is asked on the pool, never on the loop.
#pragma once

#include <string>
#include <vector>

#include "client/base/status.h"
#include "client/net/address.h"
#include "client/runtime/loop.h"
#include "client/runtime/task.h"

namespace threefs::net {

/// `text` is [TYPE://]host:port. All IPv4 addresses of the host, at least one. kInvalidFormat when
/// the text is not of that form, kRPCInvalidAddr when the name does not resolve. `pool` outlives
/// the task.
Task<Result<std::vector<Address>>> ResolveAddress(BlockingPool& pool, std::string text);

}  // namespace threefs::net

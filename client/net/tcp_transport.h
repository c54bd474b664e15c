// SPDX-License-Identifier: Apache-2.0
// The TCP tenant of the transport seam, as its parts: made by MakeTcpNetwork (transport.h); the
// RDMA tenant dials its handshake through the same. All on one loop.
#pragma once

#include <memory>

#include "client/net/address.h"
#include "client/net/transport.h"
#include "client/runtime/loop.h"

namespace threefs::net {

/// Sends that were queued in one turn of a loop go out together at its end. One a loop, shared by
/// its connections.
class FlushList;

/// Takes a connected, non-blocking stream socket and owns it.
std::unique_ptr<Transport> MakeTcpTransport(Loop& loop, std::shared_ptr<FlushList> flush, int fd,
                                            Address peer);
std::shared_ptr<FlushList> MakeFlushList(Loop& loop);

}  // namespace threefs::net

// SPDX-License-Identifier: Apache-2.0
// What a storage error means for the client (3fs/storage.md §3.4, §3.5). Pure, any thread.
#pragma once

#include <cstdint>

#include "client/base/status.h"

namespace threefs::storage {

/// A server's or the network's code as the client's own (7xxx); 7xxx stay.
Code ToClientCode(Code code);
/// `status` with its code converted; its message and origin stay.
Status ToClientStatus(const Status& status);

enum class Severity : uint8_t {
  kPermanent,  ///< trying again does not help
  kRouting,    ///< our picture of the chain and the server's differ: wait for fresh routing
  kFast,       ///< cured by itself soon
  kPlain,
};
/// `client_code` is a converted one.
Severity SeverityOf(Code client_code);

}  // namespace threefs::storage

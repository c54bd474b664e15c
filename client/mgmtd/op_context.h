// SPDX-License-Identifier: Apache-2.0
// OpContext: what travels down with every operation of the client: its deadline and cancellation,
// and who acts. A plain value, copied freely; the identity is shared, not copied, until it is
// encoded. Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/runtime/sync.h"
#include "client/schema/common.h"

namespace threefs {

/// Who an operation acts as: effective uid, gid and groups of the caller, and the token that
/// vouches (3fs/mgmtd.md §11). The token is a secret: never logged, never part of an error.
using UserRef = std::shared_ptr<const schema::UserInfo>;

inline UserRef MakeUser(uint32_t uid, uint32_t gid, std::vector<uint32_t> groups,
                        std::string token) {
  auto user = std::make_shared<schema::UserInfo>();
  user->uid = uid;
  user->gid = gid;
  user->groups = std::move(groups);
  user->token = std::move(token);
  return user;
}

struct OpContext {
  /// deadline == kNever means the client's own io_timeout from now.
  CallContext call;
  /// Null means an all-default UserInfo.
  UserRef user;
};

}  // namespace threefs

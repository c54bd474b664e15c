// SPDX-License-Identifier: Apache-2.0
// Structs shared by several services (3fs/mgmtd.md §3, 3fs/meta.md §2). Plain values.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "client/base/uuid.h"
#include "client/net/address.h"
#include "client/schema/method.h"
#include "client/serde/serde.h"

template <>
inline constexpr bool threefs::serde::kRawCopyable<threefs::net::Address> = true;
static_assert(sizeof(threefs::net::Address) == 8, "Address travels as its 8 bytes");

namespace threefs::schema {

/// Effective identity of a call. `token` is a secret: never in logs.
struct UserInfo {
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> groups{};
  std::string token{};
  SERDE_FIELDS(uid, gid, groups, token)
};

/// A process. Equal when the uuid is equal; the hostname is for logs.
struct ClientId {
  Uuid uuid{};
  std::string hostname{};
  SERDE_FIELDS(uuid, hostname)
};

/// A user's time-limited token (stored, not part of an RPC).
struct TokenAttr {
  std::string token{};
  int64_t end_time = 0;
  SERDE_FIELDS(token, end_time)
};

/// A user's record (stored, not part of an RPC).
struct UserAttr {
  std::string name{};
  std::string token{};
  uint32_t gid = 0;
  std::vector<uint32_t> groups{};
  bool root = false;
  std::vector<TokenAttr> tokens{};
  uint32_t uid = 0;
  bool admin = false;
  SERDE_FIELDS(name, token, gid, groups, root, tokens, uid, admin)
};

struct TagPair {
  std::string key{};
  std::string value{};
  SERDE_FIELDS(key, value)
};

/// Services that one port of a server answers, e.g. {"MetaSerde"}.
struct ServiceGroupInfo {
  std::set<std::string> services{};
  std::vector<net::Address> endpoints{};
  SERDE_FIELDS(services, endpoints)
};

/// Servers abort on a major_version other than 0 and 1.
struct ReleaseVersion {
  uint8_t major_version = 1;
  uint8_t minor_version = 0;
  uint8_t patch_version = 0;
  uint32_t commit_hash_short = 0;
  uint64_t build_time_in_seconds = 0;
  uint32_t build_pipeline_id = 0;
  SERDE_FIELDS(major_version, minor_version, patch_version, commit_hash_short,
               build_time_in_seconds, build_pipeline_id)
};

/// Echo, built into every server and client: service 10000.
struct EchoMessage {
  std::string str{};
  SERDE_FIELDS(str)
};

namespace method {
using Echo = Method<10000, 1, EchoMessage, EchoMessage>;
}  // namespace method

}  // namespace threefs::schema

SCHEMA_EXTERN_METHOD(::threefs::schema::EchoMessage, ::threefs::schema::EchoMessage)
SERDE_EXTERN(::threefs::schema::UserAttr)

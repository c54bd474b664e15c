// SPDX-License-Identifier: Apache-2.0
// UserStore: who may use the cluster, and with which token (3fs/meta.md §14). One text file that
// every role of a split-up cluster reads; a change made by one process is seen by the others at
// their next look. Any thread. Tokens are secrets: the file is mode 0600, and no message or log
// line made here holds one.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/base/rng.h"
#include "client/base/status.h"

namespace threefs::standalone {

struct UserRecord {
  std::string name{};  ///< 1 to 64 bytes without blanks or control characters
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> groups{};  ///< supplementary; what requests send is replaced by this
  bool root = false;               ///< its token may act as any user of the store
  bool admin = false;              ///< may call mgmtd's admin methods
  std::string token{};             ///< empty in AddUser: one is made
};

/// Who a request says it is, and what the store makes of it.
struct Identity {
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> groups;
};

class UserStore {
 public:
  /// A store kept in `path` (made on the first AddUser). kKVStoreOpenFailed / kInvalidFormat with
  /// the line.
  static Result<std::unique_ptr<UserStore>> Open(std::string path);
  /// A store in memory only.
  static std::unique_ptr<UserStore> InMemory();

  /// Adds or replaces the record of `user.uid`; returns its token. kInvalidArg on a bad name;
  /// kTokenDuplicated when another user has the token; kKVStoreSetError when the file cannot be
  /// written.
  Result<std::string> AddUser(UserRecord user, Rng& rng);
  Status RemoveUser(uint32_t uid);
  [[nodiscard]] std::optional<UserRecord> Find(uint32_t uid);
  [[nodiscard]] std::vector<UserRecord> List();
  [[nodiscard]] bool empty();

  /// The rule of 3FS: the token names a user; a normal user must claim its own uid and gid; a root
  /// token may act as any uid of the store. Returns the claimed ids with the store's groups.
  /// kAuthenticationFail otherwise.
  Result<Identity> Authenticate(uint32_t uid, uint32_t gid, std::string_view token);
  /// OK when the token belongs to an admin or root user; kAuthenticationFail / kMgmtdNotAdmin
  /// otherwise.
  Status CheckAdmin(std::string_view token);

 private:
  explicit UserStore(std::string path) : path_(std::move(path)) {}
  Status ReloadIfChanged();
  Status Save();
  const UserRecord* ByToken(std::string_view token) const;

  const std::string path_;  ///< empty: memory only
  std::mutex mutex_;
  std::map<uint32_t, UserRecord> users_;
  struct ::stat seen_{};
};

/// The text of a new token: base64 of 18 bytes (magic, uid, random, crc32 of those).
std::string MakeToken(uint32_t uid, Rng& rng);
/// The uid inside a well-formed token; nullopt when it is none. Does not say that any store knows
/// it.
std::optional<uint32_t> TokenUid(std::string_view token);

}  // namespace threefs::standalone

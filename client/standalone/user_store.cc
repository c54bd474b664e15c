// SPDX-License-Identifier: Apache-2.0
// The file: one line a user, "uid gid flags groups token name", flags and groups "-" when empty,
// groups joined by commas. It is replaced whole (temporary file, fsync, rename), so a reader sees
// the old or the new one.
#include "client/standalone/user_store.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

namespace threefs::standalone {
namespace {

constexpr uint16_t kTokenMagic = 0xF1DB;
constexpr size_t kTokenBytes = 18;
constexpr size_t kTokenCovered = 14;  // magic, uid, random: what the crc is of
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

uint32_t Crc32(const uint8_t* data, size_t size) {
  uint32_t crc = 0xFFFFFFFFU;
  for (size_t i = 0; i < size; ++i) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320U : 0);
  }
  return ~crc;
}

template <class T>
void PutLe(uint8_t* to, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) to[i] = static_cast<uint8_t>(value >> (8 * i));
}
uint32_t GetLe(const uint8_t* from, size_t size) {
  uint32_t value = 0;
  for (size_t i = 0; i < size; ++i) value |= uint32_t{from[i]} << (8 * i);
  return value;
}

// Takes as long for a wrong first byte as for a wrong last one.
bool SameSecret(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  uint8_t different = 0;
  for (size_t i = 0; i < a.size(); ++i) different |= static_cast<uint8_t>(a[i] ^ b[i]);
  return different == 0;
}

template <class T>
bool ParseNumber(std::string_view text, T* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

bool ParseGroups(std::string_view text, std::vector<uint32_t>* groups) {
  if (text == "-") return true;
  while (true) {
    const size_t comma = text.find(',');
    uint32_t gid = 0;
    if (!ParseNumber(text.substr(0, comma), &gid)) return false;
    groups->push_back(gid);
    if (comma == std::string_view::npos) return true;
    text.remove_prefix(comma + 1);
  }
}

bool ValidName(std::string_view name) {
  const auto plain = [](char c) { return static_cast<uint8_t>(c) > ' ' && c != '\x7f'; };
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), plain);
}

std::optional<UserRecord> ParseLine(const std::string& line) {
  std::istringstream in(line);
  std::string uid;
  std::string gid;
  std::string flags;
  std::string groups;
  UserRecord user;
  std::string rest;
  if (!(in >> uid >> gid >> flags >> groups >> user.token >> user.name) || in >> rest) return {};
  if (!ParseNumber(std::string_view(uid), &user.uid)) return {};
  if (!ParseNumber(std::string_view(gid), &user.gid)) return {};
  if (!ParseGroups(groups, &user.groups) || !ValidName(user.name)) return {};
  if (flags.find_first_not_of("-ra") != std::string::npos) return {};
  user.root = flags.find('r') != std::string::npos;
  user.admin = flags.find('a') != std::string::npos;
  return user;
}

std::string FormatLine(const UserRecord& user) {
  std::string groups;
  for (const uint32_t gid : user.groups)
    groups += fmt::format("{}{}", groups.empty() ? "" : ",", gid);
  const std::string flags = std::string(user.root ? "r" : "") + (user.admin ? "a" : "");
  return fmt::format("{} {} {} {} {} {}\n", user.uid, user.gid, flags.empty() ? "-" : flags,
                     groups.empty() ? "-" : groups, user.token, user.name);
}

Status SystemError(Code code, const std::string& what) {
  return {code, fmt::format("{}: {}", what, std::strerror(errno))};
}

Status WriteAll(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return SystemError(Code::kKVStoreSetError, "cannot write " + path);
    text.remove_prefix(static_cast<size_t>(n));
  }
  if (::fsync(fd) != 0) return SystemError(Code::kKVStoreSetError, "cannot sync " + path);
  return {};
}

}  // namespace

std::string MakeToken(uint32_t uid, Rng& rng) {
  std::array<uint8_t, kTokenBytes> raw{};
  PutLe(raw.data(), kTokenMagic);
  PutLe(raw.data() + 2, uid);
  PutLe(raw.data() + 6, rng.Next());
  PutLe(raw.data() + kTokenCovered, Crc32(raw.data(), kTokenCovered));
  std::string text;
  for (size_t i = 0; i < kTokenBytes; i += 3) {
    const uint32_t group = uint32_t{raw[i]} << 16 | uint32_t{raw[i + 1]} << 8 | raw[i + 2];
    for (int shift = 18; shift >= 0; shift -= 6) text += kBase64[(group >> shift) & 63];
  }
  return text;
}

std::optional<uint32_t> TokenUid(std::string_view token) {
  if (token.size() != kTokenBytes / 3 * 4) return {};
  std::array<uint8_t, kTokenBytes> raw{};
  for (size_t i = 0; i < token.size(); i += 4) {
    uint32_t group = 0;
    for (size_t k = 0; k < 4; ++k) {
      const size_t digit = kBase64.find(token[i + k]);
      if (digit == std::string_view::npos) return {};
      group = group << 6 | static_cast<uint32_t>(digit);
    }
    for (size_t k = 0; k < 3; ++k) raw[i / 4 * 3 + k] = static_cast<uint8_t>(group >> (16 - 8 * k));
  }
  if (GetLe(raw.data(), 2) != kTokenMagic) return {};
  if (GetLe(raw.data() + kTokenCovered, 4) != Crc32(raw.data(), kTokenCovered)) return {};
  return GetLe(raw.data() + 2, 4);
}

Result<std::unique_ptr<UserStore>> UserStore::Open(std::string path) {
  std::unique_ptr<UserStore> store(new UserStore(std::move(path)));
  TRY(store->ReloadIfChanged());
  return store;
}

std::unique_ptr<UserStore> UserStore::InMemory() {
  return std::unique_ptr<UserStore>(new UserStore(""));
}

Result<std::string> UserStore::AddUser(UserRecord user, Rng& rng) {
  const std::lock_guard lock(mutex_);
  TRY(ReloadIfChanged());
  if (!ValidName(user.name)) {
    return Status(Code::kInvalidArg, "a user's name is 1 to 64 characters without blanks");
  }
  if (user.token.empty()) user.token = MakeToken(user.uid, rng);
  if (user.token.find_first_of(" \t\r\n") != std::string::npos) {
    return Status(Code::kInvalidArg, "a token has no blanks");
  }
  if (const UserRecord* other = ByToken(user.token); other != nullptr && other->uid != user.uid) {
    return Status(Code::kTokenDuplicated, "another user has this token");
  }
  const auto old = users_;
  const std::string token = user.token;
  const uint32_t uid = user.uid;
  users_.insert_or_assign(uid, std::move(user));
  if (Status saved = Save(); !saved.ok()) {
    users_ = old;
    return saved;
  }
  return token;
}

Status UserStore::RemoveUser(uint32_t uid) {
  const std::lock_guard lock(mutex_);
  TRY(ReloadIfChanged());
  const auto old = users_;
  if (users_.erase(uid) == 0) return {Code::kAuthenticationFail, "no such user"};
  Status saved = Save();
  if (!saved.ok()) users_ = old;
  return saved;
}

std::optional<UserRecord> UserStore::Find(uint32_t uid) {
  const std::lock_guard lock(mutex_);
  if (!ReloadIfChanged().ok()) return {};
  const auto it = users_.find(uid);
  if (it == users_.end()) return {};
  return it->second;
}

std::vector<UserRecord> UserStore::List() {
  const std::lock_guard lock(mutex_);
  std::vector<UserRecord> all;
  if (!ReloadIfChanged().ok()) return all;
  for (const auto& [uid, user] : users_) all.push_back(user);
  return all;
}

bool UserStore::empty() { return List().empty(); }

Result<Identity> UserStore::Authenticate(uint32_t uid, uint32_t gid, std::string_view token) {
  const std::lock_guard lock(mutex_);
  TRY(ReloadIfChanged());
  const UserRecord* owner = ByToken(token);
  if (owner == nullptr) {
    if (!TokenUid(token)) return Status(Code::kAuthenticationFail, "Token decode failed");
    return Status(Code::kAuthenticationFail, "Token mismatch");
  }
  if (owner->root) {
    const auto claimed = users_.find(uid);
    if (claimed == users_.end()) {
      return Status(Code::kAuthenticationFail, fmt::format("no user with uid {}", uid));
    }
    return Identity{uid, gid, claimed->second.groups};
  }
  if (owner->uid != uid || owner->gid != gid) {
    return Status(Code::kAuthenticationFail,
                  fmt::format("User not match, userInfo (uid {}, gid {}), (uid {}, gid {})", uid,
                              gid, owner->uid, owner->gid));
  }
  return Identity{uid, gid, owner->groups};
}

Status UserStore::CheckAdmin(std::string_view token) {
  const std::lock_guard lock(mutex_);
  TRY(ReloadIfChanged());
  const UserRecord* owner = ByToken(token);
  if (owner == nullptr) return {Code::kAuthenticationFail, "Token decode failed"};
  if (!owner->admin && !owner->root) return {Code::kMgmtdNotAdmin, "the user is no admin"};
  return {};
}

// REQUIRES (the three below): mutex_ held, or the store not yet shared
Status UserStore::ReloadIfChanged() {
  if (path_.empty()) return {};
  struct ::stat now{};
  if (::stat(path_.c_str(), &now) != 0) {
    if (errno == ENOENT) {
      users_.clear();
      seen_ = {};
      return {};
    }
    return SystemError(Code::kKVStoreOpenFailed, "cannot read the users in " + path_);
  }
  if (now.st_ino == seen_.st_ino && now.st_size == seen_.st_size &&
      now.st_mtim.tv_sec == seen_.st_mtim.tv_sec && now.st_mtim.tv_nsec == seen_.st_mtim.tv_nsec) {
    return {};
  }
  std::ifstream in(path_);
  std::map<uint32_t, UserRecord> users;
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    if (line.empty() || line[0] == '#') continue;
    std::optional<UserRecord> user = ParseLine(line);
    if (!user) {
      return {
          Code::kInvalidFormat,
          fmt::format("{} line {}: expected \"uid gid flags groups token name\"", path_, number)};
    }
    const uint32_t uid = user->uid;
    users.insert_or_assign(uid, *std::move(user));
  }
  if (in.bad()) return SystemError(Code::kKVStoreOpenFailed, "cannot read the users in " + path_);
  users_ = std::move(users);
  seen_ = now;
  return {};
}

Status UserStore::Save() {
  if (path_.empty()) return {};
  std::string text;
  for (const auto& [uid, user] : users_) text += FormatLine(user);
  const std::string temporary = path_ + ".new";
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return SystemError(Code::kKVStoreSetError, "cannot make " + temporary);
  Status written = WriteAll(fd, text, temporary);
  ::close(fd);
  TRY(std::move(written));
  if (::rename(temporary.c_str(), path_.c_str()) != 0) {
    return SystemError(Code::kKVStoreSetError, "cannot replace " + path_);
  }
  seen_ = {};
  return ReloadIfChanged();
}

const UserRecord* UserStore::ByToken(std::string_view token) const {
  for (const auto& [uid, user] : users_) {
    if (!token.empty() && SameSecret(user.token, token)) return &user;
  }
  return nullptr;
}

}  // namespace threefs::standalone

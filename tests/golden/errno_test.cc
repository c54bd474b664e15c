// SPDX-License-Identifier: Apache-2.0
// The errno of every status code against the reference's table (status_codes.jsonl). Where ours
// differs, it is listed here with the reason; a difference that is not listed fails, and so does a
// listed one that is none.
#include <gtest/gtest.h>

#include <cerrno>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "mounter/fs/errno_map.h"

namespace threefs::golden {
namespace {

const std::map<Code, int>& Deviations() {
  static const std::map<Code, int> deviations{
      {Code::kOk, 0},                       // the reference calls "OK as an error" EIO
      {Code::kNotImplemented, EOPNOTSUPP},  // ENOSYS makes the kernel stop asking for ever
      {Code::kInterrupted, EINTR},          // ours for FUSE_INTERRUPT
      {Code::kMetaNoPermission, EACCES},    // POSIX: permission bits; EPERM for setattr (below)
      {Code::kMetaNotFile, EINVAL},         // POSIX; EBADF for data operations (below)
      {Code::kStorageClientReadOnlyServer, EROFS},
  };
  return deviations;
}

TEST(ErrnoMap, EveryCodeOfTheReference) {
  std::ifstream file("tests/golden/data/status_codes.jsonl");
  ASSERT_TRUE(file.is_open());
  std::map<Code, int> differing;
  size_t count = 0;
  for (std::string text; std::getline(file, text); ++count) {
    const auto line = nlohmann::json::parse(text);
    const auto code = static_cast<Code>(line.at("code").get<uint16_t>());
    const int ours = fs::ToErrno(Status(code, "from a server", Origin::kPeer));
    if (ours != line.at("errno").get<int>()) differing[code] = ours;
  }
  EXPECT_EQ(count, 235U);
  for (const auto& [code, ours] : differing) {
    EXPECT_TRUE(Deviations().contains(code)) << CodeName(code) << " gives errno " << ours;
  }
  EXPECT_EQ(differing, Deviations());
}

TEST(ErrnoMap, TheOperationDecidesWherePosixDoes) {
  const Status no_permission(Code::kMetaNoPermission, "", Origin::kPeer);
  EXPECT_EQ(fs::ToErrno(no_permission, fs::OpKind::kSetAttr), EPERM);
  EXPECT_EQ(fs::ToErrno(Code::kMetaNoPermission), EPERM);
  const Status not_file(Code::kMetaNotFile, "", Origin::kPeer);
  EXPECT_EQ(fs::ToErrno(not_file, fs::OpKind::kData), EBADF);
}

TEST(ErrnoMap, OwnErrnosCannotBeForgedByAPeer) {
  const Status own = fs::ErrnoStatus(ENOTTY, "not for this file");
  EXPECT_EQ(fs::ToErrno(own), ENOTTY);
  EXPECT_EQ(fs::ToErrno(Status(own.code(), "", Origin::kPeer)), EIO);
}

TEST(ErrnoMap, UnknownCodesAreIoErrors) {
  for (const int code : {999, 1999, 3999, 9999, 65535}) {
    EXPECT_EQ(
        fs::ToErrno(Status(static_cast<Code>(static_cast<uint16_t>(code)), "", Origin::kPeer)), EIO)
        << code;
  }
}

}  // namespace
}  // namespace threefs::golden

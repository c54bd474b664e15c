// SPDX-License-Identifier: Apache-2.0
#include "mounter/fs/errno_map.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace threefs::fs {
namespace {

Status Peer(Code code) { return {code, "", Origin::kPeer}; }

TEST(ErrnoMap, TheTableOfFuseMd) {
  EXPECT_EQ(ToErrno(Status()), 0);
  EXPECT_EQ(ToErrno(Peer(Code::kMetaNotFound)), ENOENT);
  EXPECT_EQ(ToErrno(Peer(Code::kMetaNotEmpty)), ENOTEMPTY);
  EXPECT_EQ(ToErrno(Peer(Code::kMetaNotDirectory)), ENOTDIR);
  EXPECT_EQ(ToErrno(Peer(Code::kMetaTooManySymlinks)), ELOOP);
  EXPECT_EQ(ToErrno(Peer(Code::kMetaIsDirectory)), EISDIR);
  EXPECT_EQ(ToErrno(Peer(Code::kMetaExists)), EEXIST);
  EXPECT_EQ(ToErrno(Peer(Code::kMetaNameTooLong)), ENAMETOOLONG);
  EXPECT_EQ(ToErrno(Peer(Code::kMetaNoLock)), ENOLCK);
  EXPECT_EQ(ToErrno(Peer(Code::kMetaFileTooLarge)), EFBIG);
  EXPECT_EQ(ToErrno(Peer(Code::kStorageClientNoSpace)), ENOSPC);
  EXPECT_EQ(ToErrno(Peer(Code::kReadOnlyMode)), EROFS);
  EXPECT_EQ(ToErrno(Peer(Code::kAuthenticationFail)), EPERM);
  for (const Code c : {Code::kRPCTimeout, Code::kRPCSendFailed, Code::kRPCConnectFailed})
    EXPECT_EQ(ToErrno(c), EREMOTEIO);
  for (const Code c :
       {Code::kDataCorruption, Code::kMetaInconsistent, Code::kMetaBusy, static_cast<Code>(4711)}) {
    EXPECT_EQ(ToErrno(Peer(c)), EIO);
  }
}

TEST(ErrnoMap, OneRefusalOfTheServerIsTwoOfPosix) {
  EXPECT_EQ(ToErrno(Peer(Code::kMetaNoPermission), OpKind::kOther), EACCES);
  EXPECT_EQ(ToErrno(Peer(Code::kMetaNoPermission), OpKind::kSetAttr), EPERM);
  EXPECT_EQ(ToErrno(Status(Code::kMetaNoPermission)), EPERM);
}

TEST(ErrnoMap, NothingMakesTheKernelStopAsking) {
  EXPECT_NE(ToErrno(Peer(Code::kNotImplemented)), ENOSYS);
}

TEST(ErrnoMap, LocalErrnosComeBackExactly) {
  for (const int e : {1, ENOTSUP, ESTALE, 4095}) EXPECT_EQ(ToErrno(ErrnoStatus(e, "why")), e);
  // The same number from a peer is no errno of ours.
  EXPECT_EQ(ToErrno(Peer(ErrnoStatus(ESTALE, "").code())), EIO);
}

}  // namespace
}  // namespace threefs::fs

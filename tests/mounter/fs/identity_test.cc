// SPDX-License-Identifier: Apache-2.0
#include "mounter/fs/identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace threefs::fs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Groups, OfAStatusText) {
  EXPECT_THAT(ParseGroups("Name:\tx\nGroups:\t4 24 4294967295 \nNStgid:\t1\n"),
              ElementsAre(4U, 24U, 4294967295U));
  EXPECT_THAT(ParseGroups("Name:\tGroups: 7\nGroups:\t\nX:\t9\n"), IsEmpty());
  EXPECT_THAT(ParseGroups(""), IsEmpty());
  EXPECT_THAT(ParseGroups("\nGroups:\t99999999999 5"), IsEmpty());
}

TEST(Groups, OfThisProcess) {
  std::vector<gid_t> own(1024);
  const int n = getgroups(static_cast<int>(own.size()), own.data());
  ASSERT_GE(n, 0);
  EXPECT_EQ(GroupsOf(getpid()).size(), static_cast<size_t>(n));
  EXPECT_THAT(GroupsOf(0), IsEmpty());
}

// Tokens of root and of uid 1000, as real servers made them (3fs/measured.md).
TEST(Token, CarriesItsUid) {
  EXPECT_EQ(UidOfToken("AAAeCnx18QBAJACS2wAAGAZP"), 0U);
  EXPECT_EQ(UidOfToken("6AAeCnui8QBAJADp2wMAGAZc"), 1000U);
  EXPECT_FALSE(UidOfToken("").has_value());
  EXPECT_FALSE(UidOfToken("AAAeCnx18QBAJACS2wAAGAZ").has_value());
  EXPECT_FALSE(UidOfToken("AAAAAAAAAAAAAAAAAAAAAAAA").has_value());
  EXPECT_FALSE(UidOfToken("!AAeCnx18QBAJACS2wAAGAZP").has_value());
}

}  // namespace
}  // namespace threefs::fs

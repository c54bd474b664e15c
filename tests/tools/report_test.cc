// SPDX-License-Identifier: Apache-2.0
#include "tools/report.h"

#include <gtest/gtest.h>

#include "client/base/status.h"
#include "client/base/status_code.h"

namespace threefs::tools {
namespace {

TEST(Table, AlignsColumns) {
  Table table({"ID", "PATH"});
  table.Add({"pvc-1", "/a"});
  table.Add({"x", "/longer"});
  EXPECT_EQ(table.ToString(), "ID     PATH\npvc-1  /a\nx      /longer\n");
}

TEST(ParseSize, KnowsBinaryUnits) {
  EXPECT_EQ(*ParseSize("0"), 0U);
  EXPECT_EQ(*ParseSize("4096"), 4096U);
  EXPECT_EQ(*ParseSize("512K"), 512U << 10);
  EXPECT_EQ(*ParseSize("1MiB"), 1U << 20);
  EXPECT_EQ(*ParseSize("3GB"), 3ULL << 30);
  for (const char* text :
       {"", "M", "-1", "1.5G", "1X", "1Ki ", "99999999999999999999", "17179869184T"}) {
    EXPECT_EQ(ParseSize(text).code(), Code::kInvalidArg) << text;
  }
}

TEST(ParseMillis, KnowsUnits) {
  EXPECT_EQ(*ParseMillis("500ms"), 500U);
  EXPECT_EQ(*ParseMillis("30s"), 30'000U);
  EXPECT_EQ(*ParseMillis("30"), 30'000U);
  EXPECT_EQ(*ParseMillis("2min"), 120'000U);
  for (const char* text : {"", "s", "1d", "-1s", "1 s", "18446744073709551615h"}) {
    EXPECT_EQ(ParseMillis(text).code(), Code::kInvalidArg) << text;
  }
}

TEST(HumanBytes, PicksTheUnit) {
  EXPECT_EQ(HumanBytes(0), "0 B");
  EXPECT_EQ(HumanBytes(1023), "1023 B");
  EXPECT_EQ(HumanBytes(1536), "1.5 KiB");
  EXPECT_EQ(HumanBytes(10ULL << 40), "10.0 TiB");
}

TEST(FailureKind, SpeaksTheContractsWords) {
  EXPECT_EQ(FailureKind(Code::kAuthenticationFail), "bad-token");
  EXPECT_EQ(FailureKind(Code::kMgmtdClusterIdMismatch), "wrong-cluster");
  EXPECT_EQ(FailureKind(Code::kMgmtdClientPrimaryMgmtdNotFound), "unreachable");
  EXPECT_EQ(FailureKind(Code::kMetaNotFound), "not-found");
  EXPECT_EQ(FailureKind(Code::kStorageClientNoSpace), "no-space");
  EXPECT_EQ(FailureKind(Code::kFoundBug), "system");
}

}  // namespace
}  // namespace threefs::tools

// SPDX-License-Identifier: Apache-2.0
#include "client/net/address.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace threefs::net {
namespace {

TEST(Address, ParsesEveryScheme) {
  struct Case {
    const char* text;
    AddressType type;
    const char* canonical;
  };
  const std::vector<Case> cases{
      {"TCP://10.1.2.3:8000", AddressType::kTcp, "TCP://10.1.2.3:8000"},
      {"10.1.2.3:8000", AddressType::kTcp, "TCP://10.1.2.3:8000"},
      {"rdma://10.1.2.3:8000", AddressType::kRdma, "RDMA://10.1.2.3:8000"},
      {"ipoib://10.1.2.3:8000", AddressType::kIpoib, "IPoIB://10.1.2.3:8000"},
      {"LOCAL://10.1.2.3:8000", AddressType::kLocal, "LOCAL://10.1.2.3:8000"},
      {"Unix://10.1.2.3:8000", AddressType::kUnix, "UNIX://10.1.2.3:8000"},
  };
  for (const Case& c : cases) {
    const auto address = Address::Parse(c.text);
    ASSERT_TRUE(address.ok()) << c.text;
    EXPECT_EQ(address->type, c.type) << c.text;
    EXPECT_EQ(address->ip, 0x0302010aU) << c.text;
    EXPECT_EQ(address->port, 8000) << c.text;
    EXPECT_EQ(address->ToString(), c.canonical);
    EXPECT_EQ(*Address::Parse(c.canonical), *address);
  }
}

TEST(Address, RawFormIsTheReferences) {
  const auto address = Address::Parse("RDMA://10.1.2.3:8000");
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(address->Raw(), 0x00011F400302010AULL);
  EXPECT_EQ(Address::FromRaw(address->Raw()), *address);
}

TEST(Address, RefusesWhatServersRefuse) {
  for (const std::string text : {"",
                                 ":",
                                 "10.1.2.3",
                                 "10.1.2.3:",
                                 "10.1.2.3:65536",
                                 "10.1.2.3:-1",
                                 "10.1.2.3:+1",
                                 "10.1.2.3:80a",
                                 "10.1.2:80",
                                 "10.1.2.3.4:80",
                                 "256.1.2.3:80",
                                 "10.1.2.:80",
                                 "1e1.1.2.3:80",
                                 "host:80",
                                 "[::1]:80",
                                 "http://10.1.2.3:80",
                                 "://10.1.2.3:80",
                                 "TCP:/10.1.2.3:80",
                                 " 10.1.2.3:80",
                                 "10.1.2.3:80 ",
                                 "010.1.2.3:80",
                                 "TCP://0.0.0.0:0",
                                 "99999999999.1.2.3:80"}) {
    const auto address = Address::Parse(text);
    EXPECT_EQ(address.code(), Code::kInvalidFormat) << text;
    EXPECT_FALSE(address.status().message().empty()) << text;
  }
}

TEST(Address, UnknownTypeIsStillPrintable) {
  EXPECT_EQ(Address::FromRaw(0xffff'0050'0100'007fULL).ToString(), "UNKNOWN://127.0.0.1:80");
}

TEST(Address, EqualityIsAllEightBytes) {
  const Address tcp{.ip = 1, .port = 2, .type = AddressType::kTcp};
  EXPECT_NE(tcp, tcp.As(AddressType::kRdma));
  EXPECT_TRUE(tcp.SameEndpoint(tcp.As(AddressType::kRdma)));
}

}  // namespace
}  // namespace threefs::net

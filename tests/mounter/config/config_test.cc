// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "mounter/config/mount_config.h"

namespace threefs::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kGood =
    "cluster_id: stage\n"
    "mgmtd_addresses: [\"RDMA://10.0.0.1:8000\", \"mgmtd.example:8000\"]\n"
    "path: //volumes//a/./b/\n"
    "consistency: strict\n"
    "identity: token\n"
    "io_timeout: 1.5s\n"
    "loops: 3\n"
    "read_only: true\n";

TEST(MountYaml, ReadsEveryKind) {
  MountConfig c;
  ASSERT_TRUE(ParseYaml(kGood, "vol.yaml", &c).ok());
  ASSERT_TRUE(Resolve(&c).ok());
  EXPECT_EQ(c.cluster_id, "stage");
  EXPECT_THAT(c.mgmtd_addresses, ElementsAre("RDMA://10.0.0.1:8000", "mgmtd.example:8000"));
  EXPECT_EQ(c.path, "/volumes/a/b");
  EXPECT_EQ(c.consistency, Consistency::kStrict);
  EXPECT_EQ(c.identity, Identity::kToken);
  EXPECT_EQ(c.io_timeout, 1500ms);
  EXPECT_EQ(c.loops, 3U);
  EXPECT_TRUE(c.read_only);
  EXPECT_EQ(c.attr_timeout, 0ns);
}

TEST(MountYaml, ConsistencyDecidesCacheTimesUnlessGiven) {
  MountConfig c;
  ASSERT_TRUE(
      ParseYaml("cluster_id: a\nmgmtd_addresses: h:1\nconsistency: relaxed\nattr_timeout: 7s\n",
                "x", &c)
          .ok());
  ASSERT_TRUE(Resolve(&c).ok());
  EXPECT_EQ(c.attr_timeout, 7s);
  EXPECT_EQ(c.entry_timeout, 30s);
  EXPECT_EQ(c.negative_timeout, 5s);
}

struct BadCase {
  std::string text;
  std::string complaint;
};
class MountYamlBad : public testing::TestWithParam<BadCase> {};
TEST_P(MountYamlBad, IsOneSentenceWithItsLine) {
  MountConfig c;
  Status s = ParseYaml(GetParam().text, "vol.yaml", &c);
  if (s.ok()) s = Resolve(&c);
  ASSERT_FALSE(s.ok());
  EXPECT_EQ(s.code(), Code::kInvalidConfig);
  EXPECT_THAT(s.message(), HasSubstr(GetParam().complaint));
  EXPECT_EQ(s.message().find('\n'), std::string::npos);
}
INSTANTIATE_TEST_SUITE_P(
    All, MountYamlBad,
    testing::Values(
        BadCase{"cluster_id: a\nclutser: b\n", "vol.yaml line 2: unknown key \"clutser\""},
        BadCase{"cluster_id: a\ncluster_id: b\n", "line 2: cluster_id is given twice"},
        BadCase{"io_timeout: soon\n", "line 1: io_timeout is \"soon\""},
        BadCase{"io_timeout: 1ms\n", "io_timeout"}, BadCase{"loops: 65\n", "from 0 to 64"},
        BadCase{"loops: -1\n", "loops"}, BadCase{"read_only: perhaps\n", "write true or false"},
        BadCase{"path: /a/../b\n", "\"..\""}, BadCase{"path: \"/a\\nb\"\n", "newline"},
        BadCase{"path: " + std::string(256, 'x') + "\n", "longer than 255"},
        BadCase{"transport: pigeon\n", "auto, tcp, rdma"},
        BadCase{"mgmtd_addresses: [nohost]\n", "has no port"},
        BadCase{"mgmtd_addresses: []\n", "from 1 to 64"},
        BadCase{"cluster_id: [a]\n", "takes one value"},
        BadCase{"cluster_id: {a: b}\n", "has no value"}, BadCase{"- a\n", "not a list of"},
        BadCase{"cluster_id: [a\n", "line"},
        BadCase{"cluster_id: a\n", "mgmtd_addresses is missing"},
        BadCase{"mgmtd_addresses: h:1\n", "cluster_id is missing"},
        BadCase{"cluster_id: " + std::string(32, 'c') + "\nmgmtd_addresses: h:1\n", "at most 31"},
        BadCase{"a: " + std::string(5000, '[') + "\n", "nested too deeply"}));

constexpr std::string_view kLauncher =
    "cluster_id = 'stage'\nmountpoint = '/3fs/stage'\nallow_other = true\ntoken_file = "
    "'/opt/3fs/etc/token.txt'\n"
    "[client]\ndefault_timeout = '1s'\n[client.io_worker.ibsocket]\nmax_sge = 1\n"
    "[ib_devices]\ndevice_filter = []\n"
    "[mgmtd_client]\nrefresh = '10s'\nmgmtd_server_addresses = [\"RDMA://10.0.0.1:8000\"]\n";

TEST(LauncherToml, TakesTheStockFileWithOverrides) {
  MountConfig c;
  const Overrides overrides{
      {"mountpoint", "/mnt/x"},
      {"mgmtd_client.mgmtd_server_addresses", "[\"TCP://h:1\", \"TCP://h:2\"]"},
      {"allow_other", "false"}};
  ASSERT_TRUE(ParseLauncherToml(kLauncher, "l.toml", overrides, &c).ok());
  ASSERT_TRUE(Resolve(&c).ok());
  EXPECT_EQ(c.cluster_id, "stage");
  EXPECT_EQ(c.mountpoint, "/mnt/x");
  EXPECT_FALSE(c.allow_other);
  EXPECT_EQ(c.token_file, "/opt/3fs/etc/token.txt");
  EXPECT_THAT(c.mgmtd_addresses, ElementsAre("TCP://h:1", "TCP://h:2"));
  EXPECT_EQ(c.entry_timeout, 30s) << "3FS's own cache times";
}

TEST(LauncherToml, RefusesWhatItDoesNotKnow) {
  MountConfig c;
  EXPECT_THAT(ParseLauncherToml("cluster_id='a'\nfoo=1\n", "l.toml", {}, &c).message(),
              HasSubstr("l.toml line 2: unknown key \"foo\""));
  EXPECT_THAT(ParseLauncherToml("cluster_id=", "l.toml", {}, &c).message(),
              HasSubstr("l.toml line 1"));
  EXPECT_FALSE(ParseLauncherToml("cluster_id=1", "l.toml", {}, &c).ok());
  EXPECT_FALSE(ParseLauncherToml("", "l.toml", {{"x\ny", "1"}}, &c).ok());
}

TEST(Units, DurationsAndSizes) {
  EXPECT_EQ(*ParseDuration("500ms"), 500ms);
  EXPECT_EQ(*ParseDuration("1min"), 60s);
  EXPECT_EQ(*ParseDuration("2"), 2s);
  EXPECT_FALSE(ParseDuration("-1s").ok());
  EXPECT_FALSE(ParseDuration("1e30s").ok());
  EXPECT_FALSE(ParseDuration("99999999999999999999h").ok());
  EXPECT_EQ(*ParseSize("64KiB"), 65536U);
  EXPECT_EQ(*ParseSize("1MB"), 1U << 20);
  EXPECT_FALSE(ParseSize("1PB").ok());
  EXPECT_FALSE(ParseSize("").ok());
}

}  // namespace
}  // namespace threefs::config

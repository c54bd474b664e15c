// SPDX-License-Identifier: Apache-2.0
// Tables of what people may write and what they are told when they may not.
#include "csi/grammar.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "csi/parameters.h"

namespace threefs::csi {
namespace {

/// The value was refused as the caller's mistake, with a sentence that holds every one of `words`.
template <class T>
void ExpectRefused(const Result<T>& result, const std::vector<std::string>& words) {
  EXPECT_EQ(result.code(), Code::kInvalidArg);
  for (const std::string& word : words) {
    EXPECT_NE(result.status().message().find(word), std::string::npos)
        << "'" << word << "' is not in: " << result.status().message();
  }
}

TEST(GrammarTest, Sizes) {
  const std::vector<std::pair<std::string, uint64_t>> good = {
      {"0", 0},
      {"4096", 4096},
      {"4096B", 4096},
      {"64Ki", 65536},
      {"64KiB", 65536},
      {"1M", 1 << 20},
      {"1MB", 1 << 20},
      {"1Mi", 1 << 20},
      {"2Gi", 2ULL << 30},
      {"8Ti", 8ULL << 40},
      {"9223372036854775807", 9223372036854775807ULL}};
  for (const auto& [text, value] : good) {
    const auto parsed = ParseSize("chunkSize", text);
    ASSERT_TRUE(parsed.ok()) << text;
    EXPECT_EQ(*parsed, value) << text;
  }
  for (const std::string text : {"", "x", "-1", "1.5Mi", "1 Mi", "1Mib", "Mi", "1i", "0x10", "1MM",
                                 "9223372036854775808", "99999999999999999999", "8388608Ti"}) {
    ExpectRefused(ParseSize("chunkSize", text), {"chunkSize", "'" + text + "'", "512Ki"});
  }
}

TEST(GrammarTest, Durations) {
  const std::vector<std::pair<std::string, uint32_t>> good = {
      {"1ms", 1},      {"500ms", 500},   {"30s", 30000},   {"2m", 120000},
      {"1h", 3600000}, {"1m30s", 90000}, {"24h", 86400000}};
  for (const auto& [text, value] : good) {
    const auto parsed = ParseDurationMs("ioTimeout", text);
    ASSERT_TRUE(parsed.ok()) << text;
    EXPECT_EQ(*parsed, value) << text;
  }
  for (const std::string text : {"", "30", "0s", "-1s", "1.5s", "s", "30 s", "30sec", "25h", "1d",
                                 "99999999999999999999s", "18446744073709551615h"}) {
    ExpectRefused(ParseDurationMs("ioTimeout", text), {"ioTimeout", "30s"});
  }
}

TEST(GrammarTest, Addresses) {
  const auto parsed =
      ParseAddresses("mgmtdAddresses", "TCP://10.0.0.1:8000, RDMA://mgmtd.svc:8000,TCP://[::1]:1");
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(*parsed, (std::vector<std::string>{"TCP://10.0.0.1:8000", "RDMA://mgmtd.svc:8000",
                                               "TCP://[::1]:1"}));
  for (const std::string text :
       {"", "10.0.0.1:8000", "tcp://h:1", "HTTP://h:1", "TCP://h", "TCP://:1", "TCP://h:0",
        "TCP://h:65536", "TCP://h:1,", "TCP://h:1x", "TCP://a b:1", "TCP://h\n:1"}) {
    ExpectRefused(ParseAddresses("mgmtdAddresses", text), {"mgmtdAddresses", "TCP://host:port"});
  }
}

TEST(GrammarTest, TreePathsNeverLeaveTheTree) {
  EXPECT_EQ(*CheckTreePath("path", "/"), "/");
  EXPECT_EQ(*CheckTreePath("path", "/a/b/"), "/a/b");
  EXPECT_EQ(*CheckTreePath("path", "/a/..b/.c"), "/a/..b/.c");
  for (const std::string text :
       {"", "a", "/..", "/a/../b", "/a/.", "/a//b", "//", "/a\nb", "/a\x7f"}) {
    ExpectRefused(CheckTreePath("path", text), {"path"});
  }
  ExpectRefused(CheckTreePath("path", "/" + std::string(256, 'x')), {"255"});
  EXPECT_TRUE(CheckTreePath("path", "/" + std::string(255, 'x')).ok());
  std::string deep;
  for (int i = 0; i < 40; ++i) deep += "/" + std::string(100, 'x');
  ExpectRefused(CheckTreePath("path", deep), {"3840"});
  EXPECT_EQ(JoinPath("/", "a"), "/a");
  EXPECT_EQ(JoinPath("/b", "a"), "/b/a");
}

TEST(GrammarTest, ClusterIdsEndAt31) {
  EXPECT_TRUE(CheckClusterId(std::string(31, 'c')).ok());
  EXPECT_NE(CheckClusterId(std::string(32, 'c')).message().find("32"), std::string::npos);
  for (const std::string text : {"", "a/b", "a b", "a\n", "a:b"}) {
    EXPECT_EQ(CheckClusterId(text).code(), Code::kInvalidArg) << text;
  }
}

TEST(GrammarTest, PathPatterns) {
  const StringMap names = {{"pvc.namespace", "team"}, {"pvc.name", "data"}, {"pv.name", "pvc-1"}};
  EXPECT_EQ(*ExpandPattern("${pvc.namespace}/${pvc.name}-${pv.name}", names), "team/data-pvc-1");
  EXPECT_EQ(*ExpandPattern("plain", names), "plain");
  ExpectRefused(ExpandPattern("${pvc.uid}", names), {"${pvc.uid}", "${pv.name}"});
  ExpectRefused(ExpandPattern("${pvc.name", names), {"without '}'"});
  ExpectRefused(ExpandPattern("", names), {"empty"});
  ExpectRefused(ExpandPattern("../${pv.name}", names), {"'..'"});
  ExpectRefused(ExpandPattern("/abs", names), {"empty"});
  ExpectRefused(ExpandPattern("a\nb", names), {"control"});
  ExpectRefused(ExpandPattern(".threefs-csi/x", names), {".threefs-csi"});
  ExpectRefused(ExpandPattern("${pvc.name}", {{"pvc.name", ""}}), {"--extra-create-metadata"});
  ExpectRefused(ExpandPattern("x${pvc.name}", {{"pvc.name", "../.."}}), {"holds '/'"});
  ExpectRefused(ExpandPattern("${pvc.name}", {{"pvc.name", ".."}}), {"'..'"});
}

TEST(GrammarTest, VolumeIdsAreSafeStableAndDistinct) {
  EXPECT_EQ(VolumeIdFromName("pvc-0b1c"), "pvc-0b1c");
  const std::string odd = VolumeIdFromName("a/../b\n");
  EXPECT_EQ(odd.find_first_of("/\n"), std::string::npos);
  EXPECT_EQ(odd, VolumeIdFromName("a/../b\n"));
  EXPECT_NE(odd, VolumeIdFromName("a/../b\t"));
  EXPECT_NE(VolumeIdFromName(std::string(200, 'x')), VolumeIdFromName(std::string(201, 'x')));
  for (const std::string& name : {std::string(250, 'x'), std::string(".x"), std::string("é")}) {
    const std::string id = VolumeIdFromName(name);
    EXPECT_LE(id.size(), 96U);
    const auto handle = ParseHandle("stage/" + id);
    ASSERT_TRUE(handle.ok()) << id;
    EXPECT_EQ(handle->volume_id, id);
  }
  for (const std::string text :
       {"", "x", "/x", "a/", "a/b/c", "a/..", "a/b\n", "cluster-id-of-thirty-two-letters/v"}) {
    EXPECT_EQ(ParseHandle(text).code(), Code::kMetaNotFound) << text;
  }
}

StringMap GoodClass() {
  return {{"clusterId", "stage"}, {"mgmtdAddresses", "TCP://127.0.0.1:8000"}};
}

TEST(ParametersTest, AStorageClassWithEverything) {
  StringMap all = GoodClass();
  all.insert({{"basePath", "/k8s/"},
              {"pathPattern", "${pvc.namespace}/${pvc.name}"},
              {"chunkSize", "1Mi"},
              {"stripeSize", "4"},
              {"chainTableId", "2"},
              {"transport", "tcp"},
              {"consistency", "strict"},
              {"identity", "token"},
              {"ioTimeout", "30s"},
              {"csi.storage.k8s.io/pvc/name", "data"},
              {"csi.storage.k8s.io/pvc/namespace", "team"},
              {"csi.storage.k8s.io/anything-new", "x"}});
  const auto parsed = ParseStorageClass(all, "pvc-1");
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_EQ(parsed->base_path, "/k8s");
  EXPECT_EQ(parsed->relative_path, "team/data");
  EXPECT_EQ(parsed->chunk_size, 1U << 20);
  EXPECT_EQ(parsed->stripe_size, 4U);
  EXPECT_EQ(parsed->chain_table_id, 2U);
  EXPECT_EQ(parsed->mount.io_timeout_ms, 30000U);
  // What is handed out is understood by the node again, and with what Kubernetes adds to it.
  StringMap context = MakeVolumeContext(*parsed, "/k8s/team/data");
  context["storage.kubernetes.io/csiProvisionerIdentity"] = "x";
  context["csi.storage.k8s.io/pod.name"] = "y";
  const auto back = ParseVolumeContext(context);
  ASSERT_TRUE(back.ok()) << back.status().message();
  EXPECT_EQ(back->path, "/k8s/team/data");
  EXPECT_EQ(back->mount.identity, "token");
  EXPECT_EQ(back->mount.io_timeout_ms, 30000U);
  StorageClass again;
  again.mount = back->mount;
  EXPECT_EQ(MakeVolumeContext(again, back->path), MakeVolumeContext(*parsed, back->path));
}

TEST(ParametersTest, EachMistakeIsNamed) {
  const auto refused = [](const std::string& key, const std::string& value,
                          const std::vector<std::string>& words) {
    StringMap parameters = GoodClass();
    parameters[key] = value;
    ExpectRefused(ParseStorageClass(parameters, "pvc-1"), words);
  };
  refused("chunksize", "1Mi", {"'chunksize'", "unknown", "chunkSize", "clusterId"});
  refused("path", "/x", {"'path'", "unknown"});
  refused("line\nbreak", "x", {"'line?break'"});
  refused("clusterId", std::string(32, 'c'), {"32", "31"});
  refused("clusterId", "", {"clusterId is missing"});
  refused("mgmtdAddresses", "somewhere", {"mgmtdAddresses", "TCP://host:port"});
  refused("basePath", "volumes", {"basePath", "'/'"});
  refused("basePath", "/a/../b", {"basePath", "'..'"});
  refused("pathPattern", "${pvc.name}", {"--extra-create-metadata"});
  refused("chunkSize", "1000000", {"chunkSize", "power of two"});
  refused("chunkSize", "2Ki", {"chunkSize", "4Ki"});
  refused("chunkSize", "128Mi", {"chunkSize", "64Mi"});
  refused("stripeSize", "0", {"stripeSize", "1"});
  refused("chainTableId", "one", {"chainTableId", "'one'"});
  refused("transport", "udp", {"transport", "auto, rdma, tcp"});
  refused("consistency", "eventual", {"consistency", "relaxed, close-to-open, strict"});
  refused("identity", "root", {"identity", "caller, token"});
  refused("ioTimeout", "30", {"ioTimeout", "30s"});
  ExpectRefused(ParseStorageClass({{"clusterId", "stage"}}, "v"), {"mgmtdAddresses is missing"});
  ExpectRefused(ParseStorageClass({}, "v"), {"clusterId is missing"});
  StringMap context = GoodClass();
  ExpectRefused(ParseVolumeContext(context), {"path is missing"});
  context["path"] = "/a/../b";
  ExpectRefused(ParseVolumeContext(context), {"path", "'..'"});
  context["path"] = "/a";
  context["chunkSize"] = "1Mi";
  ExpectRefused(ParseVolumeContext(context), {"'chunkSize'", "unknown"});
}

TEST(ParametersTest, MountOptions) {
  const auto parsed = ParseMountOptions({"ro", "noexec", "noatime", "attr_timeout=5s"});
  ASSERT_TRUE(parsed.ok());
  EXPECT_TRUE(parsed->read_only);
  EXPECT_TRUE(parsed->no_exec);
  EXPECT_EQ(parsed->knobs.at("attr_timeout"), "5s");
  for (const std::string flag :
       {"bogus", "ro=1", "suid", "attr_timeout", "token=x", "backend=null", "", "log_level=a\nb"}) {
    ExpectRefused(ParseMountOptions({flag}), {"unknown", "noexec"});
  }
}

TEST(ParametersTest, TokensAreTrimmedAndNeverRepeatedInErrors) {
  EXPECT_EQ(*TokenOf({{"token", " abc\n"}}), "abc");
  EXPECT_EQ(*TokenOf({}), "");
  const auto bad = TokenOf({{"token", "SECRET\nSECRET"}});
  ExpectRefused(bad, {"token"});
  EXPECT_EQ(bad.status().message().find("SECRET"), std::string::npos);
  ExpectRefused(TokenOf({{"token", std::string(5000, 'x')}}), {"4096"});
}

}  // namespace
}  // namespace threefs::csi

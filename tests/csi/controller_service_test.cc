// SPDX-License-Identifier: Apache-2.0
// The Controller service on a fake threefsctl, its cluster book, the volume store, and threefsctl's
// answers.
#include "csi/controller_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "csi/volume_store.h"
#include "tests/csi/fakes.h"

namespace threefs::csi {
namespace {

namespace v1 = ::csi::v1;
using grpc::StatusCode;
using ::testing::HasSubstr;
using Mode = v1::VolumeCapability::AccessMode;

void WriteFile(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

class ControllerServiceTest : public ::testing::Test {
 protected:
  ControllerServiceTest()
      : directory_(::testing::TempDir() + "controller_" + std::to_string(::getpid())) {
    std::filesystem::create_directories(directory_);
    Restart();
  }
  ~ControllerServiceTest() override { std::filesystem::remove_all(directory_); }

  void Restart(const std::string& clusters = "") {
    service_.reset();
    book_.reset();
    book_.emplace(*ClusterBook::Open(clusters, directory_));
    service_ = std::make_unique<ControllerService>(&ctl_, &*book_);
  }
  static v1::CreateVolumeRequest CreateRequest(const std::string& name = "pvc-1") {
    v1::CreateVolumeRequest request;
    request.set_name(name);
    request.mutable_capacity_range()->set_required_bytes(1 << 30);
    auto* capability = request.add_volume_capabilities();
    capability->mutable_mount();
    capability->mutable_access_mode()->set_mode(Mode::MULTI_NODE_MULTI_WRITER);
    auto& parameters = *request.mutable_parameters();
    parameters["clusterId"] = "stage";
    parameters["mgmtdAddresses"] = "TCP://127.0.0.1:8000";
    parameters["basePath"] = "/volumes";
    (*request.mutable_secrets())["token"] = "T0KEN";
    return request;
  }
  grpc::Status Create(const v1::CreateVolumeRequest& request) {
    created_.Clear();
    return service_->CreateVolume(nullptr, &request, &created_);
  }
  grpc::Status Delete(const std::string& id, const std::string& token = "T0KEN") {
    v1::DeleteVolumeRequest request;
    request.set_volume_id(id);
    if (!token.empty()) (*request.mutable_secrets())["token"] = token;
    v1::DeleteVolumeResponse response;
    return service_->DeleteVolume(nullptr, &request, &response);
  }
  grpc::Status Expand(const std::string& id, int64_t required, int64_t limit = 0) {
    v1::ControllerExpandVolumeRequest request;
    request.set_volume_id(id);
    request.mutable_capacity_range()->set_required_bytes(required);
    request.mutable_capacity_range()->set_limit_bytes(limit);
    return service_->ControllerExpandVolume(nullptr, &request, &expanded_);
  }
  grpc::Status List(int32_t max, const std::string& token) {
    v1::ListVolumesRequest request;
    request.set_max_entries(max);
    request.set_starting_token(token);
    listed_.Clear();
    return service_->ListVolumes(nullptr, &request, &listed_);
  }
  static void ExpectError(const grpc::Status& status, StatusCode code, const std::string& words) {
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(words));
  }

  std::string directory_;
  FakeCtl ctl_;
  std::optional<ClusterBook> book_;
  std::unique_ptr<ControllerService> service_;
  v1::CreateVolumeResponse created_;
  v1::ControllerExpandVolumeResponse expanded_;
  v1::ListVolumesResponse listed_;
};

TEST_F(ControllerServiceTest, CreatesOnceAndRepeats) {
  auto request = CreateRequest();
  (*request.mutable_parameters())["chunkSize"] = "1Mi";
  (*request.mutable_parameters())["stripeSize"] = "4";
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(Create(request).ok());
    EXPECT_EQ(created_.volume().volume_id(), "stage/pvc-1");
    EXPECT_EQ(created_.volume().capacity_bytes(), 1 << 30);
    EXPECT_EQ(created_.volume().volume_context().at("path"), "/volumes/pvc-1");
    EXPECT_EQ(created_.volume().volume_context().at("mgmtdAddresses"), "TCP://127.0.0.1:8000");
    EXPECT_EQ(created_.volume().volume_context().count("token"), 0U);
  }
  EXPECT_EQ(ctl_.last_create.chunk_size, 1U << 20);
  EXPECT_EQ(ctl_.last_create.stripe_size, 4U);
  auto larger = request;
  larger.mutable_capacity_range()->set_required_bytes(2LL << 30);
  ExpectError(Create(larger), StatusCode::ALREADY_EXISTS, "another size");
  auto smaller_limit = request;
  smaller_limit.mutable_capacity_range()->set_required_bytes(1);
  smaller_limit.mutable_capacity_range()->set_limit_bytes(1 << 20);
  ExpectError(Create(smaller_limit), StatusCode::ALREADY_EXISTS, "another size");
  auto layout = request;
  (*layout.mutable_parameters())["stripeSize"] = "8";
  ExpectError(Create(layout), StatusCode::ALREADY_EXISTS, "layout");
  auto path = request;
  (*path.mutable_parameters())["pathPattern"] = "team/${pv.name}";
  ExpectError(Create(path), StatusCode::ALREADY_EXISTS, "path");
}

TEST_F(ControllerServiceTest, BadCreatesAreNamed) {
  const auto refused = [&](const std::function<void(v1::CreateVolumeRequest*)>& change,
                           const std::string& words) {
    auto request = CreateRequest();
    change(&request);
    ExpectError(Create(request), StatusCode::INVALID_ARGUMENT, words);
  };
  refused([](auto* r) { r->clear_name(); }, "name is missing");
  refused([](auto* r) { r->set_name(std::string(300, 'n')); }, "256");
  refused([](auto* r) { r->clear_volume_capabilities(); }, "volume_capabilities is missing");
  refused([](auto* r) { r->mutable_volume_capabilities(0)->mutable_block(); }, "block volumes");
  refused([](auto* r) { r->mutable_capacity_range()->set_required_bytes(-1); }, "negative");
  refused([](auto* r) { r->mutable_capacity_range()->set_limit_bytes(5); }, "limit");
  refused([](auto* r) { r->mutable_volume_content_source()->mutable_snapshot(); }, "snapshots");
  refused([](auto* r) { (*r->mutable_mutable_parameters())["a"] = "b"; }, "mutable parameters");
  refused([](auto* r) { (*r->mutable_parameters())["colour"] = "blue"; },
          "'colour' is unknown: known are clusterId");
  refused([](auto* r) { (*r->mutable_parameters())["clusterId"] = std::string(32, 'c'); },
          "3FS allows 31");
  refused([](auto* r) { (*r->mutable_parameters())["pathPattern"] = "../${pv.name}"; }, "'..'");
  refused([](auto* r) { (*r->mutable_secrets())["token"] = "a\nb"; }, "token");
  EXPECT_TRUE(ctl_.places.empty());
  auto kubernetes = CreateRequest();
  (*kubernetes.mutable_parameters())["csi.storage.k8s.io/pvc/namespace"] = "team";
  (*kubernetes.mutable_parameters())["csi.storage.k8s.io/pvc/name"] = "data";
  (*kubernetes.mutable_parameters())["pathPattern"] = "${pvc.namespace}/${pvc.name}";
  ASSERT_TRUE(Create(kubernetes).ok());
  EXPECT_EQ(created_.volume().volume_context().at("path"), "/volumes/team/data");
}

TEST_F(ControllerServiceTest, WhatThreefsctlSaysGetsItsCode) {
  const std::vector<std::pair<std::string, StatusCode>> table = {
      {"bad-argument", StatusCode::INVALID_ARGUMENT},
      {"unreachable", StatusCode::UNAVAILABLE},
      {"bad-token", StatusCode::UNAUTHENTICATED},
      {"wrong-cluster", StatusCode::FAILED_PRECONDITION},
      {"exists", StatusCode::ALREADY_EXISTS},
      {"no-space", StatusCode::RESOURCE_EXHAUSTED},
      {"timeout", StatusCode::DEADLINE_EXCEEDED},
      {"busy", StatusCode::FAILED_PRECONDITION},
      {"permission", StatusCode::PERMISSION_DENIED},
      {"system", StatusCode::INTERNAL},
      {"of a later version", StatusCode::INTERNAL}};
  for (const auto& [kind, code] : table) {
    ctl_.refuse_kind = kind;
    ctl_.refuse_sentence = "do this";
    ExpectError(Create(CreateRequest()), code, "do this");
    ExpectError(Delete("stage/pvc-1"), code, "do this");
  }
}

TEST_F(ControllerServiceTest, DeletesWithTheTokenOfTheCallAndToleratesAbsence) {
  ctl_.token = "T0KEN";
  EXPECT_TRUE(Create(CreateRequest()).ok());
  Restart();  // learned clusters survive, tokens do not
  ExpectError(Delete("stage/pvc-1", ""), StatusCode::UNAUTHENTICATED, "correct the secret");
  ExpectError(Delete("stage/pvc-1", "WRONG"), StatusCode::UNAUTHENTICATED, "correct the secret");
  EXPECT_TRUE(Delete("stage/pvc-1").ok());
  EXPECT_TRUE(Delete("stage/pvc-1").ok());
  EXPECT_TRUE(Delete("never-heard-of").ok());
  EXPECT_TRUE(Delete("stage/../x").ok());
  ExpectError(Delete(""), StatusCode::INVALID_ARGUMENT, "volume_id is missing");
  ExpectError(Delete("unknown/pvc-1"), StatusCode::FAILED_PRECONDITION, "--clusters");
  std::ifstream in(directory_ + "/clusters.json");
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  EXPECT_THAT(text, HasSubstr("stage"));
  EXPECT_EQ(text.find("T0KEN"), std::string::npos);
}

TEST_F(ControllerServiceTest, ExpandsAndValidates) {
  ExpectError(Expand("stage/pvc-1", 5), StatusCode::NOT_FOUND, "no volume");
  EXPECT_TRUE(Create(CreateRequest()).ok());
  ExpectError(Expand("stage/pvc-2", 5), StatusCode::NOT_FOUND, "no volume");
  EXPECT_TRUE(Expand("stage/pvc-1", 5LL << 30).ok());
  EXPECT_EQ(expanded_.capacity_bytes(), 5LL << 30);
  EXPECT_FALSE(expanded_.node_expansion_required());
  EXPECT_TRUE(Expand("stage/pvc-1", 1).ok());  // never shrinks
  EXPECT_EQ(expanded_.capacity_bytes(), 5LL << 30);
  ExpectError(Expand("stage/pvc-1", 1, 2), StatusCode::OUT_OF_RANGE, "never shrinks");
  ExpectError(Expand("", 1), StatusCode::INVALID_ARGUMENT, "volume_id");
  v1::ValidateVolumeCapabilitiesRequest request;
  v1::ValidateVolumeCapabilitiesResponse response;
  const auto validate = [&] {
    response.Clear();
    return service_->ValidateVolumeCapabilities(nullptr, &request, &response);
  };
  ExpectError(validate(), StatusCode::INVALID_ARGUMENT, "volume_id");
  request.set_volume_id("stage/pvc-1");
  ExpectError(validate(), StatusCode::INVALID_ARGUMENT, "volume_capabilities");
  *request.mutable_volume_capabilities() = CreateRequest().volume_capabilities();
  EXPECT_TRUE(validate().ok());
  EXPECT_EQ(response.confirmed().volume_capabilities_size(), 1);
  request.mutable_volume_capabilities(0)->mutable_block();
  EXPECT_TRUE(validate().ok());
  EXPECT_FALSE(response.has_confirmed());
  EXPECT_THAT(response.message(), HasSubstr("block volumes"));
  request.set_volume_id("stage/pvc-9");
  ExpectError(validate(), StatusCode::NOT_FOUND, "no volume");
}

TEST_F(ControllerServiceTest, ListsEverythingPageByPage) {
  std::set<std::string> expected;
  for (const std::string base : {"/a", "/b", "/c"}) {
    for (int i = 0; i < 3; ++i) {
      auto request = CreateRequest("v" + base.substr(1) + std::to_string(i));
      (*request.mutable_parameters())["basePath"] = base;
      ASSERT_TRUE(Create(request).ok());
      expected.insert(created_.volume().volume_id());
    }
  }
  for (const int32_t page : {0, 1, 2, 3, 4, 9, 100}) {
    std::set<std::string> seen;
    std::string token;
    int pages = 0;
    do {
      ASSERT_TRUE(List(page, token).ok());
      ASSERT_LT(++pages, 20);
      if (page != 0) ASSERT_LE(listed_.entries_size(), page);
      for (const auto& entry : listed_.entries()) {
        EXPECT_TRUE(seen.insert(entry.volume().volume_id()).second);
      }
      token = listed_.next_token();
    } while (!token.empty());
    EXPECT_EQ(seen, expected) << page;
  }
  ExpectError(List(1, "nonsense"), StatusCode::ABORTED, "starting_token");
  ExpectError(List(1, "x:/y:z"), StatusCode::ABORTED, "starting_token");
  ExpectError(List(-1, ""), StatusCode::INVALID_ARGUMENT, "negative");
}

TEST_F(ControllerServiceTest, CapacityAndCapabilities) {
  v1::GetCapacityRequest request;
  v1::GetCapacityResponse response;
  EXPECT_TRUE(service_->GetCapacity(nullptr, &request, &response).ok());
  EXPECT_EQ(response.available_capacity(), 0);
  for (const std::string base : {"/a", "/b"}) {  // one cluster, one space
    auto create = CreateRequest("v" + base.substr(1));
    (*create.mutable_parameters())["basePath"] = base;
    EXPECT_TRUE(Create(create).ok());
  }
  EXPECT_TRUE(service_->GetCapacity(nullptr, &request, &response).ok());
  EXPECT_EQ(response.available_capacity(), 1 << 30);
  (*request.mutable_parameters())["clusterId"] = "stage";
  ExpectError(service_->GetCapacity(nullptr, &request, &response), StatusCode::INVALID_ARGUMENT,
              "mgmtdAddresses is missing");
  v1::ControllerGetCapabilitiesRequest capabilities_request;
  v1::ControllerGetCapabilitiesResponse capabilities;
  EXPECT_TRUE(
      service_->ControllerGetCapabilities(nullptr, &capabilities_request, &capabilities).ok());
  EXPECT_EQ(capabilities.capabilities_size(), 5);
}

TEST_F(ControllerServiceTest, OneCallAVolumeAtATime) {
  ctl_.on_create = [&] {
    ctl_.on_create = nullptr;
    EXPECT_EQ(Delete("stage/pvc-1").error_code(), StatusCode::ABORTED);
    EXPECT_EQ(Expand("stage/pvc-1", 5).error_code(), StatusCode::ABORTED);
  };
  EXPECT_TRUE(Create(CreateRequest()).ok());
}

TEST_F(ControllerServiceTest, TheAdministratorsFileGoesBeforeWhatWasLearned) {
  WriteFile(directory_ + "/token", "FILE-TOKEN\n");
  const std::string file = directory_ + "/list.json";
  WriteFile(file, R"({"clusters": [{"clusterId": "stage", "mgmtdAddresses": ["TCP://h:1"],
                     "basePath": "/volumes", "tokenFile": ")" +
                      directory_ + R"(/token"}]})");
  Restart(file);
  ctl_.token = "FILE-TOKEN";
  EXPECT_TRUE(List(0, "").ok());
  const auto targets = book_->Find("stage", "");
  ASSERT_EQ(targets.size(), 1U);
  EXPECT_EQ(targets[0].mgmtd_addresses.at(0), "TCP://h:1");
  EXPECT_EQ(book_->Find("stage", "CALL")[0].token, "CALL");
  for (const std::string bad :
       {"", "[]", "{}", R"({"clusters": {}})", R"({"clusters": [1]})",
        R"({"clusters": [{"clusterId": "a"}]})",
        R"({"clusters": [{"clusterId": "a", "mgmtdAddresses": ["h:1"]}]})",
        R"({"clusters": [{"clusterId": "a", "mgmtdAddresses": ["TCP://h:1"], "colour": "b"}]})",
        R"({"clusters": [{"clusterId": "a", "mgmtdAddresses": [1]}]})"}) {
    EXPECT_FALSE(ParseClusters(bad).ok()) << bad;
  }
  EXPECT_FALSE(ClusterBook::Open(directory_ + "/nowhere.json", directory_).ok());
}

TEST(CtlAnswerTest, OnlyWhatThreefsctlPromisesCounts) {
  const auto good = ParseCtlAnswer(
      R"({"ok":true,"created":true,"volume":{"id":"v","path":"/p","capacityBytes":5,)"
      R"("parameters":{"a":"b"}}})");
  ASSERT_TRUE(good.ok);
  EXPECT_TRUE(good.created);
  EXPECT_EQ(good.volumes.at(0).capacity_bytes, 5U);
  EXPECT_EQ(good.volumes.at(0).parameters.at("a"), "b");
  const auto refused =
      ParseCtlAnswer(R"({"ok":false,"error":{"kind":"busy","sentence":"wait","code":1}})");
  EXPECT_FALSE(refused.ok);
  EXPECT_EQ(refused.kind, "busy");
  EXPECT_EQ(refused.sentence, "wait");
  for (const std::string bad :
       {"", "x", "[]", "{}", R"({"ok":1})", R"({"ok":false})", R"({"ok":false,"error":"x"})",
        R"({"ok":true,"volume":{}})", R"({"ok":true,"volume":{"id":"v","path":"p"}})"}) {
    EXPECT_FALSE(ParseCtlAnswer(bad).ok) << bad;
    EXPECT_EQ(ParseCtlAnswer(bad).kind, "system") << bad;
  }
  const auto page =
      ParseCtlAnswer(R"({"ok":true,"volumes":[{"id":"a","path":"/a"},{"broken":1}],"next":"a"})");
  EXPECT_EQ(page.volumes.size(), 1U);
  EXPECT_EQ(page.next, "a");
}

/// A threefsctl made of a shell script, to see how it is run.
TEST(ThreefsctlTest, GetsTheTokenByDescriptorOnlyAndIsBounded) {
  const std::string program =
      ::testing::TempDir() + "fake_threefsctl_" + std::to_string(::getpid());
  const auto install = [&](const std::string& body) {
    WriteFile(program, "#!/bin/bash\n" + body);
    ::chmod(program.c_str(), 0755);
  };
  const CtlTarget target{.cluster_id = "stage",
                         .mgmtd_addresses = {"TCP://a:1", "TCP://b:2"},
                         .transport = "tcp",
                         .base_path = "/b",
                         .token = "T0KEN"};
  install(
      "args=\"$*\"; token=$(cat <&3); leak=$([ -e /proc/$$/fd/99 ] && echo leaked || echo shut); "
      "env=$(env | cut -d= -f1 | sort | tr '\\n' ' ')\n"
      "printf '{\"ok\":true,\"next\":\"%s|%s|%s|%s\"}' \"$args\" \"$token\" \"$leak\" \"$env\"");
  const auto ctl = MakeThreefsctl(program, 10s);
  ASSERT_EQ(::dup2(0, 99), 99);  // a descriptor somebody forgot to mark close-on-exec
  const CtlAnswer answer = ctl->List(target, 5, "v1");
  ASSERT_TRUE(answer.ok) << answer.sentence;
  EXPECT_THAT(
      answer.next,
      HasSubstr("volume list --json --cluster-id stage --base-path /b --mgmtd TCP://a:1 "
                "--mgmtd TCP://b:2 --transport tcp --token-fd 3 --max 5 --after v1|T0KEN|"));
  EXPECT_THAT(answer.next, HasSubstr("|T0KEN|shut|"));
  ::close(99);
  EXPECT_EQ(answer.next.find("HOME"), std::string::npos);
  install("exec tail -f /dev/null");
  EXPECT_EQ(MakeThreefsctl(program, 200ms)->Capacity(target).kind, "timeout");
  install("echo oops >&2; exit 3");
  EXPECT_EQ(ctl->Capacity(target).kind, "system");
  EXPECT_EQ(MakeThreefsctl("/nowhere/threefsctl", 1s)->Capacity(target).kind, "system");
  ::unlink(program.c_str());
}

TEST(VolumeStoreTest, SurvivesRestartsSetsDamageAside) {
  const std::string directory = ::testing::TempDir() + "store_" + std::to_string(::getpid());
  {
    VolumeStore store = *VolumeStore::Open(directory);
    VolumeRecord record;
    record.volume_id = "stage/a";
    record.spec = std::string("\0\xff\n", 3);
    record.staged = true;
    record.targets["/t/ü"] = {.read_only = true, .no_exec = false, .access_mode = 5};
    ASSERT_TRUE(store.Save(record).ok());
    record.volume_id = "stage/b";
    ASSERT_TRUE(store.Save(record).ok());
    ASSERT_TRUE(store.Remove("stage/b").ok());
    ASSERT_TRUE(store.Remove("stage/b").ok());
  }
  WriteFile(directory + "/x.volume.json", "{\"version\":1");
  WriteFile(directory + "/y.volume.json", "{\"version\":2}");
  const VolumeStore store = *VolumeStore::Open(directory);
  ASSERT_EQ(store.All().size(), 1U);
  const auto record = store.Find("stage/a");
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->spec, std::string("\0\xff\n", 3));
  EXPECT_TRUE(record->targets.at("/t/ü").read_only);
  EXPECT_TRUE(std::filesystem::exists(directory + "/x.volume.json.bad"));
  EXPECT_TRUE(std::filesystem::exists(directory + "/y.volume.json.bad"));
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace threefs::csi

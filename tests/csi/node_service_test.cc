// SPDX-License-Identifier: Apache-2.0
// The Node service on fakes: idempotency, conflicts, bad input, lost state; and 500 random calls
// against a model.
#include "csi/node_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tests/csi/fakes.h"

namespace threefs::csi {
namespace {

namespace v1 = ::csi::v1;
using grpc::StatusCode;
using ::testing::HasSubstr;
using Mode = v1::VolumeCapability::AccessMode;

constexpr const char* kId = "stage/pvc-1";

class NodeServiceTest : public ::testing::Test {
 protected:
  NodeServiceTest()
      : directory_(::testing::TempDir() + "node_service_" + std::to_string(::getpid())),
        keeper_(&mounts_) {
    Restart();
  }
  ~NodeServiceTest() override { std::filesystem::remove_all(directory_); }

  /// As if the plugin had been killed and started again.
  void Restart() {
    service_.reset();
    store_.reset();
    store_.emplace(*VolumeStore::Open(directory_));
    service_ = std::make_unique<NodeService>(&keeper_, &mounts_, &*store_,
                                             NodeService::Options{.node_id = "n1"});
    service_->Reconcile();
  }

  static void Fill(v1::VolumeCapability* capability, Mode::Mode mode) {
    capability->mutable_mount();
    capability->mutable_access_mode()->set_mode(mode);
  }
  static v1::NodeStageVolumeRequest StageRequest(const std::string& id = kId,
                                                 const std::string& path = "/k/staging") {
    v1::NodeStageVolumeRequest request;
    request.set_volume_id(id);
    request.set_staging_target_path(path);
    Fill(request.mutable_volume_capability(), Mode::MULTI_NODE_MULTI_WRITER);
    auto& context = *request.mutable_volume_context();
    context["clusterId"] = "stage";
    context["mgmtdAddresses"] = "TCP://127.0.0.1:8000";
    context["path"] = "/volumes/pvc-1";
    (*request.mutable_secrets())["token"] = "T0KEN";
    return request;
  }
  static v1::NodePublishVolumeRequest PublishRequest(const std::string& target = "/k/pods/a",
                                                     bool read_only = false,
                                                     const std::string& id = kId,
                                                     const std::string& path = "/k/staging") {
    v1::NodePublishVolumeRequest request;
    request.set_volume_id(id);
    request.set_staging_target_path(path);
    request.set_target_path(target);
    request.set_readonly(read_only);
    Fill(request.mutable_volume_capability(), Mode::MULTI_NODE_MULTI_WRITER);
    return request;
  }

  grpc::Status Stage(const v1::NodeStageVolumeRequest& request) {
    v1::NodeStageVolumeResponse response;
    return service_->NodeStageVolume(nullptr, &request, &response);
  }
  grpc::Status Unstage(const std::string& id = kId, const std::string& path = "/k/staging") {
    v1::NodeUnstageVolumeRequest request;
    request.set_volume_id(id);
    request.set_staging_target_path(path);
    v1::NodeUnstageVolumeResponse response;
    return service_->NodeUnstageVolume(nullptr, &request, &response);
  }
  grpc::Status Publish(const v1::NodePublishVolumeRequest& request) {
    v1::NodePublishVolumeResponse response;
    return service_->NodePublishVolume(nullptr, &request, &response);
  }
  grpc::Status Unpublish(const std::string& target, const std::string& id = kId) {
    v1::NodeUnpublishVolumeRequest request;
    request.set_volume_id(id);
    request.set_target_path(target);
    v1::NodeUnpublishVolumeResponse response;
    return service_->NodeUnpublishVolume(nullptr, &request, &response);
  }
  static void ExpectError(const grpc::Status& status, StatusCode code, const std::string& words) {
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(words));
  }

  std::string directory_;
  FakeMounts mounts_;
  FakeKeeper keeper_;
  std::optional<VolumeStore> store_;
  std::unique_ptr<NodeService> service_;
};

TEST_F(NodeServiceTest, AWholeLifeEachStepTwice) {
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(Stage(StageRequest()).ok());
  EXPECT_EQ(keeper_.last_token, "T0KEN");
  EXPECT_EQ(keeper_.volumes.at(kId).path(), "/volumes/pvc-1");
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(Publish(PublishRequest()).ok());
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(Publish(PublishRequest("/k/pods/b", true)).ok());
  EXPECT_EQ(mounts_.table.size(), 3U);
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(Unpublish("/k/pods/a").ok());
  ExpectError(Unstage(), StatusCode::FAILED_PRECONDITION, "/k/pods/b");
  EXPECT_TRUE(Unpublish("/k/pods/b").ok());
  EXPECT_TRUE(mounts_.directories.count("/k/pods/b") == 0);
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(Unstage().ok());
  EXPECT_TRUE(mounts_.table.empty());
  EXPECT_TRUE(keeper_.volumes.empty());
  EXPECT_TRUE(store_->All().empty());
}

TEST_F(NodeServiceTest, BadStageRequestsAreNamed) {
  const auto refused = [&](const std::function<void(v1::NodeStageVolumeRequest*)>& change,
                           const std::string& words) {
    v1::NodeStageVolumeRequest request = StageRequest();
    change(&request);
    ExpectError(Stage(request), StatusCode::INVALID_ARGUMENT, words);
  };
  refused([](auto* r) { r->clear_volume_id(); }, "volume_id is missing");
  refused([](auto* r) { r->set_volume_id(std::string(300, 'v')); }, "256");
  refused([](auto* r) { r->set_volume_id("a\nb"); }, "control characters");
  refused([](auto* r) { r->clear_staging_target_path(); }, "staging_target_path is missing");
  refused([](auto* r) { r->set_staging_target_path("/k/../etc"); }, "'..'");
  refused([](auto* r) { r->set_staging_target_path("relative"); }, "absolute");
  refused([](auto* r) { r->set_staging_target_path("/k/a\nb"); }, "control characters");
  refused([](auto* r) { r->clear_volume_capability(); }, "volume_capability is missing");
  refused([](auto* r) { r->mutable_volume_capability()->mutable_block(); }, "block volumes");
  refused([](auto* r) { r->mutable_volume_capability()->clear_access_mode(); }, "access mode");
  refused([](auto* r) { r->mutable_volume_capability()->mutable_mount()->set_fs_type("ext4"); },
          "'ext4'");
  refused([](auto* r) { r->mutable_volume_capability()->mutable_mount()->add_mount_flags("hard"); },
          "mount option 'hard' is unknown");
  refused([](auto* r) { (*r->mutable_volume_context())["clusterId"] = std::string(32, 'c'); },
          "3FS allows 31");
  refused([](auto* r) { (*r->mutable_volume_context())["path"] = "/a/../b"; }, "'..'");
  refused([](auto* r) { (*r->mutable_volume_context())["path"] = "/a\nb"; }, "control characters");
  refused([](auto* r) { (*r->mutable_volume_context())["colour"] = "blue"; },
          "'colour' is unknown");
  refused([](auto* r) { r->mutable_volume_context()->erase("mgmtdAddresses"); },
          "mgmtdAddresses is missing");
  EXPECT_TRUE(store_->All().empty());
  EXPECT_TRUE(keeper_.volumes.empty());
}

TEST_F(NodeServiceTest, WhatTheKeeperSaysGetsItsCodeAndLeavesNoRecord) {
  const std::vector<std::pair<mounter::FailureKind, StatusCode>> table = {
      {mounter::FAILURE_BAD_SPEC, StatusCode::INVALID_ARGUMENT},
      {mounter::FAILURE_UNREACHABLE, StatusCode::UNAVAILABLE},
      {mounter::FAILURE_BAD_TOKEN, StatusCode::UNAUTHENTICATED},
      {mounter::FAILURE_WRONG_CLUSTER, StatusCode::FAILED_PRECONDITION},
      {mounter::FAILURE_NO_SUCH_PATH, StatusCode::NOT_FOUND},
      {mounter::FAILURE_TIMEOUT, StatusCode::DEADLINE_EXCEEDED},
      {mounter::FAILURE_CRASHED, StatusCode::INTERNAL},
      {mounter::FAILURE_BUSY, StatusCode::ABORTED},
      {mounter::FAILURE_SYSTEM, StatusCode::INTERNAL}};
  for (const auto& [kind, code] : table) {
    keeper_.fail_mount.set_kind(kind);
    keeper_.fail_mount.set_sentence("do this");
    ExpectError(Stage(StageRequest()), code, "do this");
    EXPECT_TRUE(store_->All().empty());
  }
  keeper_.fail_mount.Clear();
  keeper_.away = true;
  ExpectError(Stage(StageRequest()), StatusCode::UNAVAILABLE, "keeper");
  keeper_.away = false;
  EXPECT_TRUE(Stage(StageRequest()).ok());
  keeper_.away = true;
  ExpectError(Publish(PublishRequest()), StatusCode::UNAVAILABLE, "keeper");
  ExpectError(Unstage(), StatusCode::UNAVAILABLE, "keeper");
}

TEST_F(NodeServiceTest, StagingOtherwiseIsAConflict) {
  EXPECT_TRUE(Stage(StageRequest()).ok());
  auto other = StageRequest();
  (*other.mutable_volume_context())["consistency"] = "strict";
  ExpectError(Stage(other), StatusCode::ALREADY_EXISTS, "other parameters");
  ExpectError(Stage(StageRequest(kId, "/k/elsewhere")), StatusCode::ALREADY_EXISTS, "/k/staging");
}

TEST_F(NodeServiceTest, ConflictingPublishesAreRefused) {
  ExpectError(Publish(PublishRequest()), StatusCode::FAILED_PRECONDITION, "stage it first");
  EXPECT_TRUE(Stage(StageRequest()).ok());
  EXPECT_TRUE(Publish(PublishRequest()).ok());
  ExpectError(Publish(PublishRequest("/k/pods/a", true)), StatusCode::ALREADY_EXISTS,
              "unpublish it first");
  auto mode = PublishRequest();
  mode.mutable_volume_capability()->mutable_access_mode()->set_mode(Mode::SINGLE_NODE_WRITER);
  ExpectError(Publish(mode), StatusCode::ALREADY_EXISTS, "unpublish it first");
  ExpectError(Publish(PublishRequest("/k/pods/c", false, kId, "/k/other")),
              StatusCode::FAILED_PRECONDITION, "stage it first");
  auto unstaged = PublishRequest();
  unstaged.clear_staging_target_path();
  ExpectError(Publish(unstaged), StatusCode::FAILED_PRECONDITION, "staging_target_path is missing");
  for (const std::string target : {"", "/k/../etc", "x", "/k/a\nb"}) {
    EXPECT_EQ(Publish(PublishRequest(target)).error_code(), StatusCode::INVALID_ARGUMENT);
  }
}

TEST_F(NodeServiceTest, ReadWriteOncePodTakesOnePod) {
  auto stage = StageRequest();
  Fill(stage.mutable_volume_capability(), Mode::SINGLE_NODE_SINGLE_WRITER);
  EXPECT_TRUE(Stage(stage).ok());
  auto first = PublishRequest();
  Fill(first.mutable_volume_capability(), Mode::SINGLE_NODE_SINGLE_WRITER);
  auto second = first;
  second.set_target_path("/k/pods/b");
  EXPECT_TRUE(Publish(first).ok());
  EXPECT_TRUE(Publish(first).ok());
  ExpectError(Publish(second), StatusCode::FAILED_PRECONDITION, "/k/pods/a");
  EXPECT_TRUE(Unpublish("/k/pods/a").ok());
  EXPECT_TRUE(Publish(second).ok());
}

TEST_F(NodeServiceTest, ReaderOnlyModesMountReadOnly) {
  auto stage = StageRequest();
  Fill(stage.mutable_volume_capability(), Mode::MULTI_NODE_READER_ONLY);
  EXPECT_TRUE(Stage(stage).ok());
  EXPECT_TRUE(keeper_.volumes.at(kId).read_only());
  EXPECT_TRUE(Publish(PublishRequest()).ok());  // asks for writing, cannot have it
  EXPECT_TRUE(mounts_.table.back().read_only);
}

TEST_F(NodeServiceTest, NeverPublishesWhatIsNotALiveMount) {
  EXPECT_TRUE(Stage(StageRequest()).ok());
  mounts_.table.clear();  // vanished: the staging path is local disk now
  ExpectError(Publish(PublishRequest()), StatusCode::FAILED_PRECONDITION, "not a live 3FS mount");
  mounts_.Put("/k/staging", "fuse.hf3fs", "hf3fs.other");
  ExpectError(Publish(PublishRequest()), StatusCode::FAILED_PRECONDITION, "not a live 3FS mount");
  mounts_.table.clear();
  mounts_.Put("/k/staging", "ext4", "/dev/sda");
  ExpectError(Publish(PublishRequest()), StatusCode::FAILED_PRECONDITION, "not a live 3FS mount");
  ExpectError(Stage(StageRequest()), StatusCode::FAILED_PRECONDITION, "ext4");
  mounts_.table.clear();
  EXPECT_TRUE(Stage(StageRequest()).ok());  // staged anew
  EXPECT_TRUE(Publish(PublishRequest()).ok());
  keeper_.state = mounter::MOUNT_CRASH_LOOP;
  ExpectError(Publish(PublishRequest("/k/pods/b")), StatusCode::UNAVAILABLE, "it crashed");
  keeper_.state = mounter::MOUNT_RESTARTING;
  EXPECT_TRUE(Publish(PublishRequest("/k/pods/b")).ok());
  keeper_.state = mounter::MOUNT_STOPPING;
  EXPECT_EQ(Publish(PublishRequest("/k/pods/c")).error_code(), StatusCode::ABORTED);
}

TEST_F(NodeServiceTest, DeadMountsInTheWayAreReplacedForeignOnesAreNot) {
  mounts_.Put("/k/staging", "fuse.hf3fs", "hf3fs.stage");  // the keeper knows nothing of it
  EXPECT_TRUE(Stage(StageRequest()).ok());
  mounts_.Put("/k/pods/a", "fuse.hf3fs", "hf3fs.stage", false, 7);
  EXPECT_TRUE(Publish(PublishRequest()).ok());
  EXPECT_EQ(std::count_if(mounts_.table.begin(), mounts_.table.end(),
                          [](const auto& e) { return e.path == "/k/pods/a"; }),
            1);
  mounts_.Put("/k/pods/b", "tmpfs", "tmpfs");
  ExpectError(Publish(PublishRequest("/k/pods/b")), StatusCode::FAILED_PRECONDITION, "tmpfs");
  ExpectError(Unpublish("/k/pods/b"), StatusCode::FAILED_PRECONDITION, "tmpfs");
  EXPECT_TRUE(mounts_.Has("/k/pods/b"));
}

TEST_F(NodeServiceTest, ATargetBelongsToTheVolumeThatIsPublishedThere) {
  EXPECT_TRUE(Stage(StageRequest()).ok());
  EXPECT_TRUE(Stage(StageRequest("stage/pvc-2", "/k/staging2")).ok());
  EXPECT_TRUE(Publish(PublishRequest()).ok());
  const auto other = PublishRequest("/k/pods/a", false, "stage/pvc-2", "/k/staging2");
  ExpectError(Publish(other), StatusCode::ALREADY_EXISTS, "stage/pvc-1");
  EXPECT_EQ(mounts_.table.size(), 3U);
  EXPECT_TRUE(Unpublish("/k/pods/a").ok());
  EXPECT_TRUE(Publish(other).ok());
}

TEST_F(NodeServiceTest, AFailedBindLeavesNothing) {
  EXPECT_TRUE(Stage(StageRequest()).ok());
  mounts_.fail_bind = Status(Code::kOSError, "no");
  EXPECT_EQ(Publish(PublishRequest()).error_code(), StatusCode::INTERNAL);
  mounts_.fail_bind = Status(Code::kInvalidArg, "leads through a symbolic link");
  ExpectError(Publish(PublishRequest()), StatusCode::INVALID_ARGUMENT, "symbolic link");
  EXPECT_TRUE(store_->Find(kId)->targets.empty());
  EXPECT_EQ(mounts_.directories.count("/k/pods/a"), 0U);
  mounts_.fail_bind = {};
  EXPECT_TRUE(Publish(PublishRequest()).ok());
}

TEST_F(NodeServiceTest, LostStateIsFoundAgain) {
  EXPECT_TRUE(Stage(StageRequest()).ok());
  EXPECT_TRUE(Publish(PublishRequest()).ok());
  Restart();  // the store survives
  ExpectError(Publish(PublishRequest("/k/pods/a", true)), StatusCode::ALREADY_EXISTS, "unpublish");
  std::filesystem::remove_all(directory_);
  Restart();  // the store is lost, keeper and mounts live
  EXPECT_TRUE(Publish(PublishRequest()).ok());
  EXPECT_TRUE(Publish(PublishRequest("/k/pods/b")).ok());
  EXPECT_TRUE(Stage(StageRequest()).ok());
  EXPECT_TRUE(Unpublish("/k/pods/a").ok());
  EXPECT_TRUE(Unpublish("/k/pods/b").ok());
  EXPECT_TRUE(Unstage().ok());
  EXPECT_TRUE(mounts_.table.empty());
  // A reboot: records, but no mounts and no volumes in the keeper.
  EXPECT_TRUE(Stage(StageRequest()).ok());
  EXPECT_TRUE(Publish(PublishRequest()).ok());
  mounts_.table.clear();
  keeper_.volumes.clear();
  Restart();
  EXPECT_TRUE(store_->All().empty());
  EXPECT_TRUE(Unpublish("/k/pods/a").ok());
  EXPECT_TRUE(Unstage().ok());
}

TEST_F(NodeServiceTest, TokensRotateThroughPublish) {
  EXPECT_TRUE(Stage(StageRequest()).ok());
  auto publish = PublishRequest();
  (*publish.mutable_secrets())["token"] = "NEW\n";
  EXPECT_TRUE(Publish(publish).ok());
  EXPECT_EQ(keeper_.last_token, "NEW");
  for (const auto& file : std::filesystem::directory_iterator(directory_)) {
    std::ifstream in(file.path());
    const std::string text((std::istreambuf_iterator<char>(in)), {});
    EXPECT_EQ(text.find("T0KEN"), std::string::npos);
  }
}

TEST_F(NodeServiceTest, OneCallAVolumeAtATime) {
  keeper_.on_mount = [&] {
    keeper_.on_mount = nullptr;
    EXPECT_EQ(Stage(StageRequest()).error_code(), StatusCode::ABORTED);
    EXPECT_EQ(Unstage().error_code(), StatusCode::ABORTED);
    EXPECT_EQ(Publish(PublishRequest()).error_code(), StatusCode::ABORTED);
    EXPECT_EQ(Unpublish("/k/pods/a").error_code(), StatusCode::ABORTED);
    EXPECT_TRUE(Stage(StageRequest("stage/pvc-2", "/k/staging2")).ok());  // others go on
  };
  EXPECT_TRUE(Stage(StageRequest()).ok());
}

TEST_F(NodeServiceTest, StatsNeverFailForASickVolume) {
  v1::NodeGetVolumeStatsRequest request;
  v1::NodeGetVolumeStatsResponse response;
  const auto ask = [&](const std::string& id, const std::string& path) {
    response.Clear();
    request.set_volume_id(id);
    request.set_volume_path(path);
    return service_->NodeGetVolumeStats(nullptr, &request, &response);
  };
  EXPECT_EQ(ask(kId, "/k/pods/a").error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(ask("", "/k/pods/a").error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ask(kId, "").error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_TRUE(Stage(StageRequest()).ok());
  EXPECT_TRUE(Publish(PublishRequest()).ok());
  ASSERT_TRUE(ask(kId, "/k/pods/a").ok());
  ASSERT_EQ(response.usage_size(), 2);
  EXPECT_EQ(response.usage(0).total(), 1000);
  EXPECT_EQ(response.usage(0).used(), 400);
  EXPECT_EQ(response.usage(0).available(), 500);
  EXPECT_FALSE(response.volume_condition().abnormal());
  EXPECT_TRUE(ask(kId, "/k/staging").ok());
  EXPECT_EQ(ask("stage/other", "/k/pods/a").error_code(), StatusCode::NOT_FOUND);
  mounts_.fail_statfs = Status(Code::kRPCTimeout, "late");
  ASSERT_TRUE(ask(kId, "/k/pods/a").ok());
  EXPECT_TRUE(response.volume_condition().abnormal());
  EXPECT_THAT(response.volume_condition().message(), HasSubstr("do not answer"));
  mounts_.fail_statfs = Status(Code::kOSError, "statfs: Transport endpoint is not connected");
  ASSERT_TRUE(ask(kId, "/k/pods/a").ok());
  EXPECT_THAT(response.volume_condition().message(), HasSubstr("restart the pods"));
}

TEST_F(NodeServiceTest, InfoCapabilitiesExpand) {
  v1::NodeGetInfoRequest info_request;
  v1::NodeGetInfoResponse info;
  EXPECT_TRUE(service_->NodeGetInfo(nullptr, &info_request, &info).ok());
  EXPECT_EQ(info.node_id(), "n1");
  v1::NodeGetCapabilitiesRequest capabilities_request;
  v1::NodeGetCapabilitiesResponse capabilities;
  EXPECT_TRUE(service_->NodeGetCapabilities(nullptr, &capabilities_request, &capabilities).ok());
  EXPECT_EQ(capabilities.capabilities_size(), 5);
  v1::NodeExpandVolumeRequest expand;
  v1::NodeExpandVolumeResponse expanded;
  expand.set_volume_id(kId);
  expand.set_volume_path("/k/staging");
  expand.mutable_capacity_range()->set_required_bytes(5);
  EXPECT_EQ(service_->NodeExpandVolume(nullptr, &expand, &expanded).error_code(),
            StatusCode::NOT_FOUND);
  EXPECT_TRUE(Stage(StageRequest()).ok());
  EXPECT_TRUE(service_->NodeExpandVolume(nullptr, &expand, &expanded).ok());
  EXPECT_EQ(expanded.capacity_bytes(), 5);
}

/// What a node should look like, in forty lines.
struct Model {
  struct Volume {
    std::string path;
    std::map<std::string, bool> targets;  // read only?
  };
  std::map<std::string, Volume> volumes;

  StatusCode Stage(const std::string& id, const std::string& path) {
    const auto it = volumes.find(id);
    if (it != volumes.end()) {
      return it->second.path == path ? StatusCode::OK : StatusCode::ALREADY_EXISTS;
    }
    volumes[id].path = path;
    return StatusCode::OK;
  }
  StatusCode Unstage(const std::string& id, const std::string& path) {
    const auto it = volumes.find(id);
    if (it == volumes.end() || it->second.path != path) return StatusCode::OK;
    if (!it->second.targets.empty()) return StatusCode::FAILED_PRECONDITION;
    volumes.erase(it);
    return StatusCode::OK;
  }
  StatusCode Publish(const std::string& id, const std::string& path, const std::string& target,
                     bool read_only) {
    const auto it = volumes.find(id);
    if (it == volumes.end() || it->second.path != path) return StatusCode::FAILED_PRECONDITION;
    const auto [at, added] = it->second.targets.try_emplace(target, read_only);
    return added || at->second == read_only ? StatusCode::OK : StatusCode::ALREADY_EXISTS;
  }
  void Unpublish(const std::string& id, const std::string& target) {
    if (volumes.count(id) != 0) volumes[id].targets.erase(target);
  }
  size_t Mounts() const {
    size_t mounts = volumes.size();
    for (const auto& [id, volume] : volumes) mounts += volume.targets.size();
    return mounts;
  }
};

TEST_F(NodeServiceTest, RandomCallsAgreeWithTheModel) {
  const char* given = std::getenv("CSI_MODEL_SEED");
  const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : 20261;
  SCOPED_TRACE("CSI_MODEL_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto pick = [&](uint64_t n) { return random() % n; };
  Model model;
  for (int i = 0; i < 500; ++i) {
    const std::string number = std::to_string(pick(3));
    const std::string id = "stage/v" + number;
    const std::string path = pick(8) == 0 ? "/k/other" + number : "/k/staging" + number;
    const std::string target = "/k/pods/v" + number + "-" + std::to_string(pick(3));
    const bool read_only = pick(2) == 0;
    switch (pick(9)) {
      case 0:
      case 1:
        ASSERT_EQ(Stage(StageRequest(id, path)).error_code(), model.Stage(id, path)) << i;
        break;
      case 2:
        ASSERT_EQ(Unstage(id, path).error_code(), model.Unstage(id, path)) << i;
        break;
      case 3:
      case 4:
      case 5:
        ASSERT_EQ(Publish(PublishRequest(target, read_only, id, path)).error_code(),
                  model.Publish(id, path, target, read_only))
            << i;
        break;
      case 6:
      case 7:
        ASSERT_TRUE(Unpublish(target, id).ok()) << i;
        model.Unpublish(id, target);
        break;
      default:
        Restart();
    }
    ASSERT_EQ(mounts_.table.size(), model.Mounts()) << i;
    ASSERT_EQ(keeper_.volumes.size(), model.volumes.size()) << i;
  }
}

}  // namespace
}  // namespace threefs::csi

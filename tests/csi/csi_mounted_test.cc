// SPDX-License-Identifier: Apache-2.0
// The Node service on the real keeper and the real mount table (root), with the keeper's fake
// mounter: what fakes cannot show.
#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "csi/keeper/mount_table.h"
#include "csi/keeper_client.h"
#include "csi/mount_ops.h"
#include "csi/node_service.h"
#include "csi/volume_store.h"
#include "proto/channel/unique_fd.h"

namespace threefs::csi {
namespace {

namespace v1 = ::csi::v1;
using grpc::StatusCode;
using Clock = std::chrono::steady_clock;
using Mode = v1::VolumeCapability::AccessMode;

std::string Program(const std::string& relative) {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / relative).string();
}

/// The "pid" file of a fake mount: the process that answers; 0 on any error.
int ServingPid(const std::string& mount) {
  const control::UniqueFd fd(::open((mount + "/pid").c_str(), O_RDONLY | O_CLOEXEC));
  char text[32] = {};
  if (!fd.valid() || ::read(fd.get(), text, sizeof(text) - 1) <= 0) return 0;
  return std::atoi(text);
}

class CsiMountedTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::geteuid(), 0U) << "this test mounts: run it as root";
    directory_ = fmt::format("/tmp/csi_mounted_{}", ::getpid());
    std::filesystem::create_directories(directory_ + "/pods");
    std::filesystem::create_directories(directory_ + "/staging");
    StartKeeper();
    mounts_ = MakeLinuxMountOps();
    store_.emplace(*VolumeStore::Open(directory_ + "/csi"));
    keeper_ = MakeKeeperClient(directory_ + "/keeper.sock", 5s);
    service_ = std::make_unique<NodeService>(keeper_.get(), mounts_.get(), &*store_,
                                             NodeService::Options{.node_id = "n1"});
    WaitForKeeper();
  }
  void TearDown() override {
    StopKeeper(SIGTERM);
    EXPECT_EQ(MountsLeft(), 0U);
    for (const auto& entry : *keeper::ReadMountTable()) {
      if (entry.path.starts_with(directory_)) ::umount2(entry.path.c_str(), MNT_DETACH);
    }
    std::filesystem::remove_all(directory_);
  }

  void StartKeeper() {
    keeper_pid_ = ::fork();
    if (keeper_pid_ == 0) {
      ::execl(Program("../bin/threefs-keeper").c_str(), "threefs-keeper", "--socket",
              (directory_ + "/keeper.sock").c_str(), "--state-dir",
              (directory_ + "/keeper").c_str(), "--mounter",
              Program("threefs-fake-mounter").c_str(), "--flush-timeout", "2", "--log-level",
              "warn", nullptr);
      ::_exit(127);
    }
  }
  void WaitForKeeper() {
    const auto end = Clock::now() + 10s;
    while (keeper_->GetStatus("none").away) {
      ASSERT_LT(Clock::now(), end) << "the keeper did not start";
      ::usleep(5000);
    }
  }
  void StopKeeper(int signal) {
    if (keeper_pid_ <= 0) return;
    ::kill(keeper_pid_, signal);
    ::waitpid(keeper_pid_, nullptr, 0);
    keeper_pid_ = 0;
  }
  size_t MountsLeft() const {
    const auto table = *keeper::ReadMountTable();
    return static_cast<size_t>(std::count_if(table.begin(), table.end(), [&](const auto& entry) {
      return entry.path.starts_with(directory_);
    }));
  }

  std::string Staging() const { return directory_ + "/staging"; }
  std::string Pod(const std::string& name) const { return directory_ + "/pods/" + name; }
  static void Fill(v1::VolumeCapability* capability) {
    capability->mutable_mount();
    capability->mutable_access_mode()->set_mode(Mode::MULTI_NODE_MULTI_WRITER);
  }
  grpc::Status Stage(const std::string& path) {
    v1::NodeStageVolumeRequest request;
    request.set_volume_id("stage/v1");
    request.set_staging_target_path(path);
    Fill(request.mutable_volume_capability());
    auto& context = *request.mutable_volume_context();
    context["clusterId"] = "stage";
    context["mgmtdAddresses"] = "TCP://127.0.0.1:1";
    context["path"] = "/v1";
    (*request.mutable_secrets())["token"] = "secret";
    v1::NodeStageVolumeResponse response;
    return service_->NodeStageVolume(nullptr, &request, &response);
  }
  // As kubelet does: repeats while the keeper is still clearing up what an earlier one left.
  grpc::Status StageAgain(const std::string& path) {
    grpc::Status staged = Stage(path);
    for (int i = 0; i < 1000 && staged.error_code() == StatusCode::ABORTED; ++i) {
      ::usleep(5000);
      staged = Stage(path);
    }
    return staged;
  }
  grpc::Status Publish(const std::string& target, bool read_only = false, bool no_exec = false) {
    v1::NodePublishVolumeRequest request;
    request.set_volume_id("stage/v1");
    request.set_staging_target_path(Staging());
    request.set_target_path(target);
    request.set_readonly(read_only);
    Fill(request.mutable_volume_capability());
    if (no_exec) request.mutable_volume_capability()->mutable_mount()->add_mount_flags("noexec");
    v1::NodePublishVolumeResponse response;
    return service_->NodePublishVolume(nullptr, &request, &response);
  }
  grpc::Status Unpublish(const std::string& target) {
    v1::NodeUnpublishVolumeRequest request;
    request.set_volume_id("stage/v1");
    request.set_target_path(target);
    v1::NodeUnpublishVolumeResponse response;
    return service_->NodeUnpublishVolume(nullptr, &request, &response);
  }
  grpc::Status Unstage() {
    v1::NodeUnstageVolumeRequest request;
    request.set_volume_id("stage/v1");
    request.set_staging_target_path(Staging());
    v1::NodeUnstageVolumeResponse response;
    return service_->NodeUnstageVolume(nullptr, &request, &response);
  }

  std::string directory_;
  pid_t keeper_pid_ = 0;
  std::unique_ptr<MountOps> mounts_;
  std::unique_ptr<KeeperApi> keeper_;
  std::optional<VolumeStore> store_;
  std::unique_ptr<NodeService> service_;
};

TEST_F(CsiMountedTest, OneMountManyPodsAndNothingLeft) {
  const grpc::Status staged = Stage(Staging());
  ASSERT_TRUE(staged.ok()) << staged.error_message();
  ASSERT_TRUE(Publish(Pod("a")).ok());
  ASSERT_TRUE(Publish(Pod("b"), true, true).ok());
  EXPECT_EQ(MountsLeft(), 3U);
  EXPECT_GT(ServingPid(Pod("a")), 0);
  EXPECT_EQ(ServingPid(Pod("a")), ServingPid(Pod("b")));
  EXPECT_NE(::mkdir((Pod("b") + "/x").c_str(), 0755), 0);
  EXPECT_EQ(errno, EROFS);
  struct statvfs fs{};
  ASSERT_EQ(::statvfs(Pod("b").c_str(), &fs), 0);
  EXPECT_EQ(fs.f_flag & (ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC),
            static_cast<unsigned long>(ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC));
  ASSERT_EQ(::statvfs(Pod("a").c_str(), &fs), 0);
  EXPECT_EQ(fs.f_flag & (ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC),
            static_cast<unsigned long>(ST_NOSUID | ST_NODEV));
  EXPECT_TRUE(Publish(Pod("b"), true, true).ok());
  EXPECT_EQ(MountsLeft(), 3U);  // nothing is stacked
  EXPECT_TRUE(Unpublish(Pod("a")).ok());
  EXPECT_TRUE(Unpublish(Pod("b")).ok());
  EXPECT_FALSE(std::filesystem::exists(Pod("a")));
  EXPECT_TRUE(Unstage().ok());
  EXPECT_EQ(MountsLeft(), 0U);
  EXPECT_TRUE(std::filesystem::create_directory(Staging() + "/usable"));
}

TEST_F(CsiMountedTest, SymbolicLinksLeadNowhere) {
  ASSERT_TRUE(Stage(Staging()).ok());
  std::filesystem::create_directories(directory_ + "/elsewhere");
  std::filesystem::create_directory_symlink(directory_ + "/elsewhere", directory_ + "/link");
  std::filesystem::create_directory_symlink(directory_ + "/elsewhere", Pod("evil"));
  for (const std::string& target : {directory_ + "/link/pod", Pod("evil")}) {
    const grpc::Status refused = Publish(target);
    EXPECT_EQ(refused.error_code(), StatusCode::INVALID_ARGUMENT) << refused.error_message();
    EXPECT_NE(refused.error_message().find("symbolic link"), std::string::npos);
  }
  EXPECT_TRUE(std::filesystem::is_empty(directory_ + "/elsewhere"));
  EXPECT_EQ(MountsLeft(), 1U);
  EXPECT_TRUE(Unstage().ok());
}

TEST_F(CsiMountedTest, StatsAreQuickWhenTheMounterStops) {
  ASSERT_TRUE(Stage(Staging()).ok());
  ASSERT_TRUE(Publish(Pod("a")).ok());
  const int pid = ServingPid(Pod("a"));
  v1::NodeGetVolumeStatsRequest request;
  v1::NodeGetVolumeStatsResponse response;
  request.set_volume_id("stage/v1");
  request.set_volume_path(Pod("a"));
  ASSERT_TRUE(service_->NodeGetVolumeStats(nullptr, &request, &response).ok());
  EXPECT_EQ(response.usage(0).total(), 4096000);
  EXPECT_FALSE(response.volume_condition().abnormal());
  ASSERT_EQ(::kill(pid, SIGSTOP), 0);
  std::vector<Clock::duration> times;
  for (int i = 0; i < 20; ++i) {
    response.Clear();
    const auto start = Clock::now();
    EXPECT_TRUE(service_->NodeGetVolumeStats(nullptr, &request, &response).ok());
    times.push_back(Clock::now() - start);
    EXPECT_TRUE(response.volume_condition().abnormal());
  }
  ::kill(pid, SIGCONT);
  std::sort(times.begin(), times.end());
  fmt::print("stats with a stopped mounter: median {} us, longest {} us\n", times[10] / 1us,
             times[19] / 1us);
  EXPECT_LT(times[10], 50ms);  // the first waits its 40 ms, the others know at once
  EXPECT_TRUE(Unpublish(Pod("a")).ok());
  EXPECT_TRUE(Unstage().ok());
}

TEST_F(CsiMountedTest, EverythingDeadIsCleanedUpWithoutHanging) {
  ASSERT_TRUE(Stage(Staging()).ok());
  ASSERT_TRUE(Publish(Pod("a")).ok());
  const int mounter = ServingPid(Pod("a"));
  StopKeeper(SIGKILL);
  ::kill(mounter, SIGKILL);
  EXPECT_EQ(Publish(Pod("b")).error_code(), StatusCode::UNAVAILABLE);
  EXPECT_TRUE(Unpublish(Pod("a")).ok());  // dead, needs no keeper
  EXPECT_FALSE(std::filesystem::exists(Pod("a")));
  StartKeeper();
  WaitForKeeper();
  ASSERT_TRUE(StageAgain(Staging()).ok());
  ASSERT_TRUE(Publish(Pod("a")).ok());
  EXPECT_GT(ServingPid(Pod("a")), 0);
  EXPECT_TRUE(Unpublish(Pod("a")).ok());
  EXPECT_TRUE(Unstage().ok());
}

TEST_F(CsiMountedTest, AVanishedMountIsNeverLocalDisk) {
  ASSERT_TRUE(Stage(Staging()).ok());
  ASSERT_EQ(::umount2(Staging().c_str(), MNT_DETACH), 0);
  const grpc::Status refused = Publish(Pod("a"));
  // ABORTED while the keeper is still clearing up after it.
  EXPECT_TRUE(refused.error_code() == StatusCode::FAILED_PRECONDITION ||
              refused.error_code() == StatusCode::ABORTED)
      << refused.error_message();
  EXPECT_FALSE(std::filesystem::exists(Pod("a")));
  ASSERT_TRUE(StageAgain(Staging()).ok());  // and staging again heals it
  ASSERT_TRUE(Publish(Pod("a")).ok());
  EXPECT_GT(ServingPid(Pod("a")), 0);
  EXPECT_TRUE(Unpublish(Pod("a")).ok());
  EXPECT_TRUE(Unstage().ok());
}

}  // namespace
}  // namespace threefs::csi

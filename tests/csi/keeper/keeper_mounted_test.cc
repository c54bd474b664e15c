// SPDX-License-Identifier: Apache-2.0
// The real threefs-keeper on real FUSE mounts (root), with tests/csi/keeper/fake_mounter.cc as its
// mounter.
#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "csi/keeper/mount_table.h"
#include "proto/channel/channel.h"
#include "proto/mounter/control.pb.h"

namespace threefs::keeper {
namespace {

using control::Channel;
using control::Received;
using control::UniqueFd;

using std::chrono::seconds;

std::string Program(const std::string& relative) {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / relative).string();
}

/// The "pid" file of a fake mount, read through the kernel; 0 on any error.
int ServingPid(const std::string& mount) {
  const UniqueFd fd(::open((mount + "/pid").c_str(), O_RDONLY | O_CLOEXEC));
  char text[32] = {};
  if (!fd.valid() || ::read(fd.get(), text, sizeof(text) - 1) <= 0) return 0;
  return std::atoi(text);
}

std::string StatusLine(int pid, const std::string& key) {
  std::ifstream file(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key + ":")) return line.substr(key.size() + 1);
  }
  return "";
}

bool EndsWithin(pid_t pid, seconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (std::chrono::steady_clock::now() < end) {
    if (::kill(pid, 0) != 0) return true;
    ::usleep(5000);
  }
  return false;
}

class KeeperMountedTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::geteuid(), 0U) << "this test mounts: run it as root";
    directory_ = fmt::format("/tmp/keeper_mounted_{}", ::getpid());
    mount_ = directory_ + "/staging";
    std::filesystem::create_directories(mount_);
    ::chmod(mount_.c_str(), 0751);
    StartKeeper();
  }
  void TearDown() override {
    StopKeeper(SIGTERM);
    EXPECT_FALSE(Mounted());
    if (Mounted()) ::umount2(mount_.c_str(), MNT_DETACH);
    std::filesystem::remove_all(directory_);
  }

  void StartKeeper() {
    const std::string socket = directory_ + "/keeper.sock";
    keeper_ = ::fork();
    if (keeper_ == 0) {
      ::execl(Program("../bin/threefs-keeper").c_str(), "threefs-keeper", "--socket",
              socket.c_str(), "--state-dir", (directory_ + "/state").c_str(), "--mounter",
              Program("threefs-fake-mounter").c_str(), "--ready-timeout", "3", "--flush-timeout",
              "2", "--log-level", "info", nullptr);
      ::_exit(127);
    }
    for (int i = 0; i < 2000; ++i) {
      auto channel = Channel::Connect(socket);
      if (channel.ok()) {
        channel_ = std::move(*channel);
        return;
      }
      ::usleep(5000);
    }
    FAIL() << "the keeper did not start";
  }
  void StopKeeper(int signal) {
    channel_.Close();
    if (keeper_ <= 0) return;
    ::kill(keeper_, signal);
    int status = 0;
    ::waitpid(keeper_, &status, 0);
    if (signal == SIGTERM) EXPECT_EQ(status, 0);
    keeper_ = 0;
  }

  mounter::KeeperReply Call(mounter::KeeperRequest request) {
    request.set_id(++id_);
    EXPECT_TRUE(channel_.Send(request).ok());
    EXPECT_TRUE(channel_.WaitReadable(seconds(20)));
    mounter::KeeperReply reply;
    EXPECT_EQ(*channel_.Receive(&reply), Received::kMessage);
    EXPECT_EQ(reply.id(), id_);
    return reply;
  }
  mounter::KeeperRequest MountRequest(const std::string& fake = "") const {
    mounter::KeeperRequest request;
    mounter::MountSpec* spec = request.mutable_mount()->mutable_spec();
    spec->set_volume_id("stage/v1");
    spec->set_cluster_id("stage");
    spec->add_mgmtd_addresses("TCP://127.0.0.1:1");
    spec->set_path("/v1");
    spec->set_loops(2);
    spec->set_mount_path(mount_);
    if (!fake.empty()) (*spec->mutable_options())["fake"] = fake;
    request.mutable_mount()->set_token("secret");
    return request;
  }
  mounter::KeeperReply Unmount() {
    mounter::KeeperRequest request;
    request.mutable_unmount()->set_volume_id("stage/v1");
    request.mutable_unmount()->set_mount_path(mount_);
    return Call(request);
  }
  mounter::MountInfo Status() {
    mounter::KeeperRequest request;
    request.mutable_status()->set_volume_id("stage/v1");
    return Call(request).mount();
  }
  bool Mounted() const {
    const auto table = ReadMountTable();
    return table.ok() && FindMount(*table, mount_) != nullptr;
  }
  void ExpectOpenDirectory() const {
    struct stat st{};
    ASSERT_EQ(::stat(mount_.c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 07777, 0751U);
    EXPECT_TRUE(std::filesystem::create_directory(mount_ + "/probe"));
    std::filesystem::remove(mount_ + "/probe");
  }

  std::string directory_, mount_;
  pid_t keeper_ = 0;
  Channel channel_;
  uint64_t id_ = 0;
};

TEST_F(KeeperMountedTest, MountsIdempotentlyHardenedAndUnmountsCleanly) {
  const auto first = Call(MountRequest());
  ASSERT_TRUE(first.has_mount()) << first.failure().sentence();
  EXPECT_EQ(ServingPid(mount_), first.mount().pid());
  const auto table = *ReadMountTable();
  EXPECT_EQ(FindMount(table, mount_)->type, "fuse.hf3fs");
  EXPECT_EQ(FindMount(table, mount_)->source, "hf3fs.stage");
  const auto again = Call(MountRequest());
  EXPECT_EQ(again.mount().pid(), first.mount().pid());
  auto other = MountRequest();
  other.mutable_mount()->mutable_spec()->set_path("/v2");
  EXPECT_EQ(Call(other).failure().kind(), mounter::FAILURE_CONFLICT);

  const int pid = first.mount().pid();
  EXPECT_NE(StatusLine(pid, "CapEff").find("0000000000000000"), std::string::npos);
  EXPECT_NE(StatusLine(pid, "CapBnd").find("0000000000000000"), std::string::npos);
  EXPECT_NE(StatusLine(pid, "NoNewPrivs").find('1'), std::string::npos);
  std::ifstream environment(fmt::format("/proc/{}/environ", pid));
  std::string text((std::istreambuf_iterator<char>(environment)), {});
  EXPECT_TRUE(text.starts_with("PATH=")) << text;
  EXPECT_EQ(text.find('='), text.rfind('='));
  for (const auto& file : std::filesystem::directory_iterator(directory_ + "/state")) {
    std::ifstream in(file.path());
    const std::string contents((std::istreambuf_iterator<char>(in)), {});
    EXPECT_EQ(contents.find("secret"), std::string::npos) << file.path();
  }

  EXPECT_TRUE(Unmount().unmount().was_mounted());
  EXPECT_FALSE(Mounted());
  EXPECT_TRUE(EndsWithin(pid, seconds(1)));
  EXPECT_FALSE(Unmount().unmount().was_mounted());
  ExpectOpenDirectory();
}

TEST_F(KeeperMountedTest, KillsUnderLoadAreAPauseNotAnError) {
  ASSERT_TRUE(Call(MountRequest()).has_mount());
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> reads{0};
  std::atomic<uint64_t> errors{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&] {
      while (!stop) {
        if (ServingPid(mount_) == 0) ++errors;
        ++reads;
      }
    });
  }
  // Five in a row stay well inside the backoff's first seconds.
  for (int killed = 0; killed < 5; ++killed) {
    const int pid = ServingPid(mount_);
    ASSERT_GT(pid, 0);
    ::kill(pid, SIGKILL);
    const uint64_t before = reads;
    while (reads < before + 8) ::usleep(1000);  // the next one only when the successor answers
  }
  stop = true;
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(errors, 0U);
  EXPECT_GT(reads, 40U);
  EXPECT_EQ(Status().restarts(), 5U);
}

TEST_F(KeeperMountedTest, AFailingMounterLeavesNothingBehindAndSaysWhy) {
  const auto failed = Call(MountRequest("fail"));
  EXPECT_EQ(failed.failure().kind(), mounter::FAILURE_UNREACHABLE);
  EXPECT_EQ(failed.failure().sentence(), "no mgmtd answers: check the addresses");
  EXPECT_FALSE(Mounted());
  EXPECT_EQ(Call(MountRequest("exit")).failure().kind(), mounter::FAILURE_CRASHED);
  EXPECT_FALSE(Mounted());
  EXPECT_EQ(Call(MountRequest("hang")).failure().kind(), mounter::FAILURE_TIMEOUT);
  EXPECT_FALSE(Mounted());
  ExpectOpenDirectory();
  EXPECT_TRUE(Call(MountRequest()).has_mount());  // and a good one still works
}

TEST_F(KeeperMountedTest, TheDirectoryUnderAVanishedMountIsShut) {
  const auto mounted = Call(MountRequest());
  ASSERT_TRUE(mounted.has_mount());
  // Stopped, the mounter cannot end and tell the keeper, which gives the directory back when it
  // knows.
  ASSERT_EQ(::kill(mounted.mount().pid(), SIGSTOP), 0);
  ASSERT_EQ(::umount2(mount_.c_str(), MNT_DETACH), 0);
  struct stat st{};
  ASSERT_EQ(::stat(mount_.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0U);
  const UniqueFd root(::open(mount_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct statfs fs{};
  ASSERT_EQ(::fstatfs(root.get(), &fs), 0);
  if (fs.f_type != 0x01021994) {  // tmpfs knows no immutable flag; others stop even root
    EXPECT_NE(::mkdir((mount_ + "/leak").c_str(), 0755), 0);
  }
  ::kill(mounted.mount().pid(), SIGCONT);
  Unmount();
  ExpectOpenDirectory();
}

TEST_F(KeeperMountedTest, UnmountIsBoundedWithAMuteOrStubbornMounter) {
  for (const std::string fake : {"mute", "stubborn"}) {
    const auto mounted = Call(MountRequest(fake));
    ASSERT_TRUE(mounted.has_mount()) << fake;
    const auto start = std::chrono::steady_clock::now();
    EXPECT_TRUE(Unmount().has_unmount());
    EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(10)) << fake;
    EXPECT_FALSE(Mounted());
    EXPECT_TRUE(EndsWithin(mounted.mount().pid(), seconds(1)));
  }
}

TEST_F(KeeperMountedTest, TheNextKeeperTakesOverFromLivingMountersAndCleansUpAfterDeadOnes) {
  const auto mounted = Call(MountRequest());
  ASSERT_TRUE(mounted.has_mount());
  StopKeeper(SIGKILL);
  EXPECT_EQ(ServingPid(mount_), mounted.mount().pid());  // served without a keeper
  StartKeeper();
  ASSERT_EQ(Call(MountRequest()).mount().pid(), mounted.mount().pid());
  ::kill(mounted.mount().pid(), SIGKILL);  // and revived by the new one
  const int next = ServingPid(mount_);
  ASSERT_GT(next, 0);
  EXPECT_NE(next, mounted.mount().pid());
  StopKeeper(SIGKILL);
  ::kill(next, SIGKILL);
  ASSERT_TRUE(EndsWithin(next, seconds(5)));
  StartKeeper();
  for (int i = 0; i < 1000 && Mounted(); ++i) ::usleep(5000);
  EXPECT_FALSE(Mounted());
  auto again = Call(MountRequest());
  for (int i = 0; i < 1000 && again.failure().kind() == mounter::FAILURE_BUSY; ++i) {
    ::usleep(5000);  // the keeper is still clearing up: a caller repeats
    again = Call(MountRequest());
  }
  EXPECT_EQ(again.mount().state(), mounter::MOUNT_READY) << again.failure().sentence();
}

TEST_F(KeeperMountedTest, StaysSmall) {
  ASSERT_TRUE(Call(MountRequest()).has_mount());
  const int kib = std::atoi(StatusLine(keeper_, "VmRSS").c_str());
  ::testing::Test::RecordProperty("keeper_rss_kib", kib);
  fmt::print("keeper RSS {} KiB\n", kib);
#if !defined(__SANITIZE_ADDRESS__) && !__has_feature(address_sanitizer) && \
    !__has_feature(thread_sanitizer)
  EXPECT_LE(kib, 10 * 1024);
#endif
}

}  // namespace
}  // namespace threefs::keeper

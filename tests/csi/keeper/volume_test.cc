// SPDX-License-Identifier: Apache-2.0
// The state machine of one volume, every arrow of csi/keeper/volume.h, on a fake host and virtual
// time.
#include "csi/keeper/volume.h"

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/csi/keeper/fake_host.h"

namespace threefs::keeper {
namespace {

using control::Received;

class VolumeTest : public ::testing::Test {
 protected:
  VolumeTest()
      : directory_(::testing::TempDir() + "volume_test_" + std::to_string(::getpid())),
        journal_(*Journal::Open(directory_)) {
    settings_.mounter_program = "/bin/mounter";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<Volume> Make() {
    mounter::MountSpec spec;
    spec.set_volume_id("stage/v1");
    spec.set_cluster_id("stage");
    spec.set_mount_path("/staging");
    spec.set_loops(3);
    return std::make_unique<Volume>(
        Volume::Context{
            .host = &host_, .clock = &clock_, .journal = &journal_, .settings = &settings_},
        spec, "secret", std::string(16, 'u'));
  }
  std::unique_ptr<Volume> MakeReady() {
    auto volume = Make();
    volume->Begin(30s);
    SendReady(volume.get());
    EXPECT_EQ(volume->state(), VolumeState::kReady);
    return volume;
  }
  mounter::Start TakeStart(size_t* fd_count = nullptr) {
    mounter::ToMounter message;
    std::vector<UniqueFd> fds;
    EXPECT_EQ(*host_.mounter_end.Receive(&message, &fds), Received::kMessage);
    if (fd_count != nullptr) *fd_count = fds.size();
    EXPECT_TRUE(message.has_start());
    return message.start();
  }
  void SendReady(Volume* volume) {
    mounter::FromMounter message;
    message.mutable_ready();
    ASSERT_TRUE(host_.mounter_end.Send(message).ok());
    volume->OnControl();
  }
  void SendFailed(mounter::FailureKind kind, const std::string& sentence) {
    mounter::FromMounter message;
    message.mutable_failed()->set_kind(kind);
    message.mutable_failed()->set_sentence(sentence);
    ASSERT_TRUE(host_.mounter_end.Send(message).ok());
  }
  void MounterDies(Volume* volume, const std::string& how = "signal 9 (Killed)") {
    host_.ends[host_.last_mounter] = how;
    volume->OnChildGone();
  }

  std::string directory_;
  FakeHost host_;
  ManualClock clock_;
  Journal journal_;
  VolumeSettings settings_;
};

TEST_F(VolumeTest, StartsTheMounterOnAllDescriptorsWithTheSecretInTheMessageOnly) {
  auto volume = Make();
  volume->Begin(30s);
  EXPECT_EQ(volume->state(), VolumeState::kStarting);
  EXPECT_EQ(host_.guarded.count("/staging"), 1U);
  EXPECT_EQ(host_.plans.at(0).source, "hf3fs.stage");
  EXPECT_EQ(host_.plans.at(0).loops, 3U);
  for (const std::string& argument : host_.arguments)
    EXPECT_EQ(argument.find("secret"), std::string::npos);
  size_t fds = 0;
  const mounter::Start start = TakeStart(&fds);
  EXPECT_EQ(fds, 4U);  // fuse, 2 clones, state
  EXPECT_EQ(start.clones(), 2U);
  EXPECT_EQ(start.token(), "secret");
  EXPECT_FALSE(start.successor());
  EXPECT_EQ(start.generation(), 0U);
  SendReady(volume.get());
  EXPECT_EQ(volume->Info().state(), mounter::MOUNT_READY);
}

TEST_F(VolumeTest, FailureBeforeReadyTakesTheMountDownAndKeepsTheSentence) {
  auto volume = Make();
  volume->Begin(30s);
  SendFailed(mounter::FAILURE_BAD_TOKEN, "the token is wrong: correct the secret");
  volume->OnControl();
  EXPECT_EQ(volume->state(), VolumeState::kUnmounting);
  volume->OnChildGone();  // killed
  host_.FinishUnmount();
  volume->OnChildGone();
  EXPECT_EQ(volume->state(), VolumeState::kGone);
  EXPECT_EQ(volume->failure().kind(), mounter::FAILURE_BAD_TOKEN);
  EXPECT_EQ(volume->failure().sentence(), "the token is wrong: correct the secret");
  EXPECT_TRUE(host_.guarded.empty());
  EXPECT_EQ(host_.unguarded_mode, 0755U);
  EXPECT_TRUE(journal_.LoadAll().empty());
}

TEST_F(VolumeTest, FailedSentJustBeforeTheExitIsNotLost) {
  auto volume = Make();
  volume->Begin(30s);
  SendFailed(mounter::FAILURE_UNREACHABLE, "nobody answers");
  MounterDies(volume.get(), "exit code 1");  // the death is seen before the message
  host_.FinishUnmount();
  volume->OnChildGone();
  EXPECT_EQ(volume->state(), VolumeState::kGone);
  EXPECT_EQ(volume->failure().kind(), mounter::FAILURE_UNREACHABLE);
}

TEST_F(VolumeTest, DeathBeforeReadyAndLatenessAreFailures) {
  for (const bool late : {false, true}) {
    auto volume = Make();
    volume->Begin(30s);
    if (late) {
      clock_.Advance(30s);
      volume->OnTimer();
      volume->OnChildGone();
    } else {
      MounterDies(volume.get(), "exit code 3");
    }
    host_.FinishUnmount();
    volume->OnChildGone();
    EXPECT_EQ(volume->state(), VolumeState::kGone);
    EXPECT_EQ(volume->failure().kind(), late ? mounter::FAILURE_TIMEOUT : mounter::FAILURE_CRASHED);
  }
}

TEST_F(VolumeTest, NothingMountedMeansNothingToUnmount) {
  host_.fail_mount = Status(Code::kOSError, "mount: no");
  auto volume = Make();
  volume->Begin(30s);
  EXPECT_EQ(volume->state(), VolumeState::kGone);
  EXPECT_EQ(volume->failure().kind(), mounter::FAILURE_SYSTEM);
  EXPECT_TRUE(host_.guarded.empty());
  EXPECT_TRUE(host_.unmounts.empty());
}

TEST_F(VolumeTest, ADeadMounterIsReplacedAtOnceOnTheSameDescriptors) {
  auto volume = MakeReady();
  TakeStart();
  MounterDies(volume.get());
  EXPECT_EQ(volume->state(), VolumeState::kBackoff);
  volume->OnTimer();  // no waiting after the first death
  EXPECT_EQ(volume->state(), VolumeState::kReviving);
  size_t fds = 0;
  const mounter::Start start = TakeStart(&fds);
  EXPECT_TRUE(start.successor());
  EXPECT_EQ(start.generation(), 1U);
  EXPECT_EQ(start.mount_uuid(), std::string(16, 'u'));
  EXPECT_EQ(start.token(), "secret");
  EXPECT_EQ(fds, 4U);
  SendReady(volume.get());
  EXPECT_EQ(volume->state(), VolumeState::kReady);
  EXPECT_EQ(volume->Info().restarts(), 1U);
  EXPECT_TRUE(host_.unmounts.empty());
}

TEST_F(VolumeTest, BackoffDoublesIsBoundedAndACrashLoopIsReportedButNeverGivenUp) {
  auto volume = MakeReady();
  std::vector<Duration> waits;
  for (int i = 0; i < 14; ++i) {
    MounterDies(volume.get());
    ASSERT_EQ(volume->state(), VolumeState::kBackoff);
    waits.push_back(volume->watch().deadline - clock_.Now());
    clock_.Advance(waits.back());
    volume->OnTimer();
    ASSERT_EQ(volume->state(), VolumeState::kReviving);
  }
  EXPECT_EQ(waits.at(0), 0s);
  EXPECT_EQ(waits.at(1), 100ms);
  EXPECT_EQ(waits.at(2), 200ms);
  EXPECT_EQ(waits.at(13), 30s);
  EXPECT_EQ(volume->Info().state(), mounter::MOUNT_CRASH_LOOP);
  SendReady(volume.get());
  clock_.Advance(61s);  // stable: the past is forgotten
  MounterDies(volume.get());
  EXPECT_EQ(volume->watch().deadline, clock_.Now());
  EXPECT_EQ(volume->Info().state(), mounter::MOUNT_RESTARTING);
}

TEST_F(VolumeTest, AFailingOrHangingSuccessorIsReplacedNotGivenUp) {
  auto volume = MakeReady();
  MounterDies(volume.get());
  volume->OnTimer();
  SendFailed(mounter::FAILURE_UNREACHABLE, "no mgmtd answers");
  volume->OnControl();
  volume->OnChildGone();
  EXPECT_EQ(volume->state(), VolumeState::kBackoff);
  EXPECT_EQ(volume->Info().last_error(), "no mgmtd answers");
  clock_.Advance(1s);
  volume->OnTimer();
  EXPECT_EQ(volume->state(), VolumeState::kReviving);
  clock_.Advance(30s);  // hangs
  volume->OnTimer();
  volume->OnChildGone();
  EXPECT_EQ(volume->state(), VolumeState::kBackoff);
  EXPECT_TRUE(host_.unmounts.empty());
}

TEST_F(VolumeTest, UnmountFlushesBeforeItStopsTheMounter) {
  auto volume = MakeReady();
  TakeStart();
  volume->RequestUnmount(0s);
  EXPECT_EQ(volume->state(), VolumeState::kUnmounting);
  mounter::ToMounter message;
  EXPECT_EQ(*host_.mounter_end.Receive(&message), Received::kNothing);  // still serves the flush
  host_.FinishUnmount();
  volume->OnChildGone();
  EXPECT_EQ(volume->state(), VolumeState::kStopping);
  ASSERT_EQ(*host_.mounter_end.Receive(&message), Received::kMessage);
  EXPECT_EQ(message.stop().flush_timeout_ms(), 20000U);
  MounterDies(volume.get(), "exit code 0");
  EXPECT_EQ(volume->state(), VolumeState::kGone);
  EXPECT_FALSE(volume->mount_left_behind());
  EXPECT_TRUE(host_.signals.empty());
}

TEST_F(VolumeTest, UnmountIsBoundedWhenNobodyAnswers) {
  auto volume = MakeReady();
  volume->RequestUnmount(1s);
  clock_.Advance(5s);
  volume->OnTimer();  // the unmount waits for a mounter that does not answer
  EXPECT_EQ(volume->state(), VolumeState::kStopping);
  clock_.Advance(1s);
  volume->OnTimer();
  ASSERT_EQ(host_.signals.size(), 1U);
  EXPECT_EQ(host_.signals[0].second, SIGKILL);
  volume->OnChildGone();  // the mounter; the unmount ends since the connection is cut
  EXPECT_EQ(volume->state(), VolumeState::kStopping);
  host_.FinishUnmount();
  volume->OnChildGone();
  EXPECT_EQ(volume->state(), VolumeState::kGone);
}

TEST_F(VolumeTest, AnUnmountStuckInTheKernelIsLeftBehindAndSaidSo) {
  auto volume = MakeReady();
  volume->RequestUnmount(1s);
  for (const Duration d : {Duration(5s), Duration(1s), Duration(5s)}) {
    clock_.Advance(d);
    volume->OnTimer();
  }
  EXPECT_EQ(volume->state(), VolumeState::kGone);
  EXPECT_TRUE(volume->mount_left_behind());
  EXPECT_EQ(journal_.LoadAll().size(), 1U);  // the next keeper tries again
}

TEST_F(VolumeTest, AMountTakenAwayFromOutsideIsNotRevived) {
  auto volume = MakeReady();
  host_.connected = false;
  MounterDies(volume.get(), "exit code 0");
  EXPECT_EQ(volume->state(), VolumeState::kUnmounting);
  host_.FinishUnmount();
  volume->OnChildGone();
  EXPECT_EQ(volume->state(), VolumeState::kGone);
  EXPECT_EQ(host_.spawned, 1);
}

TEST_F(VolumeTest, TheNextKeeperTakesOverALivingMounterAndRevivesItLater) {
  auto first = MakeReady();
  const auto records = journal_.LoadAll();
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].mounter_pid(), host_.last_mounter);
  host_.adoptable = host_.last_mounter;
  auto second = Make();
  second->Resume(records[0]);
  EXPECT_EQ(second->state(), VolumeState::kReady);
  MounterDies(second.get());
  second->OnTimer();
  EXPECT_EQ(second->state(), VolumeState::kReviving);
  const mounter::Start start = TakeStart();
  EXPECT_TRUE(start.successor());
  EXPECT_EQ(start.generation(), 1U);
}

TEST_F(VolumeTest, TheNextKeeperRemovesADeadMount) {
  auto first = MakeReady();
  const auto records = journal_.LoadAll();
  auto second = Make();
  second->Resume(records[0]);
  EXPECT_EQ(second->state(), VolumeState::kUnmounting);
  host_.FinishUnmount();
  second->OnChildGone();
  EXPECT_EQ(second->state(), VolumeState::kGone);
  EXPECT_TRUE(journal_.LoadAll().empty());
  EXPECT_TRUE(host_.guarded.empty());
}

TEST_F(VolumeTest, AMounterThatSpeaksNonsenseIsReplaced) {
  auto volume = MakeReady();
  ASSERT_EQ(::write(host_.mounter_end.fd(), "\xff\xff\xff", 3), 3);
  volume->OnControl();
  volume->OnChildGone();
  EXPECT_EQ(volume->state(), VolumeState::kBackoff);
}

}  // namespace
}  // namespace threefs::keeper

// SPDX-License-Identifier: Apache-2.0
// Volume: one mounted volume and the mounter that serves it, as a state machine fed with events by
// the keeper's loop. It owns the mount's descriptors, so the mount lives as long as the Volume,
// whatever happens to mounters. Keeper's thread only.
//
//   kNew ─Begin→ kStarting ─Ready→ kReady ─mounter gone→ kBackoff ─timer→ kReviving ─Ready→ kReady
//   kStarting ─Failed, died, too late→ kUnmounting              kReviving ─Failed, died, too late→
//   kBackoff any of them ─RequestUnmount→ kUnmounting ─unmounted→ kStopping ─mounter gone→ kGone
#pragma once

#include <string>
#include <vector>

#include "client/base/clock.h"
#include "client/base/status.h"
#include "csi/keeper/host.h"
#include "csi/keeper/journal.h"
#include "proto/channel/channel.h"
#include "proto/mounter/control.pb.h"

namespace threefs::keeper {

enum class VolumeState : uint8_t {
  kNew,         ///< nothing done yet
  kStarting,    ///< mounted, the first mounter has not said Ready
  kReady,       ///< served
  kBackoff,     ///< no mounter; requests wait in the kernel until the next one
  kReviving,    ///< a successor has started and has not said Ready
  kUnmounting,  ///< the mount is being taken away; a living mounter still answers
  kStopping,    ///< the mount is away; the mounter flushes and exits
  kGone,        ///< over; failure() says why when it was not asked for
};

/// Times and paths, the same for all volumes of a keeper.
struct VolumeSettings {
  std::string mounter_program;
  std::string log_level = "info";
  uint32_t uid = 0;
  uint32_t gid = 0;
  Duration ready_timeout = 30s;
  Duration unmount_timeout = 5s;  ///< then the connection is cut, which ends any unmount
  Duration flush_timeout = 20s;   ///< for a mounter told to stop; then SIGKILL
  Duration first_backoff =
      100ms;  ///< after the second death in a row (the first successor starts at once); doubles
  Duration longest_backoff = 30s;  ///< a crash loop costs one start in this time
  Duration stable_after = 60s;     ///< Ready this long: the deaths before are forgotten
  uint32_t crash_loop_after =
      10;  ///< deaths in a row from which the volume is reported as a crash loop
};

class Volume {
 public:
  struct Context {
    Host* host;
    const Clock* clock;
    const Journal* journal;
    const VolumeSettings* settings;
  };
  /// `spec` has its loops filled in. `mount_uuid`: 16 random bytes.
  Volume(Context context, mounter::MountSpec spec, std::string token, std::string mount_uuid);
  ~Volume();
  Volume(const Volume&) = delete;
  Volume& operator=(const Volume&) = delete;

  /// kNew → kStarting, or kGone with a failure.
  void Begin(Duration ready_timeout);
  /// kNew → kReady for a mount of an earlier keeper whose mounter lives; → kGone when nothing of it
  /// is left (its stale mount is then taken away: kUnmounting).
  void Resume(const mounter::MountRecord& record);
  /// Any state → kUnmounting (a no-op when it is on its way there already). `flush` zero: the
  /// settings' time.
  void RequestUnmount(Duration flush);
  /// A new token for the next mounter (rotation).
  void SetToken(std::string token);

  /// The loop calls these when the descriptor below is readable, and OnTimer when NextDeadline()
  /// has passed.
  void OnControl();
  void OnChildGone();
  void OnTimer();

  struct Watch {
    int control = -1;
    int mounter = -1;
    int unmount = -1;
    TimePoint deadline = kNever;
  };
  [[nodiscard]] Watch watch() const;
  [[nodiscard]] VolumeState state() const { return state_; }
  [[nodiscard]] const mounter::MountSpec& spec() const { return spec_; }
  [[nodiscard]] const mounter::Failure& failure() const { return failure_; }
  /// kGone, but the kernel would not let the mount go.
  [[nodiscard]] bool mount_left_behind() const { return left_behind_; }
  [[nodiscard]] mounter::MountInfo Info() const;

 private:
  void OnMounterGone(const std::string& how);
  void OnUnmountGone(const std::string& how);
  void MoveTo(VolumeState next);
  Status MountIt();
  Status StartMounter(bool successor);
  void Receive(const mounter::FromMounter& message);
  void Fail(mounter::FailureKind kind, std::string sentence);
  void MounterFailed(mounter::FailureKind kind, std::string sentence);
  void ScheduleRevival(std::string why);
  void BeginUnmount();
  void TellMounterToStop();
  void KillMounter();
  void FinishWhenDone();
  [[nodiscard]] mounter::MountRecord Record() const;
  [[nodiscard]] TimePoint Now() const { return context_.clock->Now(); }

  const Context context_;
  const mounter::MountSpec spec_;
  std::string token_;
  const std::string mount_uuid_;
  VolumeState state_ = VolumeState::kNew;
  MountFds fds_;
  control::Channel control_;
  Child mounter_;  ///< pid 0: none
  Child unmount_;  ///< pid 0: none
  bool guarded_ = false;
  bool mounted_ = false;
  bool left_behind_ = false;
  uint32_t directory_mode_ = 0;
  uint32_t generation_ = 0;  ///< of the mounter started last, or of the next one before the first
  uint32_t deaths_in_a_row_ = 0;
  uint32_t restarts_ = 0;
  Duration ready_timeout_{0};
  Duration flush_{0};
  TimePoint deadline_ = kNever;
  TimePoint ready_since_ = kNever;
  int64_t since_us_ = 0;
  std::string last_error_;
  mounter::Failure failure_;
  mounter::MounterStats stats_;
};

}  // namespace threefs::keeper

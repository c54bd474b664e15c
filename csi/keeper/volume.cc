// SPDX-License-Identifier: Apache-2.0
#include "csi/keeper/volume.h"

#include <fmt/core.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/base/check.h"
#include "client/base/log.h"

namespace threefs::keeper {
namespace {

using control::Channel;
using control::Received;

using mounter::FailureKind;

constexpr uint32_t kDefaultDirectoryMode = 0750;
/// How long a killed mounter and a cut unmount may take before the keeper goes on without them.
constexpr Duration kGiveUpAfter = 5s;

std::string_view Name(VolumeState state) {
  switch (state) {
    case VolumeState::kNew:
      return "new";
    case VolumeState::kStarting:
      return "starting";
    case VolumeState::kReady:
      return "ready";
    case VolumeState::kBackoff:
      return "waiting to restart";
    case VolumeState::kReviving:
      return "restarting";
    case VolumeState::kUnmounting:
      return "unmounting";
    case VolumeState::kStopping:
      return "stopping";
    case VolumeState::kGone:
      return "gone";
  }
  return "?";
}

bool Legal(VolumeState from, VolumeState to) {
  using enum VolumeState;
  switch (to) {
    case kNew:
      return false;
    case kStarting:
      return from == kNew;
    case kReady:
      return from == kNew || from == kStarting || from == kReviving;
    case kBackoff:
      return from == kReady || from == kReviving;
    case kReviving:
      return from == kBackoff;
    case kUnmounting:
      return from < kUnmounting;
    case kStopping:
      return from == kUnmounting;
    case kGone:
      return from == kNew || from == kUnmounting || from == kStopping;
  }
  return false;
}

void Wipe(std::string* secret) {
  explicit_bzero(secret->data(), secret->capacity());
  secret->clear();
}

}  // namespace

Volume::Volume(Context context, mounter::MountSpec spec, std::string token, std::string mount_uuid)
    : context_(context),
      spec_(std::move(spec)),
      token_(std::move(token)),
      mount_uuid_(std::move(mount_uuid)) {}

Volume::~Volume() { Wipe(&token_); }

void Volume::SetToken(std::string token) {
  Wipe(&token_);
  token_ = std::move(token);
}

void Volume::MoveTo(VolumeState next) {
  CHECK(Legal(state_, next));
  LOG_INFO("volume '{}': {} → {}", spec_.volume_id(), Name(state_), Name(next));
  state_ = next;
  deadline_ = kNever;
  since_us_ = context_.clock->WallMicros();
}

mounter::MountRecord Volume::Record() const {
  mounter::MountRecord record;
  *record.mutable_spec() = spec_;
  record.set_directory_mode(directory_mode_);
  record.set_mount_uuid(mount_uuid_);
  record.set_mounter_pid(mounter_.pid);
  record.set_mounter_start_time(mounter_.start_time);
  record.set_generation(generation_);
  return record;
}

void Volume::Begin(Duration ready_timeout) {
  ready_timeout_ = ready_timeout;
  MoveTo(VolumeState::kStarting);
  Status status = MountIt();
  if (status.ok()) status = StartMounter(false);
  if (!status.ok()) {
    Fail(FailureKind::FAILURE_SYSTEM, status.message());
    return;
  }
  deadline_ = Now() + ready_timeout_;
}

// Guard the directory → write the intent → mount. A crash after any step leaves a record the next
// keeper cleans up from.
Status Volume::MountIt() {
  const std::string& path = spec_.mount_path();
  if (context_.host->IsMounted(path)) {
    return {Code::kOSError, fmt::format("something is mounted at '{}' already: unmount it", path)};
  }
  TRY(directory_mode_, context_.host->Guard(path));
  if (directory_mode_ == 0) directory_mode_ = kDefaultDirectoryMode;  // guarded by an earlier life
  guarded_ = true;
  TRY(context_.journal->Save(Record()));
  TRY(fds_, context_.host->Mount({.source = "hf3fs." + spec_.cluster_id(),
                                  .path = path,
                                  .read_only = spec_.read_only(),
                                  .kernel_permissions = spec_.identity() != "token",
                                  .loops = std::max(spec_.loops(), 1U)}));
  mounted_ = true;
  return {};
}

Status Volume::StartMounter(bool successor) {
  TRY(auto ends, Channel::Pair());
  TRY(mounter_, context_.host->Spawn({.program = context_.settings->mounter_program,
                                      .arguments = {"--control-fd", "3", "--log-level",
                                                    context_.settings->log_level},
                                      .control = ends.second.Take(),
                                      .uid = context_.settings->uid,
                                      .gid = context_.settings->gid}));
  control_ = std::move(ends.first);
  if (const Status saved = context_.journal->Save(Record()); !saved.ok()) {
    LOG_WARN("volume '{}': {}", spec_.volume_id(), saved.message());
  }
  mounter::ToMounter message;
  mounter::Start* start = message.mutable_start();
  *start->mutable_spec() = spec_;
  start->set_token(token_);
  start->set_clones(static_cast<uint32_t>(fds_.clones.size()));
  start->set_successor(successor);
  start->set_mount_uuid(mount_uuid_);
  start->set_generation(generation_++);
  start->set_log_level(context_.settings->log_level);
  std::vector<int> fds = {fds_.fuse.get()};
  for (const UniqueFd& clone : fds_.clones) fds.push_back(clone.get());
  fds.push_back(fds_.state.get());
  Status sent = control_.Send(message, fds);
  Wipe(start->mutable_token());
  return sent;
}

void Volume::OnControl() {
  while (control_.valid()) {
    mounter::FromMounter message;
    const auto received = control_.Receive(&message);
    if (!received.ok()) {
      LOG_ERROR("volume '{}': mounter sent nonsense: {}", spec_.volume_id(),
                received.status().message());
      KillMounter();
      control_.Close();
      return;
    }
    if (*received == Received::kNothing) return;
    if (*received == Received::kClosed) {
      control_.Close();  // its death, if it is one, comes by the pidfd
      return;
    }
    Receive(message);
  }
}

void Volume::Receive(const mounter::FromMounter& message) {
  const bool coming_up = state_ == VolumeState::kStarting || state_ == VolumeState::kReviving;
  switch (message.kind_case()) {
    case mounter::FromMounter::kReady:
      if (!coming_up) return;
      MoveTo(VolumeState::kReady);
      ready_since_ = Now();
      return;
    case mounter::FromMounter::kFailed:
      if (coming_up) MounterFailed(message.failed().kind(), message.failed().sentence());
      return;
    case mounter::FromMounter::kStats:
      stats_ = message.stats();
      return;
    case mounter::FromMounter::kPong:
    case mounter::FromMounter::KIND_NOT_SET:
      return;
  }
}

void Volume::MounterFailed(FailureKind kind, std::string sentence) {
  if (state_ == VolumeState::kStarting) {
    Fail(kind, std::move(sentence));
    return;
  }
  last_error_ = std::move(sentence);  // its exit, a moment later, schedules the next one
  LOG_WARN("volume '{}': successor failed: {}", spec_.volume_id(), last_error_);
  KillMounter();
}

// The mount cannot be given to anybody: take it down at once. Closing the descriptors cuts the
// connection, so the unmount cannot wait for a server that is not there.
void Volume::Fail(FailureKind kind, std::string sentence) {
  LOG_ERROR("volume '{}': {}", spec_.volume_id(), sentence);
  last_error_ = sentence;
  failure_.set_kind(kind);
  failure_.set_sentence(std::move(sentence));
  KillMounter();
  fds_ = {};
  BeginUnmount();
}

void Volume::OnChildGone() {
  if (mounter_.pid != 0) {
    if (const std::string how = context_.host->Reap(mounter_); !how.empty()) OnMounterGone(how);
  }
  if (unmount_.pid != 0) {
    if (const std::string how = context_.host->Reap(unmount_); !how.empty()) OnUnmountGone(how);
  }
}

void Volume::OnMounterGone(const std::string& how) {
  OnControl();  // a Failed sent just before the exit explains it better than the exit code
  const pid_t pid = mounter_.pid;
  mounter_ = {};
  control_.Close();
  LOG_INFO("volume '{}': mounter {} ended: {}", spec_.volume_id(), pid, how);
  switch (state_) {
    case VolumeState::kStarting:
      Fail(FailureKind::FAILURE_CRASHED,
           fmt::format("the mounter ended before it was ready ({}): see the keeper's log", how));
      return;
    case VolumeState::kReady:
      if (Now() - ready_since_ >= context_.settings->stable_after) deaths_in_a_row_ = 0;
      ScheduleRevival(fmt::format("the mounter ended: {}", how));
      return;
    case VolumeState::kReviving:
      ScheduleRevival(last_error_.empty() ? how : last_error_);
      return;
    case VolumeState::kUnmounting:
    case VolumeState::kStopping:
      fds_ = {};  // nobody answers any more: cutting the connection ends a waiting unmount
      FinishWhenDone();
      return;
    case VolumeState::kNew:
    case VolumeState::kBackoff:
    case VolumeState::kGone:
      return;
  }
}

void Volume::ScheduleRevival(std::string why) {
  last_error_ = std::move(why);
  if (!context_.host->Connected(fds_)) {
    Fail(FailureKind::FAILURE_CRASHED, "the mount was taken away from outside the keeper");
    return;
  }
  ++deaths_in_a_row_;
  ++restarts_;
  Duration wait{0};
  if (deaths_in_a_row_ > 1) {
    const uint32_t doublings = std::min(deaths_in_a_row_ - 2, 20U);
    wait = std::min(context_.settings->first_backoff * (int64_t{1} << doublings),
                    context_.settings->longest_backoff);
  }
  if (deaths_in_a_row_ == context_.settings->crash_loop_after) {
    LOG_ERROR("volume '{}': crash loop, {} deaths in a row; last: {}", spec_.volume_id(),
              deaths_in_a_row_, last_error_);
  }
  MoveTo(VolumeState::kBackoff);
  deadline_ = Now() + wait;
}

void Volume::OnTimer() {
  if (Now() < deadline_) return;
  deadline_ = kNever;
  switch (state_) {
    case VolumeState::kStarting:
      Fail(FailureKind::FAILURE_TIMEOUT,
           fmt::format("the mounter was not ready after {} s: are the addresses right and the "
                       "servers reachable from this node?",
                       std::chrono::duration_cast<std::chrono::seconds>(ready_timeout_).count()));
      return;
    case VolumeState::kBackoff:
      MoveTo(VolumeState::kReviving);
      deadline_ = Now() + context_.settings->ready_timeout;
      if (const Status started = StartMounter(true); !started.ok()) {
        last_error_ = started.message();
        KillMounter();
        if (mounter_.pid == 0) ScheduleRevival(last_error_);
      }
      return;
    case VolumeState::kReviving:
      last_error_ = "the successor was not ready in time";
      KillMounter();
      return;
    case VolumeState::kUnmounting:
      TellMounterToStop();
      return;
    case VolumeState::kStopping:
      if (fds_.fuse.valid()) {
        LOG_WARN("volume '{}': the mounter did not stop in time, killed", spec_.volume_id());
        KillMounter();
        fds_ = {};
        deadline_ = Now() + kGiveUpAfter;
        return;
      }
      LOG_ERROR("volume '{}': an unmount of '{}' is stuck in the kernel, left behind",
                spec_.volume_id(), spec_.mount_path());
      mounter_ = {};
      unmount_ = {};
      FinishWhenDone();
      return;
    case VolumeState::kNew:
    case VolumeState::kReady:
    case VolumeState::kGone:
      return;
  }
}

void Volume::RequestUnmount(Duration flush) {
  if (state_ >= VolumeState::kUnmounting) return;
  flush_ = flush > Duration{0} ? flush : context_.settings->flush_timeout;
  if (mounter_.pid == 0) fds_ = {};
  BeginUnmount();
}

void Volume::BeginUnmount() {
  MoveTo(VolumeState::kUnmounting);
  if (flush_ == Duration{0}) flush_ = context_.settings->flush_timeout;
  deadline_ = Now() + context_.settings->unmount_timeout;
  if (!mounted_) {
    OnUnmountGone("exit code 0");
    return;
  }
  auto child = context_.host->StartUnmount(spec_.mount_path());
  if (child.ok()) {
    unmount_ = std::move(*child);
    return;
  }
  OnUnmountGone(child.status().message());
}

void Volume::OnUnmountGone(const std::string& how) {
  unmount_ = {};
  if (how != "exit code 0") {
    LOG_ERROR("volume '{}': unmounting '{}' failed: {}", spec_.volume_id(), spec_.mount_path(),
              how);
  }
  if (state_ == VolumeState::kUnmounting) {
    TellMounterToStop();
  } else {
    FinishWhenDone();
  }
}

void Volume::TellMounterToStop() {
  MoveTo(VolumeState::kStopping);
  deadline_ = Now() + flush_;
  if (mounter_.pid == 0) {
    fds_ = {};
    FinishWhenDone();
    return;
  }
  mounter::ToMounter message;
  message.mutable_stop()->set_flush_timeout_ms(
      static_cast<uint32_t>(std::chrono::duration_cast<std::chrono::milliseconds>(flush_).count()));
  if (!control_.valid() || !control_.Send(message).ok()) context_.host->Kill(mounter_, SIGTERM);
}

void Volume::KillMounter() {
  if (mounter_.pid != 0) context_.host->Kill(mounter_, SIGKILL);
}

void Volume::FinishWhenDone() {
  if (mounter_.pid != 0 || unmount_.pid != 0) {
    if (deadline_ == kNever) deadline_ = Now() + kGiveUpAfter;
    return;
  }
  const bool still_there = mounted_ && context_.host->IsMounted(spec_.mount_path());
  if (guarded_ && !still_there) {
    const Status opened = context_.host->Unguard(spec_.mount_path(), directory_mode_);
    if (!opened.ok()) LOG_WARN("volume '{}': {}", spec_.volume_id(), opened.message());
  }
  left_behind_ = still_there;
  if (still_there) {
    failure_.set_kind(FailureKind::FAILURE_SYSTEM);
    failure_.set_sentence(fmt::format(
        "'{}' could not be unmounted: see the keeper's log and unmount it", spec_.mount_path()));
  }
  if (!still_there) context_.journal->Remove(spec_.volume_id());
  Wipe(&token_);
  MoveTo(VolumeState::kGone);
}

void Volume::Resume(const mounter::MountRecord& record) {
  directory_mode_ = record.directory_mode();
  generation_ = record.generation() + 1;
  guarded_ = true;
  mounted_ = context_.host->IsMounted(spec_.mount_path());
  auto adopted = context_.host->Adopt(record.mounter_pid(), record.mounter_start_time());
  if (adopted.ok() && mounted_ && context_.host->Connected(adopted->second)) {
    mounter_ = std::move(adopted->first);
    fds_ = std::move(adopted->second);
    MoveTo(VolumeState::kReady);
    ready_since_ = Now();
    return;
  }
  if (adopted.ok()) context_.host->Kill(adopted->first, SIGKILL);
  LOG_WARN("volume '{}': the mount of an earlier keeper at '{}' is dead ({}), removed",
           spec_.volume_id(), spec_.mount_path(),
           adopted.ok() ? "its connection is cut" : adopted.status().message());
  failure_.set_kind(FailureKind::FAILURE_CRASHED);
  failure_.set_sentence("the mounter and the keeper that held this mount are both gone");
  BeginUnmount();
}

Volume::Watch Volume::watch() const {
  return {.control = control_.fd(),
          .mounter = mounter_.pidfd.get(),
          .unmount = unmount_.pidfd.get(),
          .deadline = deadline_};
}

mounter::MountInfo Volume::Info() const {
  mounter::MountInfo info;
  *info.mutable_spec() = spec_;
  info.set_pid(mounter_.pid);
  info.set_restarts(restarts_);
  info.set_last_error(last_error_);
  info.set_since_us(since_us_);
  *info.mutable_stats() = stats_;
  switch (state_) {
    case VolumeState::kNew:
    case VolumeState::kStarting:
      info.set_state(mounter::MOUNT_STARTING);
      break;
    case VolumeState::kReady:
      info.set_state(mounter::MOUNT_READY);
      break;
    case VolumeState::kBackoff:
    case VolumeState::kReviving:
      info.set_state(deaths_in_a_row_ >= context_.settings->crash_loop_after
                         ? mounter::MOUNT_CRASH_LOOP
                         : mounter::MOUNT_RESTARTING);
      break;
    case VolumeState::kUnmounting:
    case VolumeState::kStopping:
    case VolumeState::kGone:
      info.set_state(mounter::MOUNT_STOPPING);
      break;
  }
  return info;
}

}  // namespace threefs::keeper

// SPDX-License-Identifier: Apache-2.0
#include "csi/keeper/keeper.h"

#include <fmt/core.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "client/base/log.h"
#include "csi/keeper/spec_check.h"

namespace threefs::keeper {
namespace {

using control::Channel;
using control::kMaxMessage;
using control::Listener;
using control::Received;

using mounter::FailureKind;
using mounter::KeeperReply;

constexpr uint64_t kCapabilities = 0;  // GetFds, Upgrade and cgroups are not offered yet
constexpr uint32_t kMostLoops = 64;
/// A List answer stops here, well below the message limit.
constexpr size_t kListBytes = kMaxMessage / 2;

KeeperReply ReplyTo(uint64_t id) {
  KeeperReply reply;
  reply.set_id(id);
  reply.set_capabilities(kCapabilities);
  return reply;
}

KeeperReply FailureReply(uint64_t id, FailureKind kind, std::string sentence) {
  KeeperReply reply = ReplyTo(id);
  reply.mutable_failure()->set_kind(kind);
  reply.mutable_failure()->set_sentence(std::move(sentence));
  return reply;
}

void SendReply(const Channel& channel, const KeeperReply& reply) {
  if (const Status sent = channel.Send(reply); !sent.ok()) {
    LOG_WARN("an answer could not be delivered: {}", sent.message());
  }
}

int PollMillis(TimePoint now, TimePoint deadline, Duration longest) {
  Duration wait = longest;
  if (deadline != kNever) wait = std::clamp(deadline - now, Duration{0}, longest);
  // Round up: waking just before a deadline would spin.
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(wait).count());
}

bool SameMount(const mounter::MountSpec& a, const mounter::MountSpec& b) {
  return CanonicalSpec(a) == CanonicalSpec(b);
}

}  // namespace

Keeper::Keeper(Host* host, const Clock* clock, Journal journal, Listener listener, Options options)
    : host_(host),
      clock_(clock),
      journal_(std::move(journal)),
      listener_(std::move(listener)),
      options_(std::move(options)),
      rng_(Rng::FromKernel()) {}

Keeper::~Keeper() = default;

Volume* Keeper::Find(const std::string& volume_id) {
  const auto it = volumes_.find(volume_id);
  return it == volumes_.end() ? nullptr : it->second.get();
}

Volume& Keeper::MakeVolume(mounter::MountSpec spec, std::string token, std::string mount_uuid) {
  const std::string id = spec.volume_id();
  const Volume::Context context{
      .host = host_, .clock = clock_, .journal = &journal_, .settings = &options_.volume};
  auto volume =
      std::make_unique<Volume>(context, std::move(spec), std::move(token), std::move(mount_uuid));
  return *(volumes_[id] = std::move(volume));
}

void Keeper::Recover() {
  for (const mounter::MountRecord& record : journal_.LoadAll()) {
    if (!CheckSpec(record.spec()).ok() || Find(record.spec().volume_id()) != nullptr) continue;
    MakeVolume(record.spec(), "", record.mount_uuid()).Resume(record);
  }
  RemoveGone();
}

void Keeper::BeginShutdown() {
  shutting_down_ = true;
  for (auto& [id, volume] : volumes_) volume->RequestUnmount(Duration{0});
  AnswerWaiters();
  RemoveGone();
}

void Keeper::RunOnce(Duration longest, int wake_fd) {
  std::vector<pollfd> polls;
  const auto add = [&](int fd) { polls.push_back({.fd = fd, .events = POLLIN, .revents = 0}); };
  add(wake_fd);  // negative descriptors are skipped by poll
  add(listener_.fd());
  const std::vector<std::shared_ptr<Client>> clients = clients_;
  for (const auto& client : clients) add(client->channel.fd());
  std::vector<Volume*> watched;
  TimePoint deadline = kNever;
  for (auto& [id, volume] : volumes_) {
    const Volume::Watch watch = volume->watch();
    watched.push_back(volume.get());
    add(watch.control);
    add(watch.mounter);
    add(watch.unmount);
    deadline = std::min(deadline, watch.deadline);
  }
  for (const Waiter& waiter : waiters_) deadline = std::min(deadline, waiter.deadline);
  const int n = ::poll(polls.data(), polls.size(), PollMillis(clock_->Now(), deadline, longest));
  if (n < 0) return;  // EINTR

  size_t i = 1;
  const auto fired = [&] { return polls[i++].revents != 0; };
  const bool accept = fired();
  for (const auto& client : clients) {
    if (fired()) ServeClient(client);
  }
  // Serving a client adds volumes but never removes one, so `watched` still points to living ones.
  for (Volume* volume : watched) {
    const bool control = fired();
    const bool mounter = fired();
    const bool unmount = fired();
    if (control) volume->OnControl();
    if (mounter || unmount) volume->OnChildGone();
    volume->OnTimer();
  }
  if (accept) AcceptClients();
  AnswerWaiters();
  RemoveGone();
}

void Keeper::AcceptClients() {
  for (;;) {
    auto channel = listener_.Accept();
    if (!channel.ok()) {
      LOG_WARN("{}", channel.status().message());
      return;
    }
    if (!channel->valid()) return;
    const auto uid = channel->PeerUid();
    if (!uid.ok() || (*uid != 0 && *uid != ::geteuid())) {
      LOG_WARN("a peer of uid {} was refused", uid.ok() ? std::to_string(*uid) : "?");
      continue;
    }
    if (clients_.size() >= options_.max_clients) {
      LOG_WARN("more than {} connections: refused", options_.max_clients);
      continue;
    }
    clients_.push_back(std::make_shared<Client>(Client{.channel = std::move(*channel)}));
  }
}

void Keeper::ServeClient(const std::shared_ptr<Client>& client) {
  mounter::KeeperRequest request;
  const auto received = client->channel.Receive(&request);
  if (received.ok() && *received == Received::kNothing) return;
  if (received.ok() && *received == Received::kMessage) {
    Handle(client, &request);
    if (request.has_mount()) {
      std::string* token = request.mutable_mount()->mutable_token();
      explicit_bzero(token->data(), token->capacity());
    }
    return;
  }
  if (!received.ok()) LOG_WARN("a client was dropped: {}", received.status().message());
  client->closed = true;
  std::erase_if(clients_, [](const auto& c) { return c->closed; });
}

void Keeper::Handle(const std::shared_ptr<Client>& client, mounter::KeeperRequest* request) {
  const uint64_t id = request->id();
  switch (request->kind_case()) {
    case mounter::KeeperRequest::kMount:
      HandleMount(client, id, request->mutable_mount());
      return;
    case mounter::KeeperRequest::kUnmount:
      HandleUnmount(client, id, request->unmount());
      return;
    case mounter::KeeperRequest::kList:
      HandleList(client, id, request->list());
      return;
    case mounter::KeeperRequest::kStatus: {
      const Volume* volume = Find(request->status().volume_id());
      if (volume == nullptr) {
        SendReply(client->channel, FailureReply(id, mounter::FAILURE_NOT_FOUND,
                                                "the volume is not mounted on this node"));
        return;
      }
      KeeperReply reply = ReplyTo(id);
      *reply.mutable_mount() = volume->Info();
      SendReply(client->channel, reply);
      return;
    }
    case mounter::KeeperRequest::KIND_NOT_SET:
      SendReply(client->channel,
                FailureReply(id, mounter::FAILURE_BAD_SPEC,
                             "the keeper does not know this request: upgrade the keeper"));
      return;
  }
}

void Keeper::HandleMount(const std::shared_ptr<Client>& client, uint64_t id,
                         mounter::MountRequest* request) {
  mounter::MountSpec& spec = *request->mutable_spec();
  const auto refuse = [&](FailureKind kind, std::string sentence) {
    SendReply(client->channel, FailureReply(id, kind, std::move(sentence)));
  };
  if (const Status checked = CheckSpec(spec); !checked.ok()) {
    return refuse(mounter::FAILURE_BAD_SPEC, checked.message());
  }
  if (shutting_down_) return refuse(mounter::FAILURE_SYSTEM, "the keeper is stopping: try again");
  if (spec.loops() == 0) {
    spec.set_loops(options_.loops != 0 ? options_.loops
                                       : std::clamp(std::thread::hardware_concurrency(), 1U, 4U));
  }
  spec.set_loops(std::min(spec.loops(), kMostLoops));
  const Duration wait = request->ready_timeout_ms() != 0
                            ? std::chrono::milliseconds(request->ready_timeout_ms())
                            : options_.volume.ready_timeout;
  Volume* volume = Find(spec.volume_id());
  if (volume != nullptr) {
    if (!SameMount(volume->spec(), spec)) {
      return refuse(mounter::FAILURE_CONFLICT,
                    "the volume is mounted on this node with other parameters: unstage it first");
    }
    if (volume->state() >= VolumeState::kUnmounting) {
      return refuse(mounter::FAILURE_BUSY, "the volume is just being unmounted: try again");
    }
    volume->SetToken(request->token());
  } else {
    if (volumes_.size() >= options_.max_volumes) {
      return refuse(mounter::FAILURE_SYSTEM, "this node has as many volumes as the keeper allows");
    }
    const auto uuid = rng_.Bytes16();
    volume = &MakeVolume(spec, request->token(), std::string(uuid.begin(), uuid.end()));
    volume->Begin(wait);
  }
  // A little longer than the volume's own limit, which has the better sentence.
  waiters_.push_back({.client = client,
                      .request_id = id,
                      .volume_id = spec.volume_id(),
                      .deadline = clock_->Now() + wait + options_.volume.unmount_timeout});
}

void Keeper::HandleUnmount(const std::shared_ptr<Client>& client, uint64_t id,
                           const mounter::UnmountRequest& request) {
  Volume* volume = Find(request.volume_id());
  if (volume == nullptr ||
      (!request.mount_path().empty() && request.mount_path() != volume->spec().mount_path())) {
    KeeperReply reply = ReplyTo(id);
    reply.mutable_unmount()->set_was_mounted(false);
    SendReply(client->channel, reply);
    return;
  }
  volume->RequestUnmount(std::chrono::milliseconds(request.flush_timeout_ms()));
  waiters_.push_back(
      {.client = client, .request_id = id, .volume_id = request.volume_id(), .wants_gone = true});
}

void Keeper::HandleList(const std::shared_ptr<Client>& client, uint64_t id,
                        const mounter::ListRequest& request) {
  KeeperReply reply = ReplyTo(id);
  mounter::ListReply* list = reply.mutable_list();
  size_t bytes = 0;
  for (auto it = volumes_.upper_bound(request.after()); it != volumes_.end(); ++it) {
    mounter::MountInfo info = it->second->Info();
    bytes += info.ByteSizeLong() + 8;
    if (bytes > kListBytes) {
      list->set_more(true);
      break;
    }
    *list->add_mounts() = std::move(info);
  }
  SendReply(client->channel, reply);
}

void Keeper::AnswerWaiters() {
  std::erase_if(waiters_, [&](const Waiter& waiter) { return AnswerIfDone(waiter); });
}

bool Keeper::AnswerIfDone(const Waiter& waiter) {
  const Volume* volume = Find(waiter.volume_id);
  const bool gone = volume == nullptr || volume->state() == VolumeState::kGone;
  const bool ready = !gone && volume->state() == VolumeState::kReady;
  const bool late = clock_->Now() >= waiter.deadline;
  // A Mount whose volume is on its way out waits for the end: only then a repeat can work.
  if (waiter.wants_gone ? !gone : !(ready || gone || late)) return false;
  const std::shared_ptr<Client> client = waiter.client.lock();
  if (client == nullptr || client->closed) return true;
  KeeperReply reply = ReplyTo(waiter.request_id);
  if (waiter.wants_gone) {
    if (volume != nullptr && volume->mount_left_behind()) {
      *reply.mutable_failure() = volume->failure();
    } else {
      reply.mutable_unmount()->set_was_mounted(true);
    }
  } else if (ready) {
    *reply.mutable_mount() = volume->Info();
  } else if (!gone) {
    reply.mutable_failure()->set_kind(mounter::FAILURE_CRASHED);
    reply.mutable_failure()->set_sentence(
        fmt::format("the mounter does not come back: {}", volume->Info().last_error()));
  } else if (volume != nullptr && !volume->failure().sentence().empty()) {
    *reply.mutable_failure() = volume->failure();
  } else {
    reply.mutable_failure()->set_kind(mounter::FAILURE_BUSY);
    reply.mutable_failure()->set_sentence(
        "the volume was unmounted while it was being mounted: try again");
  }
  SendReply(client->channel, reply);
  return true;
}

void Keeper::RemoveGone() {
  std::erase_if(volumes_,
                [](const auto& entry) { return entry.second->state() == VolumeState::kGone; });
}

}  // namespace threefs::keeper

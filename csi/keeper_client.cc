// SPDX-License-Identifier: Apache-2.0
#include "csi/keeper_client.h"

#include <fmt/core.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "client/base/status.h"
#include "proto/channel/channel.h"

namespace threefs::csi {
namespace {

using control::Channel;
using control::Received;

/// Beyond the keeper's own limits: unmounting (5 s), flushing (20 s), killing (5 s).
constexpr std::chrono::milliseconds kKeeperSlack{35000};
constexpr std::chrono::milliseconds kQuickAnswer{5000};

KeeperAnswer Away(std::string sentence) {
  KeeperAnswer answer;
  answer.failure.set_kind(mounter::FAILURE_SYSTEM);
  answer.away = true;
  answer.failure.set_sentence(fmt::format("keeper: {}", sentence));
  return answer;
}

class SocketKeeper final : public KeeperApi {
 public:
  SocketKeeper(std::string path, Duration ready_timeout)
      : path_(std::move(path)), ready_timeout_(ready_timeout) {}

  KeeperAnswer Mount(const mounter::MountSpec& spec, const std::string& token) override {
    const auto ready = std::chrono::duration_cast<std::chrono::milliseconds>(ready_timeout_);
    mounter::KeeperRequest request;
    *request.mutable_mount()->mutable_spec() = spec;
    request.mutable_mount()->set_token(token);
    request.mutable_mount()->set_ready_timeout_ms(static_cast<uint32_t>(ready.count()));
    KeeperAnswer answer = Call(request, ready + kKeeperSlack);
    std::string* copy = request.mutable_mount()->mutable_token();
    explicit_bzero(copy->data(), copy->capacity());
    return answer;
  }

  KeeperAnswer Unmount(const std::string& volume_id, const std::string& path) override {
    mounter::KeeperRequest request;
    request.mutable_unmount()->set_volume_id(volume_id);
    request.mutable_unmount()->set_mount_path(path);
    return Call(request, kKeeperSlack);
  }

  KeeperAnswer GetStatus(const std::string& volume_id) override {
    mounter::KeeperRequest request;
    request.mutable_status()->set_volume_id(volume_id);
    return Call(request, kQuickAnswer);
  }

 private:
  KeeperAnswer Call(mounter::KeeperRequest& request, std::chrono::milliseconds timeout) const {
    request.set_id(1);
    const auto channel = Channel::Connect(path_);
    if (!channel.ok()) {
      return Away(fmt::format("{}; is threefs-keeper running?", channel.status().message()));
    }
    if (const Status sent = channel->Send(request); !sent.ok()) return Away(sent.message());
    if (!channel->WaitReadable(timeout)) {
      return Away(
          fmt::format("no answer within {} s; see the keeper's log", timeout.count() / 1000));
    }
    KeeperAnswer answer;
    const auto received = channel->Receive(&answer.reply);
    if (!received.ok()) return Away(received.status().message());
    if (*received != Received::kMessage) return Away("it ended while it worked: try again");
    answer.ok = !answer.reply.has_failure();
    answer.failure = answer.reply.failure();
    return answer;
  }

  const std::string path_;
  const Duration ready_timeout_;
};

}  // namespace

std::unique_ptr<KeeperApi> MakeKeeperClient(std::string socket_path, Duration ready_timeout) {
  return std::make_unique<SocketKeeper>(std::move(socket_path), ready_timeout);
}

}  // namespace threefs::csi

// SPDX-License-Identifier: Apache-2.0
// Channel: one protobuf message a datagram over a SOCK_SEQPACKET unix socket, descriptors by
// SCM_RIGHTS beside it (proto/mounter/control.proto). Used on both ends of csi ⇄ keeper ⇄ mounter.
// One thread at a time. Messages may carry secrets: the byte buffers used here are wiped before
// they are freed.
#pragma once

#include <google/protobuf/message_lite.h>
#include <sys/types.h>

#include <chrono>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "client/base/status.h"
#include "proto/channel/unique_fd.h"

namespace threefs::control {

/// The longest message either side accepts; a longer one is refused, not cut.
inline constexpr size_t kMaxMessage = size_t{64} << 10;
/// Descriptors beside one message: /dev/fuse, its clones and the state memfd. The kernel's own
/// limit is 253.
inline constexpr size_t kMaxDescriptors = 128;

enum class Received : uint8_t { kMessage, kNothing, kClosed };

class Channel {
 public:
  Channel() = default;
  explicit Channel(UniqueFd fd) : fd_(std::move(fd)) {}

  /// Two connected ends.
  static Result<std::pair<Channel, Channel>> Pair();
  /// To the socket at `path`.
  static Result<Channel> Connect(const std::string& path);

  /// Sends one message; `fds` stay the caller's. Fails rather than blocks when the peer does not
  /// read.
  Status Send(const google::protobuf::MessageLite& message, std::span<const int> fds = {}) const;
  /// Takes the next message if there is one. Descriptors beside it are put into `fds`, or closed
  /// when that is null. Malformed, oversized or cut messages are an error; the channel should be
  /// dropped then.
  Result<Received> Receive(google::protobuf::MessageLite* message,
                           std::vector<UniqueFd>* fds = nullptr) const;
  /// Waits until something can be received (also the peer's closing). False when `timeout` passed
  /// first.
  [[nodiscard]] bool WaitReadable(std::chrono::milliseconds timeout) const;
  /// The uid of the process that connected.
  [[nodiscard]] Result<uid_t> PeerUid() const;

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] bool valid() const { return fd_.valid(); }
  void Close() { fd_.Reset(); }
  UniqueFd Take() { return std::move(fd_); }

 private:
  UniqueFd fd_;
};

/// A listening socket file of mode 0600. A stale file left by a dead process is replaced; a living
/// one is an error.
class Listener {
 public:
  static Result<Listener> Bind(const std::string& path);
  Listener(Listener&& other) noexcept = default;
  Listener& operator=(Listener&& other) noexcept = delete;
  ~Listener();

  /// The next connection; an invalid channel when none waits.
  Result<Channel> Accept() const;
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  Listener(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  UniqueFd fd_;
  std::string path_;
};

}  // namespace threefs::control

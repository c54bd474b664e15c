// SPDX-License-Identifier: Apache-2.0
#include "proto/channel/channel.h"

#include <fmt/core.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace threefs::control {
namespace {

Status SystemError(std::string_view what) {
  return {Code::kOSError, fmt::format("{}: {}", what, std::strerror(errno))};
}

/// A byte buffer that is wiped before it is freed: messages may hold tokens.
struct WipedBuffer {
  std::string bytes;
  WipedBuffer() = default;
  WipedBuffer(const WipedBuffer&) = delete;
  WipedBuffer& operator=(const WipedBuffer&) = delete;
  ~WipedBuffer() { explicit_bzero(bytes.data(), bytes.capacity()); }
};

Result<sockaddr_un> Address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return Status(Code::kInvalidArg,
                  fmt::format("socket path '{}' must have 1 to {} characters: choose a shorter one",
                              path, sizeof(address.sun_path) - 1));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

/// Takes every descriptor out of a received message so that none leaks.
std::vector<UniqueFd> CollectFds(msghdr* header) {
  std::vector<UniqueFd> fds;
  for (cmsghdr* c = CMSG_FIRSTHDR(header); c != nullptr; c = CMSG_NXTHDR(header, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
      fds.emplace_back(fd);
    }
  }
  return fds;
}

}  // namespace

Result<std::pair<Channel, Channel>> Channel::Pair() {
  std::array<int, 2> fds{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds.data()) != 0) {
    return SystemError("socketpair");
  }
  return std::pair(Channel(UniqueFd(fds[0])), Channel(UniqueFd(fds[1])));
}

Result<Channel> Channel::Connect(const std::string& path) {
  TRY(const sockaddr_un address, Address(path));
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return SystemError("socket");
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return SystemError(fmt::format("connect to '{}'", path));
  }
  return Channel(std::move(fd));
}

Status Channel::Send(const google::protobuf::MessageLite& message, std::span<const int> fds) const {
  WipedBuffer buffer;
  if (!message.SerializeToString(&buffer.bytes) || buffer.bytes.size() > kMaxMessage) {
    return {Code::kInvalidArg, fmt::format("message of {} bytes is longer than {}",
                                           message.ByteSizeLong(), kMaxMessage)};
  }
  if (fds.size() > kMaxDescriptors) return {Code::kInvalidArg, "too many descriptors"};
  iovec iov{.iov_base = buffer.bytes.data(), .iov_len = buffer.bytes.size()};
  msghdr header{};
  header.msg_iov = &iov;
  header.msg_iovlen = 1;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxDescriptors * sizeof(int))> control{};
  if (!fds.empty()) {
    header.msg_control = control.data();
    header.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(c), fds.data(), fds.size_bytes());
  }
  for (;;) {
    const ssize_t n = ::sendmsg(fd_.get(), &header, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) return {};
    if (errno != EINTR) return SystemError("send control message");
  }
}

Result<Received> Channel::Receive(google::protobuf::MessageLite* message,
                                  std::vector<UniqueFd>* fds) const {
  WipedBuffer buffer;
  buffer.bytes.resize(kMaxMessage);
  iovec iov{.iov_base = buffer.bytes.data(), .iov_len = buffer.bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxDescriptors * sizeof(int))> control{};
  msghdr header{};
  header.msg_iov = &iov;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  ssize_t n = -1;
  do {
    n = ::recvmsg(fd_.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) return Received::kNothing;
    if (errno == ECONNRESET || errno == EPIPE) return Received::kClosed;
    return SystemError("receive control message");
  }
  std::vector<UniqueFd> received = CollectFds(&header);
  if (n == 0 && received.empty()) return Received::kClosed;
  if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    return Status(Code::kInvalidFormat, "control message is longer than the protocol allows");
  }
  if (!message->ParseFromArray(buffer.bytes.data(), static_cast<int>(n))) {
    return Status(Code::kInvalidFormat, "control message is not what the protocol allows");
  }
  if (fds != nullptr) *fds = std::move(received);
  return Received::kMessage;
}

bool Channel::WaitReadable(std::chrono::milliseconds timeout) const {
  const auto end = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end - std::chrono::steady_clock::now());
    pollfd p{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    const int n = ::poll(&p, 1, static_cast<int>(std::max<int64_t>(left.count(), 0)));
    if (n > 0) return true;
    if (n == 0 || errno != EINTR) return false;
  }
}

Result<uid_t> Channel::PeerUid() const {
  ucred peer{};
  socklen_t length = sizeof(peer);
  if (::getsockopt(fd_.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) {
    return SystemError("SO_PEERCRED");
  }
  return peer.uid;
}

Result<Listener> Listener::Bind(const std::string& path) {
  TRY(const sockaddr_un address, Address(path));
  if (Channel::Connect(path).ok()) {
    return Status(Code::kInvalidArg,
                  fmt::format("another process listens on '{}': stop it first", path));
  }
  ::unlink(path.c_str());
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return SystemError("socket");
  const mode_t old = ::umask(0177);  // the file is 0600 from its first moment
  const int bound = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  ::umask(old);
  if (bound != 0) return SystemError(fmt::format("bind '{}'", path));
  if (::listen(fd.get(), 64) != 0) return SystemError("listen");
  return Listener(std::move(fd), path);
}

Listener::~Listener() {
  if (fd_.valid()) ::unlink(path_.c_str());
}

Result<Channel> Listener::Accept() const {
  UniqueFd fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (fd.valid()) return Channel(std::move(fd));
  if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return Channel();
  return SystemError("accept");
}

}  // namespace threefs::control

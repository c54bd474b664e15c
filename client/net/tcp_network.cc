// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <system_error>
#include <utility>

#include "client/base/log.h"
#include "client/net/tcp_transport.h"
#include "client/net/transport.h"

namespace threefs::net {
namespace {

sockaddr_in ToSockaddr(Address a) {
  sockaddr_in sa{};
  sa.sin_family = AF_INET;
  sa.sin_port = htons(a.port);
  sa.sin_addr.s_addr = a.ip;  // both are network order in memory
  return sa;
}

Address FromSockaddr(const sockaddr_in& sa) {
  return {sa.sin_addr.s_addr, ntohs(sa.sin_port), AddressType::kTcp};
}

std::string Reason(int error) { return std::generic_category().message(error); }

// Closes the descriptor unless it was released.
class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

void SetNoDelay(int fd) {
  const int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);  // best effort: a hint
}

class TcpListener final : public Listener {
 public:
  TcpListener(Loop& loop, std::shared_ptr<FlushList> flush, int fd, Address address,
              std::function<void(std::unique_ptr<Transport>)> accept)
      : loop_(loop),
        flush_(std::move(flush)),
        socket_(fd),
        address_(address),
        accept_(std::move(accept)),
        watch_(loop.Watch(fd)) {
    Arm();
  }
  TcpListener(const TcpListener&) = delete;
  TcpListener& operator=(const TcpListener&) = delete;
  ~TcpListener() override { loop_.Cancel(retry_); }
  [[nodiscard]] Address address() const override { return address_; }

 private:
  static constexpr Duration kRetry =
      100ms;  // out of descriptors: the backlog waits, the loop must not spin

  void Arm() {
    watch_->OnReadable([this] { Accept(); });
  }
  void Accept() {
    while (true) {
      sockaddr_in peer{};
      socklen_t size = sizeof peer;
      const int fd = accept4(socket_.get(), reinterpret_cast<sockaddr*>(&peer), &size,
                             SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
      if (fd < 0 && (errno == EINTR || errno == ECONNABORTED || errno == EPROTO)) continue;
      if (fd < 0) {
        LOG_ERROR("accept on {}: {}; trying again in 100 ms", address_.ToString(), Reason(errno));
        retry_ = loop_.At(loop_.Now() + kRetry, [this] { Arm(); });
        return;
      }
      SetNoDelay(fd);
      const int one = 1;
      setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
      accept_(MakeTcpTransport(loop_, flush_, fd, FromSockaddr(peer)));
    }
    Arm();
  }

  Loop& loop_;
  std::shared_ptr<FlushList> flush_;
  Socket socket_;
  const Address address_;
  std::function<void(std::unique_ptr<Transport>)> accept_;
  std::unique_ptr<FdWatch> watch_;
  Loop::TimerId retry_ = 0;
};

class TcpNetwork final : public Network {
 public:
  Task<Result<std::unique_ptr<Transport>>> Dial(Loop& loop, Address to, CallContext ctx) override {
    return DialOn(&loop, to, ctx);
  }
  Result<std::unique_ptr<Listener>> Listen(
      Loop& loop, Address at, std::function<void(std::unique_ptr<Transport>)> accept) override;

 private:
  Task<Result<std::unique_ptr<Transport>>> DialOn(Loop* loop, Address to, CallContext ctx);
  // The connections own the list; it goes with the last of them.
  std::shared_ptr<FlushList> FlushFor(Loop& loop) {
    const std::lock_guard lock(mutex_);
    std::weak_ptr<FlushList>& slot = flush_[&loop];
    auto list = slot.lock();
    if (!list) slot = list = MakeFlushList(loop);
    return list;
  }
  std::mutex mutex_;
  std::map<Loop*, std::weak_ptr<FlushList>> flush_;
};

Task<Result<std::unique_ptr<Transport>>> TcpNetwork::DialOn(Loop* loop, Address to,
                                                            CallContext ctx) {
  if (to.type == AddressType::kUnix || to.ip == 0 || to.port == 0) {
    co_return Status(Code::kRPCInvalidAddr,
                     fmt::format("{} cannot be dialled over TCP", to.ToString()));
  }
  Socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) {
    co_return Status(Code::kRPCConnectFailed,
                     fmt::format("socket for {}: {}", to.ToString(), Reason(errno)));
  }
  SetNoDelay(socket.get());
  const sockaddr_in sa = ToSockaddr(to);
  int error = 0;
  if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&sa), sizeof sa) != 0) error = errno;
  if (error == EINPROGRESS || error == EINTR) {
    Event connected;
    const auto watch = loop->Watch(socket.get());
    watch->OnWritable([&connected] { connected.Set(); });
    if (!co_await connected.WaitUntil(ctx.deadline, ctx.cancel)) {
      co_return Status(Code::kRPCTimeout,
                       fmt::format("no answer from {} while connecting", to.ToString()));
    }
    socklen_t size = sizeof error;
    if (getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  }
  if (error != 0) {
    co_return Status(Code::kRPCConnectFailed,
                     fmt::format("connect to {}: {}", to.ToString(), Reason(error)));
  }
  co_return MakeTcpTransport(*loop, FlushFor(*loop), socket.release(), to);
}

Result<std::unique_ptr<Listener>> TcpNetwork::Listen(
    Loop& loop, Address at, std::function<void(std::unique_ptr<Transport>)> accept) {
  const auto failed = [&at](const char* step) {
    return Status(Code::kRPCListenFailed,
                  fmt::format("{} {}: {}", step, at.ToString(), Reason(errno)));
  };
  Socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) return failed("socket for");
  const int one = 1;
  setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  sockaddr_in sa = ToSockaddr(at);
  if (bind(socket.get(), reinterpret_cast<const sockaddr*>(&sa), sizeof sa) != 0)
    return failed("bind");
  if (listen(socket.get(), SOMAXCONN) != 0) return failed("listen on");
  socklen_t size = sizeof sa;
  if (getsockname(socket.get(), reinterpret_cast<sockaddr*>(&sa), &size) != 0)
    return failed("name of");
  return Result<std::unique_ptr<Listener>>(std::make_unique<TcpListener>(
      loop, FlushFor(loop), socket.release(), FromSockaddr(sa).As(at.type), std::move(accept)));
}

}  // namespace

std::unique_ptr<Network> MakeTcpNetwork() { return std::make_unique<TcpNetwork>(); }

}  // namespace threefs::net

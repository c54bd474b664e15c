// SPDX-License-Identifier: Apache-2.0
#include "client/standalone/control_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "client/base/log.h"

namespace threefs::standalone {
namespace {

constexpr size_t kMaxLine = 4096;

// One visitor. Shared by the socket and by the command under way.
struct Visitor {
  int fd = -1;
  std::unique_ptr<FdWatch> watch;
  std::string input;
  bool busy = false;
  ~Visitor() {
    watch.reset();
    if (fd >= 0) ::close(fd);
  }
};

class ControlSocketImpl final : public ControlSocket {
 public:
  ControlSocketImpl(Loop& loop, int fd, std::string path, Handler handler)
      : loop_(loop), fd_(fd), path_(std::move(path)), handler_(std::move(handler)) {
    watch_ = loop_.Watch(fd_);
    Arm();
  }
  ControlSocketImpl(const ControlSocketImpl&) = delete;
  ControlSocketImpl& operator=(const ControlSocketImpl&) = delete;
  ~ControlSocketImpl() override {
    watch_.reset();
    ::close(fd_);
    ::unlink(path_.c_str());
  }

 private:
  void Arm() {
    watch_->OnReadable([this] { Accept(); });
  }
  void Accept() {
    const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      auto visitor = std::make_shared<Visitor>();
      visitor->fd = fd;
      visitor->watch = loop_.Watch(fd);
      visitors_[visitor.get()] = visitor;
      Await(visitor);
    }
    Arm();
  }
  void Await(const std::shared_ptr<Visitor>& visitor) {
    visitor->watch->OnReadable([this, raw = visitor.get()] {
      const auto it = visitors_.find(raw);
      if (it != visitors_.end()) OnReadable(it->second);
    });
  }
  void OnReadable(const std::shared_ptr<Visitor>& visitor) {
    char buffer[1024];
    const ssize_t n = ::recv(visitor->fd, buffer, sizeof buffer, 0);
    const bool again = n < 0 && (errno == EAGAIN || errno == EINTR);
    if (n > 0) visitor->input.append(buffer, static_cast<size_t>(n));
    if ((n <= 0 && !again) || visitor->input.size() > kMaxLine) {
      visitors_.erase(visitor.get());
      return;
    }
    if (!visitor->busy) Next(visitor);
    Await(visitor);
  }
  void Next(const std::shared_ptr<Visitor>& visitor) {
    const size_t end = visitor->input.find('\n');
    if (end == std::string::npos) return;
    std::string line = visitor->input.substr(0, end);
    visitor->input.erase(0, end + 1);
    visitor->busy = true;
    Spawn(Run(this, visitor, std::move(line)));
  }
  // The socket lives until the process ends its loop, after every command.
  static Task<void> Run(ControlSocketImpl* self, std::shared_ptr<Visitor> visitor,
                        std::string line) {
    const Result<std::string> result = co_await self->handler_(std::move(line));
    const std::string answer =
        result.ok() ? *result + "ok\n" : "error: " + result.status().message() + "\n";
    (void)::send(visitor->fd, answer.data(), answer.size(), MSG_NOSIGNAL);
    visitor->busy = false;
    self->Next(visitor);
  }

  Loop& loop_;
  const int fd_;
  const std::string path_;
  const Handler handler_;
  std::unique_ptr<FdWatch> watch_;
  std::map<Visitor*, std::shared_ptr<Visitor>> visitors_;
};

}  // namespace

Result<std::unique_ptr<ControlSocket>> ControlSocket::Listen(Loop& loop, const std::string& path,
                                                             Handler handler) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return Status(Code::kInvalidArg, path + ": too long for a socket; use a shorter data path");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return Status(Code::kIOError, std::generic_category().message(errno));
  ::unlink(path.c_str());
  const mode_t before = ::umask(0177);
  const int bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  ::umask(before);
  if (bound != 0 || ::listen(fd, 16) != 0) {
    const Status status(Code::kIOError, path + ": " + std::generic_category().message(errno));
    ::close(fd);
    return status;
  }
  return std::unique_ptr<ControlSocket>(
      std::make_unique<ControlSocketImpl>(loop, fd, path, std::move(handler)));
}

}  // namespace threefs::standalone

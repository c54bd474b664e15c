// SPDX-License-Identifier: Apache-2.0
// TcpTransport is a handle; TcpConnection does the work and stays alive (shared_ptr) while one of
// its own callbacks runs, so a handler may destroy the transport from inside OnFrame or OnClosed.
#include "client/net/tcp_transport.h"

#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "client/base/check.h"
#include "client/net/frame_reader.h"

namespace threefs::net {

class TcpConnection;

class FlushList : public std::enable_shared_from_this<FlushList> {
 public:
  explicit FlushList(Loop& loop) : token_(loop.AtTurnEnd([this] { Flush(); })) {}
  void Add(std::weak_ptr<TcpConnection> connection) { dirty_.push_back(std::move(connection)); }

 private:
  void Flush();
  std::vector<std::weak_ptr<TcpConnection>> dirty_;
  std::shared_ptr<void> token_;
};

class TcpConnection final : public std::enable_shared_from_this<TcpConnection> {
 public:
  TcpConnection(Loop& loop, std::shared_ptr<FlushList> flush, int fd, Address peer)
      : loop_(loop), flush_(std::move(flush)), fd_(fd), peer_(peer), watch_(loop.Watch(fd)) {}
  TcpConnection(const TcpConnection&) = delete;
  TcpConnection& operator=(const TcpConnection&) = delete;
  ~TcpConnection() { CloseSocket(); }

  void Start(TransportHandler* handler) {
    CHECK(handler_ == nullptr && handler != nullptr);
    handler_ = handler;
    if (fd_ >= 0) ArmRead();
  }
  void Send(OutFrame frame);
  void Flush();
  void Close(Status why);
  void Detach() {
    handler_ = nullptr;
    CloseSocket();
  }
  [[nodiscard]] size_t unsent() const { return unsent_; }
  [[nodiscard]] Address peer() const { return peer_; }

 private:
  // As the reference does (wire.md §5); also well below IOV_MAX.
  static constexpr size_t kMaxPieces = 64;
  // A connection hands the loop back after this much, so that others get their turn.
  static constexpr size_t kReadPerTurn = 4U << 20;

  void ArmRead() {
    watch_->OnReadable([this] { OnReadable(); });
  }
  void OnReadable();
  bool Deliver();
  void Drop(size_t written);
  void CloseSocket();
  Status SystemError(const char* what) const {
    return {Code::kRPCSocketError, fmt::format("{} {}: {}", what, peer_.ToString(),
                                               std::generic_category().message(errno))};
  }

  Loop& loop_;
  std::shared_ptr<FlushList> flush_;
  int fd_;
  const Address peer_;
  std::unique_ptr<FdWatch> watch_;
  TransportHandler* handler_ = nullptr;
  FrameReader reader_;
  std::deque<Bytes> queue_;
  size_t head_written_ = 0;  // of queue_.front()
  size_t unsent_ = 0;  // keeps its last value after the end: rpc tells sent from unsent calls by it
  bool flush_listed_ = false;
  bool waiting_writable_ = false;
};

void FlushList::Flush() {
  const auto self = shared_from_this();  // a connection that ends here may hold the last reference
  std::vector<std::weak_ptr<TcpConnection>> dirty;
  dirty.swap(dirty_);
  for (const auto& weak : dirty) {
    if (const auto connection = weak.lock()) connection->Flush();
  }
  if (dirty_.empty()) {  // keep the capacity
    dirty.clear();
    dirty_.swap(dirty);
  }
}

std::shared_ptr<FlushList> MakeFlushList(Loop& loop) { return std::make_shared<FlushList>(loop); }

void TcpConnection::Send(OutFrame frame) {
  if (fd_ < 0) return;
  for (Bytes& piece : frame.pieces) {
    if (piece.empty()) continue;
    unsent_ += piece.size();
    queue_.push_back(std::move(piece));
  }
  if (!waiting_writable_ && !std::exchange(flush_listed_, true)) flush_->Add(weak_from_this());
}

void TcpConnection::Flush() {
  flush_listed_ = false;
  while (fd_ >= 0 && !queue_.empty()) {
    std::array<iovec, kMaxPieces> pieces{};
    size_t count = 0;
    size_t skip = head_written_;
    for (auto it = queue_.begin(); it != queue_.end() && count < kMaxPieces; ++it) {
      pieces.at(count++) = {const_cast<uint8_t*>(it->data()) + skip, it->size() - skip};
      skip = 0;
    }
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = count;
    const ssize_t n = sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
      Drop(static_cast<size_t>(n));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      waiting_writable_ = true;
      watch_->OnWritable([this] {
        waiting_writable_ = false;
        const auto self = shared_from_this();
        Flush();
      });
      return;
    }
    Close(SystemError("send to"));
    return;
  }
}

void TcpConnection::Drop(size_t written) {
  unsent_ -= written;
  written += head_written_;
  while (!queue_.empty() && written >= queue_.front().size()) {
    written -= queue_.front().size();
    queue_.pop_front();
  }
  head_written_ = written;
}

void TcpConnection::OnReadable() {
  const auto self = shared_from_this();
  size_t total = 0;
  while (true) {
    int count = 0;
    const auto space = reader_.Space(&count);
    size_t room = 0;
    for (int i = 0; i < count; ++i) room += space.at(static_cast<size_t>(i)).iov_len;
    const ssize_t n = readv(fd_, space.data(), count);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (n < 0) {
      Close(SystemError("receive from"));
      return;
    }
    if (n == 0) {
      Close({Code::kRPCSocketClosed, fmt::format("{} closed the connection", peer_.ToString())});
      return;
    }
    const Status parsed = reader_.Filled(static_cast<size_t>(n));
    if (!Deliver()) return;
    if (!parsed.ok()) {
      Close(parsed.WithContext(peer_.ToString()));
      return;
    }
    total += static_cast<size_t>(n);
    // A short read emptied the socket: readiness will tell about more, no need to ask for EAGAIN.
    if (static_cast<size_t>(n) < room || total >= kReadPerTurn) break;
  }
  ArmRead();
}

// False when the handler closed or destroyed the transport.
bool TcpConnection::Deliver() {
  while (auto frame = reader_.Next()) {
    handler_->OnFrame(*std::move(frame));
    if (handler_ == nullptr || fd_ < 0) return false;
  }
  return true;
}

void TcpConnection::Close(Status why) {
  CHECK(!why.ok());
  if (fd_ < 0) return;
  CloseSocket();
  loop_.Post([self = shared_from_this(), why = std::move(why)] {
    if (self->handler_ != nullptr) std::exchange(self->handler_, nullptr)->OnClosed(why);
  });
}

void TcpConnection::CloseSocket() {
  if (fd_ < 0) return;
  watch_.reset();
  close(std::exchange(fd_, -1));
  queue_.clear();
}

namespace {

class TcpTransport final : public Transport {
 public:
  explicit TcpTransport(std::shared_ptr<TcpConnection> connection)
      : connection_(std::move(connection)) {}
  TcpTransport(const TcpTransport&) = delete;
  TcpTransport& operator=(const TcpTransport&) = delete;
  ~TcpTransport() override { connection_->Detach(); }
  void Start(TransportHandler* handler) override { connection_->Start(handler); }
  void Send(OutFrame frame) override { connection_->Send(std::move(frame)); }
  [[nodiscard]] size_t unsent_bytes() const override { return connection_->unsent(); }
  void Close(Status why) override { connection_->Close(std::move(why)); }
  [[nodiscard]] TransportKind kind() const override { return TransportKind::kTcp; }
  [[nodiscard]] Address peer() const override { return connection_->peer(); }

 private:
  std::shared_ptr<TcpConnection> connection_;
};

}  // namespace

std::unique_ptr<Transport> MakeTcpTransport(Loop& loop, std::shared_ptr<FlushList> flush, int fd,
                                            Address peer) {
  return std::make_unique<TcpTransport>(
      std::make_shared<TcpConnection>(loop, std::move(flush), fd, peer));
}

}  // namespace threefs::net

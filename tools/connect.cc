// SPDX-License-Identifier: Apache-2.0
#include "tools/connect.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/base/status.h"
#include "client/base/status_code.h"
#include "client/file/cluster.h"
#include "client/net/transport.h"
#include "client/runtime/loop.h"
#include "client/runtime/sync_wait.h"
#include "client/runtime/task.h"
#include "tools/report.h"

namespace threefs::tools {
namespace {

constexpr size_t kMaxToken = 4096;

Result<std::string> ReadSecret(int fd, std::string_view from) {
  std::string text;
  std::array<char, 512> piece{};
  for (;;) {
    const ssize_t n = read(fd, piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      return Status(Code::kInvalidArg,
                    fmt::format("cannot read the token from {}: {}", from, std::strerror(errno)));
    }
    if (n == 0) break;
    text.append(piece.data(), static_cast<size_t>(n));
    if (text.size() > kMaxToken) {
      return Status(Code::kInvalidArg,
                    fmt::format("the token from {} is longer than {} bytes", from, kMaxToken));
    }
  }
  explicit_bzero(piece.data(), piece.size());
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string::npos) return std::string();
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

Result<file::TransportChoice> ParseTransport(std::string_view text) {
  if (text == "auto") return file::TransportChoice::kAuto;
  if (text == "tcp") return file::TransportChoice::kTcp;
  if (text == "rdma") return file::TransportChoice::kRdma;
  return Status(Code::kInvalidArg,
                fmt::format("transport \"{}\" is none of auto, tcp, rdma", text));
}

Task<void> Destroy(std::unique_ptr<file::Cluster>* cluster) {
  cluster->reset();
  co_return;
}

}  // namespace

Result<std::string> ReadToken(const ClusterFlags& flags) {
  if (flags.token_fd >= 0) {
    return ReadSecret(flags.token_fd, fmt::format("descriptor {}", flags.token_fd));
  }
  if (flags.token_file.empty()) return std::string();
  const int fd = open(flags.token_file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return Status(Code::kInvalidArg, fmt::format("cannot open the token file {}: {}",
                                                 flags.token_file, std::strerror(errno)));
  }
  auto secret = ReadSecret(fd, flags.token_file);
  close(fd);
  return secret;
}

Result<std::unique_ptr<Connection>> Connection::Open(const ClusterFlags& flags) {
  file::ClusterOptions options;
  options.cluster_id = flags.cluster_id;
  options.mgmtd_addresses = flags.mgmtd;
  TRY(options.token, ReadToken(flags));
  TRY(options.transport, ParseTransport(flags.transport));
  TRY(const uint64_t millis, ParseMillis(flags.io_timeout));
  options.io_timeout = std::chrono::milliseconds(millis);
  options.description = "threefsctl";

  std::unique_ptr<Connection> c(new Connection);
  c->network_ = net::MakeTcpNetwork();
  c->pool_ = BlockingPool::Create(1, "ctl-blocking");
  c->thread_ = LoopThread::Start("ctl");
  Loop& loop = c->thread_->loop();
  auto opened = SyncWait(loop, [&] {
    return file::Cluster::Open({&loop}, *c->network_, *c->pool_, std::move(options));
  });
  if (!opened.ok()) return opened.status();
  c->cluster_ = *std::move(opened);
  c->access_ = {&loop, c->cluster_.get(), &c->cluster_->session(loop)};
  return c;
}

Connection::~Connection() {
  if (cluster_ != nullptr) {
    SyncWait(thread_->loop(), [this] { return cluster_->Close(); });
    // Destroyed on its loop: its connections belong there.
    SyncWait(thread_->loop(), [this] { return Destroy(&cluster_); });
  }
}

}  // namespace threefs::tools

// SPDX-License-Identifier: Apache-2.0
#include "mounter/control/supervisor.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>

#include "client/base/check.h"
#include "client/base/log.h"
#include "proto/mounter/control.pb.h"

namespace threefs::control {
namespace {

// Counted in the eventfd: readiness once, the end in the upper half.
constexpr uint64_t kReadyMark = 1;
constexpr uint64_t kGoneMark = 1ULL << 32;
constexpr int64_t kStatsEveryMs = 10'000;

int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void Add(int fd, uint64_t mark) {
  const ssize_t n = ::write(fd, &mark, sizeof(mark));
  CHECK(n == static_cast<ssize_t>(sizeof(mark)));
}

}  // namespace

Supervisor::Supervisor() {
  sigset_t set;
  sigemptyset(&set);
  for (const int s : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, s);
  CHECK(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
  std::signal(SIGPIPE, SIG_IGN);
  signals_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  events_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  CHECK(signals_ >= 0 && events_ >= 0);
}

Supervisor::~Supervisor() {
  ::close(signals_);
  ::close(events_);
}

void Supervisor::NotifyGone() { Add(events_, kGoneMark); }
void Supervisor::NotifyReady() { Add(events_, kReadyMark); }

bool Supervisor::HandleMessage(const Channel& control) {
  threefs::mounter::ToMounter message;
  const auto received = control.Receive(&message);
  if (!received.ok()) {
    LOG_WARN("{}", received.status().message());
    return false;
  }
  if (*received != Received::kMessage) return false;
  if (message.has_ping()) {
    threefs::mounter::FromMounter reply;
    reply.mutable_pong()->set_nonce(message.ping().nonce());
    const Status sent = control.Send(reply);
    if (!sent.ok()) LOG_WARN("{}", sent.message());
  } else if (message.has_log_level()) {
    LogLevel level{};
    if (ParseLogLevel(message.log_level().level(), &level)) InitLog("mounter", level);
  } else if (message.has_stop()) {
    stop_timeout_ms_ = message.stop().flush_timeout_ms();
    return true;
  }
  return false;
}

void Supervisor::SendStats(const Channel& control, const metrics::Counters& counters) {
  const metrics::Totals t = counters.Sum();
  threefs::mounter::FromMounter message;
  auto* stats = message.mutable_stats();
  stats->set_operations(t.operations);
  stats->set_errors(t.errors);
  stats->set_read_bytes(t.read_bytes);
  stats->set_written_bytes(t.written_bytes);
  stats->set_resent(t.resent);
  stats->set_rss_bytes(metrics::Counters::RssBytes());
  const Status sent = control.Send(message);
  if (!sent.ok()) LOG_DEBUG("{}", sent.message());
}

Supervisor::Event Supervisor::Wait(Channel* control, const metrics::Counters& counters,
                                   int timeout_ms) {
  const int64_t end = timeout_ms < 0 ? INT64_MAX : NowMs() + timeout_ms;
  for (;;) {
    const bool listen = control != nullptr && control->valid();
    const int64_t now = NowMs();
    if (now >= end) return Event::kTimeout;
    if (listen && ready_told_ && now >= next_stats_ms_) {
      SendStats(*control, counters);
      next_stats_ms_ = now + kStatsEveryMs;
    }
    int64_t wait = end - now;
    if (listen) wait = std::min(wait, kStatsEveryMs);
    std::array<pollfd, 3> fds{
        {{signals_, POLLIN, 0}, {events_, POLLIN, 0}, {listen ? control->fd() : -1, POLLIN, 0}}};
    const int n = ::poll(fds.data(), fds.size(), wait > INT32_MAX ? -1 : static_cast<int>(wait));
    if (n < 0 && errno != EINTR) return Event::kSignal;
    if (n <= 0) continue;
    if (fds[1].revents != 0) {
      uint64_t marks = 0;
      if (::read(events_, &marks, sizeof(marks)) == static_cast<ssize_t>(sizeof(marks))) {
        if (marks >= kGoneMark) return Event::kGone;
        ready_told_ = true;
        return Event::kReady;
      }
    }
    if (fds[0].revents != 0) {
      signalfd_siginfo info{};
      if (::read(signals_, &info, sizeof(info)) == static_cast<ssize_t>(sizeof(info)))
        return Event::kSignal;
    }
    if (fds[2].revents != 0 && HandleMessage(*control)) return Event::kStop;
    if ((fds[2].revents & POLLHUP) != 0) {
      LOG_WARN("the keeper is gone; the mount goes on without it");
      control->Close();
    }
  }
}

}  // namespace threefs::control

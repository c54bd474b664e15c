// SPDX-License-Identifier: Apache-2.0
// A mounter for tests of the keeper: speaks the real control protocol and just enough raw FUSE to
// serve a root directory with one file, "pid", whose content is the number of the process that
// answers. spec.options["fake"] makes it misbehave:
//   fail: answers Failed   exit: ends before Ready   hang: never Ready   late-fail: a successor
//   answers Failed mute: stops answering FUSE after INIT   stubborn: ignores Stop and SIGTERM
#include <linux/fuse.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "proto/channel/channel.h"
#include "proto/mounter/control.pb.h"

namespace threefs {
namespace {

constexpr uint64_t kFile = 2;
constexpr size_t kInitAt = 64;  // in the state memfd: u32 length, then the INIT request

struct FakeMounter {
  control::Channel channel{control::UniqueFd(3)};
  std::vector<control::UniqueFd> fds;  // fuse, clones…, state
  control::UniqueFd state_fd;
  std::string mode;
  bool successor = false;
  char* state = nullptr;

  void Answer(int fd, uint64_t unique, int error, const void* body, size_t size) const {
    fuse_out_header header{};
    header.unique = unique;
    header.error = -error;
    header.len = static_cast<uint32_t>(sizeof(header) + size);
    std::string out(reinterpret_cast<const char*>(&header), sizeof(header));
    if (size > 0) out.append(static_cast<const char*>(body), size);
    if (::write(fd, out.data(), out.size()) < 0 && errno == ENODEV) ::_exit(0);
  }
  template <class T>
  void Answer(int fd, uint64_t unique, const T& body) const {
    Answer(fd, unique, 0, &body, sizeof(body));
  }

  static fuse_attr Attr(uint64_t node) {
    fuse_attr attr{};
    attr.ino = node;
    attr.nlink = 1;
    attr.mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0444;
    attr.size = node == FUSE_ROOT_ID ? 0 : 16;
    attr.blksize = 4096;
    return attr;
  }

  void Init(int fd, const fuse_in_header* in, const fuse_init_in* body) const {
    fuse_init_out out{};
    out.major = FUSE_KERNEL_VERSION;
    out.minor = FUSE_KERNEL_MINOR_VERSION;
    out.max_readahead = body->max_readahead;
    out.max_background = 16;
    out.max_write = 1 << 20;
    out.time_gran = 1;
    Answer(fd, in->unique, out);
    const uint32_t length = in->len;
    std::memcpy(state + kInitAt, &length, sizeof(length));
  }

  void Serve(int fd, const char* request) const {
    const auto* in = reinterpret_cast<const fuse_in_header*>(request);
    const char* body = request + sizeof(*in);
    switch (in->opcode) {
      case FUSE_INIT:
        return Init(fd, in, reinterpret_cast<const fuse_init_in*>(body));
      case FUSE_FORGET:
      case FUSE_BATCH_FORGET:
      case FUSE_INTERRUPT:
        return;
      case FUSE_LOOKUP: {
        if (std::strcmp(body, "pid") != 0) return Answer(fd, in->unique, ENOENT, nullptr, 0);
        fuse_entry_out out{};
        out.nodeid = kFile;
        out.attr = Attr(kFile);
        return Answer(fd, in->unique, out);
      }
      case FUSE_GETATTR: {
        fuse_attr_out out{};
        out.attr = Attr(in->nodeid);
        return Answer(fd, in->unique, out);
      }
      case FUSE_OPEN:
      case FUSE_OPENDIR: {
        fuse_open_out out{};
        out.open_flags = FOPEN_DIRECT_IO;
        return Answer(fd, in->unique, out);
      }
      case FUSE_READ: {
        const auto* read = reinterpret_cast<const fuse_read_in*>(body);
        const std::string text = read->offset == 0 ? std::to_string(::getpid()) : "";
        return Answer(fd, in->unique, 0, text.data(), text.size());
      }
      case FUSE_STATFS: {
        fuse_statfs_out out{};
        out.st = {.blocks = 1000,
                  .bfree = 600,
                  .bavail = 600,
                  .files = 10,
                  .ffree = 5,
                  .bsize = 4096,
                  .namelen = 255,
                  .frsize = 4096,
                  .padding = 0,
                  .spare = {}};
        return Answer(fd, in->unique, out);
      }
      case FUSE_READDIR:
      case FUSE_RELEASE:
      case FUSE_RELEASEDIR:
      case FUSE_FLUSH:
      case FUSE_DESTROY:
        return Answer(fd, in->unique, 0, nullptr, 0);
      default:
        return Answer(fd, in->unique, ENOSYS, nullptr, 0);
    }
  }

  void Tell(const mounter::FromMounter& message) const {
    if (!channel.Send(message).ok()) ::_exit(5);
  }

  void SayFailed() const {
    mounter::FromMounter message;
    message.mutable_failed()->set_kind(mounter::FAILURE_UNREACHABLE);
    message.mutable_failed()->set_sentence("no mgmtd answers: check the addresses");
    Tell(message);
    ::_exit(1);
  }

  void Start() {
    if (!channel.WaitReadable(std::chrono::seconds(10))) ::_exit(6);
    mounter::ToMounter message;
    const auto received = channel.Receive(&message, &fds);
    if (!received.ok() || !message.has_start()) ::_exit(7);
    const mounter::Start& start = message.start();
    if (fds.size() != start.clones() + 2) ::_exit(8);
    mode = start.spec().options().count("fake") != 0 ? start.spec().options().at("fake") : "";
    successor = start.successor();
    if (mode == "fail" || (mode == "late-fail" && successor)) SayFailed();
    if (mode == "exit") ::_exit(9);
    if (mode == "hang") ::pause();
    if (mode == "stubborn") ::signal(SIGTERM, SIG_IGN);
    if (start.token() != "secret") ::_exit(10);
    void* mapped =
        ::mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fds.back().get(), 0);
    if (mapped == MAP_FAILED || std::memcmp(mapped, "3fsState", 8) != 0) ::_exit(11);
    state = static_cast<char*>(mapped);
    state_fd = std::move(fds.back());  // stays open: the next keeper takes it from here
    fds.pop_back();
    uint32_t initialised = 0;
    std::memcpy(&initialised, state + kInitAt, sizeof(initialised));
    if (initialised != 0) {
      fuse_out_header resend{};
      resend.len = sizeof(resend);
      resend.error = 7;  // FUSE_NOTIFY_RESEND
      if (::write(fds[0].get(), &resend, sizeof(resend)) < 0) ::_exit(12);
    } else {
      ReadOne(fds[0].get());  // INIT, always the first
    }
    mounter::FromMounter ready;
    ready.mutable_ready()->set_version("fake");
    Tell(ready);
  }

  void ReadOne(int fd) const {
    static std::array<char, (1 << 20) + 8192> buffer;
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == ENODEV) {
      if (mode == "stubborn") ::pause();
      ::_exit(0);
    }
    if (n > 0) Serve(fd, buffer.data());
  }

  void Run() {
    std::vector<pollfd> polls;
    polls.push_back({.fd = 3, .events = POLLIN, .revents = 0});
    for (const auto& fd : fds) polls.push_back({.fd = fd.get(), .events = POLLIN, .revents = 0});
    if (mode == "mute") polls.resize(1);
    for (;;) {
      if (::poll(polls.data(), polls.size(), -1) < 0) continue;
      if (polls[0].revents != 0) {
        mounter::ToMounter message;
        const auto received = channel.Receive(&message);
        if (!received.ok() || *received == control::Received::kClosed) polls[0].fd = -1;
        if (message.has_stop() && mode != "stubborn") ::_exit(0);
      }
      for (size_t i = 1; i < polls.size(); ++i) {
        // Another descriptor of the connection may have taken the request: read only what is still
        // there.
        if (polls[i].revents != 0 && ::poll(&polls[i], 1, 0) > 0) ReadOne(polls[i].fd);
      }
    }
  }
};

}  // namespace
}  // namespace threefs

int main() {
  threefs::FakeMounter fake;
  fake.Start();
  fake.Run();
}

// SPDX-License-Identifier: Apache-2.0
// Directories, statfs, access, ioctl, extended attributes; and the making of a session.
#include <linux/fuse.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "client/base/log.h"
#include "mounter/fs/errno_map.h"
#include "mounter/fuse/dev_queue.h"
#include "mounter/fuse/lowlevel.h"
#include "mounter/fuse/replies.h"

namespace threefs::fuse {
namespace {

using fs::Handle;
using fs::OpKind;

constexpr size_t kMaxPage = 1U << 20;
constexpr size_t kMinItem = 32;       // a dirent of a one-letter name
constexpr size_t kMinItemPlus = 160;  // the same with its attributes
constexpr size_t kMaxIoctl = 64U << 10;

Task<void> AnswerStatus(Request r, Task<Status> task) {
  const Status s = co_await std::move(task);
  std::move(r).Error(s);
}

Task<void> AnswerOpen(Request r, Task<Result<fs::OpenReply>> task) {
  const auto o = co_await std::move(task);
  if (o.ok()) {
    ReplyOpen(std::move(r), *o);
  } else {
    std::move(r).Error(o.status());
  }
}

void OpenDir(fuse_req_t req, fuse_ino_t node, fuse_file_info*) {
  Request r = DevQueue::From(req)->Begin(req, node);
  auto task = r.fs().dirs->OpenDir(r.op(), node);
  Spawn(AnswerOpen(std::move(r), std::move(task)));
}

Task<void> RunReadDir(Request r, Handle handle, uint64_t offset, size_t size, bool plus) {
  const auto limit = static_cast<uint32_t>(size / (plus ? kMinItemPlus : kMinItem) + 1);
  const auto items = co_await r.fs().dirs->ReadDir(r.op(), handle, offset, limit, plus);
  if (!items.ok()) {
    std::move(r).Error(items.status());
    co_return;
  }
  std::vector<char> page(size);
  size_t used = 0;
  for (const fs::DirItem& item : *items) {
    const size_t needed = AddToPage(r, &page, used, item, plus);
    if (needed > size - used) break;
    used += needed;
  }
  ReplyPage(std::move(r), page, used);
}

void ReadDirAny(fuse_req_t req, fuse_ino_t node, size_t size, off_t offset, fuse_file_info* fi,
                bool plus) {
  Request r = DevQueue::From(req)->Begin(req, node);
  Spawn(RunReadDir(std::move(r), {node, fi->fh}, static_cast<uint64_t>(offset),
                   std::min(size, kMaxPage), plus));
}
void ReadDir(fuse_req_t req, fuse_ino_t node, size_t size, off_t offset, fuse_file_info* fi) {
  ReadDirAny(req, node, size, offset, fi, false);
}
void ReadDirPlus(fuse_req_t req, fuse_ino_t node, size_t size, off_t offset, fuse_file_info* fi) {
  ReadDirAny(req, node, size, offset, fi, true);
}

void ReleaseDir(fuse_req_t req, fuse_ino_t node, fuse_file_info* fi) {
  Request r = DevQueue::From(req)->Begin(req, node);
  r.fs().dirs->ReleaseDir({node, fi->fh});
  std::move(r).Error(Status());
}

// Names are on storage when their operation returns.
void FsyncDir(fuse_req_t req, fuse_ino_t node, int, fuse_file_info*) {
  DevQueue::From(req)->Begin(req, node).Error(Status());
}

Task<void> RunStatFs(Request r) {
  const auto s = co_await r.fs().others->GetStatFs(r.op());
  if (s.ok()) {
    ReplyStatFs(std::move(r), *s);
  } else {
    std::move(r).Error(s.status());
  }
}
void StatFs(fuse_req_t req, fuse_ino_t node) {
  Spawn(RunStatFs(DevQueue::From(req)->Begin(req, node)));
}

void Access(fuse_req_t req, fuse_ino_t node, int mask) {
  Request r = DevQueue::From(req)->Begin(req, node);
  auto task = r.fs().others->Access(r.op(), node, static_cast<uint32_t>(mask));
  Spawn(AnswerStatus(std::move(r), std::move(task)));
}

Task<void> RunIoctl(Request r, Handle handle, uint32_t command, std::vector<uint8_t> in,
                    size_t out_size) {
  auto reply = co_await r.fs().others->Ioctl(r.op(), handle, command, std::move(in), out_size);
  if (!reply.ok()) {
    std::move(r).Error(reply.status(), OpKind::kSetAttr);
    co_return;
  }
  reply->out.resize(std::min(reply->out.size(), out_size));
  ReplyIoctl(std::move(r), *reply);
}

void Ioctl(fuse_req_t req, fuse_ino_t node, unsigned int command, void*, fuse_file_info* fi,
           unsigned flags, const void* in, size_t in_size, size_t out_size) {
  Request r = DevQueue::From(req)->Begin(req, node);
  if ((flags & FUSE_IOCTL_COMPAT) != 0 || in_size > kMaxIoctl || out_size > kMaxIoctl) {
    std::move(r).Error(fs::ErrnoStatus(ENOTTY, "an ioctl of another word size"));
    return;
  }
  const auto* bytes = static_cast<const uint8_t*>(in);
  std::vector<uint8_t> copy(bytes, bytes + in_size);
  Spawn(RunIoctl(std::move(r), {node, fi->fh}, command, std::move(copy), out_size));
}

void SetXattr(fuse_req_t req, fuse_ino_t node, const char* name, const char* value, size_t size,
              int) {
  Request r = DevQueue::From(req)->Begin(req, node);
  auto task = r.fs().others->SetXattr(r.op(), node, name, std::string(value, size));
  Spawn(AnswerStatus(std::move(r), std::move(task)));
}

Task<void> AnswerXattr(Request r, Task<Result<std::string>> task, size_t size) {
  const auto value = co_await std::move(task);
  if (value.ok()) {
    ReplyXattr(std::move(r), *value, size);
  } else {
    std::move(r).Error(value.status());
  }
}

void GetXattr(fuse_req_t req, fuse_ino_t node, const char* name, size_t size) {
  Request r = DevQueue::From(req)->Begin(req, node);
  auto task = r.fs().others->GetXattr(r.op(), node, name);
  Spawn(AnswerXattr(std::move(r), std::move(task), size));
}

void ListXattr(fuse_req_t req, fuse_ino_t node, size_t size) {
  Request r = DevQueue::From(req)->Begin(req, node);
  auto task = r.fs().others->ListXattr(r.op(), node);
  Spawn(AnswerXattr(std::move(r), std::move(task), size));
}

void RemoveXattr(fuse_req_t req, fuse_ino_t node, const char* name) {
  Request r = DevQueue::From(req)->Begin(req, node);
  auto task = r.fs().others->RemoveXattr(r.op(), node, name);
  Spawn(AnswerStatus(std::move(r), std::move(task)));
}

void Init(void* queue, fuse_conn_info* conn) {
  const QueueOptions& o = static_cast<DevQueue*>(queue)->options();
  conn->max_background = o.max_background;
  conn->congestion_threshold = std::max(1U, o.max_background * 3 / 4);
  // Answers leave from our own buffers by writev; a pipe in between would cost a copy.
  conn->want &=
      ~static_cast<unsigned>(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
}

fuse_lowlevel_ops AllOps() {
  fuse_lowlevel_ops ops{};
  ops.init = Init;
  AddNameOps(&ops);
  AddFileOps(&ops);
  ops.opendir = OpenDir;
  ops.readdir = ReadDir;
  ops.readdirplus = ReadDirPlus;
  ops.releasedir = ReleaseDir;
  ops.fsyncdir = FsyncDir;
  ops.statfs = StatFs;
  ops.access = Access;
  ops.ioctl = Ioctl;
  ops.setxattr = SetXattr;
  ops.getxattr = GetXattr;
  ops.listxattr = ListXattr;
  ops.removexattr = RemoveXattr;
  return ops;
}

void LogFromLibfuse(fuse_log_level level, const char* format, va_list args) {
  if (level > FUSE_LOG_WARNING) return;
  std::array<char, 512> line;
  std::vsnprintf(line.data(), line.size(), format, args);
  std::string_view text = line.data();
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  LOG_WARN("libfuse: {}", text);
}

}  // namespace

fuse_session* NewSession(DevQueue* queue) {
  static const fuse_lowlevel_ops kOps = AllOps();
  fuse_set_log_func(LogFromLibfuse);
  static char name[] = "threefs-mounter";
  char* argv[] = {name, nullptr};
  fuse_args args = FUSE_ARGS_INIT(1, argv);
  fuse_session* session = fuse_session_new(&args, &kOps, sizeof(kOps), queue);
  fuse_opt_free_args(&args);  // libfuse works on a copy of its own
  return session;
}

}  // namespace threefs::fuse

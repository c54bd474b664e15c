// SPDX-License-Identifier: Apache-2.0
// Open files: data in and out, and what holds them open.
#include <linux/fuse.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "mounter/fs/errno_map.h"
#include "mounter/fuse/dev_queue.h"
#include "mounter/fuse/lowlevel.h"
#include "mounter/fuse/replies.h"

namespace threefs::fuse {
namespace {

using fs::Handle;
using fs::OpKind;

// One COPY_FILE_RANGE copies at most this much: short counts are legal and keep it interruptible.
constexpr uint64_t kCopyAtOnce = 8U << 20;
constexpr uint32_t kCopyPiece = 1U << 20;

Task<void> AnswerOpen(Request r, Task<Result<fs::OpenReply>> task) {
  const auto o = co_await std::move(task);
  if (o.ok()) {
    ReplyOpen(std::move(r), *o);
  } else {
    std::move(r).Error(o.status());
  }
}

Task<void> AnswerCreate(Request r, Task<Result<fs::CreateReply>> task) {
  const auto c = co_await std::move(task);
  if (c.ok()) {
    ReplyCreate(std::move(r), *c);
  } else {
    std::move(r).Error(c.status());
  }
}

Task<void> AnswerRead(Request r, Task<Result<fs::ReadReply>> task) {
  const auto d = co_await std::move(task);
  if (d.ok()) {
    ReplyData(std::move(r), *d);
  } else {
    std::move(r).Error(d.status(), OpKind::kData);
  }
}

Task<void> AnswerWrite(Request r, Task<Result<uint32_t>> task) {
  const auto n = co_await std::move(task);
  if (n.ok()) {
    ReplyWritten(std::move(r), *n);
  } else {
    std::move(r).Error(n.status(), OpKind::kData);
  }
}

Task<void> AnswerStatus(Request r, Task<Status> task) {
  const Status s = co_await std::move(task);
  std::move(r).Error(s, OpKind::kData);
}

void Open(fuse_req_t req, fuse_ino_t node, fuse_file_info* fi) {
  Request r = DevQueue::From(req)->Begin(req, node);
  auto task = r.fs().files->Open(r.op(), node, fi->flags);
  Spawn(AnswerOpen(std::move(r), std::move(task)));
}

void Create(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode, fuse_file_info* fi) {
  Request r = DevQueue::From(req)->Begin(req, parent);
  if (std::strlen(name) > fs::kMaxName) {
    std::move(r).Error(Code::kMetaNameTooLong);
    return;
  }
  auto task = r.fs().files->Create(r.op(), parent, name, mode & 07777U, fi->flags);
  Spawn(AnswerCreate(std::move(r), std::move(task)));
}

void Read(fuse_req_t req, fuse_ino_t node, size_t size, off_t offset, fuse_file_info* fi) {
  Request r = DevQueue::From(req)->Begin(req, node);
  if (offset < 0 || size > kCopyPiece) {
    std::move(r).Error({Code::kInvalidArg, "a read out of range"});
    return;
  }
  auto task = r.fs().files->Read(r.op(), {node, fi->fh}, static_cast<uint64_t>(offset),
                                 static_cast<uint32_t>(size));
  Spawn(AnswerRead(std::move(r), std::move(task)));
}

void Write(fuse_req_t req, fuse_ino_t node, const char* data, size_t size, off_t offset,
           fuse_file_info* fi) {
  DevQueue* queue = DevQueue::From(req);
  fuse_write_in in{};
  std::memcpy(&in, queue->current().data() + sizeof(fuse_in_header), sizeof(in));
  Request r = queue->Begin(req, node);
  if (offset < 0) {
    std::move(r).Error({Code::kInvalidArg, "a write out of range"});
    return;
  }
  const bool kill = (in.write_flags & FUSE_WRITE_KILL_SUIDGID) != 0;
  auto task = r.fs().files->Write(r.op(), {node, fi->fh}, static_cast<uint64_t>(offset),
                                  queue->TakePayload(data, size), kill);
  Spawn(AnswerWrite(std::move(r), std::move(task)));
}

void Flush(fuse_req_t req, fuse_ino_t node, fuse_file_info* fi) {
  Request r = DevQueue::From(req)->Begin(req, node);
  auto task = r.fs().files->Flush(r.op(), {node, fi->fh});
  Spawn(AnswerStatus(std::move(r), std::move(task)));
}

void Fsync(fuse_req_t req, fuse_ino_t node, int data_only, fuse_file_info* fi) {
  Request r = DevQueue::From(req)->Begin(req, node);
  auto task = r.fs().files->Fsync(r.op(), {node, fi->fh}, data_only != 0);
  Spawn(AnswerStatus(std::move(r), std::move(task)));
}

void Release(fuse_req_t req, fuse_ino_t node, fuse_file_info* fi) {
  Request r = DevQueue::From(req)->Begin(req, node);
  auto task = r.fs().files->Release(r.op(), {node, fi->fh});
  Spawn(AnswerStatus(std::move(r), std::move(task)));
}

void Allocate(fuse_req_t req, fuse_ino_t node, int mode, off_t offset, off_t length,
              fuse_file_info* fi) {
  Request r = DevQueue::From(req)->Begin(req, node);
  if (offset < 0 || length <= 0) {
    std::move(r).Error({Code::kInvalidArg, "a range out of range"});
    return;
  }
  auto task = r.fs().files->Allocate(r.op(), {node, fi->fh}, mode, static_cast<uint64_t>(offset),
                                     static_cast<uint64_t>(length));
  Spawn(AnswerStatus(std::move(r), std::move(task)));
}

Task<void> RunSeek(Request r, Handle handle, uint64_t offset, bool data) {
  const auto at = co_await r.fs().files->Seek(r.op(), handle, offset, data);
  if (!at.ok()) {
    std::move(r).Error(at.status(), OpKind::kData);
  } else if (!at->has_value()) {
    std::move(r).Error(fs::ErrnoStatus(ENXIO, "behind the end of the file"));
  } else {
    ReplyOffset(std::move(r), **at);
  }
}

void Seek(fuse_req_t req, fuse_ino_t node, off_t offset, int whence, fuse_file_info* fi) {
  Request r = DevQueue::From(req)->Begin(req, node);
  if ((whence != SEEK_DATA && whence != SEEK_HOLE) || offset < 0) {
    std::move(r).Error(fs::ErrnoStatus(offset < 0 ? ENXIO : EINVAL, "not a place to seek"));
    return;
  }
  Spawn(RunSeek(std::move(r), {node, fi->fh}, static_cast<uint64_t>(offset), whence == SEEK_DATA));
}

struct CopyArgs {
  Handle from, to;
  uint64_t from_offset = 0, to_offset = 0, length = 0;
};

// Bytes copied; an error only when none was.
Task<Result<uint32_t>> Copy(fs::FileOps* files, fs::Op op, CopyArgs a) {
  uint64_t done = 0;
  Status failed;
  while (done < a.length && failed.ok()) {
    const auto piece = static_cast<uint32_t>(std::min<uint64_t>(kCopyPiece, a.length - done));
    const auto read = co_await files->Read(op, a.from, a.from_offset + done, piece);
    if (!read.ok()) {
      failed = read.status();
      break;
    }
    const uint64_t before = done;
    for (const Bytes& b : read->pieces) {
      const auto n = co_await files->Write(op, a.to, a.to_offset + done, b, false);
      if (!n.ok()) {
        failed = n.status();
        break;
      }
      done += *n;
      if (*n < b.size()) co_return static_cast<uint32_t>(done);
    }
    if (done - before < piece) break;  // the source ends here
  }
  if (!failed.ok() && done == 0) co_return failed;
  co_return static_cast<uint32_t>(done);
}

void CopyRange(fuse_req_t req, fuse_ino_t node_in, off_t off_in, fuse_file_info* fi_in,
               fuse_ino_t node_out, off_t off_out, fuse_file_info* fi_out, size_t len, int) {
  Request r = DevQueue::From(req)->Begin(req, node_in);
  if (off_in < 0 || off_out < 0) {
    std::move(r).Error({Code::kInvalidArg, "a copy out of range"});
    return;
  }
  const CopyArgs args{{node_in, fi_in->fh},
                      {node_out, fi_out->fh},
                      static_cast<uint64_t>(off_in),
                      static_cast<uint64_t>(off_out),
                      std::min<uint64_t>(len, kCopyAtOnce)};
  auto task = Copy(r.fs().files, r.op(), args);
  Spawn(AnswerWrite(std::move(r), std::move(task)));
}

}  // namespace

void AddFileOps(fuse_lowlevel_ops* ops) {
  ops->open = Open;
  ops->create = Create;
  ops->read = Read;
  ops->write = Write;
  ops->flush = Flush;
  ops->fsync = Fsync;
  ops->release = Release;
  ops->fallocate = Allocate;
  ops->lseek = Seek;
  ops->copy_file_range = CopyRange;
}

}  // namespace threefs::fuse

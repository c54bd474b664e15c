// SPDX-License-Identifier: Apache-2.0
// Names and attributes: each operation decodes, makes a Request and starts its task; the task
// answers.
#include <linux/fuse.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "mounter/fs/errno_map.h"
#include "mounter/fuse/dev_queue.h"
#include "mounter/fuse/lowlevel.h"
#include "mounter/fuse/replies.h"

namespace threefs::fuse {
namespace {

using fs::NodeId;
using fs::OpKind;

Status CheckName(std::string_view name) {
  if (name.size() > fs::kMaxName) return Code::kMetaNameTooLong;
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string_view::npos) {
    return {Code::kInvalidArg, "not a name of a directory entry"};
  }
  return {};
}

Task<void> AnswerEntry(Request r, Task<Result<fs::Entry>> task) {
  const auto e = co_await std::move(task);
  if (e.ok()) {
    ReplyEntry(std::move(r), *e);
  } else {
    std::move(r).Error(e.status());
  }
}

Task<void> AnswerAttr(Request r, Task<Result<fs::AttrReply>> task, OpKind kind) {
  const auto a = co_await std::move(task);
  if (a.ok()) {
    ReplyAttr(std::move(r), *a);
  } else {
    std::move(r).Error(a.status(), kind);
  }
}

Task<void> AnswerStatus(Request r, Task<Status> task) {
  const Status s = co_await std::move(task);
  std::move(r).Error(s);
}

Task<void> AnswerText(Request r, Task<Result<std::string>> task) {
  const auto t = co_await std::move(task);
  if (t.ok()) {
    ReplyText(std::move(r), *t);
  } else {
    std::move(r).Error(t.status());
  }
}

// A request whose name was refused is answered here; null then.
bool Refused(Request* r, std::string_view name) {
  const Status s = CheckName(name);
  if (s.ok()) return false;
  std::move(*r).Error(s);
  return true;
}

void Lookup(fuse_req_t req, fuse_ino_t parent, const char* name) {
  Request r = DevQueue::From(req)->Begin(req, parent);
  if (Refused(&r, name)) return;
  auto task = r.fs().names->Lookup(r.op(), parent, name);
  Spawn(AnswerEntry(std::move(r), std::move(task)));
}

void Forget(fuse_req_t req, fuse_ino_t node, uint64_t) {
  DevQueue::From(req)->options().fs.names->Forget(node);
  fuse_reply_none(req);
}

void ForgetMulti(fuse_req_t req, size_t count, fuse_forget_data* forgets) {
  fs::NameOps* names = DevQueue::From(req)->options().fs.names;
  for (size_t i = 0; i < count; ++i) names->Forget(forgets[i].ino);
  fuse_reply_none(req);
}

void GetAttr(fuse_req_t req, fuse_ino_t node, fuse_file_info*) {
  Request r = DevQueue::From(req)->Begin(req, node);
  auto task = r.fs().names->GetAttr(r.op(), node);
  Spawn(AnswerAttr(std::move(r), std::move(task), OpKind::kOther));
}

fs::TimeChange ToTime(int to_set, int bit, int now_bit, const timespec& t) {
  using Kind = fs::TimeChange::Kind;
  if ((to_set & now_bit) != 0) return {Kind::kNow, 0};
  if ((to_set & bit) == 0) return {};
  // What the wire's microseconds cannot hold becomes the furthest time they can.
  constexpr int64_t kFurthest = INT64_MAX / 1'000'000 - 1;
  const int64_t seconds = std::clamp(static_cast<int64_t>(t.tv_sec), -kFurthest, kFurthest);
  return {Kind::kExplicit, seconds * 1'000'000 + std::clamp(t.tv_nsec, 0L, 999'999'999L) / 1000};
}

void SetAttr(fuse_req_t req, fuse_ino_t node, struct stat* st, int to_set, fuse_file_info*) {
  DevQueue* queue = DevQueue::From(req);
  fuse_setattr_in raw{};
  std::memcpy(&raw, queue->current().data() + sizeof(fuse_in_header), sizeof(raw));
  Request r = queue->Begin(req, node);
  fs::AttrChange change;
  if ((to_set & FUSE_SET_ATTR_MODE) != 0) change.mode = st->st_mode & 07777U;
  if ((to_set & FUSE_SET_ATTR_UID) != 0) change.uid = st->st_uid;
  if ((to_set & FUSE_SET_ATTR_GID) != 0) change.gid = st->st_gid;
  if ((to_set & FUSE_SET_ATTR_SIZE) != 0) change.size = static_cast<uint64_t>(st->st_size);
  change.atime = ToTime(to_set, FUSE_SET_ATTR_ATIME, FUSE_SET_ATTR_ATIME_NOW, st->st_atim);
  change.mtime = ToTime(to_set, FUSE_SET_ATTR_MTIME, FUSE_SET_ATTR_MTIME_NOW, st->st_mtim);
  change.kill_suidgid = (raw.valid & FATTR_KILL_SUIDGID) != 0;
  const OpKind kind = change.size.has_value() ? OpKind::kOther : OpKind::kSetAttr;
  auto task = r.fs().names->SetAttr(r.op(), node, change);
  Spawn(AnswerAttr(std::move(r), std::move(task), kind));
}

void ReadLink(fuse_req_t req, fuse_ino_t node) {
  Request r = DevQueue::From(req)->Begin(req, node);
  auto task = r.fs().names->ReadLink(r.op(), node);
  Spawn(AnswerText(std::move(r), std::move(task)));
}

void MakeNode(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode, dev_t) {
  Request r = DevQueue::From(req)->Begin(req, parent);
  if (Refused(&r, name)) return;
  if ((mode & S_IFMT) != S_IFREG && (mode & S_IFMT) != 0) {
    // mknod(2): EPERM is a file system without this kind of node. 3FS has no pipes, sockets and
    // devices.
    std::move(r).Error(fs::ErrnoStatus(EPERM, "3FS holds files, directories and symlinks only"));
    return;
  }
  auto task = r.fs().names->MakeFile(r.op(), parent, name, mode & 07777U);
  Spawn(AnswerEntry(std::move(r), std::move(task)));
}

void MakeDir(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode) {
  Request r = DevQueue::From(req)->Begin(req, parent);
  if (Refused(&r, name)) return;
  auto task = r.fs().names->MakeDir(r.op(), parent, name, mode & 07777U);
  Spawn(AnswerEntry(std::move(r), std::move(task)));
}

void Symlink(fuse_req_t req, const char* target, fuse_ino_t parent, const char* name) {
  Request r = DevQueue::From(req)->Begin(req, parent);
  if (Refused(&r, name)) return;
  auto task = r.fs().names->MakeSymlink(r.op(), parent, name, target);
  Spawn(AnswerEntry(std::move(r), std::move(task)));
}

void Link(fuse_req_t req, fuse_ino_t node, fuse_ino_t parent, const char* name) {
  Request r = DevQueue::From(req)->Begin(req, node);
  if (Refused(&r, name)) return;
  auto task = r.fs().names->Link(r.op(), node, parent, name);
  Spawn(AnswerEntry(std::move(r), std::move(task)));
}

void Remove(fuse_req_t req, fuse_ino_t parent, const char* name, bool directory) {
  Request r = DevQueue::From(req)->Begin(req, parent);
  if (Refused(&r, name)) return;
  auto task = r.fs().names->Remove(r.op(), parent, name, directory);
  Spawn(AnswerStatus(std::move(r), std::move(task)));
}
void Unlink(fuse_req_t req, fuse_ino_t parent, const char* name) {
  Remove(req, parent, name, false);
}
void RemoveDir(fuse_req_t req, fuse_ino_t parent, const char* name) {
  Remove(req, parent, name, true);
}

void Rename(fuse_req_t req, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
            const char* new_name, unsigned int flags) {
  Request r = DevQueue::From(req)->Begin(req, parent);
  if (Refused(&r, name)) return;
  if (Refused(&r, new_name)) return;
  auto task = r.fs().names->Rename(r.op(), {parent, name, new_parent, new_name, flags});
  Spawn(AnswerStatus(std::move(r), std::move(task)));
}

}  // namespace

void AddNameOps(fuse_lowlevel_ops* ops) {
  ops->lookup = Lookup;
  ops->forget = Forget;
  ops->forget_multi = ForgetMulti;
  ops->getattr = GetAttr;
  ops->setattr = SetAttr;
  ops->readlink = ReadLink;
  ops->mknod = MakeNode;
  ops->mkdir = MakeDir;
  ops->symlink = Symlink;
  ops->link = Link;
  ops->unlink = Unlink;
  ops->rmdir = RemoveDir;
  ops->rename = Rename;
}

}  // namespace threefs::fuse

// SPDX-License-Identifier: Apache-2.0
#include "mounter/fuse/replies.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "client/base/log.h"
#include "mounter/fs/errno_map.h"
#include "mounter/fuse/dev_queue.h"
#include "mounter/fuse/lowlevel.h"

namespace threefs::fuse {
namespace {

using metrics::Counters;

// FOPEN_PARALLEL_DIRECT_WRITES: direct writes that do not extend the file need no lock among
// themselves.
constexpr uint32_t kParallelDirectWrites = 1U << 6;

timespec ToTimespec(int64_t us) {
  int64_t seconds = us / 1'000'000;
  int64_t rest = us % 1'000'000;
  if (rest < 0) {
    --seconds;
    rest += 1'000'000;
  }
  return {seconds, rest * 1000};
}

struct stat ToStat(const fs::Attr& a) {
  struct stat st{};
  st.st_ino = a.ino;
  st.st_mode = a.mode;
  st.st_nlink = a.nlink;
  st.st_uid = a.uid;
  st.st_gid = a.gid;
  st.st_size = static_cast<off_t>(a.size);
  st.st_blocks = static_cast<blkcnt_t>(a.blocks);
  st.st_blksize = a.blksize;
  st.st_atim = ToTimespec(a.atime_us);
  st.st_mtim = ToTimespec(a.mtime_us);
  st.st_ctim = ToTimespec(a.ctime_us);
  return st;
}

double Seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

fuse_entry_param ToParam(const fs::Entry& e) {
  fuse_entry_param p{};
  p.ino = e.node;
  p.attr = ToStat(e.attr);
  p.attr_timeout = Seconds(e.attr_ttl);
  p.entry_timeout = Seconds(e.entry_ttl);
  return p;
}

fuse_file_info ToInfo(const fs::OpenReply& open) {
  fuse_file_info fi{};
  fi.fh = open.fh;
  fi.keep_cache = open.keep_cache ? 1 : 0;
  fi.direct_io = open.direct_io ? 1 : 0;
  return fi;
}

}  // namespace
void ReplyEntry(Request r, const fs::Entry& entry) {
  const fuse_entry_param p = ToParam(entry);
  fuse_reply_entry(std::move(r).Finish(0), &p);
}

void ReplyAttr(Request r, const fs::AttrReply& attr) {
  const struct stat st = ToStat(attr.attr);
  fuse_reply_attr(std::move(r).Finish(0), &st, Seconds(attr.ttl));
}

void ReplyOpen(Request r, const fs::OpenReply& open) {
  const fuse_file_info fi = ToInfo(open);
  r.state().queue->PatchOpenFlags(kParallelDirectWrites);
  fuse_reply_open(std::move(r).Finish(0), &fi);
}

void ReplyCreate(Request r, const fs::CreateReply& create) {
  const fuse_entry_param p = ToParam(create.entry);
  const fuse_file_info fi = ToInfo(create.open);
  r.state().queue->PatchOpenFlags(kParallelDirectWrites);
  fuse_reply_create(std::move(r).Finish(0), &p, &fi);
}

void ReplyText(Request r, const std::string& text) {
  fuse_reply_buf(std::move(r).Finish(0), text.data(), text.size());
}

void ReplyWritten(Request r, uint32_t count) {
  Counters::Slot::Add(r.state().queue->counters().written_bytes, count);
  fuse_reply_write(std::move(r).Finish(0), count);
}

void ReplyData(Request r, const fs::ReadReply& read) {
  DevQueue* queue = r.state().queue;
  Counters::Slot::Add(queue->counters().read_bytes, read.length);
  fuse_out_header header{static_cast<uint32_t>(sizeof(header) + read.length), 0, r.state().unique};
  std::array<iovec, 64> few;
  std::vector<iovec> many;
  iovec* pieces = few.data();
  if (read.pieces.size() + 1 > few.size()) {
    many.resize(read.pieces.size() + 1);
    pieces = many.data();
  }
  int count = 0;
  pieces[count++] = {&header, sizeof(header)};
  for (const Bytes& b : read.pieces) {
    if (!b.empty()) pieces[count++] = {const_cast<uint8_t*>(b.data()), b.size()};
  }
  fuse_req* req = std::move(r).Finish(0);
  ssize_t sent = 0;
  constexpr int kMaxPieces = 1024;  // IOV_MAX
  if (count <= kMaxPieces) {
    sent = queue->WriteOut(pieces, count);
  } else {
    std::vector<uint8_t> flat;
    flat.reserve(read.length);
    for (const Bytes& b : read.pieces) flat.insert(flat.end(), b.data(), b.data() + b.size());
    iovec two[2] = {pieces[0], {flat.data(), flat.size()}};
    sent = queue->WriteOut(two, 2);
  }
  // ENOENT: the caller was killed meanwhile.
  if (sent < 0 && errno != ENOENT && errno != ENODEV)
    LOG_WARN("an answer was refused by the kernel: {}", std::strerror(errno));
  fuse_reply_none(req);
}

void ReplyStatFs(Request r, const fs::StatFs& s) {
  struct statvfs v{};
  v.f_bsize = v.f_frsize = s.block_size;
  v.f_blocks = s.blocks;
  v.f_bfree = v.f_bavail = s.free;
  v.f_namemax = fs::kMaxName;
  fuse_reply_statfs(std::move(r).Finish(0), &v);
}

void ReplyXattr(Request r, const std::string& value, size_t size) {
  if (size == 0) {
    fuse_reply_xattr(std::move(r).Finish(0), value.size());
  } else if (value.size() > size) {
    fuse_reply_err(std::move(r).Finish(0), ERANGE);
  } else {
    fuse_reply_buf(std::move(r).Finish(0), value.data(), value.size());
  }
}

void ReplyOffset(Request r, uint64_t offset) {
  fuse_reply_lseek(std::move(r).Finish(0), static_cast<off_t>(offset));
}

void ReplyIoctl(Request r, const fs::IoctlReply& reply) {
  fuse_reply_ioctl(std::move(r).Finish(0), reply.result, reply.out.data(), reply.out.size());
}

void ReplyPage(Request r, const std::vector<char>& page, size_t size) {
  fuse_reply_buf(std::move(r).Finish(0), page.data(), size);
}

size_t AddToPage(const Request& r, std::vector<char>* page, size_t used, const fs::DirItem& item,
                 bool plus) {
  char* at = page->data() + used;
  const size_t room = page->size() - used;
  if (plus) {
    const fuse_entry_param p = ToParam(item.entry);
    return fuse_add_direntry_plus(r.state().req, at, room, item.name.c_str(), &p,
                                  static_cast<off_t>(item.next));
  }
  const struct stat st = ToStat(item.entry.attr);
  return fuse_add_direntry(r.state().req, at, room, item.name.c_str(), &st,
                           static_cast<off_t>(item.next));
}

}  // namespace threefs::fuse

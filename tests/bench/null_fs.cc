// SPDX-License-Identifier: Apache-2.0
//
// A file system that does nothing, as fast as plain libfuse can: the yardstick for the mounter's
// FUSE front. One directory with kFiles files of a fixed size; reads answer zeros, writes are
// thrown away. libfuse's own multi-threaded loop with a cloned descriptor a thread. Usage: null_fs
// MOUNTPOINT [FILE_BYTES [MAX_THREADS]]; runs in the foreground until unmounted.
#define FUSE_USE_VERSION 312
#include <fuse3/fuse_lowlevel.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

constexpr fuse_ino_t kFirstFile = 2;
constexpr fuse_ino_t kFiles = 8;
constexpr double kForever = 86400;
constexpr size_t kMaxIo = 1 << 20;

uint64_t file_bytes = 4ULL << 30;
const std::vector<char> zeros(kMaxIo);

bool IsFile(fuse_ino_t ino) { return ino >= kFirstFile && ino < kFirstFile + kFiles; }
std::string NameOf(fuse_ino_t ino) { return "f" + std::to_string(ino - kFirstFile); }

struct stat AttrOf(fuse_ino_t ino) {
  struct stat attr = {};
  attr.st_ino = ino;
  attr.st_blksize = 4096;
  if (ino == FUSE_ROOT_ID) {
    attr.st_mode = S_IFDIR | 0755;
    attr.st_nlink = 2;
  } else {
    attr.st_mode = S_IFREG | 0666;
    attr.st_nlink = 1;
    attr.st_size = static_cast<off_t>(file_bytes);
    attr.st_blocks = static_cast<blkcnt_t>(file_bytes / 512);
  }
  return attr;
}

void Init(void*, fuse_conn_info* conn) {
  // The same conveniences the mounter asks for: splice copies cost more than they save for memory
  // replies.
  conn->want &= ~(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
  conn->want |= conn->capable & (FUSE_CAP_ASYNC_DIO | FUSE_CAP_PARALLEL_DIROPS);
  conn->max_write = kMaxIo;
  conn->max_readahead = kMaxIo;
  conn->max_background = 256;
  conn->congestion_threshold = 192;
}

void Lookup(fuse_req_t req, fuse_ino_t parent, const char* name) {
  fuse_entry_param entry = {};
  entry.attr_timeout = entry.entry_timeout = kForever;
  if (parent == FUSE_ROOT_ID) {
    for (fuse_ino_t ino = kFirstFile; ino < kFirstFile + kFiles; ++ino) {
      if (NameOf(ino) == name) {
        entry.ino = ino;
        entry.attr = AttrOf(ino);
        fuse_reply_entry(req, &entry);
        return;
      }
    }
  }
  fuse_reply_err(req, ENOENT);
}

void GetAttr(fuse_req_t req, fuse_ino_t ino, fuse_file_info*) {
  const struct stat attr = AttrOf(ino);
  fuse_reply_attr(req, &attr, kForever);
}

void SetAttr(fuse_req_t req, fuse_ino_t ino, struct stat*, int, fuse_file_info*) {
  GetAttr(req, ino, nullptr);
}

void ReadDir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, fuse_file_info*) {
  if (ino != FUSE_ROOT_ID) {
    fuse_reply_err(req, ENOTDIR);
    return;
  }
  std::vector<char> buffer(size);
  size_t used = 0;
  for (auto at = static_cast<fuse_ino_t>(offset); at < kFiles; ++at) {
    const struct stat attr = AttrOf(kFirstFile + at);
    const std::string name = NameOf(kFirstFile + at);
    const size_t need = fuse_add_direntry(req, buffer.data() + used, size - used, name.c_str(),
                                          &attr, static_cast<off_t>(at + 1));
    if (need > size - used) break;
    used += need;
  }
  fuse_reply_buf(req, buffer.data(), used);
}

void Open(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info) {
  if (!IsFile(ino)) {
    fuse_reply_err(req, EISDIR);
    return;
  }
  fuse_reply_open(req, info);
}

void Read(fuse_req_t req, fuse_ino_t, size_t size, off_t offset, fuse_file_info*) {
  const auto from = static_cast<uint64_t>(offset);
  const size_t left = from >= file_bytes ? 0 : static_cast<size_t>(file_bytes - from);
  size = size < left ? size : left;
  fuse_reply_buf(req, zeros.data(), size < kMaxIo ? size : kMaxIo);
}

void Write(fuse_req_t req, fuse_ino_t, const char*, size_t size, off_t, fuse_file_info*) {
  fuse_reply_write(req, size);
}

void Done(fuse_req_t req, fuse_ino_t, fuse_file_info*) { fuse_reply_err(req, 0); }

void Fsync(fuse_req_t req, fuse_ino_t, int, fuse_file_info*) { fuse_reply_err(req, 0); }

fuse_lowlevel_ops Operations() {
  fuse_lowlevel_ops ops = {};
  ops.init = Init;
  ops.lookup = Lookup;
  ops.getattr = GetAttr;
  ops.setattr = SetAttr;
  ops.readdir = ReadDir;
  ops.open = Open;
  ops.read = Read;
  ops.write = Write;
  ops.flush = Done;
  ops.release = Done;
  ops.fsync = Fsync;
  return ops;
}

int Serve(fuse_session* session, const char* mountpoint, unsigned threads) {
  if (fuse_set_signal_handlers(session) != 0 || fuse_session_mount(session, mountpoint) != 0)
    return 1;
  fuse_loop_config* config = fuse_loop_cfg_create();
  fuse_loop_cfg_set_clone_fd(config, 1);
  fuse_loop_cfg_set_max_threads(config, threads);
  const int code = fuse_session_loop_mt(session, config);
  fuse_loop_cfg_destroy(config);
  fuse_session_unmount(session);
  fuse_remove_signal_handlers(session);
  return code < 0 ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 4) {
    std::fprintf(stderr, "usage: %s MOUNTPOINT [FILE_BYTES [MAX_THREADS]]\n", argv[0]);
    return 2;
  }
  if (argc > 2) file_bytes = std::strtoull(argv[2], nullptr, 0);
  const unsigned threads = argc > 3 ? static_cast<unsigned>(std::strtoul(argv[3], nullptr, 0)) : 10;
  char program[] = "null_fs";
  char option[] = "-o";
  char value[] = "fsname=null,subtype=null,allow_other,default_permissions";
  char* arguments[] = {program, option, value, nullptr};
  fuse_args args = FUSE_ARGS_INIT(3, arguments);
  const fuse_lowlevel_ops ops = Operations();
  fuse_session* session = fuse_session_new(&args, &ops, sizeof ops, nullptr);
  if (session == nullptr) return 1;
  const int code = Serve(session, argv[1], threads);
  fuse_session_destroy(session);
  fuse_opt_free_args(&args);
  return code;
}

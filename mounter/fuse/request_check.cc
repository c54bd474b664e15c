// SPDX-License-Identifier: Apache-2.0
// How long each kind of request must be. libfuse believes the kernel; bytes that come another way
// (a fuzzer, a virtqueue) are checked here first.
#include <linux/fuse.h>

#include <cstring>

#include "mounter/fuse/lowlevel.h"

namespace threefs::fuse {
namespace {

constexpr int kRefuse = -1;
constexpr size_t kOldSetXattr =
    8;  // FUSE_COMPAT_SETXATTR_IN_SIZE: the extension is never negotiated

struct Shape {
  int fixed;  ///< bytes after the header
  int names;  ///< NUL-ended strings after them
};

Shape ShapeOf(uint32_t opcode) {
  switch (opcode) {
    case FUSE_LOOKUP:
    case FUSE_UNLINK:
    case FUSE_RMDIR:
    case FUSE_REMOVEXATTR:
      return {0, 1};
    case FUSE_FORGET:
      return {sizeof(fuse_forget_in), 0};
    case FUSE_BATCH_FORGET:
      return {sizeof(fuse_batch_forget_in), 0};
    case FUSE_GETATTR:
      return {sizeof(fuse_getattr_in), 0};
    case FUSE_SETATTR:
      return {sizeof(fuse_setattr_in), 0};
    case FUSE_SYMLINK:
      return {0, 2};
    case FUSE_MKNOD:
      return {sizeof(fuse_mknod_in), 1};
    case FUSE_MKDIR:
      return {sizeof(fuse_mkdir_in), 1};
    case FUSE_RENAME:
      return {sizeof(fuse_rename_in), 2};
    case FUSE_RENAME2:
      return {sizeof(fuse_rename2_in), 2};
    case FUSE_LINK:
      return {sizeof(fuse_link_in), 1};
    case FUSE_OPEN:
    case FUSE_OPENDIR:
      return {sizeof(fuse_open_in), 0};
    case FUSE_READ:
    case FUSE_READDIR:
    case FUSE_READDIRPLUS:
      return {sizeof(fuse_read_in), 0};
    case FUSE_WRITE:
      return {sizeof(fuse_write_in), 0};
    case FUSE_RELEASE:
    case FUSE_RELEASEDIR:
      return {sizeof(fuse_release_in), 0};
    case FUSE_FSYNC:
    case FUSE_FSYNCDIR:
      return {sizeof(fuse_fsync_in), 0};
    case FUSE_FLUSH:
      return {sizeof(fuse_flush_in), 0};
    case FUSE_SETXATTR:
      return {kOldSetXattr, 1};
    case FUSE_GETXATTR:
      return {sizeof(fuse_getxattr_in), 1};
    case FUSE_LISTXATTR:
      return {sizeof(fuse_getxattr_in), 0};
    case FUSE_INIT:
      return {16, 0};
    case FUSE_GETLK:
    case FUSE_SETLK:
    case FUSE_SETLKW:
      return {sizeof(fuse_lk_in), 0};
    case FUSE_ACCESS:
      return {sizeof(fuse_access_in), 0};
    case FUSE_CREATE:
      return {sizeof(fuse_create_in), 1};
    case FUSE_BMAP:
      return {sizeof(fuse_bmap_in), 0};
    case FUSE_IOCTL:
      return {sizeof(fuse_ioctl_in), 0};
    case FUSE_POLL:
      return {sizeof(fuse_poll_in), 0};
    case FUSE_FALLOCATE:
      return {sizeof(fuse_fallocate_in), 0};
    case FUSE_LSEEK:
      return {sizeof(fuse_lseek_in), 0};
    case FUSE_COPY_FILE_RANGE:
      return {sizeof(fuse_copy_file_range_in), 0};
    case FUSE_NOTIFY_REPLY:  // we never ask
    case CUSE_INIT:
      return {kRefuse, 0};
    default:  // no body, or libfuse answers ENOSYS without a look at it
      return {0, 0};
  }
}

template <class T>
T Load(ByteSpan s) {
  T t{};
  std::memcpy(&t, s.data(), std::min(sizeof(t), s.size()));
  return t;
}

// What follows the fixed part of requests that say how long it is.
bool TailFits(uint32_t opcode, ByteSpan body, ByteSpan tail) {
  switch (opcode) {
    case FUSE_WRITE:
      return Load<fuse_write_in>(body).size <= tail.size();
    case FUSE_SETXATTR:
      return Load<fuse_setxattr_in>(body).size <= tail.size();
    case FUSE_BATCH_FORGET:
      return Load<fuse_batch_forget_in>(body).count <= tail.size() / sizeof(fuse_forget_one);
    case FUSE_IOCTL:
      return Load<fuse_ioctl_in>(body).in_size <= tail.size();
    case FUSE_INIT: {
      const auto in = Load<fuse_init_in>(body);
      return (in.flags & FUSE_INIT_EXT) == 0 || body.size() >= sizeof(fuse_init_in);
    }
    default:
      return true;
  }
}

}  // namespace

bool RequestIsWhole(ByteSpan request) {
  if (request.size() < sizeof(fuse_in_header)) return false;
  const auto header = Load<fuse_in_header>(request);
  const Shape shape = ShapeOf(header.opcode);
  const ByteSpan body = request.subspan(sizeof(fuse_in_header));
  if (shape.fixed < 0 || body.size() < static_cast<size_t>(shape.fixed)) return false;
  ByteSpan tail = body.subspan(static_cast<size_t>(shape.fixed));
  for (int i = 0; i < shape.names; ++i) {
    const void* end = tail.empty() ? nullptr : std::memchr(tail.data(), 0, tail.size());
    if (end == nullptr) return false;
    tail = tail.subspan(static_cast<size_t>(static_cast<const uint8_t*>(end) - tail.data()) + 1);
  }
  return TailFits(header.opcode, body, tail);
}

}  // namespace threefs::fuse

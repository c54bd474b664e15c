// SPDX-License-Identifier: Apache-2.0
// How long each kind of request must be. libfuse believes the kernel; bytes that come another way
// (a fuzzer, a virtqueue) are checked here first.
#include <linux/fuse.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "mounter/fuse/lowlevel.h"

namespace threefs::fuse {
namespace {

constexpr int kRefuse = -1;
constexpr size_t kOldSetXattr =
    8;  // FUSE_COMPAT_SETXATTR_IN_SIZE: the extension is never negotiated

struct Shape {
  int fixed = 0;  ///< bytes after the header
  int names = 0;  ///< NUL-ended strings after them
};

// One row an operation; what is not listed has no body, or libfuse answers ENOSYS without a look at
// it.
struct Row {
  uint32_t opcode;
  Shape shape;
};
constexpr Row kShapes[] = {
    {FUSE_LOOKUP, {0, 1}},
    {FUSE_UNLINK, {0, 1}},
    {FUSE_RMDIR, {0, 1}},
    {FUSE_REMOVEXATTR, {0, 1}},
    {FUSE_SYMLINK, {0, 2}},
    {FUSE_MKNOD, {sizeof(fuse_mknod_in), 1}},
    {FUSE_MKDIR, {sizeof(fuse_mkdir_in), 1}},
    {FUSE_RENAME, {sizeof(fuse_rename_in), 2}},
    {FUSE_RENAME2, {sizeof(fuse_rename2_in), 2}},
    {FUSE_LINK, {sizeof(fuse_link_in), 1}},
    {FUSE_CREATE, {sizeof(fuse_create_in), 1}},
    {FUSE_SETXATTR, {kOldSetXattr, 1}},
    {FUSE_GETXATTR, {sizeof(fuse_getxattr_in), 1}},
    {FUSE_LISTXATTR, {sizeof(fuse_getxattr_in), 0}},
    {FUSE_FORGET, {sizeof(fuse_forget_in), 0}},
    {FUSE_BATCH_FORGET, {sizeof(fuse_batch_forget_in), 0}},
    {FUSE_GETATTR, {sizeof(fuse_getattr_in), 0}},
    {FUSE_SETATTR, {sizeof(fuse_setattr_in), 0}},
    {FUSE_OPEN, {sizeof(fuse_open_in), 0}},
    {FUSE_OPENDIR, {sizeof(fuse_open_in), 0}},
    {FUSE_READ, {sizeof(fuse_read_in), 0}},
    {FUSE_READDIR, {sizeof(fuse_read_in), 0}},
    {FUSE_READDIRPLUS, {sizeof(fuse_read_in), 0}},
    {FUSE_WRITE, {sizeof(fuse_write_in), 0}},
    {FUSE_RELEASE, {sizeof(fuse_release_in), 0}},
    {FUSE_RELEASEDIR, {sizeof(fuse_release_in), 0}},
    {FUSE_FSYNC, {sizeof(fuse_fsync_in), 0}},
    {FUSE_FSYNCDIR, {sizeof(fuse_fsync_in), 0}},
    {FUSE_FLUSH, {sizeof(fuse_flush_in), 0}},
    {FUSE_INIT, {16, 0}},
    {FUSE_GETLK, {sizeof(fuse_lk_in), 0}},
    {FUSE_SETLK, {sizeof(fuse_lk_in), 0}},
    {FUSE_SETLKW, {sizeof(fuse_lk_in), 0}},
    {FUSE_ACCESS, {sizeof(fuse_access_in), 0}},
    {FUSE_BMAP, {sizeof(fuse_bmap_in), 0}},
    {FUSE_IOCTL, {sizeof(fuse_ioctl_in), 0}},
    {FUSE_POLL, {sizeof(fuse_poll_in), 0}},
    {FUSE_FALLOCATE, {sizeof(fuse_fallocate_in), 0}},
    {FUSE_LSEEK, {sizeof(fuse_lseek_in), 0}},
    {FUSE_COPY_FILE_RANGE, {sizeof(fuse_copy_file_range_in), 0}},
    {FUSE_NOTIFY_REPLY, {kRefuse, 0}},  // we never ask
};

// Every request passes here: the table is indexed by opcode.
constexpr size_t kIndexed = 64;
constexpr auto kByOpcode = [] {
  std::array<Shape, kIndexed> table{};
  for (const Row& row : kShapes) {
    if (row.opcode < kIndexed) table[row.opcode] = row.shape;
  }
  return table;
}();

Shape ShapeOf(uint32_t opcode) {
  if (opcode < kIndexed) return kByOpcode[opcode];
  return opcode == CUSE_INIT ? Shape{kRefuse, 0} : Shape{0, 0};
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

// SPDX-License-Identifier: Apache-2.0
// FileSystem: what a front calls. Four small interfaces by theme; the 3FS volume (volume.h) and the
// null file system (null_fs.h) are its tenants. Every method runs on the loop named by op.loop, may
// suspend, and ends by op.call.deadline or its cancellation. Arguments are by value: the request's
// buffer may be gone after the first suspension. Names are single components, 1 … 255 bytes, never
// "." or ".." (the front checks).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "client/base/bytes.h"
#include "client/base/status.h"
#include "client/runtime/task.h"
#include "mounter/fs/types.h"

namespace threefs::fs {

class NameOps {
 public:
  virtual ~NameOps() = default;
  virtual Task<Result<Entry>> Lookup(Op op, NodeId parent, std::string name) = 0;
  /// The kernel dropped its last reference.
  virtual void Forget(NodeId node) = 0;
  virtual Task<Result<AttrReply>> GetAttr(Op op, NodeId node) = 0;
  virtual Task<Result<AttrReply>> SetAttr(Op op, NodeId node, AttrChange change) = 0;
  virtual Task<Result<std::string>> ReadLink(Op op, NodeId node) = 0;
  /// A regular file, not opened.
  virtual Task<Result<Entry>> MakeFile(Op op, NodeId parent, std::string name, uint32_t perm) = 0;
  virtual Task<Result<Entry>> MakeDir(Op op, NodeId parent, std::string name, uint32_t perm) = 0;
  virtual Task<Result<Entry>> MakeSymlink(Op op, NodeId parent, std::string name,
                                          std::string target) = 0;
  virtual Task<Result<Entry>> Link(Op op, NodeId node, NodeId parent, std::string name) = 0;
  virtual Task<Status> Remove(Op op, NodeId parent, std::string name, bool directory) = 0;
  virtual Task<Status> Rename(Op op, RenameArgs args) = 0;
};

class FileOps {
 public:
  virtual ~FileOps() = default;
  /// `flags`: open(2) bits of this machine.
  virtual Task<Result<OpenReply>> Open(Op op, NodeId node, int32_t flags) = 0;
  virtual Task<Result<CreateReply>> Create(Op op, NodeId parent, std::string name, uint32_t perm,
                                           int32_t flags) = 0;
  virtual Task<Result<ReadReply>> Read(Op op, Handle handle, uint64_t offset, uint32_t size) = 0;
  /// Bytes written from `offset` on; they are on storage when this returns.
  virtual Task<Result<uint32_t>> Write(Op op, Handle handle, uint64_t offset, Bytes data,
                                       bool kill_suidgid) = 0;
  /// close(2) of one descriptor: what was written becomes visible to other mounts.
  virtual Task<Status> Flush(Op op, Handle handle) = 0;
  virtual Task<Status> Fsync(Op op, Handle handle, bool data_only) = 0;
  virtual Task<Status> Release(Op op, Handle handle) = 0;
  virtual Task<Status> Allocate(Op op, Handle handle, int32_t mode, uint64_t offset,
                                uint64_t length) = 0;
  /// SEEK_DATA or SEEK_HOLE; nullopt: ENXIO.
  virtual Task<Result<std::optional<uint64_t>>> Seek(Op op, Handle handle, uint64_t offset,
                                                     bool data) = 0;
};

class DirOps {
 public:
  virtual ~DirOps() = default;
  virtual Task<Result<OpenReply>> OpenDir(Op op, NodeId node) = 0;
  /// At most `limit` items from `offset` on (0: the start), "." and ".." first; empty at the end.
  virtual Task<Result<std::vector<DirItem>>> ReadDir(Op op, Handle handle, uint64_t offset,
                                                     uint32_t limit, bool with_attributes) = 0;
  virtual void ReleaseDir(Handle handle) = 0;
};

class OtherOps {
 public:
  virtual ~OtherOps() = default;
  virtual Task<Result<StatFs>> GetStatFs(Op op) = 0;
  /// May `op.caller` do `mask` (R_OK | W_OK | X_OK)? Only asked when the kernel does not check
  /// itself.
  virtual Task<Status> Access(Op op, NodeId node, uint32_t mask) = 0;
  virtual Task<Result<IoctlReply>> Ioctl(Op op, Handle handle, uint32_t command,
                                         std::vector<uint8_t> in, size_t out_size) = 0;
  virtual Task<Status> SetXattr(Op op, NodeId node, std::string name, std::string value) = 0;
  virtual Task<Result<std::string>> GetXattr(Op op, NodeId node, std::string name) = 0;
  virtual Task<Result<std::string>> ListXattr(Op op, NodeId node) = 0;
  virtual Task<Status> RemoveXattr(Op op, NodeId node, std::string name) = 0;
};

/// The four sides of one file system; all of them outlive every front.
struct FileSystem {
  NameOps* names = nullptr;
  FileOps* files = nullptr;
  DirOps* dirs = nullptr;
  OtherOps* others = nullptr;
};

}  // namespace threefs::fs

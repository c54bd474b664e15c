// SPDX-License-Identifier: Apache-2.0
// Who may do what: permission bits, sticky and immutable rules, directory locks (3fs/meta.md §6,
// §8). Pure functions. Every refusal is kMetaNoPermission, save a foreign lock (kMetaNoLock), as
// 3FS has it: errno is the client's to refine.
#pragma once

#include <cstdint>

#include "client/base/status.h"
#include "client/schema/meta.h"
#include "client/schema/meta_rpc.h"

namespace threefs::standalone {

inline constexpr uint32_t kExec = 1;
inline constexpr uint32_t kWrite = 2;
inline constexpr uint32_t kRead = 4;

inline constexpr uint32_t kPermMask = 07777;
inline constexpr uint32_t kSetUidGidSticky = 07000;
inline constexpr uint32_t kSetGid = 02000;
inline constexpr uint32_t kSticky = 01000;

inline constexpr uint32_t kIflagsInherited =
    schema::meta::kIflagChunkEngine | schema::meta::kIflagChainAllocation;

[[nodiscard]] bool InGroup(const schema::UserInfo& user, uint32_t gid);
/// `bits`: any of kExec, kWrite, kRead; all of them must be granted.
Status CheckAccess(const schema::meta::Acl& acl, const schema::UserInfo& user, uint32_t bits);
/// rwx on the directory and, when `owner_only`, its owner.
Status CheckRecursiveRemove(const schema::meta::Acl& acl, const schema::UserInfo& user,
                            bool owner_only);
/// Sticky rule of `parent` for removing or replacing something owned by `owner`.
Status CheckSticky(const schema::meta::Acl& parent, uint32_t owner, const schema::UserInfo& user);
Status CheckMutable(const schema::meta::Acl& acl);
/// The rules of §8 for a change directly in `parent`: WRITE permission, lock free or ours, not
/// removed, no GC folder.
Status CheckParent(const schema::meta::Inode& parent, const schema::meta::ReqBase& who);

[[nodiscard]] schema::meta::Directory* AsDirectory(schema::meta::Inode& inode);
[[nodiscard]] const schema::meta::Directory* AsDirectory(const schema::meta::Inode& inode);
[[nodiscard]] schema::meta::File* AsFile(schema::meta::Inode& inode);
[[nodiscard]] const schema::meta::File* AsFile(const schema::meta::Inode& inode);
[[nodiscard]] const schema::meta::Symlink* AsSymlink(const schema::meta::Inode& inode);
[[nodiscard]] schema::meta::InodeType TypeOf(const schema::meta::Inode& inode);

}  // namespace threefs::standalone

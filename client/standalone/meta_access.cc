// SPDX-License-Identifier: Apache-2.0
#include "client/standalone/meta_access.h"

#include <fmt/core.h>

#include <algorithm>
#include <variant>

#include "client/standalone/meta_records.h"

namespace threefs::standalone {

using schema::UserInfo;
using schema::meta::Acl;
using schema::meta::Directory;
using schema::meta::File;
using schema::meta::Inode;
using schema::meta::InodeType;
using schema::meta::Symlink;

bool InGroup(const UserInfo& user, uint32_t gid) {
  return user.gid == gid ||
         std::find(user.groups.begin(), user.groups.end(), gid) != user.groups.end();
}

Status CheckAccess(const Acl& acl, const UserInfo& user, uint32_t bits) {
  if (user.uid == 0) return {};
  uint32_t asked = bits;
  if (user.uid == acl.uid) {
    asked = bits << 6;
  } else if (InGroup(user, acl.gid)) {
    asked = bits << 3;
  }
  if ((acl.perm & asked) == asked) return {};
  return {Code::kMetaNoPermission,
          fmt::format(
              "acl {{uid: {}, gid: {}, perm: {:04o}}}, user (uid {}, gid {}) has no perm for {}",
              acl.uid, acl.gid, acl.perm, user.uid, user.gid, bits)};
}

Status CheckRecursiveRemove(const Acl& acl, const UserInfo& user, bool owner_only) {
  if (user.uid == 0) return {};
  TRY(CheckAccess(acl, user, kRead | kWrite | kExec));
  if (owner_only && user.uid != acl.uid) {
    return {Code::kMetaNoPermission, "only its owner may remove a directory recursively"};
  }
  return CheckMutable(acl);
}

Status CheckSticky(const Acl& parent, uint32_t owner, const UserInfo& user) {
  if ((parent.perm & kSticky) == 0 || user.uid == 0) return {};
  if (user.uid == parent.uid || user.uid == owner) return {};
  return {Code::kMetaNoPermission,
          "the directory is sticky and the user owns neither it nor the entry"};
}

Status CheckMutable(const Acl& acl) {
  if ((acl.iflags & schema::meta::kIflagImmutable) == 0) return {};
  return {Code::kMetaNoPermission, "immutable"};
}

Status CheckParent(const Inode& parent, const schema::meta::ReqBase& who) {
  if (parent.nlink == 0) return {Code::kMetaNotFound, "the directory was removed"};
  if (parent.id == schema::meta::kGcRootInodeId) {
    return {Code::kMetaNoPermission, "what was removed is the server's to collect"};
  }
  TRY(CheckAccess(parent.acl, who.user, kWrite));
  const Directory* directory = AsDirectory(parent);
  if (directory != nullptr && directory->lock && directory->lock->client.uuid != who.client.uuid) {
    return {Code::kMetaNoLock, "the directory is locked by another client"};
  }
  return {};
}

Directory* AsDirectory(Inode& inode) { return std::get_if<Directory>(&inode.type); }
const Directory* AsDirectory(const Inode& inode) { return std::get_if<Directory>(&inode.type); }
File* AsFile(Inode& inode) { return std::get_if<File>(&inode.type); }
const File* AsFile(const Inode& inode) { return std::get_if<File>(&inode.type); }
const Symlink* AsSymlink(const Inode& inode) { return std::get_if<Symlink>(&inode.type); }

InodeType TypeOf(const Inode& inode) {
  if (AsDirectory(inode) != nullptr) return InodeType::kDirectory;
  return AsSymlink(inode) != nullptr ? InodeType::kSymlink : InodeType::kFile;
}

}  // namespace threefs::standalone

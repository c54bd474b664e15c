// SPDX-License-Identifier: Apache-2.0
// The one table from a status to an errno (3fs/fuse.md §3), with the POSIX corrections of ours.
// Pure.
#pragma once

#include "client/base/status.h"
#include "mounter/fs/types.h"

namespace threefs::fs {

/// A positive errno; 0 for OK. 3FS answers one code for every refusal: where POSIX wants ownership
/// or privilege (chmod, chown, utimes: kSetAttr) it becomes EPERM, elsewhere permission bits were
/// missing and it becomes EACCES. A status of our own (Origin::kLocal) with kMetaNoPermission is
/// always EPERM.
int ToErrno(const Status& status, OpKind kind = OpKind::kOther);

/// A local failure that must reach the caller as exactly this errno.
Status ErrnoStatus(int error, std::string sentence);

/// True when a healthy mount gives this answer all day (ENOENT, EEXIST …): not logged, not counted.
bool IsOrdinary(int error);

}  // namespace threefs::fs

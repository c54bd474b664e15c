// SPDX-License-Identifier: Apache-2.0
// How keeper and csi write their state: after a crash either the old file or the new one is there,
// never a part. Any thread; one writer a name at a time.
#pragma once

#include <string>

#include "client/base/status.h"

namespace threefs::keeper {

/// Replaces `directory`/`name` (mode 0600), durably: temporary file, fsync, rename, fsync of the
/// directory. kOSError.
Status WriteFileDurably(const std::string& directory, const std::string& name,
                        const std::string& contents);

}  // namespace threefs::keeper

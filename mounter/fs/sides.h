// SPDX-License-Identifier: Apache-2.0
// The four sides of a volume (file_system.h), each over the shared Core. Stateless but for
// directory streams.
#pragma once

#include <memory>

#include "mounter/fs/core.h"
#include "mounter/fs/file_system.h"

namespace threefs::fs {

std::unique_ptr<NameOps> MakeNames(Core* core);
std::unique_ptr<FileOps> MakeFiles(Core* core);
std::unique_ptr<DirOps> MakeDirs(Core* core);
std::unique_ptr<OtherOps> MakeOthers(Core* core);

}  // namespace threefs::fs

// SPDX-License-Identifier: Apache-2.0
#include "csi/keeper/durable_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

#include "client/base/status.h"
#include "proto/channel/unique_fd.h"

namespace threefs::keeper {
namespace {

using control::UniqueFd;

Status SystemError(std::string_view what) {
  return {Code::kOSError, fmt::format("{}: {}", what, std::strerror(errno))};
}

}  // namespace

Status WriteFileDurably(const std::string& directory, const std::string& name,
                        const std::string& contents) {
  const std::string temporary = fmt::format("{}/{}.tmp", directory, name);
  {
    const UniqueFd fd(
        ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd.valid()) return SystemError(fmt::format("create '{}'", temporary));
    if (::write(fd.get(), contents.data(), contents.size()) !=
            static_cast<ssize_t>(contents.size()) ||
        ::fsync(fd.get()) != 0) {
      return SystemError(fmt::format("write '{}' (is the disk full?)", temporary));
    }
  }
  if (::rename(temporary.c_str(), fmt::format("{}/{}", directory, name).c_str()) != 0) {
    return SystemError(fmt::format("rename '{}'", temporary));
  }
  const UniqueFd parent(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent.valid() || ::fsync(parent.get()) != 0) return SystemError("sync state directory");
  return {};
}

}  // namespace threefs::keeper

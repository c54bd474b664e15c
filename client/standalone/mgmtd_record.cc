// SPDX-License-Identifier: Apache-2.0
#include "client/standalone/mgmtd_record.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>

#include "client/base/crc32c.h"
#include "client/serde/serde.h"

namespace threefs::standalone {
namespace {

constexpr std::string_view kMagic = "3fsmgmt1";
constexpr size_t kMaxFile = 64U << 20;

Status Failed(const std::string& what) {
  return Status(Code::kKVStoreSetError, what + ": " + std::generic_category().message(errno));
}

Status WriteAll(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Failed("write");
    content.remove_prefix(static_cast<size_t>(n));
  }
  return ::fsync(fd) == 0 ? Status() : Failed("fsync");
}

}  // namespace

Status ReplaceFile(const std::string& path, std::string_view content, uint32_t mode) {
  const std::string next = path + ".new";
  const int fd = ::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (fd < 0) return Failed(next);
  Status status = WriteAll(fd, content);
  ::close(fd);
  TRY(status.WithContext(next));
  if (::rename(next.c_str(), path.c_str()) != 0) return Failed(path);
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash);
  const int dir = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0) return Failed(folder);
  status = ::fsync(dir) == 0 ? Status() : Failed(folder);
  ::close(dir);
  return status;
}

Result<std::string> ReadWholeFile(const std::string& path, size_t limit) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    if (errno == ENOENT) return Status(Code::kKVStoreNotFound, path + " does not exist");
    return Failed(path);
  }
  std::string content;
  char buffer[65536];
  ssize_t n = 0;
  while ((n = ::read(fd, buffer, sizeof buffer)) > 0 && content.size() <= limit) {
    content.append(buffer, static_cast<size_t>(n));
  }
  ::close(fd);
  if (n < 0) return Failed(path);
  if (content.size() > limit) return Status(Code::kDataCorruption, path + " is too large");
  return content;
}

Result<MgmtdRecord> MgmtdFile::Load() const {
  std::string content;
  if (path_.empty()) {
    content = memory_ == nullptr ? "" : *memory_;
  } else {
    auto read = ReadWholeFile(path_, kMaxFile);
    if (!read.ok() && read.code() != Code::kKVStoreNotFound) return read.status();
    if (read.ok()) content = *std::move(read);
  }
  if (content.empty()) return Code::kMgmtdNodeNotFound;
  const Status damaged(Code::kDataCorruption,
                       path_ + " is damaged; restore it from a backup or start with new data");
  constexpr size_t kHead = kMagic.size() + sizeof(uint32_t);
  if (content.size() < kHead || !content.starts_with(kMagic)) return damaged;
  uint32_t crc = 0;
  std::memcpy(&crc, content.data() + kMagic.size(), sizeof crc);
  const std::string_view body = std::string_view(content).substr(kHead);
  if (crc != Crc32cRaw(0xFFFFFFFFU, AsBytes(body))) return damaged;
  auto record = serde::Decode<MgmtdRecord>(Bytes::CopyOf(body));
  if (!record.ok()) return damaged;
  return record;
}

Status MgmtdFile::Save(const MgmtdRecord& record) const {
  const Bytes body = serde::Encode(record).Flatten();
  const uint32_t crc = Crc32cRaw(0xFFFFFFFFU, body.span());
  std::string content(kMagic);
  content.append(reinterpret_cast<const char*>(&crc), sizeof crc);
  content.append(body.text());
  if (!path_.empty()) return ReplaceFile(path_, content, 0600);
  if (memory_ != nullptr) *memory_ = std::move(content);
  return {};
}

}  // namespace threefs::standalone

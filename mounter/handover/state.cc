// SPDX-License-Identifier: Apache-2.0
#include "mounter/handover/state.h"

#include <fmt/core.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include "proto/mounter/state.pb.h"

namespace threefs::handover {
namespace {

static_assert(std::endian::native == std::endian::little, "the state memfd is little endian");
constexpr char kMagic[] = "3fsState";
constexpr uint32_t kFormat = 1;
constexpr size_t kRecordAt = 16;
constexpr size_t kRecordEnd = 64U << 10;
// Ours, behind the record: client start, then the table of dirty files (open addressing, linear
// probing).
constexpr size_t kStartAt = kRecordEnd;
constexpr size_t kTableAt = kRecordEnd + 4096;
constexpr size_t kSlots = 65536;
static_assert(kTableAt + kSlots * 8 <= State::kSize);
constexpr size_t kProbes = 64;
constexpr uint64_t kFree = 0;
constexpr uint64_t kTaken = 1ULL << 63;  // so that inode 0 is told from a free slot

size_t HomeOf(uint64_t inode) {
  return static_cast<size_t>((inode * 0x9E3779B97F4A7C15ULL) >> 48) % kSlots;
}

template <class T>
std::atomic<T>* At(uint8_t* base, size_t offset) {
  static_assert(std::atomic<T>::is_always_lock_free && sizeof(std::atomic<T>) == sizeof(T));
  return reinterpret_cast<std::atomic<T>*>(base + offset);
}

}  // namespace

Result<std::unique_ptr<State>> State::Map(int fd) {
  struct stat st{};
  if (::fstat(fd, &st) != 0 || static_cast<size_t>(st.st_size) < kSize) {
    return Status(
        Code::kInvalidArg,
        "the state memory handed over is too small; keeper and mounter are of different releases");
  }
  void* p = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (p == MAP_FAILED) {
    return Status(Code::kOSError, fmt::format("mapping the state memory failed: {}",
                                              std::generic_category().message(errno)));
  }
  auto* base = static_cast<uint8_t*>(p);
  std::unique_ptr<State> state(new State(base, true));
  uint32_t format = 0;
  std::memcpy(&format, base + 8, sizeof(format));
  const bool fresh = format == 0 && base[0] == 0;
  if (!fresh && (std::memcmp(base, kMagic, 8) != 0 || format > kFormat)) {
    return Status(Code::kInvalidFormat,
                  "the state memory is of a newer release; start that release's mounter");
  }
  if (fresh) {
    std::memcpy(base, kMagic, 8);
    std::memcpy(base + 8, &kFormat, sizeof(kFormat));
  }
  return state;
}

std::unique_ptr<State> State::InMemory() {
  void* p = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(p != MAP_FAILED);
  return std::unique_ptr<State>(new State(static_cast<uint8_t*>(p), true));
}

State::~State() {
  if (mapped_) ::munmap(base_, kSize);
}

std::atomic<uint64_t>* State::slots() const { return At<uint64_t>(base_, kTableAt); }

Result<std::vector<uint8_t>> State::init_request() const {
  const uint32_t length = At<uint32_t>(base_, 12)->load(std::memory_order_acquire);
  if (length == 0) return std::vector<uint8_t>();
  threefs::mounter::StateRecord record;
  if (length > kRecordEnd - kRecordAt ||
      !record.ParseFromArray(base_ + kRecordAt, static_cast<int>(length))) {
    return Status(Code::kInvalidFormat,
                  "the state memory is damaged; unmount and mount the volume again");
  }
  const std::string& init = record.init_request();
  return std::vector<uint8_t>(init.begin(), init.end());
}

Status State::SaveInit(const std::vector<uint8_t>& request) {
  threefs::mounter::StateRecord record;
  record.set_init_request(request.data(), request.size());
  const std::string bytes = record.SerializeAsString();
  if (bytes.size() > kRecordEnd - kRecordAt)
    return {Code::kInvalidArg, "the kernel's INIT request is too long to record"};
  std::memcpy(base_ + kRecordAt, bytes.data(), bytes.size());
  At<uint32_t>(base_, 12)->store(static_cast<uint32_t>(bytes.size()), std::memory_order_release);
  return {};
}

int64_t State::ClientStart(int64_t now_us) {
  int64_t expected = 0;
  if (At<int64_t>(base_, kStartAt)->compare_exchange_strong(expected, now_us)) return now_us;
  return expected;
}

bool State::MarkDirty(uint64_t inode) {
  const uint64_t value = inode | kTaken;
  const size_t home = HomeOf(inode);
  for (size_t i = 0; i < kProbes; ++i) {
    if (slots()[(home + i) % kSlots].load(std::memory_order_relaxed) == value) return true;
  }
  for (size_t i = 0; i < kProbes; ++i) {
    uint64_t expected = kFree;
    if (slots()[(home + i) % kSlots].compare_exchange_strong(expected, value)) return true;
    if (expected == value) return true;
  }
  return false;
}

void State::ClearDirty(uint64_t inode) {
  const uint64_t value = inode | kTaken;
  const size_t home = HomeOf(inode);
  for (size_t i = 0; i < kProbes; ++i) {  // all of them: two loops may have marked it in two slots
    uint64_t expected = value;
    slots()[(home + i) % kSlots].compare_exchange_strong(expected, kFree);
  }
}

std::vector<uint64_t> State::DirtyFiles() const {
  std::vector<uint64_t> out;
  for (size_t i = 0; i < kSlots; ++i) {
    const uint64_t v = slots()[i].load(std::memory_order_relaxed);
    if ((v & kTaken) != 0) out.push_back(v & ~kTaken);
  }
  return out;
}

}  // namespace threefs::handover

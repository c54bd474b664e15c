// SPDX-License-Identifier: Apache-2.0
#include "client/net/frame_reader.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "client/base/check.h"

namespace threefs::net {
namespace {

constexpr uint32_t kMagicMask = 0xfe;
constexpr uint32_t kMagic = 0x86;
constexpr size_t kMinRead =
    4096;  // less room than this at the buffer's end is not worth a system call

uint8_t* Reallocate(uint8_t* old, size_t size) {
  void* p = std::realloc(old, size);
  CHECK(p != nullptr);
  return static_cast<uint8_t*>(p);
}

std::shared_ptr<uint8_t> Own(uint8_t* memory) {
  return {memory, [](uint8_t* p) { std::free(p); }};
}

uint32_t Load32(const uint8_t* p) {
  uint32_t v = 0;
  std::memcpy(&v, p, sizeof v);
  return v;
}

}  // namespace

FrameReader::FrameReader() : chunk_(Own(Reallocate(nullptr, kChunk))) {}
FrameReader::~FrameReader() { std::free(large_); }

std::array<iovec, 2> FrameReader::Space(int* count) {
  std::array<iovec, 2> space{};
  size_t n = 0;
  if (large_size_ != 0) {
    if (large_filled_ == large_capacity_) GrowLarge();
    space.at(n++) = {large_ + large_filled_, large_capacity_ - large_filled_};
    // What follows the body may be read in the same call, but only when all of the body has room
    // before it.
    if (large_capacity_ < large_size_) {
      *count = static_cast<int>(n);
      return space;
    }
  }
  if (begin_ == end_ && chunk_.use_count() == 1) begin_ = end_ = 0;
  if (kChunk - end_ < kMinRead) Compact();
  space.at(n++) = {chunk_.get() + end_, kChunk - end_};
  *count = static_cast<int>(n);
  return space;
}

Status FrameReader::Filled(size_t n) {
  if (large_size_ != 0) {
    const size_t part = std::min(n, large_capacity_ - large_filled_);
    large_filled_ += part;
    n -= part;
    if (large_filled_ == large_size_) FinishLarge();
  }
  end_ += n;
  CHECK(end_ <= kChunk);
  return Parse();
}

std::optional<InFrame> FrameReader::Next() {
  if (ready_.empty()) return std::nullopt;
  InFrame frame = std::move(ready_.front());
  ready_.pop_front();
  return frame;
}

Status FrameReader::Parse() {
  while (end_ - begin_ >= kFrameHeaderSize) {
    const uint8_t* at = chunk_.get() + begin_;
    const uint32_t word = Load32(at);
    const size_t size = Load32(at + 4);
    if ((word & kMagicMask) != kMagic) {
      return {
          Code::kRPCSocketError,
          fmt::format("frame starts with 0x{:02x}, not 0x86 or 0x87: the peer does not speak 3FS",
                      word & 0xff)};
    }
    if (size >= kMaxFrameBody) {
      return {Code::kRPCSocketError,
              fmt::format("frame announces {} bytes, the limit is 512 MiB", size)};
    }
    const size_t here = end_ - begin_ - kFrameHeaderSize;
    if (size >= kLargeBody) {
      begin_ += kFrameHeaderSize;
      large_word_ = word;
      large_size_ = size;
      large_capacity_ = std::min(size, kFirstLarge);
      large_ = Reallocate(nullptr, large_capacity_);
      large_filled_ = std::min(here, size);  // here < kChunk <= large_capacity_ or the whole body
      std::memcpy(large_, chunk_.get() + begin_, large_filled_);
      begin_ += large_filled_;
      if (large_filled_ < large_size_) return {};
      FinishLarge();
      continue;
    }
    if (here < size) {
      if (kChunk - begin_ < kFrameHeaderSize + size) Compact();
      return {};
    }
    const uint8_t* body = at + kFrameHeaderSize;
    ready_.push_back({word, size == 0 ? Bytes() : Bytes(chunk_, body, size)});
    begin_ += kFrameHeaderSize + size;
  }
  return {};
}

// Moves what is unparsed to the front of a buffer: this one when no frame shares it.
void FrameReader::Compact() {
  const size_t left = end_ - begin_;
  if (chunk_.use_count() == 1) {
    std::memmove(chunk_.get(), chunk_.get() + begin_, left);
  } else {
    auto fresh = Own(Reallocate(nullptr, kChunk));
    std::memcpy(fresh.get(), chunk_.get() + begin_, left);
    chunk_ = std::move(fresh);
  }
  begin_ = 0;
  end_ = left;
}

// realloc moves large blocks by remapping pages, so growing does not copy.
void FrameReader::GrowLarge() {
  large_capacity_ = std::min(large_size_, 2 * large_capacity_);
  large_ = Reallocate(large_, large_capacity_);
}

void FrameReader::FinishLarge() {
  const uint8_t* data = large_;
  ready_.push_back({large_word_, Bytes(Own(std::exchange(large_, nullptr)), data, large_size_)});
  large_size_ = large_capacity_ = large_filled_ = 0;
}

}  // namespace threefs::net

// SPDX-License-Identifier: Apache-2.0
#include "client/serde/reader.h"

#include "client/serde/decode.h"

namespace threefs::serde {

bool Reader::Fail(Code code) {
  if (error_ == Code::kOk) error_ = code;
  end_ = at_;
  return false;
}

Status Reader::TakeStatus() const {
  switch (error_) {
    case Code::kSerdeVariantIndexExceeded:
      return {error_, "message holds a kind of value this version does not know"};
    case Code::kSerdeInsufficientLength:
      return {error_, "message ends too early or a length in it is wrong"};
    default:
      return {Code::kDataCorruption, "message holds what no sender writes"};
  }
}

bool Reader::Flag(bool* out) {
  uint8_t byte = 0;
  if (!Fixed(&byte)) return false;
  *out = byte != 0;
  return true;
}

bool Reader::Varint(uint64_t* out) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    uint8_t byte = 0;
    if (!Fixed(&byte)) return false;
    if (shift == 63 && byte > 1) break;
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) {
      *out = value;
      return true;
    }
  }
  return Fail(Code::kSerdeInsufficientLength);
}

bool Reader::View(std::string_view* out) {
  uint64_t size = 0;
  if (!Varint(&size)) return false;
  if (size > remaining()) return Fail(Code::kSerdeInsufficientLength);
  *out = AsText({at_, static_cast<size_t>(size)});
  at_ += size;
  return true;
}

bool Reader::Text(std::string* out) {
  std::string_view view;
  if (!View(&view)) return false;
  out->assign(view);
  return true;
}

bool Reader::Blob(Bytes* out) {
  std::string_view view;
  if (!View(&view)) return false;
  const size_t end = static_cast<size_t>(at_ - input_.data());
  *out = input_.Slice(end - view.size(), view.size());
  return true;
}

bool Reader::Count(size_t min_size, size_t memory, size_t* out) {
  uint64_t count = 0;
  if (!Varint(&count)) return false;
  if (count > remaining() / min_size) return Fail(Code::kSerdeInsufficientLength);
  if (count > allowance_ / memory) return Fail(Code::kDataCorruption);
  allowance_ -= count * memory;
  *out = static_cast<size_t>(count);
  return true;
}

bool Reader::Enter(const uint8_t** outer_end) {
  uint64_t size = 0;
  if (!Varint(&size)) return false;
  if (size > remaining()) return Fail(Code::kSerdeInsufficientLength);
  *outer_end = end_;
  end_ = at_ + size;
  return true;
}

namespace internal {

bool ValueReader<Status>::Read(Reader& r, Status* out) {
  uint16_t code = 0;
  bool has_message = false;
  std::string message;
  if (!r.Fixed(&code) || !r.Flag(&has_message)) return false;
  if (has_message && !r.Text(&message)) return false;
  *out = Status(static_cast<Code>(code), std::move(message), Origin::kPeer);
  return true;
}

}  // namespace internal
}  // namespace threefs::serde

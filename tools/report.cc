// SPDX-License-Identifier: Apache-2.0
#include "tools/report.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/base/status.h"
#include "client/base/status_code.h"

namespace threefs::tools {

std::string Table::ToString() const {
  std::vector<size_t> width;
  for (const auto& row : rows_) {
    width.resize(std::max(width.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) width[i] = std::max(width[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(width[i] - row[i].size() + 2, ' ');
    }
    out += line + "\n";
  }
  return out;
}

Progress::Progress(std::string_view what) : what_(what), shown_(isatty(STDERR_FILENO) != 0) {}

Progress::~Progress() {
  if (shown_ && percent_ <= 100) fmt::print(stderr, "\r\033[K");
}

void Progress::Update(uint64_t done, uint64_t total) {
  if (!shown_ || total == 0) return;
  const uint64_t percent = std::min(done, total) * 100 / total;
  if (percent == percent_) return;
  percent_ = percent;
  constexpr size_t kWidth = 30;
  const size_t filled = percent * kWidth / 100;
  fmt::print(stderr, "\r{} [{}{}] {:3}%", what_, std::string(filled, '#'),
             std::string(kWidth - filled, '.'), percent);
}

std::string HumanBytes(uint64_t bytes) {
  constexpr std::array<const char*, 7> kUnits{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  size_t unit = 0;
  auto value = static_cast<double>(bytes);
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits.at(unit));
}

namespace {
// Splits "12abc" into 12 and "abc"; false when there is no number or it does not fit.
bool SplitNumber(std::string_view text, uint64_t* number, std::string_view* unit) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  if (error != std::errc() || end == text.data()) return false;
  *unit = text.substr(static_cast<size_t>(end - text.data()));
  return true;
}
}  // namespace

Result<uint64_t> ParseSize(std::string_view text) {
  uint64_t number = 0;
  std::string_view unit;
  const Status bad(Code::kInvalidArg,
                   fmt::format("\"{}\" is not a size: write bytes, or a number with K, M, G or T",
                               text.substr(0, 64)));
  if (!SplitNumber(text, &number, &unit)) return bad;
  constexpr std::string_view kUnits = "KMGT";
  if (unit.empty() || unit == "B") return number;
  const auto power = kUnits.find(unit[0]);
  const std::string_view rest = unit.substr(1);
  if (power == std::string_view::npos || !(rest.empty() || rest == "B" || rest == "iB")) return bad;
  const auto shift = static_cast<unsigned>(10 * (power + 1));
  if (number > (UINT64_MAX >> shift)) return bad;
  return number << shift;
}

Result<uint64_t> ParseMillis(std::string_view text) {
  uint64_t number = 0;
  std::string_view unit;
  const Status bad(Code::kInvalidArg,
                   fmt::format("\"{}\" is not a duration: write for instance 500ms, 30s or 2min",
                               text.substr(0, 64)));
  if (!SplitNumber(text, &number, &unit)) return bad;
  constexpr std::array<std::pair<std::string_view, uint64_t>, 5> kUnits{
      {{"ms", 1}, {"s", 1000}, {"", 1000}, {"min", 60'000}, {"h", 3'600'000}}};
  for (const auto& [name, factor] : kUnits) {
    if (unit == name && number <= UINT64_MAX / factor) return number * factor;
  }
  return bad;
}

std::string_view FailureKind(const Status& status) {
  switch (status.code()) {
    case Code::kInvalidArg:
    case Code::kInvalidFormat:
    case Code::kInvalidConfig:
    case Code::kMetaInvalidFileLayout:
    case Code::kMetaNameTooLong:
      return "bad-argument";
    case Code::kMgmtdClientPrimaryMgmtdNotFound:
    case Code::kMgmtdClientMetaServiceNotAvailable:
    case Code::kRPCConnectFailed:
    case Code::kRPCSendFailed:
      return "unreachable";
    case Code::kAuthenticationFail:
      return "bad-token";
    case Code::kMgmtdClusterIdMismatch:
      return "wrong-cluster";
    case Code::kMetaNotFound:
      return "not-found";
    case Code::kMetaExists:
      return "exists";
    case Code::kStorageClientNoSpace:
      return "no-space";
    case Code::kRPCTimeout:
    case Code::kStorageClientTimeout:
    case Code::kMetaOperationTimeout:
      return "timeout";
    case Code::kMetaBusy:
    case Code::kStorageClientResourceBusy:
      return "busy";
    case Code::kMetaNoPermission:
    case Code::kReadOnlyMode:
      return "permission";
    default:
      return "system";
  }
}

}  // namespace threefs::tools

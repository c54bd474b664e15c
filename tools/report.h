// SPDX-License-Identifier: Apache-2.0
// What a person sees: tables with aligned columns, a progress bar on a terminal, and the one-object
// JSON answer that programs read. Main thread only.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "client/base/status.h"

namespace threefs::tools {

/// Rows of text under a header; columns as wide as their widest cell (by bytes).
class Table {
 public:
  explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}
  void Add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  [[nodiscard]] std::string ToString() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

/// A bar on stderr, only when stderr is a terminal; erased at its end, so it never mixes with
/// output.
class Progress {
 public:
  explicit Progress(std::string_view what);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();
  void Update(uint64_t done, uint64_t total);

 private:
  const std::string what_;
  const bool shown_;
  uint64_t percent_ = 101;
};

/// "1.5 GiB".
std::string HumanBytes(uint64_t bytes);
/// "512K", "1M", "4GiB", plain digits → bytes (binary units). kInvalidArg with a sentence
/// otherwise.
Result<uint64_t> ParseSize(std::string_view text);
/// "500ms", "30s", "2min", plain digits = seconds → milliseconds.
Result<uint64_t> ParseMillis(std::string_view text);

/// What kind of failure a status is, in the words csi maps to gRPC codes: bad-argument,
/// unreachable, bad-token, wrong-cluster, not-found, exists, no-space, timeout, busy, permission,
/// system.
std::string_view FailureKind(const Status& status);

}  // namespace threefs::tools

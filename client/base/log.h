// SPDX-License-Identifier: Apache-2.0
// Logging seam: the only header through which the project logs (spdlog stays inside log.cc). Any thread. A line never
// holds a secret: tokens are not formatted, structs that carry one print "<token>".
//   LOG_INFO("routing version {} from {}", version, address);
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>
#include <utility>

namespace threefs {

enum class LogLevel : unsigned char { kDebug, kInfo, kWarn, kError, kOff };

/// Process-wide; call once at start. `name` stands in every line ("mounter", "csi"). Goes to stderr.
void InitLog(std::string_view name, LogLevel level);
/// "debug|info|warn|error|off" → level; false when it is none of them.
bool ParseLogLevel(std::string_view text, LogLevel* level);
[[nodiscard]] bool LogEnabled(LogLevel level);
void LogLine(LogLevel level, std::string_view line);

template <class... Args>
void Log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (LogEnabled(level)) LogLine(level, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace threefs

#define LOG_DEBUG(...) ::threefs::Log(::threefs::LogLevel::kDebug, __VA_ARGS__)
#define LOG_INFO(...) ::threefs::Log(::threefs::LogLevel::kInfo, __VA_ARGS__)
#define LOG_WARN(...) ::threefs::Log(::threefs::LogLevel::kWarn, __VA_ARGS__)
#define LOG_ERROR(...) ::threefs::Log(::threefs::LogLevel::kError, __VA_ARGS__)

// SPDX-License-Identifier: Apache-2.0
#include "client/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace threefs {
namespace {

struct Entry {
  std::string_view name;
  LogLevel level;
  spdlog::level::level_enum theirs;
};
constexpr std::array<Entry, 5> kLevels{{{"debug", LogLevel::kDebug, spdlog::level::debug},
                                        {"info", LogLevel::kInfo, spdlog::level::info},
                                        {"warn", LogLevel::kWarn, spdlog::level::warn},
                                        {"error", LogLevel::kError, spdlog::level::err},
                                        {"off", LogLevel::kOff, spdlog::level::off}}};

std::atomic<LogLevel> g_level{LogLevel::kWarn};

spdlog::level::level_enum Theirs(LogLevel level) {
  return kLevels.at(static_cast<size_t>(level)).theirs;
}

spdlog::logger& Logger() {
  static const auto kLogger = [] {
    auto logger = std::make_shared<spdlog::logger>(
        "threefs", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    logger->set_level(spdlog::level::trace);
    return logger;
  }();
  return *kLogger;
}

}  // namespace

void InitLog(std::string_view name, LogLevel level) {
  g_level = level;
  Logger().set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %L " + std::string(name) + "[%P] %v",
                       spdlog::pattern_time_type::utc);
  Logger().flush_on(spdlog::level::debug);
}

bool ParseLogLevel(std::string_view text, LogLevel* level) {
  for (const Entry& e : kLevels) {
    if (e.name == text) {
      *level = e.level;
      return true;
    }
  }
  return false;
}

bool LogEnabled(LogLevel level) { return level >= g_level.load(std::memory_order_relaxed); }

void LogLine(LogLevel level, std::string_view line) { Logger().log(Theirs(level), line); }

}  // namespace threefs

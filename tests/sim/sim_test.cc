// SPDX-License-Identifier: Apache-2.0
// Runs seeds: first those that failed once (tests/sim/seeds.txt), then `--seeds N` from `--start
// S`. Each is a process of its own, so a crash is a failing seed like any other. A failing seed is
// printed and kept.
//   sim_test --seeds 1000 [--start 1] [--jobs 2] [--keep tests/sim/seeds.txt]
//   sim_test --only 4711 --verbose          one seed in this process, telling what happens
#include <fmt/core.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "client/base/log.h"
#include "tests/sim/run.h"

namespace threefs::sim {
namespace {

struct Args {
  uint64_t seeds = 50;
  uint64_t start = 1;
  unsigned jobs = std::max(1U, std::thread::hardware_concurrency());
  std::string keep = "tests/sim/seeds.txt";
  uint64_t only = 0;
  bool verbose = false;
  bool no_chaos = false;
  int rounds = 3;
};

// A child's report as text: "F <failure>" and "C <count> <name>" lines.
std::string ToText(const RunReport& report) {
  std::string text = fmt::format("C {} events\n", report.events);
  for (const auto& [name, count] : report.counts) text += fmt::format("C {} {}\n", count, name);
  if (!report.failure.empty()) {
    std::string one_line = report.failure;
    std::replace(one_line.begin(), one_line.end(), '\n', ' ');
    text += "F " + one_line + "\n";
  }
  return text + "E\n";
}

RunOptions OptionsFor(const Args& args, uint64_t seed) {
  return {.seed = seed, .rounds = args.rounds, .chaos = !args.no_chaos, .verbose = args.verbose};
}

struct Child {
  pid_t pid = 0;
  int fd = -1;
  uint64_t seed = 0;
};

constexpr unsigned kSecondsPerSeed = 120;  // real ones; only a run that spins needs them

Child StartChild(const Args& args, uint64_t seed) {
  std::array<int, 2> fds{};
  if (pipe(fds.data()) != 0) std::abort();
  fflush(stdout);
  const pid_t pid = fork();
  if (pid == 0) {
    close(fds[0]);
    alarm(kSecondsPerSeed);
    const std::string text = ToText(RunSeed(OptionsFor(args, seed)));
    size_t at = 0;
    while (at < text.size()) {
      const ssize_t n = write(fds[1], text.data() + at, text.size() - at);
      if (n <= 0) _exit(3);
      at += static_cast<size_t>(n);
    }
    _exit(0);
  }
  close(fds[1]);
  return {pid, fds[0], seed};
}

class Tally {
 public:
  explicit Tally(const Args& args) : args_(args) {}
  void Finish(const Child& child) {
    std::string text;
    std::array<char, 4096> buffer{};
    for (ssize_t n = 0; (n = read(child.fd, buffer.data(), buffer.size())) > 0;)
      text.append(buffer.data(), static_cast<size_t>(n));
    close(child.fd);
    int status = 0;
    waitpid(child.pid, &status, 0);
    std::string failure;
    if (!text.ends_with("E\n")) {
      failure = WIFSIGNALED(status) ? fmt::format("killed by signal {}", WTERMSIG(status))
                                    : "ended early";
    }
    size_t at = 0;
    while (at < text.size()) {
      const size_t end = text.find('\n', at);
      const std::string line = text.substr(at, end - at);
      at = end == std::string::npos ? text.size() : end + 1;
      if (line.starts_with("F ")) failure = line.substr(2);
      if (line.starts_with("C ")) {
        const size_t space = line.find(' ', 2);
        counts_[line.substr(space + 1)] += std::strtoull(line.c_str() + 2, nullptr, 10);
      }
    }
    ++runs_;
    if (!failure.empty()) Report(child.seed, failure);
  }
  int Summary() const {
    fmt::print("{} runs, {} failed\n", runs_, failed_.size());
    for (const auto& [name, count] : counts_) fmt::print("  {:<28} {}\n", name, count);
    return failed_.empty() ? 0 : 1;
  }

 private:
  void Report(uint64_t seed, const std::string& failure) {
    failed_.push_back(seed);
    fmt::print("FAILED seed {}: {}\n  again: sim_test --only {} --verbose\n", seed, failure, seed);
    fflush(stdout);
    std::ifstream in(args_.keep);
    std::string line;
    while (std::getline(in, line)) {
      if (std::strtoull(line.c_str(), nullptr, 10) == seed) return;
    }
    std::ofstream(args_.keep, std::ios::app) << seed << "\n";
  }
  const Args& args_;
  uint64_t runs_ = 0;
  std::vector<uint64_t> failed_;
  std::map<std::string, uint64_t> counts_;
};

std::vector<uint64_t> KeptSeeds(const std::string& path) {
  std::vector<uint64_t> seeds;
  std::ifstream in(path);
  std::string line;
  while (std::getline(in, line)) {
    const uint64_t seed = std::strtoull(line.c_str(), nullptr, 10);
    if (seed != 0) seeds.push_back(seed);
  }
  return seeds;
}

int RunAll(const Args& args) {
  std::vector<uint64_t> seeds = KeptSeeds(args.keep);
  for (uint64_t i = 0; i < args.seeds; ++i) seeds.push_back(args.start + i);
  Tally tally(args);
  std::vector<Child> running;
  for (const uint64_t seed : seeds) {
    if (running.size() == args.jobs) {
      tally.Finish(running.front());
      running.erase(running.begin());
    }
    running.push_back(StartChild(args, seed));
  }
  for (const Child& child : running) tally.Finish(child);
  return tally.Summary();
}

int RunOne(const Args& args) {
  if (args.verbose) InitLog("sim", LogLevel::kInfo);
  const RunReport report = RunSeed(OptionsFor(args, args.only));
  for (const auto& [name, count] : report.counts) fmt::print("  {:<28} {}\n", name, count);
  fmt::print("seed {}: {} events, {}\n", args.only, report.events,
             report.failure.empty() ? "ok" : report.failure);
  fflush(stdout);
  _exit(report.failure.empty() ? 0 : 1);
}

int Main(int argc, char** argv) {
  Args args;
  if (const char* env = std::getenv("THREEFS_SIM_SEEDS"))
    args.seeds = std::strtoull(env, nullptr, 10);
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    const auto number = [&] { return i + 1 < argc ? std::strtoull(argv[++i], nullptr, 10) : 0ULL; };
    if (flag == "--seeds") {
      args.seeds = number();
    } else if (flag == "--start") {
      args.start = number();
    } else if (flag == "--jobs") {
      args.jobs = static_cast<unsigned>(std::max(1ULL, number()));
    } else if (flag == "--only") {
      args.only = number();
    } else if (flag == "--rounds") {
      args.rounds = static_cast<int>(number());
    } else if (flag == "--keep" && i + 1 < argc) {
      args.keep = argv[++i];
    } else if (flag == "--verbose") {
      args.verbose = true;
    } else if (flag == "--no-chaos") {
      args.no_chaos = true;
    } else {
      fmt::print(stderr, "unknown argument {}\n", flag);
      return 2;
    }
  }
  InitLog("sim", LogLevel::kOff);
  return args.only != 0 ? RunOne(args) : RunAll(args);
}

}  // namespace
}  // namespace threefs::sim

int main(int argc, char** argv) { return threefs::sim::Main(argc, argv); }

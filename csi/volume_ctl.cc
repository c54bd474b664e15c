// SPDX-License-Identifier: Apache-2.0
#include "csi/volume_ctl.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "client/base/status.h"
#include "proto/channel/unique_fd.h"

namespace threefs::csi {
namespace {

using control::UniqueFd;
using nlohmann::json;

constexpr size_t kLongestOutput = size_t{64} << 20;

CtlAnswer Failed(std::string kind, std::string sentence) {
  CtlAnswer answer;
  answer.kind = std::move(kind);
  answer.sentence = std::move(sentence);
  return answer;
}

std::string Text(const json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

uint64_t Number(const json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_number_unsigned() ? it->get<uint64_t>() : 0;
}

bool Flag(const json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_boolean() && it->get<bool>();
}

bool ParseVolume(const json& object, CtlVolume* volume) {
  if (!object.is_object()) return false;
  volume->id = Text(object, "id");
  volume->name = Text(object, "name");
  volume->path = Text(object, "path");
  volume->capacity_bytes = Number(object, "capacityBytes");
  const auto parameters = object.find("parameters");
  if (parameters != object.end() && parameters->is_object()) {
    for (const auto& [key, value] : parameters->items()) {
      if (value.is_string()) volume->parameters[key] = value.get<std::string>();
    }
  }
  return !volume->id.empty() && volume->path.starts_with('/');
}

/// One run of a program: descriptor 3 gives `secret`, standard output is collected.
struct Run {
  std::string output;
  bool started = false;
  bool late = false;
};

/// Reads until the end, `deadline`, or too much.
bool ReadAll(int fd, std::chrono::steady_clock::time_point deadline, std::string* output) {
  std::array<char, 65536> buffer{};
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    pollfd p{.fd = fd, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&p, 1, static_cast<int>(std::max<int64_t>(left.count(), 0)));
    if (ready == 0) return false;
    if (ready < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n == 0) return true;
    if (n < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    output->append(buffer.data(), static_cast<size_t>(n));
    if (output->size() > kLongestOutput) return false;
  }
}

Run RunProgram(const std::string& program, const std::vector<std::string>& arguments,
               const std::string& secret, Duration timeout) {
  Run run;
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  if (::pipe2(in.data(), O_CLOEXEC) != 0) return run;
  const UniqueFd secret_end(in[0]);
  UniqueFd secret_source(in[1]);
  if (::pipe2(out.data(), O_CLOEXEC) != 0) return run;
  const UniqueFd output_end(out[0]);
  UniqueFd output_sink(out[1]);
  // A token is far smaller than a pipe, so this cannot block.
  if (::write(secret_source.get(), secret.data(), secret.size()) !=
      static_cast<ssize_t>(secret.size())) {
    return run;
  }
  secret_source.Reset();
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, output_sink.get(), 1);
  ::posix_spawn_file_actions_adddup2(&actions, secret_end.get(), 3);
  ::posix_spawn_file_actions_addclosefrom_np(&actions, 4);
  std::vector<char*> argv;
  argv.push_back(const_cast<char*>(program.c_str()));
  for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  std::array<char*, 2> env = {const_cast<char*>("PATH=/usr/sbin:/usr/bin:/sbin:/bin"), nullptr};
  pid_t pid = 0;
  const int error =
      ::posix_spawn(&pid, program.c_str(), &actions, nullptr, argv.data(), env.data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return run;
  run.started = true;
  output_sink.Reset();
  if (!ReadAll(output_end.get(), deadline, &run.output)) {
    run.late = true;
    ::kill(pid, SIGKILL);
  }
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return run;
}

class Threefsctl final : public VolumeCtl {
 public:
  Threefsctl(std::string program, Duration timeout)
      : program_(std::move(program)), timeout_(timeout) {}

  CtlAnswer Create(const CtlTarget& target, const CtlCreate& create) override {
    const CtlVolume& v = create.volume;
    std::vector<std::string> arguments = {
        "--id",         v.id,
        "--name",       v.name,
        "--path",       v.path,
        "--capacity",   std::to_string(v.capacity_bytes),
        "--parameters", json(v.parameters).dump(-1, ' ', false, json::error_handler_t::replace)};
    const auto add = [&](const char* flag, uint64_t value) {
      if (value != 0) arguments.insert(arguments.end(), {flag, std::to_string(value)});
    };
    add("--chunk-size", create.chunk_size);
    add("--stripe-size", create.stripe_size);
    add("--chain-table-id", create.chain_table_id);
    return Call("create", target, arguments);
  }
  CtlAnswer Get(const CtlTarget& target, const std::string& id) override {
    return Call("get", target, {"--id", id});
  }
  CtlAnswer Delete(const CtlTarget& target, const std::string& id) override {
    return Call("delete", target, {"--id", id});
  }
  CtlAnswer Expand(const CtlTarget& target, const std::string& id, uint64_t bytes) override {
    return Call("expand", target, {"--id", id, "--capacity", std::to_string(bytes)});
  }
  CtlAnswer List(const CtlTarget& target, uint32_t max, const std::string& after) override {
    std::vector<std::string> arguments;
    if (max != 0) arguments.insert(arguments.end(), {"--max", std::to_string(max)});
    if (!after.empty()) arguments.insert(arguments.end(), {"--after", after});
    return Call("list", target, arguments);
  }
  CtlAnswer Capacity(const CtlTarget& target) override { return Call("capacity", target, {}); }

 private:
  CtlAnswer Call(const char* verb, const CtlTarget& target,
                 const std::vector<std::string>& more) const {
    std::vector<std::string> arguments = {
        "volume",          verb,          "--json",        "--cluster-id",
        target.cluster_id, "--base-path", target.base_path};
    for (const std::string& address : target.mgmtd_addresses) {
      arguments.insert(arguments.end(), {"--mgmtd", address});
    }
    if (!target.transport.empty()) {
      arguments.insert(arguments.end(), {"--transport", target.transport});
    }
    if (!target.token.empty()) arguments.insert(arguments.end(), {"--token-fd", "3"});
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Run run = RunProgram(program_, arguments, target.token, timeout_);
    if (!run.started) {
      return Failed("system",
                    fmt::format("'{}' cannot be run: install it or set --threefsctl", program_));
    }
    if (run.late) {
      return Failed("timeout", "3FS did not answer in time: are its servers reachable?");
    }
    return ParseCtlAnswer(run.output);
  }

  const std::string program_;
  const Duration timeout_;
};

}  // namespace

CtlAnswer ParseCtlAnswer(const std::string& text) {
  const json object = json::parse(text, nullptr, false);
  if (!object.is_object()) {
    return Failed("system", "threefsctl ended without an answer: see the log");
  }
  CtlAnswer answer;
  answer.ok = Flag(object, "ok");
  if (!answer.ok) {
    const auto error = object.find("error");
    if (error == object.end() || !error->is_object() || Text(*error, "kind").empty()) {
      return Failed("system", "threefsctl failed without a reason: see the log");
    }
    return Failed(Text(*error, "kind"), Text(*error, "sentence"));
  }
  answer.created = Flag(object, "created");
  answer.deleted = Flag(object, "deleted");
  answer.next = Text(object, "next");
  answer.available = Number(object, "available");
  const auto add = [&](const json& value) {
    CtlVolume volume;
    if (!ParseVolume(value, &volume)) return false;
    answer.volumes.push_back(std::move(volume));
    return true;
  };
  const auto one = object.find("volume");
  if (one != object.end() && !add(*one)) {
    return Failed("system", "a volume's record in 3FS is damaged: see <basePath>/.threefs-csi");
  }
  const auto many = object.find("volumes");
  if (many != object.end() && many->is_array()) {
    for (const json& value : *many) add(value);  // a damaged record hides itself, not the others
  }
  return answer;
}

std::unique_ptr<VolumeCtl> MakeThreefsctl(std::string program, Duration timeout) {
  return std::make_unique<Threefsctl>(std::move(program), timeout);
}

}  // namespace threefs::csi

// SPDX-License-Identifier: Apache-2.0
// threefs-mounter: one process, one volume. Three ways in: our YAML, 3FS's launcher TOML, or a
// keeper's socket.
#include <fmt/core.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/base/log.h"
#include "client/base/status.h"
#include "mounter/app.h"
#include "mounter/config/mount_config.h"

namespace threefs {
namespace {

constexpr const char* kUsage =
    "usage: threefs-mounter --config FILE [--set KEY=VALUE]... MOUNTPOINT\n"
    "       threefs-mounter --launcher_cfg FILE [--launcher_config.KEY=VALUE]... "
    "[--config.KEY=VALUE]...\n"
    "       threefs-mounter --control-fd N [--log-level LEVEL]\n"
    "Mounts one 3FS volume and serves it until SIGTERM or unmount. KEY: see docs; a token comes "
    "from token_file or the\n"
    "environment variable HF3FS_FUSE_TOKEN, never from the command line.\n";

struct Invocation {
  std::string config_file;
  std::string launcher_file;
  std::string mountpoint;
  int control_fd = -1;
  LogLevel level = LogLevel::kInfo;
  config::Overrides launcher;  // --launcher_config.k=v
  config::Overrides main;      // --config.k=v and --set k=v
  bool help = false;
  bool version = false;
};

// 3FS's main-config keys that mean something here, by our names; the others tune its own machinery.
std::string_view OurName(std::string_view key) {
  if (key == "readonly") return "read_only";
  for (const std::string_view same :
       {"attr_timeout", "entry_timeout", "negative_timeout", "symlink_timeout", "max_background"}) {
    if (key == same) return same;
  }
  return {};
}

Status Usage(std::string why) { return {Code::kCliWrongUsage, std::move(why)}; }

Status TakeFlag(const std::string& name, std::string value, Invocation* out) {
  if (name == "config") {
    out->config_file = std::move(value);
  } else if (name == "launcher_cfg") {
    out->launcher_file = std::move(value);
  } else if (name == "control-fd") {
    const auto [end, ec] =
        std::from_chars(value.data(), value.data() + value.size(), out->control_fd);
    if (ec != std::errc{} || *end != '\0' || out->control_fd < 0)
      return Usage("--control-fd needs a descriptor's number");
  } else if (name == "mountpoint") {
    out->mountpoint = std::move(value);
  } else if (name == "log-level") {
    if (!ParseLogLevel(value, &out->level))
      return Usage("--log-level is one of debug, info, warn, error, off");
  } else if (name == "set") {
    const size_t eq = value.find('=');
    if (eq == std::string::npos) return Usage("--set needs KEY=VALUE");
    out->main.emplace_back(value.substr(0, eq), value.substr(eq + 1));
  } else if (name.starts_with("launcher_config.")) {
    out->launcher.emplace_back(name.substr(16), std::move(value));
  } else if (name.starts_with("config.")) {
    const std::string_view ours = OurName(std::string_view(name).substr(7));
    if (ours.empty()) {
      std::fprintf(stderr, "threefs-mounter: --%s tunes 3FS's own client and is ignored\n",
                   name.c_str());
    } else {
      out->main.emplace_back(ours, std::move(value));
    }
  } else if (name == "cfg" || name == "app_cfg") {
    std::fprintf(stderr, "threefs-mounter: --%s is 3FS's own and is ignored\n", name.c_str());
  } else {
    return Usage(fmt::format("unknown option --{}", name));
  }
  return {};
}

Status ParseArguments(const std::vector<std::string>& args, Invocation* out) {
  for (size_t i = 0; i < args.size(); ++i) {
    const std::string& a = args[i];
    if (a.size() < 2 || a[0] != '-') {
      if (!out->mountpoint.empty()) return Usage("more than one mount point is given");
      out->mountpoint = a;
      continue;
    }
    std::string name = a.substr(a[1] == '-' ? 2 : 1);
    if (name == "help" || name == "h") {
      out->help = true;
    } else if (name == "version" || name == "release_version") {
      out->version = true;
    } else if (name != "use_local_cfg") {  // 3FS: do not fetch the main config; we never do
      std::string value;
      const size_t eq = name.find('=');
      if (eq != std::string::npos) {
        value = name.substr(eq + 1);
        name.resize(eq);
      } else if (i + 1 < args.size()) {
        value = args[++i];
      } else {
        return Usage(fmt::format("--{} needs a value", name));
      }
      TRY(TakeFlag(name, std::move(value), out));
    }
  }
  return {};
}

Result<config::MountConfig> LoadConfig(const Invocation& in) {
  config::MountConfig c;
  c.log_level = in.level;
  if (!in.launcher_file.empty()) {
    TRY(const std::string text, config::ReadSmallFile(in.launcher_file));
    TRY(config::ParseLauncherToml(text, in.launcher_file, in.launcher, &c));
  }
  if (!in.config_file.empty()) {
    TRY(const std::string text, config::ReadSmallFile(in.config_file));
    TRY(config::ParseYaml(text, in.config_file, &c));
  }
  for (const auto& [key, value] : in.main) TRY(config::SetOption(&c, key, value));
  if (!in.mountpoint.empty()) c.mountpoint = in.mountpoint;
  if (c.mountpoint.empty())
    return Status(Code::kInvalidConfig, "no mount point is given; name an existing directory");
  char* from_environment = std::getenv("HF3FS_FUSE_TOKEN");
  if (from_environment != nullptr) {
    std::fprintf(stderr,
                 "threefs-mounter: warning: HF3FS_FUSE_TOKEN is readable in /proc by this user; "
                 "prefer token_file\n");
    c.token = from_environment;
    explicit_bzero(from_environment, std::strlen(from_environment));
    unsetenv("HF3FS_FUSE_TOKEN");
  } else {
    TRY(c.token, config::ReadToken(c));
  }
  TRY(config::Resolve(&c));
  // Made absolute before the process leaves its directory.
  char* absolute = ::realpath(c.mountpoint.c_str(), nullptr);
  if (absolute != nullptr) c.mountpoint = absolute;
  std::free(absolute);
  return c;
}

int Main(const std::vector<std::string>& args) {
  Invocation in;
  const Status parsed = ParseArguments(args, &in);
  if (in.help) {
    std::fputs(kUsage, stdout);
    return 0;
  }
  if (in.version) {
    std::puts("threefs-mounter 0.1.0");
    return 0;
  }
  if (!parsed.ok()) {
    std::fprintf(stderr, "threefs-mounter: %s\n%s", parsed.message().c_str(), kUsage);
    return 2;
  }
  if (in.control_fd >= 0) return mounter_app::RunUnderKeeper(in.control_fd, in.level);
  if (in.config_file.empty() && in.launcher_file.empty() && in.main.empty()) {
    std::fprintf(stderr, "threefs-mounter: nothing to mount is named\n%s", kUsage);
    return 2;
  }
  auto config = LoadConfig(in);
  if (!config.ok()) {
    std::fprintf(stderr, "threefs-mounter: %s\n", config.status().message().c_str());
    return 1;
  }
  return mounter_app::RunAlone(*std::move(config));
}

}  // namespace
}  // namespace threefs

int main(int argc, char** argv) { return threefs::Main({argv + 1, argv + argc}); }

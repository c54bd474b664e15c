// SPDX-License-Identifier: Apache-2.0
// MountConfig: everything a mounter can be told, and the two files it comes from: our YAML and
// 3FS's launcher TOML (3fs/fuse.md §1.2). A plain value; parsing is pure (no file is opened but the
// one named). Every knob stands here once, with its default; the table in options.cc gives each its
// name. Secrets: `token` never comes from YAML, is never printed. Errors are kInvalidConfig with
// one sentence a bad value; an unknown key names its line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/base/clock.h"
#include "client/base/log.h"
#include "client/base/status.h"

namespace threefs::config {

enum class Consistency : uint8_t {
  kRelaxed,      ///< 3FS's own cache times (30 s, 5 s)
  kCloseToOpen,  ///< what another mount closed is seen by the next open; attributes at most 1 s old
  kStrict,       ///< nothing is cached, neither here nor in the kernel
};
enum class Identity : uint8_t {
  kCaller,  ///< the calling uid, gid and supplementary groups, vouched for by the token
  kToken,   ///< everybody acts as the token's user
};
enum class Backend : uint8_t { kCluster, kNull };
enum class Transport : uint8_t { kAuto, kTcp, kRdma };

struct MountConfig {
  std::string cluster_id;
  std::vector<std::string> mgmtd_addresses;
  std::string token_file;
  std::string token;       ///< secret
  std::string path = "/";  ///< the directory of the 3FS tree that is the volume's root
  std::string mountpoint;  ///< launcher TOML only; else given on the command line
  Transport transport = Transport::kAuto;
  Consistency consistency = Consistency::kCloseToOpen;
  Identity identity = Identity::kCaller;
  Duration io_timeout = 60s;  ///< one deadline an operation
  uint32_t loops = 0;         ///< 0: min(processors, 4)
  bool read_only = false;
  bool allow_other = true;
  bool verify_checksums = true;
  uint32_t max_background =
      64;  ///< the kernel's bound of background requests (read-ahead, async direct I/O)
  LogLevel log_level = LogLevel::kInfo;
  // How long the kernel may believe what it was told. Negative: what `consistency` says (Resolve
  // fills it in).
  Duration attr_timeout{-1};
  Duration entry_timeout{-1};
  Duration negative_timeout{-1};
  Duration symlink_timeout{-1};

  Backend backend = Backend::kCluster;
  uint32_t null_files = 4;
  uint64_t null_file_size = 1ULL << 30;
};

/// Sets one option from text, by its YAML name. kInvalidConfig: unknown name or bad value.
Status SetOption(MountConfig* config, std::string_view name, std::string_view value);
/// The same for the options that are lists.
Status SetListOption(MountConfig* config, std::string_view name, std::vector<std::string> values);

/// Fills in what depends on other values and checks the whole: call once after all options are set.
Status Resolve(MountConfig* config);

/// Parses YAML text on top of `config`; `source` names it in errors ("vol.yaml").
Status ParseYaml(std::string_view text, std::string_view source, MountConfig* config);

using Overrides = std::vector<std::pair<std::string, std::string>>;
/// Parses a launcher TOML (cluster_id, mountpoint, allow_other, token_file, [mgmtd_client] …;
/// [client] and [ib_devices] are 3FS's own business and ignored) and then
/// `--launcher_config.<key>=v` overrides. Keys 3FS does not know are refused.
Status ParseLauncherToml(std::string_view text, std::string_view source, const Overrides& overrides,
                         MountConfig* config);

/// A whole file, at most 1 MiB. kInvalidConfig with the system's reason.
Result<std::string> ReadSmallFile(const std::string& path);
/// The token of `config.token_file`, blanks trimmed; empty when no file is named.
Result<std::string> ReadToken(const MountConfig& config);

/// "/a//b/./c/" → "/a/b/c"; "" → "/". kInvalidConfig for `..`, control characters, components above
/// 255 bytes.
Result<std::string> NormalizeVolumePath(std::string_view path);
/// "500ms", "30s", "1min", "2" (seconds), fractions allowed.
Result<Duration> ParseDuration(std::string_view text);
/// "4096", "64KiB", "1MB" (binary, as 3FS has it), "1GiB".
Result<uint64_t> ParseSize(std::string_view text);

}  // namespace threefs::config

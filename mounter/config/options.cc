// SPDX-License-Identifier: Apache-2.0
// The table of options: name, how its text becomes a value. YAML, CSI mount options and overrides
// all end here.
#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>

#include "mounter/config/mount_config.h"

namespace threefs::config {
namespace {

constexpr size_t kMaxFile = 1U << 20;
constexpr size_t kMaxClusterId = 31;  // 3fs/fuse.md §1.2: 32 and more abort 3FS's own client

Status Bad(std::string sentence) { return {Code::kInvalidConfig, std::move(sentence)}; }

Status SetText(std::string* out, std::string_view name, std::string_view v) {
  if (std::any_of(v.begin(), v.end(),
                  [](char c) { return std::iscntrl(static_cast<unsigned char>(c)) != 0; })) {
    return Bad(fmt::format("{} holds a control character; write it on one line", name));
  }
  *out = std::string(v);
  return {};
}

Status SetBool(bool* out, std::string_view name, std::string_view v) {
  if (v == "true" || v == "yes" || v == "on" || v == "1" || v.empty()) {
    *out = true;
  } else if (v == "false" || v == "no" || v == "off" || v == "0") {
    *out = false;
  } else {
    return Bad(fmt::format("{} is \"{}\"; write true or false", name, v));
  }
  return {};
}

template <class T>
Status SetNumber(T* out, std::string_view name, std::string_view v, T low, T high) {
  T n{};
  const auto [end, ec] = std::from_chars(v.data(), v.data() + v.size(), n);
  if (ec != std::errc{} || end != v.data() + v.size() || n < low || n > high) {
    return Bad(fmt::format("{} is \"{}\"; write a whole number from {} to {}", name, v, low, high));
  }
  *out = n;
  return {};
}

Status SetDuration(Duration* out, std::string_view name, std::string_view v, Duration low,
                   Duration high) {
  const auto d = ParseDuration(v);
  if (!d.ok() || *d < low || *d > high) {
    return Bad(fmt::format(
        "{} is \"{}\"; write a time such as 500ms, 30s or 1min, at least {} ms and at most {} s",
        name, v, low / 1ms, high / 1s));
  }
  *out = *d;
  return {};
}

template <class E, size_t N>
Status SetEnum(E* out, std::string_view name, std::string_view v,
               const std::array<std::pair<std::string_view, E>, N>& table) {
  std::string choices;
  for (const auto& [text, value] : table) {
    if (v == text) {
      *out = value;
      return {};
    }
    choices += choices.empty() ? "" : ", ";
    choices += text;
  }
  return Bad(fmt::format("{} is \"{}\"; choose one of {}", name, v, choices));
}

constexpr std::array<std::pair<std::string_view, Consistency>, 3> kConsistency{
    {{"relaxed", Consistency::kRelaxed},
     {"close-to-open", Consistency::kCloseToOpen},
     {"strict", Consistency::kStrict}}};
constexpr std::array<std::pair<std::string_view, Identity>, 2> kIdentity{
    {{"caller", Identity::kCaller}, {"token", Identity::kToken}}};
constexpr std::array<std::pair<std::string_view, Transport>, 3> kTransport{
    {{"auto", Transport::kAuto}, {"tcp", Transport::kTcp}, {"rdma", Transport::kRdma}}};
constexpr std::array<std::pair<std::string_view, Backend>, 2> kBackend{
    {{"3fs", Backend::kCluster}, {"null", Backend::kNull}}};

Status SetLogLevel(LogLevel* out, std::string_view name, std::string_view v) {
  if (ParseLogLevel(v, out)) return {};
  return Bad(fmt::format("{} is \"{}\"; choose one of debug, info, warn, error, off", name, v));
}

Status SetSize(uint64_t* out, std::string_view name, std::string_view v) {
  const auto n = ParseSize(v);
  if (!n.ok())
    return Bad(fmt::format("{} is \"{}\"; write a size such as 4096, 64KiB or 1GiB", name, v));
  *out = *n;
  return {};
}

struct Option {
  std::string_view name;
  Status (*set)(MountConfig*, std::string_view name, std::string_view value);
};

using C = MountConfig;
using S = std::string_view;
constexpr Duration kLongest = 24h;

constexpr Option kOptions[] = {
    {"cluster_id", [](C* c, S n, S v) { return SetText(&c->cluster_id, n, v); }},
    {"token_file", [](C* c, S n, S v) { return SetText(&c->token_file, n, v); }},
    {"path",
     [](C* c, S, S v) -> Status {
       TRY(c->path, NormalizeVolumePath(v));
       return {};
     }},
    {"transport", [](C* c, S n, S v) { return SetEnum(&c->transport, n, v, kTransport); }},
    {"consistency", [](C* c, S n, S v) { return SetEnum(&c->consistency, n, v, kConsistency); }},
    {"identity", [](C* c, S n, S v) { return SetEnum(&c->identity, n, v, kIdentity); }},
    {"backend", [](C* c, S n, S v) { return SetEnum(&c->backend, n, v, kBackend); }},
    {"io_timeout",
     [](C* c, S n, S v) { return SetDuration(&c->io_timeout, n, v, 100ms, kLongest); }},
    {"attr_timeout",
     [](C* c, S n, S v) { return SetDuration(&c->attr_timeout, n, v, 0ns, kLongest); }},
    {"entry_timeout",
     [](C* c, S n, S v) { return SetDuration(&c->entry_timeout, n, v, 0ns, kLongest); }},
    {"negative_timeout",
     [](C* c, S n, S v) { return SetDuration(&c->negative_timeout, n, v, 0ns, kLongest); }},
    {"symlink_timeout",
     [](C* c, S n, S v) { return SetDuration(&c->symlink_timeout, n, v, 0ns, kLongest); }},
    {"loops", [](C* c, S n, S v) { return SetNumber<uint32_t>(&c->loops, n, v, 0, 64); }},
    {"max_background",
     [](C* c, S n, S v) { return SetNumber<uint32_t>(&c->max_background, n, v, 1, 65535); }},
    {"read_only", [](C* c, S n, S v) { return SetBool(&c->read_only, n, v); }},
    {"allow_other", [](C* c, S n, S v) { return SetBool(&c->allow_other, n, v); }},
    {"verify_checksums", [](C* c, S n, S v) { return SetBool(&c->verify_checksums, n, v); }},
    {"log_level", [](C* c, S n, S v) { return SetLogLevel(&c->log_level, n, v); }},
    {"null_files",
     [](C* c, S n, S v) { return SetNumber<uint32_t>(&c->null_files, n, v, 1, 100000); }},
    {"null_file_size", [](C* c, S n, S v) { return SetSize(&c->null_file_size, n, v); }},
};

std::string_view Trim(std::string_view s) {
  constexpr std::string_view kBlank = " \t\r\n";
  const size_t from = s.find_first_not_of(kBlank);
  if (from == std::string_view::npos) return {};
  return s.substr(from, s.find_last_not_of(kBlank) - from + 1);
}

struct Split {
  double number = 0;
  std::string_view unit;
};
std::optional<Split> SplitUnit(std::string_view text) {
  text = Trim(text);
  if (text.empty() || text.size() > 32 || std::isdigit(static_cast<unsigned char>(text[0])) == 0)
    return std::nullopt;
  Split out;
  const auto [end, ec] =
      std::from_chars(text.data(), text.data() + text.size(), out.number, std::chars_format::fixed);
  if (ec != std::errc{} || !std::isfinite(out.number)) return std::nullopt;
  out.unit = Trim(text.substr(static_cast<size_t>(end - text.data())));
  return out;
}

}  // namespace

Status SetOption(MountConfig* config, std::string_view name, std::string_view value) {
  for (const Option& o : kOptions) {
    if (o.name == name) return o.set(config, name, value);
  }
  if (name == "mgmtd_addresses") {
    std::vector<std::string> list;
    while (!value.empty()) {
      const size_t comma = std::min(value.find(','), value.size());
      list.emplace_back(Trim(value.substr(0, comma)));
      value.remove_prefix(std::min(comma + 1, value.size()));
    }
    return SetListOption(config, name, std::move(list));
  }
  return Bad(fmt::format("unknown key \"{}\"; remove it or correct its spelling", name));
}

Status SetListOption(MountConfig* config, std::string_view name, std::vector<std::string> values) {
  if (name != "mgmtd_addresses") {
    for (const Option& o : kOptions) {
      if (o.name == name) return Bad(fmt::format("{} takes one value, not a list", name));
    }
    return Bad(fmt::format("unknown key \"{}\"; remove it or correct its spelling", name));
  }
  if (values.empty() || values.size() > 64) {
    return Bad("mgmtd_addresses needs from 1 to 64 addresses such as RDMA://10.0.0.1:8000");
  }
  for (const std::string& v : values) {
    std::string checked;
    TRY(SetText(&checked, name, v));
    if (v.find(':') == std::string::npos || v.size() > 300) {
      return Bad(
          fmt::format("mgmtd address \"{}\" has no port; write it like RDMA://10.0.0.1:8000", v));
    }
  }
  config->mgmtd_addresses = std::move(values);
  return {};
}

Status Resolve(MountConfig* c) {
  if (c->cluster_id.size() > kMaxClusterId) {
    return Bad(fmt::format("cluster_id \"{}\" has {} characters; 3FS allows at most {}",
                           c->cluster_id, c->cluster_id.size(), kMaxClusterId));
  }
  if (c->cluster_id.find_first_of(",/ ") != std::string::npos) {
    return Bad("cluster_id holds a comma, slash or blank; give the id the cluster was set up with");
  }
  if (c->backend == Backend::kNull) {
    if (c->cluster_id.empty()) c->cluster_id = "null";
  } else {
    if (c->cluster_id.empty())
      return Bad("cluster_id is missing; give the id the cluster was set up with");
    if (c->mgmtd_addresses.empty())
      return Bad("mgmtd_addresses is missing; give at least one like RDMA://10.0.0.1:8000");
  }
  const bool relaxed = c->consistency == Consistency::kRelaxed;
  const bool strict = c->consistency == Consistency::kStrict;
  const auto fill = [&](Duration* d, Duration when_relaxed, Duration when_close_to_open) {
    if (*d < 0ns) *d = strict ? 0ns : (relaxed ? when_relaxed : when_close_to_open);
  };
  fill(&c->attr_timeout, 30s, 1s);
  fill(&c->entry_timeout, 30s, 1s);
  fill(&c->negative_timeout, 5s, 0s);
  fill(&c->symlink_timeout, 5s, 1s);
  return {};
}

Result<std::string> ReadSmallFile(const std::string& path) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "re"), &std::fclose);
  if (!file)
    return Bad(fmt::format("cannot read {}: {}", path, std::generic_category().message(errno)));
  std::string text;
  std::array<char, 4096> piece;
  size_t n = 0;
  while ((n = std::fread(piece.data(), 1, piece.size(), file.get())) > 0) {
    text.append(piece.data(), n);
    if (text.size() > kMaxFile)
      return Bad(fmt::format("{} is larger than 1 MiB; that is no configuration", path));
  }
  if (std::ferror(file.get()) != 0)
    return Bad(fmt::format("cannot read {}; is it a directory?", path));
  return text;
}

Result<std::string> ReadToken(const MountConfig& config) {
  if (config.token_file.empty()) return std::string();
  TRY(const std::string text, ReadSmallFile(config.token_file));
  return std::string(Trim(text));
}

Result<std::string> NormalizeVolumePath(std::string_view path) {
  if (path.size() > 4096) return Bad("the volume's path is longer than 4096 bytes");
  std::string out;
  while (!path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (part.empty() || part == ".") continue;
    if (part == "..") return Bad("the volume's path holds \"..\"; write it without");
    if (part.size() > 255) return Bad("a name in the volume's path is longer than 255 bytes");
    if (std::any_of(part.begin(), part.end(),
                    [](char c) { return std::iscntrl(static_cast<unsigned char>(c)) != 0; })) {
      return Bad(
          "the volume's path holds a newline or another control character; choose another path");
    }
    out += '/';
    out += part;
  }
  return out.empty() ? std::string("/") : out;
}

Result<Duration> ParseDuration(std::string_view text) {
  const auto split = SplitUnit(text);
  if (!split.has_value()) return Bad("not a time");
  double scale = 0;
  if (split->unit.empty() || split->unit == "s") {
    scale = 1e9;
  } else if (split->unit == "ms") {
    scale = 1e6;
  } else if (split->unit == "us") {
    scale = 1e3;
  } else if (split->unit == "ns") {
    scale = 1;
  } else if (split->unit == "min" || split->unit == "m") {
    scale = 60e9;
  } else if (split->unit == "h") {
    scale = 3600e9;
  } else {
    return Bad("not a time");
  }
  const double ns = split->number * scale;
  if (ns > 9e18) return Bad("too long a time");
  return Duration(static_cast<int64_t>(ns));
}

Result<uint64_t> ParseSize(std::string_view text) {
  const auto split = SplitUnit(text);
  if (!split.has_value()) return Bad("not a size");
  int shift = -1;
  const std::string_view u = split->unit;
  if (u.empty() || u == "B") {
    shift = 0;
  } else if (u == "K" || u == "KB" || u == "KiB") {
    shift = 10;
  } else if (u == "M" || u == "MB" || u == "MiB") {
    shift = 20;
  } else if (u == "G" || u == "GB" || u == "GiB") {
    shift = 30;
  } else if (u == "T" || u == "TB" || u == "TiB") {
    shift = 40;
  }
  if (shift < 0) return Bad("not a size");
  const double n = std::ldexp(split->number, shift);
  if (n > 9e18) return Bad("too large a size");
  return static_cast<uint64_t>(n);
}

}  // namespace threefs::config

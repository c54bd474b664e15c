// SPDX-License-Identifier: Apache-2.0
// Text as the mounter's YAML and as 3FS's launcher TOML: no input may end the process, and what is
// refused is refused with a sentence.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "client/base/check.h"
#include "mounter/config/mount_config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace config = threefs::config;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  config::MountConfig c;
  threefs::Status status;
  if ((data[0] & 1) == 0) {
    status = config::ParseYaml(text, "fuzz.yaml", &c);
  } else {
    const size_t cut = std::min<size_t>(text.find('\0'), text.size());
    config::Overrides overrides;
    if (cut < text.size())
      overrides.emplace_back("mgmtd_client.mgmtd_server_addresses", text.substr(cut + 1));
    status = config::ParseLauncherToml(text.substr(0, cut), "fuzz.toml", overrides, &c);
  }
  if (status.ok()) status = config::Resolve(&c);
  CHECK(status.ok() || !status.message().empty());
  if (status.ok()) {
    CHECK(c.path.starts_with('/') && (c.path + "/").find("/../") == std::string::npos);
    CHECK(c.cluster_id.size() < 32);
  }
  return 0;
}

// SPDX-License-Identifier: Apache-2.0
// VolumeCtl: making, removing and listing volumes in 3FS, as the controller sees it. Production
// runs one-shot `threefsctl volume … --json` processes, the token by a descriptor, so that
// threefs-csi never links the 3FS client. Blocking. Any thread. Tests give a fake.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client/base/clock.h"
#include "csi/grammar.h"

namespace threefs::csi {

/// Where to act, and as whom.
struct CtlTarget {
  std::string cluster_id;
  std::vector<std::string> mgmtd_addresses;
  std::string transport;
  std::string base_path;
  std::string token;  ///< secret; empty = none
};

/// A volume as recorded in `<basePath>/.threefs-csi/<id>.json`.
struct CtlVolume {
  std::string id;
  std::string name;
  std::string path;
  uint64_t capacity_bytes = 0;
  StringMap parameters;
};

struct CtlCreate {
  CtlVolume volume;
  uint64_t chunk_size = 0;
  uint32_t stripe_size = 0;
  uint32_t chain_table_id = 0;
};

/// `kind` is one of threefsctl's error kinds: bad-argument, unreachable, bad-token, wrong-cluster,
/// not-found, exists, no-space, timeout, busy, permission, system.
struct CtlAnswer {
  bool ok = false;
  std::string kind;
  std::string sentence;
  bool created = false;            ///< Create
  bool deleted = false;            ///< Delete
  std::vector<CtlVolume> volumes;  ///< Create, Get, Expand: one; List: a page
  std::string next;                ///< List
  uint64_t available = 0;          ///< Capacity
};

class VolumeCtl {
 public:
  virtual ~VolumeCtl() = default;
  virtual CtlAnswer Create(const CtlTarget& target, const CtlCreate& create) = 0;
  virtual CtlAnswer Get(const CtlTarget& target, const std::string& id) = 0;
  virtual CtlAnswer Delete(const CtlTarget& target, const std::string& id) = 0;
  virtual CtlAnswer Expand(const CtlTarget& target, const std::string& id, uint64_t bytes) = 0;
  /// `max` 0: all.
  virtual CtlAnswer List(const CtlTarget& target, uint32_t max, const std::string& after) = 0;
  virtual CtlAnswer Capacity(const CtlTarget& target) = 0;
};

/// `timeout`: then the process is killed and the answer is kind "timeout".
std::unique_ptr<VolumeCtl> MakeThreefsctl(std::string program, Duration timeout);
/// The answer in one JSON object of threefsctl; kind "system" when it is not one.
CtlAnswer ParseCtlAnswer(const std::string& json);

}  // namespace threefs::csi

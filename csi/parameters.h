// SPDX-License-Identifier: Apache-2.0
// What a person may write in a StorageClass, a PersistentVolume's volumeAttributes, mountOptions
// and a secret, as checked plain values. Pure, any thread. An unknown key is an error that names it
// and the known ones; keys of Kubernetes itself (csi.storage.k8s.io/…, storage.kubernetes.io/…) are
// never unknown.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "client/base/status.h"
#include "csi/grammar.h"

namespace threefs::csi {

/// How a mounter behaves; from a StorageClass and, through the volume context, from a
/// PersistentVolume. Empty = default.
struct MountParameters {
  std::string cluster_id;
  std::vector<std::string> mgmtd_addresses;
  std::string transport;    ///< auto, rdma, tcp
  std::string consistency;  ///< relaxed, close-to-open, strict
  std::string identity;     ///< caller, token
  uint32_t io_timeout_ms = 0;
};

struct StorageClass {
  MountParameters mount;
  std::string base_path = "/";
  std::string relative_path;  ///< the expanded pathPattern; empty = the volume id
  uint64_t chunk_size = 0;    ///< 0 = the parent directory's
  uint32_t stripe_size = 0;
  uint32_t chain_table_id = 0;
};

struct VolumeContext {
  MountParameters mount;
  std::string path;  ///< in the 3FS tree
};

/// mountOptions of a PV, sorted out.
struct MountOptions {
  bool read_only = false;
  bool no_exec = false;
  StringMap knobs;  ///< the mounter's own, by its configuration names
};

/// Parameters of a StorageClass; `volume_name` stands for ${pv.name} when Kubernetes did not send
/// it.
Result<StorageClass> ParseStorageClass(const StringMap& parameters, const std::string& volume_name);
Result<VolumeContext> ParseVolumeContext(const StringMap& context);
/// What CreateVolume hands out: ParseVolumeContext of it gives the same back.
StringMap MakeVolumeContext(const StorageClass& storage_class, const std::string& path);
Result<MountOptions> ParseMountOptions(const std::vector<std::string>& flags);
/// The `token` of a secret, blanks at its ends trimmed; empty when there is none (a cluster without
/// authentication). The error never holds the token.
Result<std::string> TokenOf(const StringMap& secrets);

}  // namespace threefs::csi

// SPDX-License-Identifier: Apache-2.0
// Cluster: one 3FS cluster, open for use by N loops. Owns what is per process (mgmtd client, client
// session) and what is per loop (Session: connections, meta, storage and file clients). A front
// (mounter, threefsctl, libthreefs) opens one and asks for the session of the loop it is on. No
// globals: a process may have several.
//   CO_TRY(auto cluster, co_await file::Cluster::Open(loops, network, pool, options));
//   auto& s = cluster->session(loop);
//   CO_TRY(auto root, co_await meta::Stat(s.meta(), cluster->MakeOp(user), meta::At(0)));
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "client/base/status.h"
#include "client/base/uuid.h"
#include "client/file/file_io.h"
#include "client/meta/meta_client.h"
#include "client/mgmtd/mgmtd_client.h"
#include "client/mgmtd/op_context.h"
#include "client/net/transport.h"
#include "client/rpc/client.h"
#include "client/runtime/loop.h"
#include "client/runtime/task.h"
#include "client/storage/storage_client.h"

namespace threefs::file {

enum class TransportChoice : uint8_t { kAuto, kTcp, kRdma };

struct ClusterOptions {
  std::string cluster_id;  ///< 1 … 31 characters
  /// "RDMA://ip:port", "TCP://host:port", "host:port"; names are looked up again when connections
  /// fail.
  std::vector<std::string> mgmtd_addresses;
  /// Secret. Checked by Open when not empty.
  std::string token;
  /// Whom `token` is checked as (authenticate needs the token owner's own uid and gid; root's
  /// token: 0, 0).
  uint32_t token_uid = 0;
  uint32_t token_gid = 0;
  /// Zero: random. A process that continues another's work (hand-over) gives the same id, and with
  /// it client_start.
  Uuid client_id;
  int64_t client_start = 0;  ///< wall microseconds; 0: now
  std::string hostname;      ///< empty: gethostname
  std::string universal_id;  ///< empty: NODE_NAME, else hostname
  std::string description;   ///< "fuse: host"
  schema::mgmtd::NodeType node_type = schema::mgmtd::NodeType::kClient;
  TransportChoice transport = TransportChoice::kAuto;
  Duration io_timeout = 60s;
  Duration open_timeout = 10s;  ///< of Open itself
  bool verify_checksums = true;
  bool dynamic_stripe = true;
  bool keep_session = true;  ///< false: tools that never write
  Duration refresh_interval = 10s;
  uint64_t seed = 0;  ///< of every random choice; 0: the kernel's (simulation gives one)
};

/// One loop's clients. All references live as long as the Cluster.
class Session {
 public:
  virtual ~Session() = default;
  virtual Loop& loop() = 0;
  virtual rpc::Client& rpc() = 0;
  virtual meta::MetaClient& meta() = 0;
  virtual storage::StorageClient& storage() = 0;
  virtual FileIo& io() = 0;
};

class Cluster {
 public:
  /// On loops[0], the home loop. `network` and `pool` outlive the cluster. Errors carry one
  /// sentence saying what to do: kInvalidArg (options), kMgmtdClusterIdMismatch,
  /// kMgmtdClientPrimaryMgmtdNotFound (nobody answers), kMgmtdClientMetaServiceNotAvailable,
  /// kAuthenticationFail (token refused).
  static Task<Result<std::unique_ptr<Cluster>>> Open(std::vector<Loop*> loops,
                                                     net::Network& network, BlockingPool& pool,
                                                     ClusterOptions options);
  virtual ~Cluster() = default;  ///< after Close

  /// Home loop, once, when no operation runs any more: ends background work and connections on
  /// every loop.
  virtual Task<void> Close() = 0;

  /// REQUIRES: `loop` was given to Open. Any thread; use the session on its loop only.
  virtual Session& session(Loop& loop) = 0;
  [[nodiscard]] virtual const ClusterOptions& options() const = 0;
  [[nodiscard]] virtual const schema::ClientId& client() const = 0;
  [[nodiscard]] virtual mgmtd::RoutingRef routing() const = 0;
  virtual mgmtd::MgmtdClient& mgmtd() = 0;

  /// The identity of a caller, vouched for by this cluster's token.
  [[nodiscard]] UserRef MakeUser(uint32_t uid, uint32_t gid, std::vector<uint32_t> groups) const {
    return threefs::MakeUser(uid, gid, std::move(groups), options().token);
  }
  /// The token's own identity, with the io_timeout from now.
  [[nodiscard]] virtual OpContext MakeOp(Loop& loop, UserRef user = nullptr) const = 0;
};

}  // namespace threefs::file

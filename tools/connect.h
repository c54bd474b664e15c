// SPDX-License-Identifier: Apache-2.0
// Connection: one loop, one cluster, for the length of a command. Plain blocking face for main():
// Run starts a task on the loop and waits for it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/base/status.h"
#include "client/file/cluster.h"
#include "client/meta/meta_ops.h"
#include "client/net/transport.h"
#include "client/runtime/loop.h"
#include "client/runtime/sync_wait.h"

namespace threefs::tools {

/// What the command line says about the cluster.
struct ClusterFlags {
  std::string cluster_id;
  std::vector<std::string> mgmtd;
  std::string transport = "auto";
  std::string io_timeout = "30s";
  int token_fd = -1;       ///< read to its end, white space trimmed
  std::string token_file;  ///< the same from a file
};

/// The secret those flags name; empty when none. kInvalidArg says which of the two could not be
/// read.
Result<std::string> ReadToken(const ClusterFlags& flags);

/// What a task of a command works with. Lives as long as the Connection; used on its loop.
struct Access {
  Loop* loop = nullptr;
  file::Cluster* cluster = nullptr;
  file::Session* session = nullptr;
  [[nodiscard]] OpContext Op() const { return cluster->MakeOp(*loop); }
  [[nodiscard]] meta::MetaClient& meta() const { return session->meta(); }
  [[nodiscard]] file::FileIo& io() const { return session->io(); }
};

class Connection {
 public:
  static Result<std::unique_ptr<Connection>> Open(const ClusterFlags& flags);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Blocks until `make(Access)`'s task is done.
  template <class F>
  auto Run(F make) {
    return SyncWait(thread_->loop(), [this, &make] { return make(access_); });
  }

 private:
  Connection() = default;
  std::unique_ptr<net::Network> network_;
  std::unique_ptr<BlockingPool> pool_;
  std::unique_ptr<LoopThread> thread_;
  std::unique_ptr<file::Cluster> cluster_;
  Access access_;
};

}  // namespace threefs::tools

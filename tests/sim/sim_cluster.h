// SPDX-License-Identifier: Apache-2.0
// SimCluster: the standalone servers (mgmtd, meta, storage nodes) as processes of a SimWorld, each
// with its own loop, ip and disk in memory. A process may be killed at any event, as by SIGKILL,
// and started again on its disk.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "client/base/status.h"
#include "client/runtime/loop.h"
#include "client/runtime/task.h"
#include "client/standalone/chunk_device.h"
#include "client/standalone/meta_db.h"
#include "client/standalone/meta_service.h"
#include "client/standalone/mgmtd_service.h"
#include "client/standalone/node_agent.h"
#include "client/standalone/storage_service.h"
#include "tests/support/sim_loop.h"
#include "tests/support/sim_network.h"

namespace threefs::sim {

struct ClusterShape {
  uint32_t storage_nodes = 4;
  uint32_t chains = 6;
  uint32_t replicas = 3;
  uint32_t chunk_size = 16U << 10;
  uint32_t stripe = 2;
};

class SimCluster {
 public:
  static constexpr const char* kClusterId = "sim";
  static constexpr uint32_t kMgmtdIp = 0x0100000a;  // 10.0.0.1
  static constexpr uint16_t kPort = 8000;

  SimCluster(SimWorld& world, SimNetwork& network, ClusterShape shape);
  SimCluster(const SimCluster&) = delete;
  SimCluster& operator=(const SimCluster&) = delete;
  ~SimCluster();

  /// Processes by number: 0 mgmtd, 1 meta, 2… storage nodes.
  [[nodiscard]] size_t processes() const { return processes_.size(); }
  [[nodiscard]] uint32_t ip(size_t process) const;
  [[nodiscard]] bool up(size_t process) const;
  [[nodiscard]] static bool IsStorage(size_t process) { return process >= 2; }

  /// On any loop of the world; comes back on it.
  Task<Status> Start(size_t process);
  /// At once; what it was doing stays undone.
  void Crash(size_t process);

  /// A running storage node's switches.
  standalone::StorageFaults* faults(size_t process);
  /// Raises the version of a chain without a reason (mgmtd must be up; else nothing).
  Task<void> BumpChain(uint32_t chain_id);
  [[nodiscard]] uint32_t chain_id(uint32_t index) const { return 100001 + index; }
  /// Every replica of every chain serves, by mgmtd's own view.
  [[nodiscard]] bool AllServing() const;
  [[nodiscard]] std::string Describe() const;

 private:
  struct Process;
  Task<Status> StartMgmtd(Process* p);
  Task<Status> StartMeta(Process* p);
  Task<Status> StartStorage(Process* p);
  Task<Status> StartHere(Process* p);
  standalone::MgmtdPlan Plan() const;
  std::vector<schema::ServiceGroupInfo> Groups(const Process& p) const;
  std::unique_ptr<standalone::NodeAgent> MakeAgent(Process* p,
                                                   standalone::NodeAgent::Callbacks callbacks);

  SimWorld& world_;
  SimNetwork& network_;
  const ClusterShape shape_;
  std::unique_ptr<BlockingPool> pool_ = BlockingPool::Create(0, "sim");
  std::shared_ptr<std::string> mgmtd_disk_ = std::make_shared<std::string>();
  std::shared_ptr<standalone::MemoryDisk> meta_disk_ = std::make_shared<standalone::MemoryDisk>();
  std::vector<std::unique_ptr<Process>> processes_;
};

}  // namespace threefs::sim

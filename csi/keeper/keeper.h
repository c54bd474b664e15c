// SPDX-License-Identifier: Apache-2.0
// Keeper: the poll loop that is the parent of all mounters of a node. One thread: accepts calls on
// a unix socket (KeeperRequest → KeeperReply), feeds every Volume its events, answers a call when
// its volume has got there. Small on purpose: no gRPC, no coroutines, no allocation that grows with
// traffic.
#pragma once

#include <poll.h>

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client/base/clock.h"
#include "client/base/rng.h"
#include "client/base/status.h"
#include "csi/keeper/host.h"
#include "csi/keeper/journal.h"
#include "csi/keeper/volume.h"
#include "proto/channel/channel.h"
#include "proto/mounter/control.pb.h"

namespace threefs::keeper {

class Keeper {
 public:
  struct Options {
    VolumeSettings volume;
    uint32_t loops = 0;  ///< per mounter; 0 = min(processors, 4)
    size_t max_clients = 64;
    size_t max_volumes = 1024;
  };
  /// All pointers outlive the keeper.
  Keeper(Host* host, const Clock* clock, Journal journal, control::Listener listener,
         Options options);
  ~Keeper();
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  /// Takes over, or cleans up, what an earlier keeper left behind. Call once, first.
  void Recover();
  /// Waits for events until the earliest deadline (at most `longest`) and handles them. `wake_fd`:
  /// -1, or a descriptor that ends the wait when readable (a signalfd; the caller reads it).
  void RunOnce(Duration longest, int wake_fd = -1);
  /// Unmounts everything, flushing. Done when volumes() is 0 after further RunOnce calls.
  void BeginShutdown();
  [[nodiscard]] size_t volumes() const { return volumes_.size(); }

 private:
  struct Client {
    control::Channel channel;
    bool closed = false;
  };
  /// A call that waits for its volume.
  struct Waiter {
    std::weak_ptr<Client> client;
    uint64_t request_id = 0;
    std::string volume_id;
    bool wants_gone = false;      ///< Unmount; otherwise Mount
    TimePoint deadline = kNever;  ///< of a Mount: then it is told what the volume's trouble is
  };

  void AcceptClients();
  void ServeClient(const std::shared_ptr<Client>& client);
  void Handle(const std::shared_ptr<Client>& client, mounter::KeeperRequest* request);
  void HandleMount(const std::shared_ptr<Client>& client, uint64_t id,
                   mounter::MountRequest* request);
  void HandleUnmount(const std::shared_ptr<Client>& client, uint64_t id,
                     const mounter::UnmountRequest& request);
  void HandleList(const std::shared_ptr<Client>& client, uint64_t id,
                  const mounter::ListRequest& request);
  void AnswerWaiters();
  bool AnswerIfDone(const Waiter& waiter);
  void RemoveGone();
  Volume& MakeVolume(mounter::MountSpec spec, std::string token, std::string mount_uuid);
  Volume* Find(const std::string& volume_id);

  Host* const host_;
  const Clock* const clock_;
  const Journal journal_;
  const control::Listener listener_;
  const Options options_;
  Rng rng_;
  bool shutting_down_ = false;
  std::map<std::string, std::unique_ptr<Volume>> volumes_;
  std::vector<std::shared_ptr<Client>> clients_;
  std::list<Waiter> waiters_;
};

}  // namespace threefs::keeper

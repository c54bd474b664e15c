// SPDX-License-Identifier: Apache-2.0
// Workload: the clients' random operations and what the model makes of their outcomes. Operations
// on different names and files run concurrently; the model's mutexes keep two from touching the
// same thing at once.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/base/rng.h"
#include "client/file/cluster.h"
#include "client/meta/meta_ops.h"
#include "client/runtime/task.h"
#include "tests/sim/model.h"

namespace threefs::sim {

struct SimClient {
  int number = 0;
  Loop* loop = nullptr;
  std::unique_ptr<file::Cluster> cluster;
  [[nodiscard]] file::Session& session() const { return cluster->session(*loop); }
};

class Workload {
 public:
  Workload(std::vector<std::unique_ptr<SimClient>>* clients, uint64_t seed, bool verbose)
      : clients_(clients), rng_(seed), verbose_(verbose) {}

  /// Makes the directories. Calm network.
  Task<Status> Prepare(size_t dirs, size_t names);
  /// `ops` random operations of one client, on its loop.
  Task<void> Work(SimClient* client, int ops);
  /// Calm network, nothing under way: finds out what became of unknown outcomes and compares
  /// everything, through `client`.
  Task<void> Verify(SimClient* client);

  [[nodiscard]] const std::string& failure() const { return failure_; }
  [[nodiscard]] const std::map<std::string, uint64_t>& counts() const { return counts_; }
  void Fail(std::string text) {
    if (failure_.empty()) failure_ = std::move(text);
  }

 private:
  enum class Outcome : uint8_t { kDone, kRefused, kUnknown };
  struct Place {
    size_t dir;
    size_t name;
  };

  OpContext Op(const SimClient& client, Duration time) const;
  /// Of an operation under chaos: sometimes so short that its outcome stays unknown.
  OpContext Op(const SimClient& client);
  Place Pick() {
    return {rng_.Below(model_.dirs.size()), rng_.Below(model_.dirs[0]->slots.size())};
  }
  FilePtr PickFile();
  Slot& At(Place p) { return model_.dirs[p.dir]->slots[p.name]; }
  [[nodiscard]] bool Unsure(Place p) const { return model_.dirs[p.dir]->unsure[p.name]; }
  meta::PathAt Path(Place p) const;
  Content RandomBytes(size_t n);
  /// The outcome, given what the model says must happen; counts and reports what cannot be.
  Outcome Judge(const char* what, const Status& status, Code expected, bool may_lie = false);
  void Doubt(std::vector<UnsureNames::Entry> entries);
  void Set(Place p, Slot slot);

  // Names (workload_names.cc).
  Task<void> Create(SimClient* c, Place p);
  Task<void> Remove(SimClient* c, Place p);
  Task<void> Rename(SimClient* c, Place from, Place to);
  Task<void> Link(SimClient* c, Place from, Place to);
  Task<void> Symlink(SimClient* c, Place p);
  Task<void> Mkdir(SimClient* c, Place p);
  Task<void> List(SimClient* c, size_t dir);
  Task<void> StatSlot(SimClient* c, Place p);
  Task<void> ResolveNames(SimClient* c);
  void CountLinks();
  Task<void> VerifyDir(SimClient* c, size_t dir);

  // Bytes (workload_files.cc).
  Task<bool> Open(SimClient* c, FileModel* f);
  Task<void> WriteFile(SimClient* c, FileModel* f, uint64_t offset, size_t size);
  Task<void> ReadFile(SimClient* c, FileModel* f);
  Task<void> Truncate(SimClient* c, FileModel* f);
  Task<void> Punch(SimClient* c, FileModel* f);
  Task<void> SyncFile(SimClient* c, FileModel* f);
  Task<void> FileOp(SimClient* c, FilePtr f);
  Task<void> VerifyFile(SimClient* c, FilePtr f);
  void DoubtFile(FileModel* f, Content other);
  void Trace(const SimClient& c, const FileModel& f, const std::string& what,
             const Status& status) const;

  std::vector<std::unique_ptr<SimClient>>* clients_;
  Rng rng_;
  bool verbose_;
  bool calm_ = false;
  Model model_;
  std::string failure_;
  std::map<std::string, uint64_t> counts_;
};

}  // namespace threefs::sim

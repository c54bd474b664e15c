// SPDX-License-Identifier: Apache-2.0
#include "client/standalone/mgmtd_chain.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

namespace threefs::standalone {
namespace {

using schema::mgmtd::ChainInfo;
using schema::mgmtd::ChainTargetInfo;
using schema::mgmtd::LocalTargetState;
using schema::mgmtd::PublicTargetState;

LocalTargetState LocalOf(const LocalStates& local, uint64_t target_id) {
  const auto it = local.find(target_id);
  return it == local.end() ? LocalTargetState::kOffline : it->second;
}
bool Alive(LocalTargetState state) {
  return state == LocalTargetState::kUptodate || state == LocalTargetState::kOnline;
}

constexpr int kLastRank = 5;
int Rank(PublicTargetState state) {
  switch (state) {
    case PublicTargetState::kServing:
      return 0;
    case PublicTargetState::kLastsrv:
      return 1;
    case PublicTargetState::kSyncing:
      return 2;
    case PublicTargetState::kWaiting:
      return 3;
    case PublicTargetState::kOffline:
      return 4;
    case PublicTargetState::kInvalid:
      break;
  }
  return kLastRank;
}

// Stable, by rank. (std::stable_sort of libstdc++ 12 does not compile without warnings.)
void Sort(std::vector<ChainTargetInfo>* targets) {
  std::vector<ChainTargetInfo> sorted;
  sorted.reserve(targets->size());
  for (int rank = 0; rank <= kLastRank; ++rank) {
    for (const ChainTargetInfo& t : *targets) {
      if (Rank(t.public_state) == rank) sorted.push_back(t);
    }
  }
  *targets = std::move(sorted);
}

// Serving and last-serving targets: who keeps the data.
void StepServing(std::vector<ChainTargetInfo>* targets, const LocalStates& local) {
  const bool any_left = std::any_of(targets->begin(), targets->end(), [&](const auto& t) {
    return (t.public_state == PublicTargetState::kServing ||
            t.public_state == PublicTargetState::kLastsrv) &&
           Alive(LocalOf(local, t.target_id));
  });
  bool last_found = any_left;
  for (auto t = targets->rbegin(); t != targets->rend(); ++t) {
    const bool alive = Alive(LocalOf(local, t->target_id));
    if (t->public_state == PublicTargetState::kLastsrv) {
      if (alive) t->public_state = PublicTargetState::kServing;
      last_found = true;
    } else if (t->public_state == PublicTargetState::kServing && !alive) {
      t->public_state = last_found ? PublicTargetState::kOffline : PublicTargetState::kLastsrv;
      last_found = true;
    }
  }
}

// Those that come back. REQUIRES: `targets` sorted after StepServing.
void StepReturning(std::vector<ChainTargetInfo>* targets, const LocalStates& local) {
  bool may_sync = false;  // the target before serves
  bool syncing = std::any_of(targets->begin(), targets->end(), [&](const auto& t) {
    return t.public_state == PublicTargetState::kSyncing && Alive(LocalOf(local, t.target_id));
  });
  const bool anybody_serves =
      !targets->empty() && targets->front().public_state == PublicTargetState::kServing;
  for (ChainTargetInfo& t : *targets) {
    const LocalTargetState state = LocalOf(local, t.target_id);
    switch (t.public_state) {
      case PublicTargetState::kServing:
        may_sync = true;
        break;
      case PublicTargetState::kSyncing:
        if (!Alive(state)) {
          t.public_state = PublicTargetState::kOffline;
        } else if (!anybody_serves) {
          t.public_state = PublicTargetState::kWaiting;
          syncing = false;
        } else if (state == LocalTargetState::kUptodate) {
          t.public_state = PublicTargetState::kServing;
        }
        break;
      case PublicTargetState::kWaiting:
        if (!Alive(state)) {
          t.public_state = PublicTargetState::kOffline;
        } else if (may_sync && !syncing) {
          t.public_state = PublicTargetState::kSyncing;
          syncing = true;
        }
        break;
      case PublicTargetState::kOffline:
        if (Alive(state)) t.public_state = PublicTargetState::kWaiting;
        break;
      case PublicTargetState::kLastsrv:
      case PublicTargetState::kInvalid:
        break;
    }
  }
}

bool Same(const std::vector<ChainTargetInfo>& a, const std::vector<ChainTargetInfo>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.target_id == y.target_id && x.public_state == y.public_state;
  });
}

}  // namespace

bool StepChain(ChainInfo* chain, const LocalStates& local) {
  std::vector<ChainTargetInfo> next = chain->targets;
  StepServing(&next, local);
  Sort(&next);
  StepReturning(&next, local);
  Sort(&next);
  if (Same(next, chain->targets)) return false;
  chain->targets = std::move(next);
  ++chain->chain_version;
  return true;
}

Status RotateLastServing(ChainInfo* chain) {
  auto& targets = chain->targets;
  if (targets.size() < 2 || targets.front().public_state != PublicTargetState::kLastsrv) {
    return Status(Code::kMgmtdTargetNotFound,
                  "the chain has no last-serving target that another one could replace");
  }
  targets.front().public_state = PublicTargetState::kOffline;
  std::rotate(targets.begin(), targets.begin() + 1, targets.end());
  targets.front().public_state = PublicTargetState::kLastsrv;
  ++chain->chain_version;
  return {};
}

bool RotateTowardsPreferred(ChainInfo* chain) {
  auto& targets = chain->targets;
  const auto& wanted = chain->preferred_target_order;
  const bool all_serve = std::all_of(targets.begin(), targets.end(), [](const auto& t) {
    return t.public_state == PublicTargetState::kServing;
  });
  if (!all_serve || targets.size() < 2 || wanted.size() != targets.size()) return false;
  for (size_t i = 0; i < targets.size(); ++i) {
    if (targets[i].target_id == wanted[i]) continue;
    targets[i].public_state = PublicTargetState::kOffline;
    Sort(&targets);
    ++chain->chain_version;
    return true;
  }
  return false;
}

}  // namespace threefs::standalone

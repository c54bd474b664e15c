// SPDX-License-Identifier: Apache-2.0
#include "client/standalone/storage_target.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "client/base/check.h"
#include "client/base/log.h"

namespace threefs::standalone {
namespace {

using schema::mgmtd::ChainInfo;
using schema::mgmtd::LocalTargetState;
using schema::mgmtd::NodeInfo;
using schema::mgmtd::PublicTargetState;
using schema::mgmtd::RoutingInfo;

std::optional<ChainView::Next> SuccessorOf(const RoutingInfo& routing, const ChainInfo& chain,
                                           size_t index) {
  if (index + 1 >= chain.targets.size()) return std::nullopt;
  const auto& member = chain.targets[index + 1];
  const bool syncing = member.public_state == PublicTargetState::kSyncing;
  if (!syncing && member.public_state != PublicTargetState::kServing) return std::nullopt;
  ChainView::Next next;
  next.syncing = syncing;
  next.info.target_info.target_id = member.target_id;
  if (const auto* target = routing.targets.Find(member.target_id)) {
    next.info.target_info = *target;
    if (target->node_id.has_value()) {
      if (const NodeInfo* node = routing.nodes.Find(*target->node_id)) {
        next.info.node_info = *node;
        if (const auto address = EndpointOf(*node, "StorageSerde")) next.address = *address;
      }
    }
  }
  return next;
}

bool SameView(const ChainView& a, const ChainView& b) {
  return a.chain_version == b.chain_version && a.state == b.state && a.is_head == b.is_head &&
         a.successor.has_value() == b.successor.has_value() &&
         (!a.successor.has_value() ||
          (a.successor->address == b.successor->address &&
           a.successor->info.target_info.target_id == b.successor->info.target_info.target_id));
}

}  // namespace

std::optional<net::Address> EndpointOf(const NodeInfo& node, const std::string& service) {
  for (const auto& group : node.app.service_groups) {
    if (group.services.contains(service) && !group.endpoints.empty()) return group.endpoints[0];
  }
  return std::nullopt;
}

StorageTarget::StorageTarget(TargetRecord record, std::unique_ptr<ChunkStore> store, Uuid node_uuid,
                             bool fresh)
    : record_(std::move(record)),
      store_(std::move(store)),
      uuid_(node_uuid),
      returning_(!fresh),
      local_(fresh ? LocalTargetState::kOnline : LocalTargetState::kOffline) {}

schema::mgmtd::LocalTargetInfo StorageTarget::Report() const {
  return {.target_id = record_.target_id,
          .local_state = local_,
          .disk_index = 0,
          .used_size = store_->used_bytes(),
          .chain_version = returning_ || failed_ ? 0 : view_->chain_version,
          .low_space = false};
}

void StorageTarget::Demote() {
  ++generation_;
  LOG_INFO("target {} left its chain's serving part", record_.target_id);
}

bool StorageTarget::ApplyRouting(const RoutingInfo& routing) {
  auto next = std::make_shared<ChainView>();
  if (const ChainInfo* chain = routing.chains.Find(record_.chain_id)) {
    for (size_t i = 0; i < chain->targets.size(); ++i) {
      if (chain->targets[i].target_id != record_.target_id) continue;
      next->chain_version = chain->chain_version;
      next->state = chain->targets[i].public_state;
      if (next->state == PublicTargetState::kServing) {
        next->is_head = i == 0;
        next->successor = SuccessorOf(routing, *chain, i);
      }
    }
  }
  if (SameView(*view_, *next)) return false;
  const bool version_moved = view_->chain_version != next->chain_version;
  const bool served = view_->state == PublicTargetState::kServing;
  if (returning_ &&
      (next->state == PublicTargetState::kOffline || next->state == PublicTargetState::kLastsrv)) {
    returning_ = false;
  }
  if (served && next->state != PublicTargetState::kServing) Demote();
  if (returning_ || failed_) {
    local_ = LocalTargetState::kOffline;
  } else if (next->state == PublicTargetState::kServing ||
             next->state == PublicTargetState::kLastsrv) {
    local_ = LocalTargetState::kUptodate;
  } else if (version_moved) {
    local_ = LocalTargetState::kOnline;  // a resync is for one version of the chain
  }
  view_ = std::move(next);
  const auto cancel = std::exchange(view_cancel_, std::make_shared<CancelSource>());
  cancel->Cancel();
  return true;
}

void StorageTarget::Fail(const char* why) {
  if (failed_) return;
  LOG_ERROR("target {} goes offline: {}", record_.target_id, why);
  failed_ = true;
  local_ = LocalTargetState::kOffline;
  ++generation_;
}

Task<StorageTarget::ChunkLock> StorageTarget::LockChunk(std::string id) {
  std::unique_ptr<LockEntry>& entry = locks_[id];
  if (entry == nullptr) entry = std::make_unique<LockEntry>();
  LockEntry* raw = entry.get();
  ++raw->users;
  auto guard = co_await raw->mutex.Lock();
  co_return ChunkLock(this, std::move(id), std::move(guard));
}

void StorageTarget::ChunkLock::Release() {
  if (target_ == nullptr) return;
  guard_.Release();
  const auto it = target_->locks_.find(id_);
  CHECK(it != target_->locks_.end());
  if (--it->second->users == 0) target_->locks_.erase(it);
  target_ = nullptr;
}

Task<void> StorageTarget::DrainUpdates() {
  const uint64_t mark = last_ticket_;
  while (!tickets_.empty() && *tickets_.begin() <= mark) {
    ticket_done_.Reset();
    co_await ticket_done_.Wait();
  }
}

schema::storage::MessageTag StorageTarget::BorrowTag() {
  schema::storage::MessageTag tag;
  tag.client_id.uuid = uuid_;
  tag.client_id.hostname = "storage";
  if (free_channels_.empty()) {
    // All 65,535 taken (never seen): 0 = no channel, which a removal may have.
    tag.channel.id = next_channel_ == 0 ? uint16_t{0} : next_channel_++;
  } else {
    tag.channel.id = free_channels_.back();
    free_channels_.pop_back();
  }
  tag.channel.seqnum = ++seqnum_;
  tag.request_id = seqnum_;
  return tag;
}

}  // namespace threefs::standalone

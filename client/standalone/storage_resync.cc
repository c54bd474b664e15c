// SPDX-License-Identifier: Apache-2.0
#include "client/standalone/storage_resync.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "client/base/log.h"
#include "client/standalone/storage_update.h"

namespace threefs::standalone {

namespace st = schema::storage;

namespace {

bool SameChunk(const ChunkImage& ours, const st::ChunkMeta& theirs) {
  return theirs.commit_ver == ours.version && theirs.update_ver == ours.version &&
         theirs.length == ours.length && theirs.checksum.type == st::ChecksumType::kCrc32c &&
         theirs.checksum.value == ours.WireChecksum();
}

}  // namespace

rpc::CallOptions StorageResync::Options() const {
  return {.ctx = {.deadline = kNever, .cancel = cancel_.get(), .trace = 0},
          .timeout = service_->options_.forward_timeout};
}

Task<void> StorageResync::Run() {
  Duration pause = service_->options_.retry_pause;
  while (Current()) {
    const Status status = co_await Once();
    if (status.ok()) {
      LOG_INFO("target {}: brought target {} up to date", target_->record().target_id,
               view_->successor->info.target_info.target_id);
      co_return;
    }
    LOG_DEBUG("target {}: resync: {}", target_->record().target_id, status.ToString());
    if (!Current()) co_return;
    co_await service_->stop_.WaitUntil(service_->deps_.loop->Now() + pause, cancel_.get());
    pause = std::min<Duration>(pause * 2, 1s);
  }
}

Task<Status> StorageResync::Once() {
  // Updates that began before the successor was known do not go to it: they are in the index once
  // they are done, and every later one goes to it by itself.
  co_await target_->DrainUpdates();
  const st::VersionedChainId chain{target_->record().chain_id, view_->chain_version};
  const net::Address to = view_->successor->address;
  CO_TRY(const auto info, co_await service_->deps_.client->Call<st::method::SyncStart>(
                              to, st::SyncStartReq{.v_chain_id = chain}, Options()));
  std::map<std::string, const st::ChunkMeta*> theirs;
  for (const st::ChunkMeta& meta : info.metas) theirs[meta.chunk_id] = &meta;
  std::vector<std::string> different;
  for (const auto& [id, image] : target_->store().index()) {
    const auto it = theirs.find(id);
    if (it == theirs.end() || !SameChunk(*image, *it->second)) different.push_back(id);
    if (it != theirs.end()) theirs.erase(it);
  }
  for (const auto& [id, meta] : theirs) different.push_back(id);  // gone here
  first_error_ = {};
  {
    TaskScope scope;
    for (std::string& id : different) {
      co_await slots_.Acquire();
      if (!first_error_.ok() || !Current()) {
        slots_.Release();
        break;
      }
      scope.Start(SendOne(std::move(id)));
    }
    co_await scope.Join();
  }
  CO_TRY(first_error_);
  if (!Current()) co_return Code::kInterrupted;
  const auto done = co_await service_->deps_.client->Call<st::method::SyncDone>(
      to, st::SyncDoneReq{.v_chain_id = chain}, Options());
  CO_TRY(done);
  co_return done->result.length_info.status();
}

Task<void> StorageResync::SendOne(std::string id) {
  const Status status = co_await SendLocked(std::move(id));
  if (!status.ok() && first_error_.ok()) first_error_ = status;
  slots_.Release();
}

Task<Status> StorageResync::SendLocked(std::string id) {
  const auto lock = co_await target_->LockChunk(id);
  if (!Current()) co_return Code::kInterrupted;
  const ChunkPtr image = target_->store().Find(id);
  st::UpdateReq req;
  req.payload.key = {{target_->record().chain_id, view_->chain_version}, id};
  req.options = {
      .is_syncing = true, .from_client = false, .commit_chain_ver = view_->chain_version};
  if (image == nullptr) {
    req.payload.update_type = st::UpdateType::kRemove;
  } else {
    std::vector<uint8_t> content(image->length);
    CO_TRY(co_await target_->store().Read(image, 0, content));
    req.payload.update_type = st::UpdateType::kWrite;
    req.payload.update_ver = image->version;
    req.payload.length = image->length;
    req.payload.chunk_size = image->chunk_size;
    req.payload.checksum = {st::ChecksumType::kCrc32c, image->WireChecksum()};
    req.payload.inlinebuf.data = Bytes::Own(std::move(content));
    req.feature_flags = st::kFeatureSendDataInline;
  }
  req.tag = target_->BorrowTag();
  const auto rsp = co_await service_->deps_.client->Call<st::method::Update>(
      view_->successor->address, req, Options());
  target_->ReturnTag(req.tag);
  CO_TRY(rsp);
  co_return rsp->result.length_info.status();
}

}  // namespace threefs::standalone

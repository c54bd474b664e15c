// SPDX-License-Identifier: Apache-2.0
// What makes this correct under node loss at any point:
// * nothing of an update is visible at a replica before its successors have committed it;
// * once it was passed on, it is either committed here or this replica stops being one (its
// generation moves on): an
//   outcome that is not known is asked for again, of whoever the successor is by then;
// * head and successor act on the same chain version, or the successor refuses.
#include "client/standalone/storage_update.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "client/base/fault.h"
#include "client/base/log.h"

namespace threefs::standalone {

namespace st = schema::storage;
using schema::mgmtd::PublicTargetState;

namespace {

// Answers of a successor which say for sure that it has not applied the update and will not.
bool IsRefusal(Code code) {
  switch (code) {
    case Code::kStorageClientNoSpace:
    case Code::kStorageChunkWriteFailed:
    case Code::kInvalidArg:
    case Code::kReadOnlyMode:
    case Code::kStorageChunkInvalidChunkSize:
      return true;
    default:
      return false;
  }
}

}  // namespace

st::ChecksumInfo ChecksumOf(const ChunkImage& image) {
  if (!image.has_checksum) return {};
  return {st::ChecksumType::kCrc32c, image.WireChecksum()};
}

std::string PrintChunkId(const std::string& id) {
  std::string out = "ChunkId(";
  for (size_t i = 0; i < id.size(); ++i) {
    if (i != 0 && i % 4 == 0) out += '-';
    out += fmt::format("{:02x}", static_cast<uint8_t>(id[i]));
  }
  return out + ")";
}

st::IOResult StorageUpdate::Failure(Status status) const {
  IOResult result;
  result.length_info = std::move(status);
  if (base_ != nullptr) {
    result.commit_ver = result.update_ver = base_->version;
    result.checksum = ChecksumOf(*base_);
  }
  if (target_ != nullptr && generation_ != 0) {
    result.commit_chain_ver = io_.key.v_chain_id.chain_ver;
  }
  return result;
}

st::IOResult StorageUpdate::Success() const {
  IOResult result;
  const bool whole =
      io_.update_type == st::UpdateType::kTruncate || io_.update_type == st::UpdateType::kExtend;
  result.length_info = removing() ? 0 : whole ? image_->length : io_.length;
  result.commit_ver = result.update_ver = version_;
  if (image_ != nullptr) result.checksum = ChecksumOf(*image_);
  result.commit_chain_ver = io_.key.v_chain_id.chain_ver;
  return result;
}

Task<st::IOResult> StorageUpdate::Run() {
  auto found = service_->FindTarget(io_.key.v_chain_id);
  if (!found.ok()) co_return Failure(found.status());
  target_ = *std::move(found);
  // Removals may come without a channel; they are safe to repeat.
  const bool tabled = !(removing() && req_->tag.channel.id == 0);
  const TimePoint now = service_->deps_.loop->Now();
  if (tabled) {
    auto known = target_->channels().Begin(req_->tag, target_->generation(), io_.length,
                                           io_.update_type == st::UpdateType::kExtend, now);
    if (known.has_value()) co_return *std::move(known);
  }
  IOResult result = co_await Execute();
  if (tabled) target_->channels().End(req_->tag, result, service_->deps_.loop->Now());
  co_return result;
}

Task<st::IOResult> StorageUpdate::Execute() {
  if (req_->options.from_client && !target_->view()->is_head) {
    co_return Failure(
        Status(Code::kStorageClientRoutingError, "non-head node receive a client update request"));
  }
  if (req_->options.from_client && service_->options_.read_only) {
    co_return Failure(Status(Code::kReadOnlyMode, "the storage node is read-only"));
  }
  if (io_.key.chunk_id.empty()) {
    co_return Failure(Status(Code::kInvalidArg, "empty chunk id"));
  }
  const auto lock = co_await target_->LockChunk(io_.key.chunk_id);
  auto again = service_->FindTarget(io_.key.v_chain_id);  // the chain may have moved meanwhile
  if (!again.ok()) co_return Failure(again.status());
  if (req_->options.from_client && !target_->view()->is_head) {
    co_return Failure(
        Status(Code::kStorageClientRoutingError, "non-head node receive a client update request"));
  }
  const StorageTarget::Ticket ticket(target_.get());
  co_return co_await Apply();
}

Task<st::IOResult> StorageUpdate::Apply() {
  if (Status s = CheckInline(); !s.ok()) co_return Failure(std::move(s));
  if (Status s = CheckShape(); !s.ok()) co_return Failure(std::move(s));
  generation_ = target_->generation();
  base_ = target_->store().Find(io_.key.chunk_id);
  if (removing() && base_ == nullptr) {  // gone already: here, and so at every successor
    version_ = io_.update_ver;
    co_return Success();
  }
  if (Status s = CheckBase(); !s.ok()) co_return Failure(std::move(s));
  if (Status s = ChooseVersion(); !s.ok()) co_return Failure(std::move(s));
  if (base_ == nullptr) {
    if (Status s = CheckNewChunk(); !s.ok()) co_return Failure(std::move(s));
  }
  if (!removing()) {
    if (service_->faults_.disk_full) {
      FailTarget(Code::kStorageClientNoSpace);
      co_return Failure(Status(Code::kStorageClientNoSpace, "no space left (injected)"));
    }
    auto prepared = co_await target_->store().Prepare(base_, MakeChange());
    if (!prepared.ok()) {
      FailTarget(prepared.code());
      co_return Failure(prepared.status());
    }
    image_ = *std::move(prepared);
  }
  if (Status s = co_await HitFaultPoint("storage.prepared", service_->options_.node_id); !s.ok()) {
    co_return Failure(std::move(s));
  }
  if (Status s = co_await Replicate(); !s.ok()) co_return Failure(std::move(s));
  if (Status s = co_await Commit(); !s.ok()) co_return Failure(std::move(s));
  co_return Success();
}

// A replica that cannot store what its chain stores is none.
void StorageUpdate::FailTarget(Code code) {
  if (code == Code::kStorageChunkWriteFailed) target_->Fail("a write failed");
  if (code == Code::kStorageChunkReadFailed) target_->Fail("a block is damaged");
  if (code == Code::kStorageClientNoSpace && req_->options.is_syncing) {
    target_->Fail("no space for a resync");
  }
}

Status StorageUpdate::CheckInline() const {
  if ((req_->feature_flags & st::kFeatureSendDataInline) != 0) {
    if (io_.inlinebuf.data.size() != io_.length) {
      return Status(Code::kStorageClientFoundBug,
                    fmt::format("inline data has {} bytes, length is {}", io_.inlinebuf.data.size(),
                                io_.length));
    }
    return {};
  }
  if (io_.update_type == st::UpdateType::kWrite) {
    return Status(Code::kInvalidArg,
                  "update no RDMA socket, io: " + PrintChunkId(io_.key.chunk_id));
  }
  return {};
}

Status StorageUpdate::CheckShape() const {
  switch (io_.update_type) {
    case st::UpdateType::kRemove:
      return {};
    case st::UpdateType::kWrite:
      if (io_.offset < io_.chunk_size && io_.length <= io_.chunk_size - io_.offset) return {};
      if (req_->options.is_syncing && io_.offset == 0 && io_.length == 0) return {};
      return Status(
          Code::kInvalidArg,
          fmt::format("chunk {} write offset exceed chunk size: offset {} length {} "
                      "chunkSize {}",
                      PrintChunkId(io_.key.chunk_id), io_.offset, io_.length, io_.chunk_size));
    case st::UpdateType::kTruncate:
    case st::UpdateType::kExtend:
      if (io_.chunk_size != 0 && io_.length <= io_.chunk_size) return {};
      return Status(Code::kInvalidArg,
                    fmt::format("chunk {} truncate beyond chunk size: length {} chunkSize {}",
                                PrintChunkId(io_.key.chunk_id), io_.length, io_.chunk_size));
    case st::UpdateType::kInvalid:
    case st::UpdateType::kCommit:
      break;
  }
  return Status(Code::kInvalidArg, "unknown update type");
}

Status StorageUpdate::CheckBase() const {
  const PublicTargetState state = target_->view()->state;
  if (!req_->options.from_client && state != PublicTargetState::kServing &&
      !(state == PublicTargetState::kSyncing && req_->options.is_syncing)) {
    return Status(Code::kStorageTargetStateInvalid, "the target takes no updates now");
  }
  if (base_ == nullptr || req_->options.is_syncing) return {};
  if (!removing() && base_->chunk_size != io_.chunk_size) {
    return Status(Code::kStorageChunkSizeMismatch,
                  fmt::format("chunk {} has chunk size {}, not {}", PrintChunkId(io_.key.chunk_id),
                              base_->chunk_size, io_.chunk_size));
  }
  if (io_.key.v_chain_id.chain_ver < base_->chain_version) {
    return Status(Code::kStorageChainVersionMismatch,
                  fmt::format("chunk was updated at chain version {}", base_->chain_version));
  }
  return {};
}

Status StorageUpdate::ChooseVersion() {
  const uint32_t have = base_ == nullptr ? 0 : base_->version;
  if (req_->options.from_client) {
    version_ = have + 1;
    return {};
  }
  version_ = io_.update_ver;
  if (req_->options.is_syncing) return {};
  if (version_ <= have) return Code::kStorageChunkCommittedUpdate;
  if (version_ > have + 1) return Code::kStorageChunkMissingUpdate;
  return {};
}

Status StorageUpdate::CheckNewChunk() const {
  const auto& sizes = target_->record().chunk_sizes;
  if (std::find(sizes.begin(), sizes.end(), io_.chunk_size) == sizes.end()) {
    return Status(Code::kStorageChunkInvalidChunkSize,
                  fmt::format("invalid chunk size {}", io_.chunk_size));
  }
  if (req_->options.from_client && service_->reject_create_) {
    return Status(Code::kStorageClientNoSpace, "the disk is almost full");
  }
  return {};
}

ChunkChange StorageUpdate::MakeChange() const {
  ChunkChange change;
  switch (io_.update_type) {
    case st::UpdateType::kTruncate:
      change.kind = ChunkChange::Kind::kTruncate;
      break;
    case st::UpdateType::kExtend:
      change.kind = ChunkChange::Kind::kExtend;
      break;
    default:
      change.kind =
          req_->options.is_syncing ? ChunkChange::Kind::kReplace : ChunkChange::Kind::kWrite;
  }
  change.id = io_.key.chunk_id;
  change.offset = io_.offset;
  change.length = io_.length;
  change.data = io_.inlinebuf.data;
  change.chunk_size = io_.chunk_size;
  change.version = version_;
  change.chain_version = io_.key.v_chain_id.chain_ver;
  if (io_.update_type == st::UpdateType::kWrite) {
    const bool empty = io_.length == 0;
    if (io_.checksum.type == st::ChecksumType::kCrc32c && !empty) {
      change.verify = ChunkChange::Verify::kCrc32c;
    } else if (io_.checksum.type == st::ChecksumType::kCrc32 && !empty) {
      change.verify = ChunkChange::Verify::kCrc32;
    }
    change.checksum = io_.checksum.value;
    change.keep_checksum = io_.checksum.type != st::ChecksumType::kNone;
  }
  change.timestamp = service_->deps_.loop->WallMicros();
  change.client = req_->tag.client_id.uuid;
  change.request_id = req_->tag.request_id;
  return change;
}

Task<Status> StorageUpdate::Replicate() {
  Duration pause = service_->options_.retry_pause;
  while (true) {
    if (service_->stopping_) co_return Code::kRPCRequestRefused;
    if (target_->generation() != generation_) {
      co_return Status(Code::kStorageTargetOffline, "the chain went on without this target");
    }
    const std::shared_ptr<const ChainView> view = target_->view();
    if (!view->successor.has_value()) co_return Status();
    Status status = co_await ForwardOnce(view);
    if (status.ok()) {
      passed_on_ = true;
      // A chain that changed meanwhile may have another successor, which must have the update too.
      if (target_->view() == view) co_return Status();
      pause = service_->options_.retry_pause;
      continue;
    }
    if (IsRefusal(status.code()) && !passed_on_) co_return status;
    LOG_DEBUG("target {}: passing an update on: {}", target_->record().target_id,
              status.ToString());
    if (target_->view() != view) continue;
    co_await service_->deps_.agent->Refresh();
    if (target_->view() != view) continue;
    co_await service_->stop_.WaitUntil(service_->deps_.loop->Now() + pause,
                                       target_->view_cancel().get());
    pause = std::min<Duration>(pause * 2, 1s);
  }
}

// The change as it came, or the whole new content for a successor that is being brought up to date.
Task<Result<st::UpdateReq>> StorageUpdate::MakeForward(std::shared_ptr<const ChainView> view) {
  st::UpdateReq out;
  out.payload.key = io_.key;
  out.payload.key.v_chain_id.chain_ver = view->chain_version;
  out.payload.update_ver = version_;
  out.payload.chunk_size = io_.chunk_size;
  out.payload.update_type = io_.update_type;
  out.options.is_syncing = view->successor->syncing || forward_full_ || req_->options.is_syncing;
  out.options.commit_chain_ver = view->chain_version;
  out.tag = req_->tag;
  out.retry_count = req_->retry_count;
  out.feature_flags = removing() ? 0 : uint32_t{st::kFeatureSendDataInline};
  if (removing()) co_return out;
  if (!out.options.is_syncing) {
    out.payload.offset = io_.offset;
    out.payload.length = io_.length;
    out.payload.checksum = io_.checksum;
    out.payload.inlinebuf = io_.inlinebuf;
    if (io_.update_type != st::UpdateType::kWrite) out.feature_flags = 0;
    co_return out;
  }
  std::vector<uint8_t> content(image_->length);
  CO_TRY(co_await target_->store().Read(image_, 0, content));
  out.payload.update_type = st::UpdateType::kWrite;
  out.payload.length = image_->length;
  out.payload.chunk_size = image_->chunk_size;
  out.payload.checksum = {st::ChecksumType::kCrc32c, image_->WireChecksum()};
  out.payload.inlinebuf.data = Bytes::Own(std::move(content));
  co_return out;
}

Task<Status> StorageUpdate::ForwardOnce(std::shared_ptr<const ChainView> view) {
  auto made = co_await MakeForward(view);
  if (!made.ok()) {
    target_->Fail("a chunk cannot be read back");
    co_return made.status();
  }
  // A repair is not the request the successor remembers under the client's tag.
  const bool own_tag = made->tag.channel.id == 0 || forward_full_;
  if (own_tag) made->tag = target_->BorrowTag();
  if (Status s = co_await HitFaultPoint("storage.forward", service_->options_.node_id); !s.ok()) {
    if (own_tag) target_->ReturnTag(made->tag);
    co_return s;
  }
  const std::shared_ptr<CancelSource> cancel = target_->view_cancel();
  const rpc::CallOptions options{.ctx = {.deadline = kNever, .cancel = cancel.get(), .trace = 0},
                                 .timeout = service_->options_.forward_timeout};
  const auto rsp = co_await service_->deps_.client->Call<st::method::Update>(
      view->successor->address, *made, options);
  if (own_tag) target_->ReturnTag(made->tag);
  if (Status s = co_await HitFaultPoint("storage.forwarded", service_->options_.node_id); !s.ok()) {
    co_return s;
  }
  co_return JudgeForward(rsp);
}

Status StorageUpdate::JudgeForward(const Result<st::UpdateRsp>& rsp) {
  if (!rsp.ok()) return rsp.status();
  const st::IOResult& result = rsp->result;
  const Code code = result.length_info.code();
  if (code == Code::kStorageChunkMissingUpdate) {
    forward_full_ = true;  // it is behind: give it everything
    return result.length_info.status();
  }
  const bool committed =
      code == Code::kStorageChunkCommittedUpdate || code == Code::kStorageChunkStaleUpdate;
  if (!result.length_info.ok() && !committed) return result.length_info.status();
  if (removing()) {
    if (!committed || forward_full_) return {};
    forward_full_ = true;  // a later version there: the removal must not ask for one
    return Status(Code::kStorageChunkVersionMismatch, "the successor has a later version");
  }
  const bool other_version = result.commit_ver != version_;
  const bool comparable = image_->has_checksum && result.checksum.type == st::ChecksumType::kCrc32c;
  if (!other_version && (!comparable || result.checksum.value == image_->WireChecksum())) {
    return {};
  }
  if (forward_full_) {
    return Status(Code::kStorageClientChecksumMismatch,
                  "the successor has other content after a full write");
  }
  LOG_WARN("target {}: the successor has other content of {}: sending the whole chunk",
           target_->record().target_id, PrintChunkId(io_.key.chunk_id));
  forward_full_ = true;
  return Status(Code::kStorageChunkVersionMismatch, "the successor has other content");
}

Task<Status> StorageUpdate::Commit() {
  const Status hit = co_await HitFaultPoint("storage.commit", service_->options_.node_id);
  CO_TRY(hit);
  // No await between this check and the start of the commit.
  if (target_->generation() != generation_) {
    co_return Status(Code::kStorageTargetOffline, "the chain went on without this target");
  }
  const Status status = removing() ? co_await target_->store().Remove(io_.key.chunk_id)
                                   : co_await target_->store().Commit(image_);
  // The successors have it: a replica that has not is none.
  if (!status.ok()) target_->Fail("a commit failed");
  co_return status;
}

}  // namespace threefs::standalone

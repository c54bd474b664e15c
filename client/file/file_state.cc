// SPDX-License-Identifier: Apache-2.0
#include "client/file/file_state.h"

#include <algorithm>
#include <utility>

namespace threefs::file {

Result<std::shared_ptr<FileState>> FileState::FromInode(const schema::meta::Inode& inode) {
  if (!inode.IsFile()) return Status(Code::kMetaNotFile, "the inode is not a file");
  const schema::meta::File& from = inode.AsFile();
  TRY(layout::StripeMap stripe, layout::StripeMap::Build(from.layout));
  std::shared_ptr<FileState> file(new FileState());
  file->shape_ = {
      .inode_id = inode.id, .chunk_size = stripe.chunk_size(), .stripe_size = stripe.stripe_size()};
  file->stripe_ = std::move(stripe);
  file->OnInode(inode);
  return file;
}

// Within one truncate version a file only grows (3fs/meta.md §9.1), so answers that overtook each
// other are told apart.
void FileState::OnInode(const schema::meta::Inode& inode, bool truncated_by_us) {
  if (!inode.IsFile() || inode.id != shape_.inode_id) return;
  const schema::meta::File& from = inode.AsFile();
  const std::lock_guard lock(mutex_);
  if (from.truncate_ver < truncate_version_) return;
  if (from.truncate_ver > truncate_version_) {
    truncate_version_ = from.truncate_ver;
    length_ = from.length;
  } else {
    length_ = std::max(length_, from.length);
  }
  // Zero lifts the limit for good; otherwise it only grows.
  dyn_stripe_ = from.dyn_stripe == 0 ? 0 : std::max(dyn_stripe_, from.dyn_stripe);
  if (truncated_by_us) {
    written_end_ = 0;
    synced_ = writes_;
    hint_unknown_ = false;
  }
}

uint64_t FileState::length() const {
  const std::lock_guard lock(mutex_);
  return std::max(length_, written_end_);
}

uint32_t FileState::dyn_stripe() const {
  const std::lock_guard lock(mutex_);
  return dyn_stripe_;
}

Result<uint32_t> FileState::ChainOf(const mgmtd::RoutingTable& routing, uint32_t chunk) const {
  const layout::ChainRef ref = stripe_.ChainOf(chunk);
  return routing.ResolveChain(ref.table_id, ref.table_version, ref.index);
}

Result<std::vector<uint32_t>> FileState::Chains(const mgmtd::RoutingTable& routing) const {
  std::vector<layout::ChainRef> refs = stripe_.Chains();
  if (const uint32_t limit = dyn_stripe(); limit != 0 && limit < refs.size()) refs.resize(limit);
  std::vector<uint32_t> chains;
  chains.reserve(refs.size());
  for (const layout::ChainRef& ref : refs) {
    TRY(const uint32_t chain, routing.ResolveChain(ref.table_id, ref.table_version, ref.index));
    chains.push_back(chain);
  }
  // Indexes wrap around a small table: a chain may come twice.
  std::sort(chains.begin(), chains.end());
  chains.erase(std::unique(chains.begin(), chains.end()), chains.end());
  return chains;
}

uint64_t FileState::BeginWrite() {
  const std::lock_guard lock(mutex_);
  ++active_writes_;
  return truncate_version_;
}

void FileState::EndWrite(uint64_t truncate_version, uint64_t end, bool whole) {
  const std::lock_guard lock(mutex_);
  --active_writes_;
  ++writes_;
  if (!whole || truncate_version != truncate_version_) hint_unknown_ = true;
  written_end_ = std::max(written_end_, end);
}

bool FileState::dirty() const {
  const std::lock_guard lock(mutex_);
  return writes_ != synced_ || active_writes_ != 0;
}

FileState::SyncPoint FileState::BeginSync() const {
  const std::lock_guard lock(mutex_);
  SyncPoint point{.writes = writes_, .hint = std::nullopt};
  if (!hint_unknown_) {
    point.hint = schema::meta::VersionedLength{.length = std::max(length_, written_end_),
                                               .truncate_ver = truncate_version_};
  }
  return point;
}

void FileState::EndSync(const SyncPoint& point, const schema::meta::Inode* inode) {
  if (inode != nullptr) OnInode(*inode);
  const std::lock_guard lock(mutex_);
  if (inode == nullptr) {
    hint_unknown_ = true;
    return;
  }
  // A hint that the answer does not cover was not believed: only an exact sync confirms.
  const bool covered = !point.hint || (truncate_version_ == point.hint->truncate_ver &&
                                       length_ >= point.hint->length);
  if (!covered) return;
  synced_ = std::max(synced_, point.writes);
  if (writes_ == point.writes && active_writes_ == 0) {
    written_end_ = 0;
    hint_unknown_ = false;
  }
}

}  // namespace threefs::file

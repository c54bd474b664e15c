// SPDX-License-Identifier: Apache-2.0
// Directory streams of a volume. Offsets: 0 ".", 1 "..", then the place in the name-ordered listing
// plus 2. A stream keeps the names it has handed out, so going back finds the same; a stream
// unknown here (opened through a predecessor) is listed again up to the place asked for.
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "client/runtime/sync.h"
#include "mounter/fs/errno_map.h"
#include "mounter/fs/sides.h"

namespace threefs::fs {
namespace {

using schema::meta::Inode;
using schema::meta::InodeType;

constexpr int32_t kPage = 512;  // names asked for at once
constexpr uint64_t kDots = 2;

struct Listed {
  std::string name;
  uint64_t id = 0;
  InodeType type = InodeType::kFile;
};

struct Stream {
  AsyncMutex mutex;
  std::vector<Listed> names;
  bool whole = false;
  // Attributes of the newest page, by place in `names`; they age as any.
  std::map<size_t, Inode> fresh;
  TimePoint fresh_at;
};
using StreamRef = std::shared_ptr<Stream>;

uint32_t TypeBits(InodeType type) {
  if (type == InodeType::kDirectory) return S_IFDIR;
  return type == InodeType::kSymlink ? S_IFLNK : S_IFREG;
}

class Dirs final : public DirOps {
 public:
  explicit Dirs(Core* core) : core_(*core) {}

  Task<Result<OpenReply>> OpenDir(Op op, NodeId) override {
    OpenReply out;
    out.fh = core_.side(op).rng.Next();
    co_return out;
  }
  Task<Result<std::vector<DirItem>>> ReadDir(Op op, Handle handle, uint64_t offset, uint32_t limit,
                                             bool with_attributes) override;
  void ReleaseDir(Handle handle) override {
    const std::lock_guard lock(mutex_);
    streams_.erase(handle.fh);
  }

 private:
  StreamRef StreamOf(uint64_t fh) {
    const std::lock_guard lock(mutex_);
    StreamRef& s = streams_[fh];
    if (s == nullptr) s = std::make_shared<Stream>();
    return s;
  }
  Task<Status> Fill(Op op, StreamRef stream, uint64_t dir, size_t until, bool with_attributes);
  Task<Status> Refresh(Op op, StreamRef stream, size_t from, size_t to);
  Task<Result<DirItem>> Dot(Op op, NodeId dir, bool parent);

  Core& core_;
  std::mutex mutex_;
  std::unordered_map<uint64_t, StreamRef> streams_;
};

// Lists on until `names` holds `until` of them or the directory ends.
Task<Status> Dirs::Fill(Op op, StreamRef s, uint64_t dir, size_t until, bool with_attributes) {
  while (!s->whole && s->names.size() < until) {
    const std::string prev = s->names.empty() ? std::string() : s->names.back().name;
    CO_TRY(auto page, co_await meta::List(core_.meta(op), core_.ContextOf(op), meta::At(dir), prev,
                                          kPage, with_attributes));
    const bool attributes = page.inodes.size() == page.entries.size();
    s->fresh.clear();
    s->fresh_at = core_.side(op).loop->Now();
    for (size_t i = 0; i < page.entries.size(); ++i) {
      auto& e = page.entries[i];
      // What a server lists twice or out of order would never end.
      if (!prev.empty() && e.name <= prev)
        co_return Status(Code::kMetaInconsistent, "the server lists names out of order");
      if (attributes) s->fresh.emplace(s->names.size(), std::move(page.inodes[i]));
      s->names.push_back({std::move(e.name), e.id, e.type});
    }
    s->whole = !page.more || page.entries.empty();
  }
  co_return Status();
}

Task<Status> Dirs::Refresh(Op op, StreamRef s, size_t from, size_t to) {
  const TimePoint now = core_.side(op).loop->Now();
  if (now - s->fresh_at > core_.options.config.attr_timeout) s->fresh.clear();
  std::vector<uint64_t> ids;
  std::vector<size_t> places;
  for (size_t i = from; i < to; ++i) {
    if (s->fresh.contains(i)) continue;
    ids.push_back(s->names[i].id);
    places.push_back(i);
  }
  if (ids.empty()) co_return Status();
  CO_TRY(auto rsp, co_await meta::BatchStat(core_.meta(op), core_.ContextOf(op), ids));
  if (rsp.inodes.size() != ids.size())
    co_return Status(Code::kMetaInconsistent, "the server answered for other inodes");
  for (size_t i = 0; i < ids.size(); ++i) {
    if (rsp.inodes[i].has_value()) s->fresh.insert_or_assign(places[i], std::move(*rsp.inodes[i]));
  }
  s->fresh_at = now;
  co_return Status();
}

Task<Result<DirItem>> Dirs::Dot(Op op, NodeId dir, bool parent) {
  DirItem item;
  item.name = parent ? ".." : ".";
  item.next = parent ? 2 : 1;
  item.entry.attr.mode = S_IFDIR;
  uint64_t inode = core_.InodeOf(dir);
  if (parent && dir != kRootNode) {  // above the volume's root there is nothing
    CO_TRY(const auto rsp,
           co_await meta::Stat(core_.meta(op), core_.ContextOf(op), meta::At(inode)));
    if (!rsp.stat.IsDirectory()) co_return Code::kMetaNotDirectory;
    inode = std::get<schema::meta::Directory>(rsp.stat.type).parent;
  }
  cache::View v;
  v.id = inode;
  item.entry.attr.ino = core_.AttrOf(v).ino;
  co_return item;
}

Task<Result<std::vector<DirItem>>> Dirs::ReadDir(Op op, Handle handle, uint64_t offset,
                                                 uint32_t limit, bool with_attributes) {
  const StreamRef s = StreamOf(handle.fh);
  const auto guard = co_await s->mutex.Lock();
  if (offset == 0) {  // rewinddir(3) sees the directory anew
    s->names.clear();
    s->fresh.clear();
    s->whole = false;
  }
  std::vector<DirItem> items;
  for (uint64_t i = offset; i < kDots && items.size() < limit; ++i) {
    CO_TRY(DirItem dot, co_await Dot(op, handle.node, i == 1));
    items.push_back(std::move(dot));
  }
  const size_t from = offset < kDots ? 0 : static_cast<size_t>(offset - kDots);
  const size_t wanted = limit - std::min<size_t>(limit, items.size());
  if (from > (1ULL << 40)) co_return items;
  CO_TRY(co_await Fill(op, s, core_.InodeOf(handle.node), from + wanted, with_attributes));
  const size_t to = std::min(s->names.size(), from + wanted);
  if (with_attributes && from < to) CO_TRY(co_await Refresh(op, s, from, to));
  for (size_t i = from; i < to; ++i) {
    const Listed& n = s->names[i];
    DirItem item;
    item.name = n.name;
    item.next = i + 1 + kDots;
    if (with_attributes) {
      const auto it = s->fresh.find(i);
      if (it == s->fresh.end()) continue;  // removed meanwhile
      item.entry = core_.EntryOf(op, it->second);
    } else {
      cache::View v;
      v.id = n.id;
      item.entry.attr.ino = core_.AttrOf(v).ino;
      item.entry.attr.mode = TypeBits(n.type);
    }
    items.push_back(std::move(item));
  }
  co_return items;
}

}  // namespace

std::unique_ptr<DirOps> MakeDirs(Core* core) { return std::make_unique<Dirs>(core); }

}  // namespace threefs::fs

// SPDX-License-Identifier: Apache-2.0
// Operations on the bytes of files. One at a time a file (FileModel::mutex), by any client: what
// one has written and synced the others must see.
#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "client/meta/meta_ops.h"
#include "tests/sim/workload.h"

namespace threefs::sim {
namespace {

constexpr Duration kCalmTime = 120s;
constexpr size_t kMaxLength = 160U << 10;

Content Join(const file::ReadResult& r) {
  Content all;
  for (const Bytes& b : r.pieces) all.insert(all.end(), b.span().begin(), b.span().end());
  return all;
}

}  // namespace

void Workload::Trace(const SimClient& c, const FileModel& f, const std::string& what,
                     const Status& status) const {
  if (!verbose_) return;
  const auto ms = (c.loop->Now().time_since_epoch() - 1'000'000s) / 1ms;
  fmt::print("    {} ms client {} inode {} {}: {}\n", ms, c.number, f.inode, what,
             status.ToString());
}

Task<void> Workload::FileOp(SimClient* c, FilePtr f) {
  const auto guard = co_await f->mutex.Lock();
  if (f->links <= 0 || f->unsure) co_return;
  if (f->dirty >= 0 && f->dirty != c->number) {
    // Close-to-open: the writer syncs before another client looks.
    SimClient* writer = (*clients_)[static_cast<size_t>(f->dirty)].get();
    co_await SwitchTo(*writer->loop);
    co_await SyncFile(writer, f.get());
    co_await SwitchTo(*c->loop);
    if (f->unsure || f->dirty >= 0) co_return;
  }
  if (!co_await Open(c, f.get())) co_return;
  const uint64_t dice = rng_.Below(100);
  if (dice < 35) {
    co_await WriteFile(c, f.get(), rng_.Below(std::min(f->data.size() + 20000, kMaxLength)),
                       1 + rng_.Below(40000));
  } else if (dice < 45) {
    co_await WriteFile(c, f.get(), f->data.size(), 1 + rng_.Below(10000));
  } else if (dice < 75) {
    co_await ReadFile(c, f.get());
  } else if (dice < 85) {
    co_await Truncate(c, f.get());
  } else if (dice < 90) {
    co_await Punch(c, f.get());
  } else {
    co_await SyncFile(c, f.get());
  }
}

// This client's view of the file, renewed when another has changed it. False: the servers did not
// answer.
Task<bool> Workload::Open(SimClient* c, FileModel* f) {
  FileModel::View& view = f->views[static_cast<size_t>(c->number)];
  if (view.ref && view.version == f->version) co_return true;
  auto r = co_await meta::Stat(c->session().meta(), Op(*c), meta::At(f->inode));
  if (Judge("open", r.status(), Code::kOk) != Outcome::kDone) co_return false;
  if (view.ref) {
    view.ref->OnInode(r->stat);
  } else {
    auto state = file::FileState::FromInode(r->stat);
    if (!state.ok()) {
      Fail("open: " + state.status().ToString());
      co_return false;
    }
    view.ref = *std::move(state);
  }
  view.version = f->version;
  if (f->dirty < 0 && view.ref->length() != f->data.size()) {
    Fail(fmt::format("inode {}: client {} sees length {}, must be {}", f->inode, c->number,
                     view.ref->length(), f->data.size()));
    co_return false;
  }
  co_return true;
}

Task<void> Workload::WriteFile(SimClient* c, FileModel* f, uint64_t offset, size_t size) {
  if (offset + size > kMaxLength) co_return;
  const Content bytes = RandomBytes(size);
  std::vector<Bytes> pieces;
  const size_t cut = rng_.Below(size + 1);
  const Bytes all = Bytes::CopyOf(ByteSpan(bytes));
  pieces.push_back(all.Slice(0, cut));
  pieces.push_back(all.Slice(cut, size - cut));
  FileModel::View& view = f->views[static_cast<size_t>(c->number)];
  auto r = co_await c->session().io().Write(Op(*c), view.ref, offset, std::move(pieces));
  view.version = ++f->version;
  f->dirty = c->number;
  Trace(*c, *f, fmt::format("write [{}, +{})", offset, size), r.status());
  const Outcome o = Judge("write", r.status(), Code::kOk);
  if (o == Outcome::kDone && *r == size) {
    f->Write(offset, bytes);
  } else {
    const size_t sure = o == Outcome::kDone ? *r : 0;
    f->Write(offset, Content(bytes.begin(), bytes.begin() + static_cast<int64_t>(sure)));
    DoubtFile(f, Written(f->data, offset, bytes));
  }
}

Task<void> Workload::ReadFile(SimClient* c, FileModel* f) {
  const FileModel::View& view = f->views[static_cast<size_t>(c->number)];
  const uint64_t offset = rng_.Below(f->data.size() + 1000);
  const uint64_t length = 1 + rng_.Below(60000);
  auto r = co_await c->session().io().Read(Op(*c), view.ref, offset, length);
  Trace(*c, *f, fmt::format("read [{}, +{})", offset, length), r.status());
  if (Judge("read", r.status(), Code::kOk) != Outcome::kDone) co_return;
  const uint64_t from = std::min<uint64_t>(offset, f->data.size());
  const uint64_t to = std::min<uint64_t>(offset + length, f->data.size());
  const Content want(f->data.begin() + static_cast<int64_t>(from),
                     f->data.begin() + static_cast<int64_t>(to));
  const Content got = Join(*r);
  if (got == want && r->length == want.size()) co_return;
  size_t at = 0;
  while (at < got.size() && at < want.size() && got[at] == want[at]) ++at;
  Fail(
      fmt::format("inode {}: client {} read [{}, +{}) of {} bytes: got {} bytes, must be {}; first "
                  "difference at {}: {:#x}, must be {:#x}",
                  f->inode, c->number, offset, length, f->data.size(), got.size(), want.size(),
                  offset + at, at < got.size() ? got[at] : 0, at < want.size() ? want[at] : 0));
}

Task<void> Workload::Truncate(SimClient* c, FileModel* f) {
  const uint64_t length = rng_.Below(3) == 0 ? 0 : rng_.Below(f->data.size() + 10000);
  FileModel::View& view = f->views[static_cast<size_t>(c->number)];
  auto r = co_await c->session().io().Truncate(Op(*c), view.ref, length);
  view.version = ++f->version;
  Content after = f->data;
  after.resize(length);
  Trace(*c, *f, fmt::format("truncate {} from {}", length, f->data.size()), r.status());
  if (Judge("truncate", r.status(), Code::kOk) == Outcome::kDone) {
    f->data = std::move(after);
    f->dirty = -1;
    const auto* file = std::get_if<schema::meta::File>(&r->type);
    if (file == nullptr || file->length != length) {
      Fail(fmt::format("inode {}: truncate to {} answered length {}", f->inode, length,
                       file != nullptr ? file->length : 0));
    }
  } else {
    f->dirty = c->number;
    DoubtFile(f, std::move(after));
  }
}

Task<void> Workload::Punch(SimClient* c, FileModel* f) {
  const uint64_t offset = rng_.Below(f->data.size() + 1);
  const uint64_t length = 1 + rng_.Below(50000);
  FileModel::View& view = f->views[static_cast<size_t>(c->number)];
  const Status s = co_await c->session().io().PunchHole(Op(*c), view.ref, offset, length);
  view.version = ++f->version;
  f->dirty = c->number;
  Trace(*c, *f, fmt::format("punch [{}, +{})", offset, length), s);
  if (Judge("punch", s, Code::kOk) == Outcome::kDone) {
    f->Punch(offset, length);
  } else {
    DoubtFile(f, Punched(f->data, offset, length));
  }
}

Task<void> Workload::SyncFile(SimClient* c, FileModel* f) {
  FileModel::View& view = f->views[static_cast<size_t>(c->number)];
  if (!view.ref) co_return;
  const bool exact = rng_.Below(2) == 0;
  auto r = co_await c->session().io().Sync(Op(*c), view.ref, {.exact = exact});
  Trace(*c, *f, exact ? "sync exact" : "sync hinted", r.status());
  if (Judge("sync", r.status(), Code::kOk) != Outcome::kDone) co_return;
  const auto* file = std::get_if<schema::meta::File>(&r->type);
  if (file == nullptr || file->length != f->data.size()) {
    Fail(fmt::format("inode {}: {} sync by client {} answered length {}, must be {}", f->inode,
                     exact ? "exact" : "hinted", c->number, file != nullptr ? file->length : 0,
                     f->data.size()));
  }
  f->dirty = -1;
}

// Calm network: the whole content, through a view that knows nothing from before.
Task<void> Workload::VerifyFile(SimClient* c, FilePtr f) {
  const auto guard = co_await f->mutex.Lock();
  const bool ask = f->unsure || f->dirty >= 0;
  if (ask && f->dirty >= 0) {
    // The writer itself asks for the true length, as its close would; what it remembers of its
    // writes ends with that.
    SimClient* writer = (*clients_)[static_cast<size_t>(f->dirty)].get();
    co_await SwitchTo(*writer->loop);
    auto synced = co_await writer->session().io().Sync(
        Op(*writer, kCalmTime), f->views[static_cast<size_t>(f->dirty)].ref, {.exact = true});
    co_await SwitchTo(*c->loop);
    if (!synced.ok()) {
      Fail(fmt::format("inode {}: sync in calm: {}", f->inode, synced.status().ToString()));
      co_return;
    }
  }
  auto stat = co_await meta::Stat(c->session().meta(), Op(*c, kCalmTime), meta::At(f->inode));
  if (!stat.ok()) {
    Fail(fmt::format("inode {}: stat in calm: {}", f->inode, stat.status().ToString()));
    co_return;
  }
  auto ref = file::FileState::FromInode(stat->stat);
  if (!ref.ok()) {
    Fail("open in calm: " + ref.status().ToString());
    co_return;
  }
  auto r = co_await c->session().io().Read(Op(*c, kCalmTime), *ref, 0, 2 * kMaxLength);
  if (!r.ok()) {
    Fail(fmt::format("inode {}: read in calm: {}", f->inode, r.status().ToString()));
    co_return;
  }
  const Content seen = Join(*r);
  const std::string wrong = CheckContent(*f, seen);
  if (!wrong.empty()) {
    Fail(fmt::format("verify by client {}: {}", c->number, wrong));
    co_return;
  }
  ++counts_["files verified"];
  if (ask) ++f->version;
  f->data = seen;
  f->unsure = false;
  f->other.clear();
  f->dirty = -1;
}

}  // namespace threefs::sim

// SPDX-License-Identifier: Apache-2.0
// Operations on names. A request whose answer did not come may still be carried out later, so its
// names are left alone even when it would have been refused. Each holds the mutexes of its
// directories (in order), and of a file whose last name it may take.
#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "client/meta/meta_ops.h"
#include "tests/sim/workload.h"

namespace threefs::sim {
namespace {

constexpr Duration kCalmTime = 120s;

// The mutexes of one or two directories, always in the order of their numbers.
struct DirLocks {
  AsyncMutex::Guard a;
  AsyncMutex::Guard b;
};
Task<DirLocks> LockDirs(Model* m, size_t one, size_t two) {
  DirLocks locks;
  locks.a = co_await m->dirs[std::min(one, two)]->mutex.Lock();
  if (one != two) locks.b = co_await m->dirs[std::max(one, two)]->mutex.Lock();
  co_return locks;
}

FilePtr NewFile(uint64_t inode, size_t clients) {
  auto f = std::make_shared<FileModel>();
  f->inode = inode;
  f->views.resize(clients);
  return f;
}

Code RemoveAnswer(const Slot& slot) {
  return slot.kind == Slot::Kind::kAbsent ? Code::kMetaNotFound : Code::kOk;
}

}  // namespace

Task<void> Workload::Create(SimClient* c, Place p) {
  const DirLocks locks = co_await LockDirs(&model_, p.dir, p.dir);
  if (Unsure(p)) co_return;
  const Slot before = At(p);
  const bool taken = before.kind != Slot::Kind::kAbsent;
  // create answers "busy, use open" for a symlink and "is a directory" before "exists" (3fs/meta.md
  // §8.2).
  if (before.kind == Slot::Kind::kSymlink) co_return;
  const Code refusal =
      before.kind == Slot::Kind::kDirectory ? Code::kMetaIsDirectory : Code::kMetaExists;
  const Uuid session = c->session().meta().NewUuid();
  meta::CreateArgs args;
  args.open.flags = 0100 | 0200 | 02;  // O_CREAT | O_EXCL | O_RDWR
  args.open.session = session;
  auto r = co_await meta::Create(c->session().meta(), Op(*c), Path(p), args);
  const Outcome o = Judge("create", r.status(), taken ? refusal : Code::kOk);
  Slot after{.kind = Slot::Kind::kFile, .file = NewFile(r.ok() ? r->stat.id : 0, clients_->size())};
  if (o == Outcome::kUnknown) Doubt({{p.dir, p.name, before, taken ? before : after}});
  if (o != Outcome::kDone) co_return;
  Set(p, after);
  // The session goes; whether the close is answered does not matter to the model.
  (void)co_await meta::Close(c->session().meta(), Op(*c), after.file->inode, {.session = session});
}

Task<void> Workload::Remove(SimClient* c, Place p) {
  const DirLocks locks = co_await LockDirs(&model_, p.dir, p.dir);
  if (Unsure(p)) co_return;
  const Slot before = At(p);
  AsyncMutex::Guard file;
  if (before.file) file = co_await before.file->mutex.Lock();
  const bool dir = before.kind == Slot::Kind::kDirectory;
  auto r = co_await meta::Remove(c->session().meta(), Op(*c), Path(p),
                                 dir ? meta::RemoveKind::kDirectory : meta::RemoveKind::kFile);
  const Outcome o = Judge("remove", r.status(), RemoveAnswer(before));
  if (o == Outcome::kRefused) co_return;
  if (before.file)
    --before.file->links;  // an unknown outcome counts it back in when it turns out otherwise
  if (o == Outcome::kUnknown) {
    Doubt({{p.dir, p.name, before, Slot{}}});
  } else {
    Set(p, Slot{});
  }
}

Task<void> Workload::Rename(SimClient* c, Place from, Place to) {
  const DirLocks locks = co_await LockDirs(&model_, from.dir, to.dir);
  if (Unsure(from) || Unsure(to)) co_return;
  const Slot a = At(from);
  const Slot b = At(to);
  const bool same = from.dir == to.dir && from.name == to.name;
  // Directories, and what POSIX says of two names of one inode, are left to the tests of the rooms.
  if (same || a.kind == Slot::Kind::kDirectory || b.kind == Slot::Kind::kDirectory) co_return;
  if (a.file && a.file == b.file) co_return;
  AsyncMutex::Guard victim;
  if (b.file) victim = co_await b.file->mutex.Lock();
  auto r = co_await meta::Rename(c->session().meta(), Op(*c), Path(from), Path(to));
  const bool absent = a.kind == Slot::Kind::kAbsent;
  const Outcome o = Judge("rename", r.status(), absent ? Code::kMetaNotFound : Code::kOk);
  if (o == Outcome::kRefused) co_return;
  if (b.file && !absent) --b.file->links;
  if (o == Outcome::kUnknown) {
    Doubt({{from.dir, from.name, a, Slot{}}, {to.dir, to.name, b, absent ? b : a}});
  } else {
    Set(from, Slot{});
    Set(to, a);
  }
}

Task<void> Workload::Link(SimClient* c, Place from, Place to) {
  const DirLocks locks = co_await LockDirs(&model_, from.dir, to.dir);
  if (Unsure(from) || Unsure(to)) co_return;
  const Slot a = At(from);
  const Slot b = At(to);
  if (a.kind != Slot::Kind::kFile) co_return;
  auto r = co_await meta::HardLink(c->session().meta(), Op(*c), Path(from), Path(to));
  const bool taken = b.kind != Slot::Kind::kAbsent;
  const Outcome o = Judge("link", r.status(), taken ? Code::kMetaExists : Code::kOk);
  if (o == Outcome::kRefused) co_return;
  if (!taken) ++a.file->links;
  if (o == Outcome::kUnknown) {
    Doubt({{from.dir, from.name, a, a}, {to.dir, to.name, b, taken ? b : a}});
  } else {
    Set(to, a);
  }
}

Task<void> Workload::Symlink(SimClient* c, Place p) {
  const DirLocks locks = co_await LockDirs(&model_, p.dir, p.dir);
  if (Unsure(p)) co_return;
  const Slot before = At(p);
  const bool taken = before.kind != Slot::Kind::kAbsent;
  const Slot after{.kind = Slot::Kind::kSymlink, .target = fmt::format("t{}", rng_.Below(1000))};
  auto r = co_await meta::Symlink(c->session().meta(), Op(*c), Path(p), after.target);
  const Outcome o = Judge("symlink", r.status(), taken ? Code::kMetaExists : Code::kOk);
  if (o == Outcome::kUnknown) Doubt({{p.dir, p.name, before, taken ? before : after}});
  if (o == Outcome::kDone) Set(p, after);
}

Task<void> Workload::Mkdir(SimClient* c, Place p) {
  const DirLocks locks = co_await LockDirs(&model_, p.dir, p.dir);
  if (Unsure(p)) co_return;
  const Slot before = At(p);
  const bool taken = before.kind != Slot::Kind::kAbsent;
  const Slot after{.kind = Slot::Kind::kDirectory};
  auto r = co_await meta::Mkdirs(c->session().meta(), Op(*c), Path(p), {});
  const Outcome o = Judge("mkdir", r.status(), taken ? Code::kMetaExists : Code::kOk);
  if (o == Outcome::kUnknown) Doubt({{p.dir, p.name, before, taken ? before : after}});
  if (o == Outcome::kDone) Set(p, after);
}

Task<void> Workload::List(SimClient* c, size_t dir) {
  const DirLocks locks = co_await LockDirs(&model_, dir, dir);
  std::set<std::string> seen;
  std::string prev;
  for (bool more = true; more;) {
    auto r = co_await meta::List(c->session().meta(), Op(*c), meta::At(model_.dirs[dir]->inode),
                                 prev, static_cast<int32_t>(1 + rng_.Below(5)));
    if (Judge("list", r.status(), Code::kOk) != Outcome::kDone) co_return;
    for (const auto& e : r->entries) seen.insert(e.name);
    more = r->more;
    if (!r->entries.empty()) prev = r->entries.back().name;
  }
  for (size_t n = 0; n < model_.dirs[dir]->slots.size(); ++n) {
    if (Unsure({dir, n})) continue;
    const bool there = seen.contains(Model::Name(n));
    if (there != (At({dir, n}).kind != Slot::Kind::kAbsent)) {
      Fail(fmt::format("list of {}: {} is {}listed", model_.dirs[dir]->path, Model::Name(n),
                       there ? "" : "not "));
    }
  }
}

Task<void> Workload::StatSlot(SimClient* c, Place p) {
  const DirLocks locks = co_await LockDirs(&model_, p.dir, p.dir);
  if (Unsure(p)) co_return;
  const Slot& s = At(p);
  auto r = co_await meta::Stat(c->session().meta(), Op(*c), Path(p));
  const bool absent = s.kind == Slot::Kind::kAbsent;
  if (Judge("stat", r.status(), absent ? Code::kMetaNotFound : Code::kOk) != Outcome::kDone)
    co_return;
  if (s.file && r->stat.id != s.file->inode) {
    Fail(fmt::format("stat {}/{}: inode {} instead of {}", model_.dirs[p.dir]->path,
                     Model::Name(p.name), r->stat.id, s.file->inode));
  }
}

// Calm network: each unknown outcome must have become one of its two states, all of its names
// together.
Task<void> Workload::ResolveNames(SimClient* c) {
  for (UnsureNames& u : std::exchange(model_.unsure, {})) {
    bool before = true;
    bool after = true;
    std::string seen;
    for (auto& e : u.entries) {
      auto r = co_await meta::Stat(c->session().meta(), Op(*c, kCalmTime), Path({e.dir, e.name}));
      if (!r.ok() && r.code() != Code::kMetaNotFound) {
        Fail(fmt::format("stat in calm: {}", r.status().ToString()));
        co_return;
      }
      const auto is = [&r](Slot& s) {
        if (!r.ok()) return s.kind == Slot::Kind::kAbsent;
        if (std::holds_alternative<schema::meta::Directory>(r->stat.type))
          return s.kind == Slot::Kind::kDirectory;
        if (const auto* link = std::get_if<schema::meta::Symlink>(&r->stat.type)) {
          return s.kind == Slot::Kind::kSymlink && link->target == s.target;
        }
        if (s.kind != Slot::Kind::kFile) return false;
        if (s.file->inode == 0) s.file->inode = r->stat.id;
        return s.file->inode == r->stat.id;
      };
      before = before && is(e.before);
      after = after && is(e.after);
      seen += fmt::format(" {}/{}: {}", model_.dirs[e.dir]->path, Model::Name(e.name),
                          r.ok() ? fmt::format("inode {}", r->stat.id) : "absent");
    }
    if (!before && !after) {
      Fail("an operation of unknown outcome left neither its old nor its new names:" + seen);
      co_return;
    }
    for (auto& e : u.entries) {
      At({e.dir, e.name}) = after ? e.after : e.before;
      model_.dirs[e.dir]->unsure[e.name] = false;
    }
    ++counts_[after ? "resolved as done" : "resolved as not done"];
  }
  CountLinks();
}

void Workload::CountLinks() {
  for (const auto& dir : model_.dirs) {
    for (const Slot& s : dir->slots) {
      if (s.file) s.file->links = 0;
    }
  }
  for (const auto& dir : model_.dirs) {
    for (const Slot& s : dir->slots) {
      if (s.file) ++s.file->links;
    }
  }
}

Task<void> Workload::VerifyDir(SimClient* c, size_t dir) {
  co_await List(c, dir);
  for (size_t n = 0; n < model_.dirs[dir]->slots.size() && failure_.empty(); ++n)
    co_await StatSlot(c, {dir, n});
}

}  // namespace threefs::sim

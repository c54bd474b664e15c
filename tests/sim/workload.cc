// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/workload.h"

#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace threefs::sim {

OpContext Workload::Op(const SimClient& client, Duration time) const {
  return {.call = {.deadline = client.loop->Now() + time}, .user = nullptr};
}

OpContext Workload::Op(const SimClient& client) {
  if (calm_) return Op(client, 120s);
  if (rng_.Below(4) != 0) return Op(client, 20s);
  return Op(client, 1ms + std::chrono::milliseconds(rng_.Below(3000)));
}

meta::PathAt Workload::Path(Place p) const {
  return meta::At(model_.dirs[p.dir]->inode, Model::Name(p.name));
}

Content Workload::RandomBytes(size_t n) {
  Content bytes(n);
  uint64_t x = rng_.Next() | 1;
  for (uint8_t& b : bytes) {
    x = x * 6364136223846793005U + 1442695040888963407U;
    b = static_cast<uint8_t>(1 + (x >> 33) % 255);  // never zero: a zero is a hole
  }
  return bytes;
}

FilePtr Workload::PickFile() {
  for (int i = 0; i < 8; ++i) {
    const Slot& s = At(Pick());
    if (s.kind == Slot::Kind::kFile) return s.file;
  }
  return nullptr;
}

Workload::Outcome Workload::Judge(const char* what, const Status& status, Code expected,
                                  bool may_lie) {
  const std::string name(what);
  if (status.code() == expected) {
    ++counts_[expected == Code::kOk ? name : name + " refused"];
    return expected == Code::kOk ? Outcome::kDone : Outcome::kRefused;
  }
  // An answer of the file system itself that is not the one it must give. Everything else is an
  // outcome nobody knows.
  const int code = Raw(status.code());
  const bool verdict =
      status.ok() || (status.origin() == Origin::kPeer && code >= 3000 && code < 3200);
  if (verdict && !may_lie) {
    Fail(fmt::format("{}: {} instead of {}", what, status.ToString(), Status(expected).ToString()));
  }
  ++counts_[name + " unknown"];
  if (verbose_) fmt::print("    {} unknown: {}\n", what, status.ToString());
  return Outcome::kUnknown;
}

void Workload::Doubt(std::vector<UnsureNames::Entry> entries) {
  for (const auto& e : entries) model_.dirs[e.dir]->unsure[e.name] = true;
  model_.unsure.push_back({std::move(entries)});
}

void Workload::DoubtFile(FileModel* f, Content other) {
  f->unsure = true;
  f->other = std::move(other);
}

void Workload::Set(Place p, Slot slot) { At(p) = std::move(slot); }

Task<Status> Workload::Prepare(size_t dirs, size_t names) {
  SimClient* c = clients_->front().get();
  for (size_t d = 0; d < dirs; ++d) {
    auto dir = std::make_unique<DirModel>();
    dir->path = fmt::format("/d{}", d);
    CO_TRY(auto made,
           co_await meta::Mkdirs(c->session().meta(), Op(*c, 60s), meta::At(0, dir->path), {}));
    dir->inode = made.stat.id;
    dir->slots.resize(names);
    dir->unsure.resize(names);
    model_.dirs.push_back(std::move(dir));
  }
  co_return Status();
}

Task<void> Workload::Work(SimClient* c, int ops) {
  for (int i = 0; i < ops && failure_.empty(); ++i) {
    const uint64_t dice = rng_.Below(100);
    const Place p = Pick();
    const Place q = Pick();
    if (dice < 14) {
      co_await Create(c, p);
    } else if (dice < 20) {
      co_await Remove(c, p);
    } else if (dice < 26) {
      co_await Rename(c, p, q);
    } else if (dice < 29) {
      co_await Link(c, p, q);
    } else if (dice < 31) {
      co_await Symlink(c, p);
    } else if (dice < 33) {
      co_await Mkdir(c, p);
    } else if (dice < 37) {
      co_await List(c, p.dir);
    } else if (dice < 41) {
      co_await StatSlot(c, p);
    } else if (FilePtr f = PickFile()) {
      co_await FileOp(c, std::move(f));
    }
    const uint64_t pause = rng_.Below(200);
    co_await SleepFor(std::chrono::milliseconds(pause));
  }
}

Task<void> Workload::Verify(SimClient* c) {
  calm_ = true;
  co_await ResolveNames(c);
  for (size_t d = 0; d < model_.dirs.size() && failure_.empty(); ++d) co_await VerifyDir(c, d);
  std::vector<FilePtr> live;
  for (const auto& dir : model_.dirs) {
    for (const Slot& s : dir->slots) {
      if (s.kind == Slot::Kind::kFile && std::find(live.begin(), live.end(), s.file) == live.end())
        live.push_back(s.file);
    }
  }
  for (const FilePtr& f : live) {
    if (failure_.empty()) co_await VerifyFile(c, f);
  }
  calm_ = false;
}

}  // namespace threefs::sim

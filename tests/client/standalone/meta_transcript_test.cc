// SPDX-License-Identifier: Apache-2.0
// 3FS's own FUSE client, recorded against real servers (docs/3fs/transcript.jsonl): its meta
// requests are decoded, played against a fresh store with the recorded inode ids translated, and
// the answers compared with the recorded ones: the same status codes; the same inodes and entries
// but for times, uuids and chains.
#include <algorithm>
#include <fstream>
#include <map>
#include <type_traits>

#include "tests/client/standalone/meta_test_support.h"

namespace threefs::standalone::test {
namespace {

struct Exchange {
  std::string op;
  uint16_t method = 0;
  Bytes request;
  Bytes answer;
};

// The value of "key": in one flat JSON line, without quotes.
std::string Field(const std::string& line, const std::string& key) {
  const size_t at = line.find("\"" + key + "\":");
  if (at == std::string::npos) return "";
  size_t begin = at + key.size() + 3;
  if (line[begin] == '"') return line.substr(begin + 1, line.find('"', begin + 1) - begin - 1);
  return line.substr(begin, line.find_first_of(",}", begin) - begin);
}

Bytes FromHex(const std::string& hex) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return Bytes::Own(std::move(bytes));
}

std::vector<Exchange> Recorded() {
  std::ifstream in("docs/3fs/transcript.jsonl");
  std::map<std::string, Exchange> pending;
  std::vector<Exchange> all;
  std::string line;
  while (std::getline(in, line)) {
    if (Field(line, "service_id") != "4") continue;
    const std::string uuid = Field(line, "uuid");
    if (Field(line, "dir") == "req") {
      pending[uuid] = {Field(line, "op"),
                       static_cast<uint16_t>(std::stoi(Field(line, "method_id"))),
                       FromHex(Field(line, "payload_hex")),
                       {}};
    } else if (auto node = pending.extract(uuid); !node.empty()) {
      node.mapped().answer = FromHex(Field(line, "payload_hex"));
      all.push_back(std::move(node.mapped()));
    }
  }
  return all;
}

class TranscriptTest : public MetaTest {
 protected:
  void SetUp() override {
    options_.root_chunk_size = 512U << 10;
    options_.root_stripe_size = 1;
    routing_ = MakeRouting(3);
    MetaTest::SetUp();
    ids_[0] = 0;
    ids_[1] = 1;
    // What the recorded file system held before.
    clock_.us = 1'795'266'578'000'000;
    ids_[0x13801] = Mkdir(At("a"))->id;
    ids_[0x13805] = Create(At("rw"), 0755)->id;
  }

  void Translate(uint64_t* id) {
    const auto it = ids_.find(*id);
    if (it != ids_.end()) *id = it->second;
  }
  void Translate(wire::PathAt* at) { Translate(&at->parent); }

  // Learns which of our inodes a recorded one is, and compares.
  void Compare(const wire::Inode& theirs, const wire::Inode& ours) {
    const auto [it, fresh] = ids_.try_emplace(theirs.id, ours.id);
    EXPECT_EQ(it->second, ours.id) << now_;
    EXPECT_EQ(theirs.type.index(), ours.type.index()) << now_;
    EXPECT_EQ(theirs.acl.uid, ours.acl.uid) << now_;
    EXPECT_EQ(theirs.acl.gid, ours.acl.gid) << now_;
    EXPECT_EQ(theirs.acl.perm, ours.acl.perm) << now_;
    EXPECT_EQ(theirs.acl.iflags, ours.acl.iflags) << now_;
    EXPECT_EQ(theirs.nlink, ours.nlink) << now_;
    if (theirs.IsFile() && ours.IsFile() && theirs.id != 0x13805) CompareFile(theirs, ours);
    const auto* dir = AsDirectory(theirs);
    if (dir != nullptr && AsDirectory(ours) != nullptr) {
      EXPECT_EQ(dir->name, AsDirectory(ours)->name) << now_;
      uint64_t parent = dir->parent;
      Translate(&parent);
      EXPECT_EQ(parent, AsDirectory(ours)->parent) << now_;
    }
    if (theirs.IsSymlink() && ours.IsSymlink()) {
      EXPECT_EQ(AsSymlink(theirs)->target, AsSymlink(ours)->target) << now_;
    }
  }
  void CompareFile(const wire::Inode& theirs, const wire::Inode& ours) {
    EXPECT_EQ(theirs.AsFile().length, ours.AsFile().length) << now_;
    EXPECT_EQ(theirs.AsFile().truncate_ver, ours.AsFile().truncate_ver) << now_;
    EXPECT_EQ(theirs.AsFile().dyn_stripe, ours.AsFile().dyn_stripe) << now_;
    EXPECT_EQ(theirs.AsFile().layout.chunk_size, ours.AsFile().layout.chunk_size) << now_;
    EXPECT_EQ(theirs.AsFile().layout.stripe_size, ours.AsFile().layout.stripe_size) << now_;
    EXPECT_EQ(theirs.AsFile().layout.chains.index(), ours.AsFile().layout.chains.index()) << now_;
  }

  template <class M>
  void Play(const Exchange& exchange) {
    auto req = serde::Decode<typename M::Req>(exchange.request);
    ASSERT_TRUE(req.ok()) << now_ << req.status().ToString();
    auto theirs = serde::Decode<Result<typename M::Rsp>>(exchange.answer);
    ASSERT_TRUE(theirs.ok()) << now_;
    const Result<typename M::Rsp> expected = *std::move(theirs);
    TranslateRequest(&*req);
    Result<typename M::Rsp> ours = Answer<M>(*req, expected);
    ASSERT_EQ(expected.code(), ours.code()) << now_ << " " << ours.status().ToString();
    if (ours.ok()) CompareAnswers(*expected, *ours);
  }

  template <class M>
  Result<typename M::Rsp> Answer(const typename M::Req& req,
                                 const Result<typename M::Rsp>& expected) {
    if constexpr (std::is_same_v<M, method::Sync> || std::is_same_v<M, method::Close>) {
      ops::SyncWork work{.inode = req.inode};
      work.update_length = req.update_length;
      work.atime = req.atime;
      work.mtime = req.mtime;
      work.hint = req.length_hint;
      if constexpr (std::is_same_v<M, method::Sync>) work.truncated = req.truncated;
      if constexpr (std::is_same_v<M, method::Close>) {
        work.is_close = true;
        work.session = req.session;
      }
      // Storage's answer is the length that was recorded.
      TRY(ops::SyncOutcome out, store_->Sync(work, expected->stat.AsFile().length));
      return typename M::Rsp{.stat = std::move(out.inode)};
    } else {
      return store_->Run<M>(req);
    }
  }

  template <class Req>
  void TranslateRequest(Req* req) {
    if constexpr (requires { req->old_path; }) {
      Translate(&req->old_path);
      Translate(&req->new_path);
    } else if constexpr (requires { req->src; }) {
      Translate(&req->src);
      Translate(&req->dest);
    } else if constexpr (requires { req->path; }) {
      Translate(&req->path);
    } else if constexpr (requires { req->inode_ids; }) {
      for (uint64_t& id : req->inode_ids) Translate(&id);
    } else {
      Translate(&req->inode);
    }
  }

  template <class Rsp>
  void CompareAnswers(const Rsp& theirs, const Rsp& ours) {
    if constexpr (requires { theirs.entries; }) {
      ASSERT_EQ(theirs.entries.size(), ours.entries.size()) << now_;
      EXPECT_EQ(theirs.more, ours.more) << now_;
      for (size_t i = 0; i < ours.entries.size(); ++i) {
        EXPECT_EQ(theirs.entries[i].name, ours.entries[i].name) << now_;
        EXPECT_EQ(theirs.entries[i].type, ours.entries[i].type) << now_;
        uint64_t id = theirs.entries[i].id;
        Translate(&id);
        EXPECT_EQ(id, ours.entries[i].id) << now_;
      }
    } else if constexpr (requires { theirs.inodes; }) {
      ASSERT_EQ(theirs.inodes.size(), ours.inodes.size()) << now_;
      for (size_t i = 0; i < ours.inodes.size(); ++i) {
        ASSERT_EQ(theirs.inodes[i].has_value(), ours.inodes[i].has_value()) << now_;
        if (ours.inodes[i]) Compare(*theirs.inodes[i], *ours.inodes[i]);
      }
    } else if constexpr (requires { theirs.stat.has_value(); }) {
      ASSERT_EQ(theirs.stat.has_value(), ours.stat.has_value()) << now_;
      if (ours.stat) Compare(*theirs.stat, *ours.stat);
    } else if constexpr (requires { theirs.stat; }) {
      Compare(theirs.stat, ours.stat);
    }
    if constexpr (requires { theirs.need_truncate; }) {
      EXPECT_EQ(theirs.need_truncate, ours.need_truncate) << now_;
    }
  }

  std::map<uint64_t, uint64_t> ids_;  // recorded → ours
  std::string now_;                   // the operation under way, for messages
};

TEST_F(TranscriptTest, StockClientGetsTheSameAnswers) {
  const std::vector<Exchange> recorded = Recorded();
  ASSERT_GT(recorded.size(), 100U);
  std::map<uint16_t, int> played;
  for (const Exchange& exchange : recorded) {
    clock_.us += 20'000;
    now_ = exchange.op + " method " + std::to_string(exchange.method);
    ++played[exchange.method];
    switch (exchange.method) {
#define PLAY(Name)                \
  case method::Name::kMethodId:   \
    Play<method::Name>(exchange); \
    break;
      PLAY(Stat)
      PLAY(Create)
      PLAY(Mkdirs)
      PLAY(Symlink)
      PLAY(HardLink)
      PLAY(Remove)
      PLAY(Open)
      PLAY(Sync)
      PLAY(Close)
      PLAY(Rename)
      PLAY(List)
      PLAY(SetAttr)
      PLAY(BatchStat)
#undef PLAY
      case method::StatFs::kMethodId:
        EXPECT_TRUE(serde::Decode<wire::StatFsReq>(exchange.request).ok());
        break;
      default:
        ADD_FAILURE() << "unexpected method in " << now_;
    }
    if (HasFatalFailure()) return;
  }
  EXPECT_EQ(played.size(), 14U);
}

}  // namespace
}  // namespace threefs::standalone::test

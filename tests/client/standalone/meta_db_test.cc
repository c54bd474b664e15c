// SPDX-License-Identifier: Apache-2.0
// The key-value store and the user store: both tenants give the same answers; what was answered
// lasts.
#include "client/standalone/meta_db.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/client/standalone/meta_test_support.h"

namespace threefs::standalone::test {
namespace {

class TempDir {
 public:
  TempDir() {
    std::string path = std::filesystem::temp_directory_path() / "threefs-meta-XXXXXX";
    CHECK(::mkdtemp(path.data()) != nullptr);
    path_ = path;
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string operator/(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

class DbTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) {
      options_.memory = std::make_shared<MemoryDisk>();
    } else {
      options_.path = dir_ / "db";
    }
    Reopen();
  }
  void Reopen() {
    db_.reset();
    auto db = MetaDb::Open(options_);
    ASSERT_TRUE(db.ok()) << db.status().ToString();
    db_ = *std::move(db);
  }
  std::string Dump(MetaTxn& txn, const std::string& from = "", const std::string& to = "~") {
    std::string text;
    EXPECT_TRUE(txn.Scan(from, to,
                         [&](std::string_view key, std::string_view value) {
                           text += std::string(key) + "=" + std::string(value) + " ";
                           return true;
                         })
                    .ok());
    return text;
  }
  TempDir dir_;
  MetaDbOptions options_;
  std::unique_ptr<MetaDb> db_;
};

INSTANTIATE_TEST_SUITE_P(Tenants, DbTest, ::testing::Values(false, true),
                         [](const auto& info) { return info.param ? "Memory" : "RocksDb"; });

TEST_P(DbTest, SeesItsOwnChanges) {
  auto setup = db_->BeginWrite();
  for (const char* key : {"a", "b", "c", "d"}) setup->Put(key, "0");
  ASSERT_TRUE(setup->Commit().ok());
  setup.reset();
  auto txn = db_->BeginWrite();
  EXPECT_FALSE(txn->dirty());
  txn->Put("b", "1");
  txn->Put("bb", "2");
  txn->Delete("c");
  txn->Delete("zz");
  EXPECT_TRUE(txn->dirty());
  EXPECT_EQ(Dump(*txn), "a=0 b=1 bb=2 d=0 ");
  EXPECT_EQ(Dump(*txn, "b", "d"), "b=1 bb=2 ");
  EXPECT_EQ(*txn->Get("b"), "1");
  EXPECT_FALSE(txn->Get("c")->has_value());
  ASSERT_TRUE(txn->Commit().ok());
  txn.reset();
  EXPECT_EQ(Dump(*db_->BeginRead()), "a=0 b=1 bb=2 d=0 ");
}

TEST_P(DbTest, DroppedTransactionLeavesNothing) {
  auto txn = db_->BeginWrite();
  txn->Put("a", "1");
  txn.reset();
  EXPECT_EQ(Dump(*db_->BeginRead()), "");
}

TEST_P(DbTest, ScanStops) {
  auto txn = db_->BeginWrite();
  for (const char* key : {"a", "b", "c"}) txn->Put(key, key);
  int seen = 0;
  ASSERT_TRUE(txn->Scan("a", "z", [&](auto, auto) { return ++seen < 2; }).ok());
  EXPECT_EQ(seen, 2);
}

TEST_P(DbTest, LastsOverReopening) {
  auto txn = db_->BeginWrite();
  txn->Put(std::string("k\0x", 3), "v");
  const auto ticket = txn->Commit();
  ASSERT_TRUE(ticket.ok());
  txn.reset();
  ASSERT_TRUE(db_->WaitDurable(*ticket).ok());
  Reopen();
  EXPECT_EQ(*db_->BeginRead()->Get(std::string("k\0x", 3)), "v");
}

TEST_P(DbTest, ManyWritersLoseNothing) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this] {
      for (int i = 0; i < 50; ++i) {
        auto txn = db_->BeginWrite();
        const auto old = txn->Get("n");
        txn->Put("n", std::to_string(old->has_value() ? std::stoi(**old) + 1 : 1));
        const auto ticket = txn->Commit();
        txn.reset();
        ASSERT_TRUE(ticket.ok() && db_->WaitDurable(*ticket).ok());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(*db_->BeginRead()->Get("n"), "200");
}

TEST(DbOpenTest, SaysWhatIsWrong) {
  const auto db = MetaDb::Open({.path = "/proc/no/such"});
  ASSERT_FALSE(db.ok());
  EXPECT_EQ(db.code(), Code::kKVStoreOpenFailed);
  EXPECT_THAT(db.status().message(), ::testing::HasSubstr("/proc/no/such"));
}

// The namespace on RocksDB: what was answered is there after closing and opening again, and ids go
// on.
class DurableTest : public MetaTest {
 protected:
  void SetUp() override {
    options_.db.memory = nullptr;
    options_.db.path = dir_ / "meta";
    MetaTest::SetUp();
  }
  TempDir dir_;
};

TEST_F(DurableTest, NamespaceLasts) {
  ASSERT_TRUE(Mkdir(At("d")).ok());
  std::vector<std::string> names;
  uint64_t last = 0;
  for (int i = 0; i < 20; ++i) {
    names.push_back("f" + std::to_string(100 + i));
    last = Create(At("d/" + names.back()))->id;
  }
  ops::SyncWork work{.inode = last};
  work.update_length = true;
  ASSERT_TRUE(store_->Sync(work, 777).ok());
  ASSERT_EQ(Remove(At("d/f100")), Code::kOk);
  names.erase(names.begin());
  Reopen();
  EXPECT_EQ(Names(At("d")), names);
  EXPECT_EQ(FileOf(Stat(Id(last))).length, 777U);
  EXPECT_GT(Create(At("d/new"))->id, last);
  EXPECT_EQ(Names(Id(wire::kGcRootInodeId)).size(), 1U);
}

TEST_F(DurableTest, ConcurrentCreatesAreAllThere) {
  ASSERT_TRUE(Mkdir(At("d")).ok());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < 25; ++i) {
        wire::CreateReq req{.path = At("d/" + std::to_string(t * 100 + i)), .perm = 0644};
        ASSERT_TRUE(store_->Run<method::Create>(req).ok());
        ASSERT_TRUE(store_->Run<method::Stat>({.path = req.path}).ok());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(Names(At("d")).size(), 100U);
}

TEST(UserStoreTest, TokensTellTheirUser) {
  Rng rng(3);
  for (const uint32_t uid : {0U, 1U, 1000U, 0xffffffffU}) {
    const std::string token = MakeToken(uid, rng);
    EXPECT_EQ(token.size(), 24U);
    EXPECT_EQ(TokenUid(token), uid);
    std::string bad = token;
    bad[5] = bad[5] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(TokenUid(bad).has_value());
    EXPECT_FALSE(TokenUid(token.substr(1)).has_value());
  }
}

TEST(UserStoreTest, FileIsSharedAndPrivate) {
  const TempDir dir;
  const std::string path = dir / "users";
  Rng rng(4);
  auto one = *UserStore::Open(path);
  auto two = *UserStore::Open(path);
  EXPECT_TRUE(two->empty());
  const auto token =
      one->AddUser({.name = "bob", .uid = 7, .gid = 8, .groups = {9, 10}, .admin = true}, rng);
  ASSERT_TRUE(token.ok()) << token.status().ToString();
  const auto identity = two->Authenticate(7, 8, *token);
  ASSERT_TRUE(identity.ok()) << identity.status().ToString();
  EXPECT_EQ(identity->groups, (std::vector<uint32_t>{9, 10}));
  EXPECT_TRUE(two->CheckAdmin(*token).ok());
  struct ::stat info{};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  ASSERT_TRUE(one->RemoveUser(7).ok());
  EXPECT_EQ(two->Authenticate(7, 8, *token).code(), Code::kAuthenticationFail);
  EXPECT_FALSE(one->RemoveUser(7).ok());
}

TEST(UserStoreTest, Refusals) {
  auto users = UserStore::InMemory();
  Rng rng(4);
  EXPECT_EQ(users->AddUser({.name = "two words"}, rng).code(), Code::kInvalidArg);
  EXPECT_EQ(users->AddUser({.name = ""}, rng).code(), Code::kInvalidArg);
  const std::string token = *users->AddUser({.name = "a", .uid = 1}, rng);
  EXPECT_EQ(users->AddUser({.name = "b", .uid = 2, .token = token}, rng).code(),
            Code::kTokenDuplicated);
  EXPECT_EQ(users->CheckAdmin(token).code(), Code::kMgmtdNotAdmin);
  EXPECT_EQ(users->CheckAdmin("x").code(), Code::kAuthenticationFail);
  const TempDir dir;
  const std::string path = dir / "users";
  std::ofstream(path) << "# users\n1 1 - - TOKEN name\n1 x - - TOKEN name\n";
  const auto bad = UserStore::Open(path);
  ASSERT_FALSE(bad.ok());
  EXPECT_THAT(bad.status().message(), ::testing::HasSubstr("line 3"));
  EXPECT_THAT(bad.status().message(), ::testing::Not(::testing::HasSubstr("TOKEN")));
}

}  // namespace
}  // namespace threefs::standalone::test

// SPDX-License-Identifier: Apache-2.0
// A meta store in memory with a clock moved by hand, and short ways to write requests. One thread.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/schema/meta_rpc.h"
#include "client/standalone/meta_access.h"
#include "client/standalone/meta_store.h"

namespace threefs::standalone::test {

namespace wire = schema::meta;
namespace method = schema::meta::method;

class ManualClock final : public Clock {
 public:
  [[nodiscard]] TimePoint Now() const override { return TimePoint(std::chrono::microseconds(us)); }
  [[nodiscard]] int64_t WallMicros() const override { return us; }
  int64_t us = 1'700'000'000'000'000;
};

/// Table 1 version 1 of `chains` chains (ids 100001…), one serving target each, all on node 10.
inline std::shared_ptr<schema::mgmtd::RoutingInfo> MakeRouting(uint32_t chains = 8) {
  auto routing = std::make_shared<schema::mgmtd::RoutingInfo>();
  routing->routing_info_version = 1;
  schema::mgmtd::ChainTable table{.chain_table_id = 1, .chain_table_version = 1};
  for (uint32_t i = 0; i < chains; ++i) {
    const uint32_t id = 100001 + i;
    table.chains.push_back(id);
    schema::mgmtd::ChainInfo chain{.chain_id = id, .chain_version = 1};
    chain.targets.push_back({uint64_t{1000} + i, schema::mgmtd::PublicTargetState::kServing});
    routing->chains.At(id) = chain;
    schema::mgmtd::TargetInfo target{.target_id = uint64_t{1000} + i};
    target.public_state = schema::mgmtd::PublicTargetState::kServing;
    target.chain_id = id;
    target.node_id = 10;
    routing->targets.At(target.target_id) = target;
  }
  routing->chain_tables.At(1).emplace(1, table);
  return routing;
}

inline Uuid MakeUuid(uint64_t number) {
  Rng rng(number * 7919 + 17);
  return Uuid::Random(rng);
}

class MetaTest : public ::testing::Test {
 protected:
  MetaTest() { options_.db.memory = std::make_shared<MemoryDisk>(); }
  void SetUp() override { Reopen(); }

  /// Opens the store anew on the same data.
  void Reopen() {
    store_.reset();
    auto store = MetaStore::Open(options_, {.clock = &clock_,
                                            .users = users_.get(),
                                            .routing = [this] { return routing_; },
                                            .seed = 1});
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    store_ = *std::move(store);
  }

  /// A caller; every request gets a fresh uuid.
  wire::ReqBase As(uint32_t uid, uint32_t gid, std::vector<uint32_t> groups = {}) {
    wire::ReqBase base;
    base.user = {uid, gid, std::move(groups), ""};
    base.client = {MakeUuid(client_), "test"};
    base.uuid = MakeUuid(++request_ + 1'000'000);
    return base;
  }
  wire::ReqBase Root() { return As(0, 0); }

  static wire::PathAt At(std::string path) { return {wire::kRootInodeId, std::move(path)}; }
  static wire::PathAt At(uint64_t parent, std::string path) { return {parent, std::move(path)}; }
  static wire::PathAt Id(uint64_t inode) { return {inode, std::nullopt}; }

  std::optional<wire::SessionInfo> Session(uint64_t number) {
    return wire::SessionInfo{{MakeUuid(client_), "test"}, MakeUuid(number + 2'000'000)};
  }

  template <class M>
  Result<typename M::Rsp> Run(typename M::Req req) {
    return store_->Run<M>(std::move(req));
  }

  Result<wire::Inode> Stat(wire::PathAt path, int32_t flags = 0) {
    return StatAs(Root(), std::move(path), flags);
  }
  Result<wire::Inode> StatAs(wire::ReqBase who, wire::PathAt path, int32_t flags = 0) {
    TRY(auto rsp, Run<method::Stat>({std::move(who), std::move(path), flags}));
    return std::move(rsp.stat);
  }
  Result<wire::Inode> Mkdir(wire::PathAt path, uint32_t perm = 0755) {
    return MkdirAs(Root(), std::move(path), perm);
  }
  Result<wire::Inode> MkdirAs(wire::ReqBase who, wire::PathAt path, uint32_t perm = 0755,
                              bool recursive = false) {
    TRY(auto rsp, Run<method::Mkdirs>({.base = std::move(who),
                                       .path = std::move(path),
                                       .perm = perm,
                                       .recursive = recursive}));
    return std::move(rsp.stat);
  }
  Result<wire::Inode> Create(wire::PathAt path, uint32_t perm = 0644) {
    return CreateAs(Root(), std::move(path), perm);
  }
  Result<wire::Inode> CreateAs(wire::ReqBase who, wire::PathAt path, uint32_t perm = 0644,
                               int32_t flags = 0) {
    TRY(auto rsp,
        Run<method::Create>(
            {.base = std::move(who), .path = std::move(path), .flags = flags, .perm = perm}));
    return std::move(rsp.stat);
  }
  Result<wire::Inode> Link(wire::PathAt path, std::string target) {
    TRY(auto rsp, Run<method::Symlink>(
                      {.base = Root(), .path = std::move(path), .target = std::move(target)}));
    return std::move(rsp.stat);
  }
  Code Remove(wire::PathAt path) { return RemoveAs(Root(), std::move(path)); }
  Code RemoveAs(wire::ReqBase who, wire::PathAt path, bool recursive = false) {
    return Run<method::Remove>(
               {.base = std::move(who), .path = std::move(path), .recursive = recursive})
        .code();
  }
  Code Rename(wire::PathAt from, wire::PathAt to) {
    return RenameAs(Root(), std::move(from), std::move(to));
  }
  Code RenameAs(wire::ReqBase who, wire::PathAt from, wire::PathAt to) {
    return Run<method::Rename>(
               {.base = std::move(who), .src = std::move(from), .dest = std::move(to)})
        .code();
  }
  Code SetAttr(wire::SetAttrReq req) { return Run<method::SetAttr>(std::move(req)).code(); }
  /// The names in a directory.
  std::vector<std::string> Names(wire::PathAt path) {
    auto rsp = Run<method::List>({.base = Root(), .path = std::move(path), .limit = 10000});
    std::vector<std::string> names;
    EXPECT_TRUE(rsp.ok()) << rsp.status().ToString();
    if (rsp.ok()) {
      for (const auto& entry : rsp->entries) names.push_back(entry.name);
    }
    return names;
  }

  static const wire::File& FileOf(const Result<wire::Inode>& inode) { return inode->AsFile(); }

  ManualClock clock_;
  MetaOptions options_;
  std::unique_ptr<UserStore> users_ = UserStore::InMemory();
  std::shared_ptr<const schema::mgmtd::RoutingInfo> routing_ = MakeRouting();
  std::unique_ptr<MetaStore> store_;
  uint64_t client_ = 1;
  uint64_t request_ = 0;
};

}  // namespace threefs::standalone::test

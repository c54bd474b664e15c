// SPDX-License-Identifier: Apache-2.0
#include "tools/doctor.h"

#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/base/clock.h"
#include "client/base/rng.h"
#include "client/base/status.h"
#include "client/base/status_code.h"
#include "client/base/uuid.h"
#include "client/mgmtd/routing_table.h"
#include "client/net/address.h"
#include "client/net/resolve.h"
#include "client/net/transport.h"
#include "client/rpc/client.h"
#include "client/runtime/loop.h"
#include "client/runtime/sync_wait.h"
#include "client/runtime/task.h"
#include "client/schema/common.h"
#include "client/schema/meta_rpc.h"
#include "client/schema/mgmtd_rpc.h"
#include "tools/connect.h"

namespace threefs::tools {
namespace {

namespace mgmtd_method = schema::mgmtd::method;
constexpr Duration kStepTimeout = 3s;
constexpr size_t kMaxServersTried = 64;

// One run. Lives on the main thread; its tasks run on the loop one after another.
class Doctor {
 public:
  explicit Doctor(const ClusterFlags& flags)
      : flags_(flags),
        network_(net::MakeTcpNetwork()),
        pool_(BlockingPool::Create(1, "doctor-dns")),
        thread_(LoopThread::Start("doctor")) {}
  ~Doctor() {
    SyncWait(thread_->loop(), [this] { return Drop(); });
  }
  Doctor(const Doctor&) = delete;
  Doctor& operator=(const Doctor&) = delete;

  Diagnosis Run() {
    if (!CheckFlags()) return std::move(diagnosis_);
    SyncWait(thread_->loop(), [this] { return Steps(); });
    return std::move(diagnosis_);
  }

 private:
  void Ok(std::string step, std::string detail) {
    diagnosis_.findings.push_back({Finding::Kind::kOk, std::move(step), std::move(detail), ""});
  }
  void Warn(std::string step, std::string detail, std::string advice) {
    diagnosis_.findings.push_back(
        {Finding::Kind::kWarning, std::move(step), std::move(detail), std::move(advice)});
  }
  void Fail(std::string step, std::string detail, std::string advice) {
    diagnosis_.findings.push_back(
        {Finding::Kind::kFailed, std::move(step), std::move(detail), std::move(advice)});
  }

  bool CheckFlags() {
    bool good = true;
    if (flags_.cluster_id.empty() || flags_.cluster_id.size() > 31) {
      Fail("cluster id", fmt::format("{} characters", flags_.cluster_id.size()),
           "give the servers' cluster_id, 1 to 31 characters");
      good = false;
    }
    if (flags_.mgmtd.empty()) {
      Fail("mgmtd addresses", "none given", "give at least one --mgmtd RDMA://ip:port");
      good = false;
    }
    auto token = ReadToken(flags_);
    if (!token.ok()) {
      Fail("token", token.status().message(), "check the file or descriptor the token comes from");
      return false;
    }
    token_ = *std::move(token);
    return good;
  }

  rpc::CallOptions Bounded() {
    const TimePoint end = thread_->loop().Now() + kStepTimeout;
    return {.ctx = {.deadline = end}, .timeout = kStepTimeout};
  }

  Task<void> Drop() {
    rpc_.reset();
    co_return;
  }

  Task<void> Steps() {
    rpc_ = rpc::Client::Create(thread_->loop(), *network_, {.connect_timeout = kStepTimeout});
    const auto primary = co_await FindPrimary();
    if (!primary.has_value()) co_return;
    if (!co_await ReadRouting(*primary)) co_return;
    co_await CheckMeta();
    co_await CheckStorage();
    CheckChains();
  }

  // Asks every address; returns where the primary answers.
  Task<std::optional<net::Address>> FindPrimary() {
    std::optional<net::Address> primary;
    for (const std::string& text : flags_.mgmtd) {
      const std::string step = "mgmtd " + text;
      const auto addresses = co_await net::ResolveAddress(*pool_, text);
      if (!addresses.ok()) {
        Fail(step, addresses.status().message(), "correct the address, or the name's DNS entry");
        continue;
      }
      for (const net::Address& address : *addresses) {
        const auto found = co_await AskPrimary(step, address);
        if (found.has_value()) primary = found;
      }
    }
    if (!primary.has_value()) {
      Fail("primary mgmtd", "no address led to a primary",
           "start mgmtd, or wait a minute when one just failed over; check that these are its "
           "addresses");
    }
    co_return primary;
  }

  Task<std::optional<net::Address>> AskPrimary(std::string step, net::Address address) {
    const auto rsp = co_await rpc_->Call<mgmtd_method::GetPrimaryMgmtd>(
        address, {.cluster_id = flags_.cluster_id}, Bounded());
    if (rsp.code() == Code::kMgmtdClusterIdMismatch) {
      Fail(step, "answers, but for another cluster id",
           "set the cluster id to what the servers' launcher configuration says");
      co_return std::nullopt;
    }
    if (!rsp.ok()) {
      Fail(step, rsp.status().ToString(),
           "check that mgmtd runs there and that this host may open TCP connections to that port");
      co_return std::nullopt;
    }
    if (!rsp->primary.has_value()) {
      Warn(step, "answers, but knows no primary",
           "wait for the election (up to a minute), or look at mgmtd's log");
      co_return std::nullopt;
    }
    Ok(step, fmt::format("answers; the primary is node {}", rsp->primary->node_id));
    for (const auto& group : rsp->primary->service_groups) {
      if (!group.services.contains("Mgmtd")) continue;
      for (const net::Address& endpoint : group.endpoints) {
        if (endpoint.SameEndpoint(address)) co_return address;
      }
      if (!group.endpoints.empty()) co_return group.endpoints.front();
    }
    co_return address;
  }

  Task<bool> ReadRouting(net::Address primary) {
    const auto rsp = co_await rpc_->Call<mgmtd_method::GetRoutingInfo>(
        primary, {.cluster_id = flags_.cluster_id}, Bounded());
    if (!rsp.ok()) {
      Fail("routing", rsp.status().ToString(),
           fmt::format("the primary at {} must be reachable from this host too",
                       primary.ToString()));
      co_return false;
    }
    if (!rsp->info.has_value()) {
      Fail("routing", "the primary sent none", "look at mgmtd's log");
      co_return false;
    }
    auto table = mgmtd::RoutingTable::Build(*rsp->info);
    if (!table.ok()) {
      Fail("routing", table.status().ToString(),
           "the cluster's routing contradicts itself: look at mgmtd's log");
      co_return false;
    }
    routing_ = *std::move(table);
    Ok("routing", fmt::format("version {}: {} meta, {} storage nodes, {} chains, {} targets",
                              routing_->version(), routing_->meta_servers().size(),
                              routing_->storage_servers().size(), routing_->info().chains.size(),
                              routing_->info().targets.size()));
    co_return true;
  }

  Task<void> CheckMeta() {
    if (routing_->meta_servers().empty()) {
      Fail("meta", "no active meta server in the routing",
           "start the meta service, then run this again");
    }
    bool token_checked = false;
    for (const auto& server : routing_->meta_servers()) {
      const std::string step =
          fmt::format("meta node {} {}", server.node_id, server.address.ToString());
      schema::meta::AuthReq req;
      req.base.user.token = token_;
      req.base.client = {.uuid = client_, .hostname = "doctor"};
      const auto rsp =
          co_await rpc_->Call<schema::meta::method::Authenticate>(server.address, req, Bounded());
      if (rsp.ok()) {
        Ok(step, "answers");
        if (!token_checked) {
          Ok("token", token_.empty() ? "none given, none needed"
                                     : fmt::format("accepted as uid {}", rsp->user.uid));
        }
        token_checked = true;
      } else if (rsp.code() == Code::kAuthenticationFail) {
        Ok(step, "answers");
        if (!token_checked) {
          Fail("token",
               token_.empty() ? "none given, but the cluster asks for one" : "refused as uid 0",
               "give the token of a root user (admin_cli user-add --root …), without quotes or "
               "line breaks");
        }
        token_checked = true;
      } else {
        Fail(step, rsp.status().ToString(),
             "this host must reach every meta server's port by TCP, also where it is listed as "
             "RDMA://");
      }
    }
  }

  Task<void> CheckStorage() {
    size_t good = 0;
    const auto& servers = routing_->storage_servers();
    const size_t tried = std::min(servers.size(), kMaxServersTried);
    for (size_t i = 0; i < tried; ++i) {
      const auto& server = servers[i];
      const auto rsp =
          co_await rpc_->Call<schema::method::Echo>(server.address, {.str = "doctor"}, Bounded());
      // An answer of any kind proves the way; only the transport's own failures do not.
      if (rsp.ok() || rsp.status().origin() == Origin::kPeer) {
        ++good;
        continue;
      }
      Fail(fmt::format("storage node {} {}", server.node_id, server.address.ToString()),
           rsp.status().ToString(),
           "this host must reach every storage node's port by TCP; is the node up?");
    }
    if (servers.empty()) {
      Fail("storage", "no storage node in the routing",
           "start the storage service, then run this again");
    } else if (good > 0) {
      Ok("storage", fmt::format("{} of {} nodes answer", good, tried));
    }
  }

  void CheckChains() {
    size_t dead = 0;
    std::string first;
    for (const auto& [id, info] : routing_->info().chains) {
      const mgmtd::Chain* chain = routing_->FindChain(id);
      if (chain != nullptr && !chain->serving.empty()) continue;
      if (dead++ == 0) first = fmt::format("chain {}", id);
    }
    if (dead > 0) {
      Warn("chains",
           fmt::format("{} of {} have no serving target ({} first)", dead,
                       routing_->info().chains.size(), first),
           "data on them cannot be read or written until a target of each serves again");
    } else if (routing_->info().chains.empty()) {
      Fail("chains", "none", "create targets and upload a chain table (admin_cli upload-chains)");
    } else {
      Ok("chains", fmt::format("all {} have a serving target", routing_->info().chains.size()));
    }
  }

  const ClusterFlags flags_;
  std::string token_;
  Rng rng_ = Rng::FromKernel();
  const Uuid client_ = Uuid::Random(rng_);
  std::unique_ptr<net::Network> network_;
  std::unique_ptr<BlockingPool> pool_;
  std::unique_ptr<LoopThread> thread_;
  std::unique_ptr<rpc::Client> rpc_;
  mgmtd::RoutingRef routing_;
  Diagnosis diagnosis_;
};

std::string_view Word(Finding::Kind kind) {
  switch (kind) {
    case Finding::Kind::kOk:
      return "OK";
    case Finding::Kind::kWarning:
      return "WARN";
    case Finding::Kind::kFailed:
      return "FAIL";
  }
  return "?";
}

}  // namespace

bool Diagnosis::healthy() const {
  return std::ranges::none_of(findings,
                              [](const Finding& f) { return f.kind == Finding::Kind::kFailed; });
}

std::string Diagnosis::ToText() const {
  std::string out;
  for (const Finding& f : findings) {
    out += fmt::format("{:<5}{}: {}\n", Word(f.kind), f.step, f.detail);
    if (!f.advice.empty()) out += fmt::format("     -> {}\n", f.advice);
  }
  out += healthy() ? "A mount with these settings connects.\n"
                   : "A mount with these settings fails: see above.\n";
  return out;
}

std::string Diagnosis::ToJson() const {
  auto list = nlohmann::json::array();
  for (const Finding& f : findings) {
    list.push_back(
        {{"result", Word(f.kind)}, {"step", f.step}, {"detail", f.detail}, {"advice", f.advice}});
  }
  return nlohmann::json{{"ok", healthy()}, {"findings", list}}.dump(
      -1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Diagnosis Diagnose(const ClusterFlags& flags) { return Doctor(flags).Run(); }

}  // namespace threefs::tools

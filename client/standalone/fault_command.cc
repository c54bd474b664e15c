// SPDX-License-Identifier: Apache-2.0
#include "client/standalone/fault_command.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/base/fault.h"
#include "client/runtime/sync.h"

namespace threefs::standalone {
namespace {

Status Bad(std::string why) { return Status(Code::kInvalidFormat, std::move(why)); }

// Typed access to arguments; every one must be asked for, or Finish complains.
class Arguments {
 public:
  explicit Arguments(const FaultCommand& command) : command_(command) {}

  Result<int64_t> Int(const std::string& key, int64_t fallback) {
    const std::string* text = Take(key);
    if (text == nullptr) return fallback;
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (error != std::errc() || end != text->data() + text->size()) {
      return Bad(key + " must be a number");
    }
    return value;
  }
  Result<double> Share(const std::string& key) {
    const std::string* text = Take(key);
    if (text == nullptr) return 1.0;
    char* end = nullptr;
    const double value = std::strtod(text->c_str(), &end);
    if (end == text->c_str() || *end != 0 || !(value >= 0.0 && value <= 1.0)) {
      return Bad(key + " must be between 0 and 1");
    }
    return value;
  }
  Result<Duration> Time(const std::string& key) {
    const std::string* text = Take(key);
    if (text == nullptr) return Duration{0};
    return ParseDuration(*text);
  }
  std::string Text(const std::string& key) {
    const std::string* text = Take(key);
    return text == nullptr ? "" : *text;
  }
  [[nodiscard]] Status Finish() const {
    for (const auto& [key, value] : command_.arguments) {
      if (std::find(taken_.begin(), taken_.end(), key) == taken_.end()) {
        return Bad("\"" + key + "\" is no argument of " + command_.verb);
      }
    }
    return {};
  }

 private:
  const std::string* Take(const std::string& key) {
    taken_.push_back(key);
    const auto it = command_.arguments.find(key);
    return it == command_.arguments.end() ? nullptr : &it->second;
  }
  const FaultCommand& command_;
  std::vector<std::string> taken_;
};

struct Parsed {
  int node = 0;
  int64_t count = -1;
  int64_t target = 0;
  int64_t chain = 0;
  Duration delay{0};
  Duration last{0};  // for=
  FrameRule rule;
  std::string point;
  std::string action;
};

Result<Parsed> ParseArguments(const FaultCommand& command) {
  Arguments args(command);
  Parsed p;
  const bool wire = command.verb == "cut" || command.verb == "lie";
  TRY(const int64_t node, args.Int("node", 0));
  p.node = static_cast<int>(node);
  TRY(p.count, args.Int("count", wire ? 1 : -1));
  TRY(p.target, args.Int("target", 0));
  TRY(p.chain, args.Int("chain", 0));
  TRY(p.delay, args.Time("delay"));
  TRY(p.last, args.Time("for"));
  TRY(const int64_t service, args.Int("service", 0));
  TRY(const int64_t method, args.Int("method", 0));
  TRY(p.rule.probability, args.Share("p"));
  const std::string side = args.Text("side");
  p.point = args.Text("name");
  p.action = args.Text("action");
  TRY(args.Finish());
  if (service < 0 || service > 0xffff || method < 0 || method > 0xffff) {
    return Bad("service and method are 16-bit numbers");
  }
  if (side != "" && side != "request" && side != "answer") return Bad("side is request or answer");
  p.rule.service = static_cast<uint16_t>(service);
  p.rule.method = static_cast<uint16_t>(method);
  p.rule.side = side == "request"  ? FrameRule::Side::kRequest
                : side == "answer" ? FrameRule::Side::kAnswer
                                   : FrameRule::Side::kBoth;
  p.rule.remaining = p.count;
  p.rule.drop = command.verb == "drop";
  p.rule.delay = p.delay;
  return p;
}

Status SetPoint(const Parsed& p) {
  if (p.point.empty()) return Bad("point needs name=");
  FaultAction action;
  action.delay = p.delay;
  action.remaining = p.count;
  action.probability = p.rule.probability;
  if (p.action == "abort") {
    action.abort_process = true;
  } else if (p.action == "error") {
    action.error = Status(Code::kFaultInjection, "injected at " + p.point);
  } else if (!p.action.empty()) {
    return Bad("action is abort or error");
  }
  FaultPoints::Instance().Set(p.point, std::move(action));
  return {};
}

// Changes that live on the node's loop.
std::function<void(StorageNode&)> NodeChange(const std::string& verb, const Parsed& p) {
  if (verb == "drop" || verb == "delay") {
    return [p](StorageNode& n) { n.host().gate().AddRule(p.rule); };
  }
  if (verb == "slow" && p.target != 0) {
    return [p](StorageNode& n) {
      n.service().faults().slow_target[static_cast<uint64_t>(p.target)] = p.delay;
    };
  }
  if (verb == "slow") return [p](StorageNode& n) { n.service().faults().slow = p.delay; };
  if (verb == "full") return [](StorageNode& n) { n.service().faults().disk_full = true; };
  if (verb == "corrupt") {
    return [p](StorageNode& n) { n.service().faults().corrupt_reads = p.count; };
  }
  if (verb == "cut") return [p](StorageNode& n) { n.host().wire().cut += p.count; };
  if (verb == "lie") return [p](StorageNode& n) { n.host().wire().lie += p.count; };
  return nullptr;
}

void ClearNode(StorageNode& n) {
  n.host().gate().ClearRules();
  n.host().wire().cut = 0;
  n.host().wire().lie = 0;
  n.service().faults() = {};
  n.Stall(false);
}

Task<std::string> DescribeStatus(StandaloneCluster* cluster) {
  std::string out;
  const ClusterAddresses addresses = cluster->addresses();
  MgmtdService* mgmtd = cluster->mgmtd();
  if (mgmtd == nullptr) co_return "mgmtd runs elsewhere\n";
  const auto routing = mgmtd->routing();
  out += fmt::format("routing version {}\n", routing->routing_info_version);
  for (const auto& [id, node] : routing->nodes) {
    out += fmt::format("node {} type {} status {}\n", id, static_cast<int>(node.type),
                       static_cast<int>(node.status));
  }
  for (const auto& [id, chain] : routing->chains) {
    out += fmt::format("chain {} version {}:", id, chain.chain_version);
    for (const auto& t : chain.targets) {
      out += fmt::format(" {}={}", t.target_id, static_cast<int>(t.public_state));
    }
    out += "\n";
  }
  co_return out;
}

Task<void> ResumeLater(StandaloneCluster* cluster, int node, Duration after) {
  co_await SleepFor(after);
  (void)co_await cluster->StallNode(node, false);
}

Task<Status> ClearAll(StandaloneCluster* cluster) {
  FaultPoints::Instance().ClearAll();
  const std::function<void(StorageNode&)> change = ClearNode;
  const int nodes = static_cast<int>(cluster->addresses().storage.size());
  for (int n = 0; n < nodes; ++n)
    (void)co_await cluster->WithNode(n, &change);  // down: nothing to clear
  co_return Status();
}

}  // namespace

Result<Duration> ParseDuration(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  if (error != std::errc() || value < 0 || value > 86'400'000) {
    return Bad("a duration looks like 5s, 20ms or 100us");
  }
  if (unit == "us") return Duration(std::chrono::microseconds(value));
  if (unit == "ms") return Duration(std::chrono::milliseconds(value));
  if (unit == "s") return Duration(std::chrono::seconds(value));
  return Bad("a duration looks like 5s, 20ms or 100us");
}

Result<FaultCommand> ParseFaultCommand(std::string_view line) {
  FaultCommand command;
  constexpr std::string_view kBetween = " \t\r\n,";
  bool first = true;
  while (true) {
    const size_t start = line.find_first_not_of(kBetween);
    if (start == std::string_view::npos) break;
    line.remove_prefix(start);
    const size_t end = std::min(
        first ? line.find_first_of(" \t\r\n:") : line.find_first_of(kBetween), line.size());
    const std::string_view word = line.substr(0, end);
    line.remove_prefix(std::min(end + (first ? 1 : 0), line.size()));
    if (first) {
      command.verb = word;
      first = false;
      continue;
    }
    const size_t equals = word.find('=');
    if (equals == 0 || equals == std::string_view::npos) {
      return Bad("arguments look like key=value, not \"" + std::string(word) + "\"");
    }
    if (!command.arguments.emplace(word.substr(0, equals), word.substr(equals + 1)).second) {
      return Bad("an argument is given twice");
    }
  }
  if (command.verb.empty()) return Bad("empty command");
  return command;
}

Task<Result<std::string>> RunFaultCommand(StandaloneCluster* cluster, FaultCommand command) {
  CO_TRY(const Parsed p, ParseArguments(command));
  const std::string& verb = command.verb;
  if (verb == "status") co_return co_await DescribeStatus(cluster);
  if (verb == "kill") {
    CO_TRY(co_await cluster->KillNode(p.node));
  } else if (verb == "restart") {
    CO_TRY(co_await cluster->RestartNode(p.node));
  } else if (verb == "stall") {
    CO_TRY(co_await cluster->StallNode(p.node, true));
    if (p.last > Duration{0}) Spawn(ResumeLater(cluster, p.node, p.last));
  } else if (verb == "resume") {
    CO_TRY(co_await cluster->StallNode(p.node, false));
  } else if (verb == "bump") {
    if (cluster->mgmtd() == nullptr) co_return Bad("mgmtd runs elsewhere");
    CO_TRY(co_await cluster->mgmtd()->BumpChain(static_cast<uint32_t>(p.chain)));
  } else if (verb == "point") {
    CO_TRY(SetPoint(p));
  } else if (verb == "clear") {
    CO_TRY(co_await ClearAll(cluster));
  } else {
    const std::function<void(StorageNode&)> change = NodeChange(verb, p);
    if (!change) co_return Bad("unknown fault \"" + verb + "\"");
    CO_TRY(co_await cluster->WithNode(p.node, &change));
  }
  co_return std::string();
}

}  // namespace threefs::standalone

// SPDX-License-Identifier: Apache-2.0
// threefsctl: the person's (and the controller's) tool. Exit code 0: done; 1: it failed, one
// sentence on stderr (or the JSON answer says so); 2: the command line is wrong.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/base/log.h"
#include "client/base/status.h"
#include "client/base/status_code.h"
#include "tools/connect.h"
#include "tools/doctor.h"
#include "tools/mounts.h"
#include "tools/report.h"
#include "tools/volume.h"
#include "tools/volume_record.h"

namespace threefs::tools {
namespace {

using nlohmann::json;
constexpr int kFailed = 1;
constexpr int kUsage = 2;

struct Flags {
  bool json = false;
  std::string log_level = "warn";
  std::string keeper = "/run/threefs/keeper.sock";
  ClusterFlags cluster;
  std::string base = "/";
  std::string id, name, path, parameters = "{}", after;
  std::string capacity = "0", chunk_size = "0";
  uint32_t stripe_size = 0, chain_table_id = 0;
  uint64_t max = 0;
};

std::string Dump(const json& j) { return j.dump(-1, ' ', false, json::error_handler_t::replace); }

int Fail(const Flags& flags, const Status& status, int exit_code = kFailed) {
  const std::string sentence = status.message().empty() ? status.ToString() : status.message();
  if (flags.json) {
    fmt::print("{}\n", Dump({{"ok", false},
                             {"error",
                              {{"kind", FailureKind(status)},
                               {"sentence", sentence},
                               {"code", Raw(status.code())}}}}));
  } else {
    fmt::print(stderr, "threefsctl: {}\n", sentence);
  }
  return exit_code;
}

json ToJson(const VolumeRecord& record) {
  json j = json::parse(record.ToJson(), nullptr, false);
  j.erase("mkdirUuid");
  return j;
}

void PrintVolumes(const std::vector<VolumeRecord>& volumes) {
  Table table({"ID", "NAME", "CAPACITY", "PATH"});
  for (const auto& v : volumes) table.Add({v.id, v.name, HumanBytes(v.capacity_bytes), v.path});
  fmt::print("{}", table.ToString());
}

// Prints the JSON answer or, for a person, `text`.
int Done(const Flags& flags, json answer, const std::string& text) {
  answer["ok"] = true;
  fmt::print("{}\n", flags.json ? Dump(answer) : text);
  return 0;
}

Status CheckVolumeFlags(const Flags& flags, bool with_id) {
  TRY(CheckAbsolutePath(flags.base, "--base-path"));
  if (with_id) TRY(CheckVolumeId(flags.id));
  return {};
}

using Command = std::function<int(const Flags&, Connection&)>;

int RunCommand(const Flags& flags, bool with_id, const Command& command) {
  const Status checked = CheckVolumeFlags(flags, with_id);
  if (!checked.ok()) return Fail(flags, checked, kUsage);
  auto connection = Connection::Open(flags.cluster);
  if (!connection.ok()) return Fail(flags, connection.status());
  return command(flags, **connection);
}

Result<CreateVolume> ReadCreate(const Flags& flags) {
  CreateVolume create;
  create.record.id = flags.id;
  create.record.name = flags.name;
  create.record.path = flags.path;
  create.record.parameters = flags.parameters;
  create.stripe_size = flags.stripe_size;
  create.chain_table_id = flags.chain_table_id;
  TRY(CheckAbsolutePath(flags.path, "--path"));
  TRY(create.record.capacity_bytes, ParseSize(flags.capacity));
  TRY(const uint64_t chunk, ParseSize(flags.chunk_size));
  constexpr uint64_t kMaxChunk = 64U << 20;
  if (chunk > kMaxChunk || (chunk & (chunk - 1)) != 0) {
    return Status(Code::kInvalidArg, "--chunk-size must be a power of two of at most 64M");
  }
  create.chunk_size = static_cast<uint32_t>(chunk);
  if (!json::parse(flags.parameters, nullptr, false).is_object()) {
    return Status(Code::kInvalidArg, "--parameters must be a JSON object");
  }
  return create;
}

int VolumeCreate(const Flags& flags, Connection& connection) {
  auto create = ReadCreate(flags);
  if (!create.ok()) return Fail(flags, create.status(), kUsage);
  const auto made = connection.Run(
      [&](Access access) { return CreateVolumeDirectory(access, flags.base, *create); });
  if (!made.ok()) return Fail(flags, made.status());
  return Done(flags, {{"created", made->created}, {"volume", ToJson(made->record)}},
              fmt::format("volume {} {} at {}", made->record.id,
                          made->created ? "created" : "was there already", made->record.path));
}

int VolumeGet(const Flags& flags, Connection& connection) {
  const auto got = connection.Run([&](Access a) { return GetVolume(a, flags.base, flags.id); });
  if (!got.ok()) {
    return Fail(flags, got.code() == Code::kMetaNotFound
                           ? Status(got.code(), "no volume " + flags.id + " under " + flags.base)
                           : got.status());
  }
  if (!flags.json) {
    PrintVolumes({*got});
    return 0;
  }
  return Done(flags, {{"volume", ToJson(*got)}}, "");
}

int VolumeDelete(const Flags& flags, Connection& connection) {
  const auto gone =
      connection.Run([&](Access a) { return DeleteVolumeDirectory(a, flags.base, flags.id); });
  if (!gone.ok()) return Fail(flags, gone.status());
  return Done(
      flags, {{"deleted", *gone}},
      *gone ? "volume " + flags.id + " deleted" : "no volume " + flags.id + ": nothing to do");
}

int VolumeExpand(const Flags& flags, Connection& connection) {
  const auto capacity = ParseSize(flags.capacity);
  if (!capacity.ok()) return Fail(flags, capacity.status(), kUsage);
  const auto record =
      connection.Run([&](Access a) { return ExpandVolume(a, flags.base, flags.id, *capacity); });
  if (!record.ok()) {
    return Fail(flags, record.code() == Code::kMetaNotFound
                           ? Status(record.code(), "no volume " + flags.id + " under " + flags.base)
                           : record.status());
  }
  return Done(flags, {{"volume", ToJson(*record)}},
              fmt::format("volume {} has {}", record->id, HumanBytes(record->capacity_bytes)));
}

int VolumeListCommand(const Flags& flags, Connection& connection) {
  Progress bar("reading records");
  const auto list = connection.Run([&](Access a) {
    return ListVolumes(a, flags.base, flags.after, flags.max,
                       [&bar](uint64_t done, uint64_t total) { bar.Update(done, total); });
  });
  if (!list.ok()) return Fail(flags, list.status());
  if (!flags.json) {
    PrintVolumes(list->volumes);
    return 0;
  }
  json volumes = json::array();
  for (const auto& v : list->volumes) volumes.push_back(ToJson(v));
  return Done(flags, {{"volumes", std::move(volumes)}, {"next", list->next}}, "");
}

int VolumeCapacity(const Flags& flags, Connection& connection) {
  const auto c = connection.Run([](Access a) { return ClusterCapacity(a); });
  if (!c.ok()) return Fail(flags, c.status());
  return Done(flags, {{"total", c->total}, {"available", c->available}, {"used", c->used}},
              fmt::format("{} of {} free", HumanBytes(c->available), HumanBytes(c->total)));
}

int MountsCommand(const Flags& flags) {
  const auto mounts = QueryMounts(flags.keeper);
  if (!mounts.ok()) return Fail(flags, mounts.status());
  fmt::print("{}{}", flags.json ? MountsJson(*mounts) : MountsTable(*mounts),
             flags.json ? "\n" : "");
  return 0;
}

int StatusCommand(const Flags& flags) {
  if (flags.id.empty()) return MountsCommand(flags);
  const auto mount = QueryMount(flags.keeper, flags.id);
  if (!mount.ok()) return Fail(flags, mount.status());
  fmt::print("{}{}", flags.json ? MountsJson({*mount}) : MountDetails(*mount),
             flags.json ? "\n" : "");
  return 0;
}

int DoctorCommand(const Flags& flags) {
  const Diagnosis diagnosis = Diagnose(flags.cluster);
  fmt::print("{}{}", flags.json ? diagnosis.ToJson() : diagnosis.ToText(), flags.json ? "\n" : "");
  return diagnosis.healthy() ? 0 : kFailed;
}

void AddClusterFlags(CLI::App* app, Flags* f) {
  app->add_flag("--json", f->json, "answer with one JSON object");
  app->add_option("--cluster-id", f->cluster.cluster_id, "the servers' cluster id")->required();
  app->add_option("--mgmtd", f->cluster.mgmtd,
                  "mgmtd address, RDMA://ip:port or TCP://host:port; repeat it")
      ->required();
  app->add_option("--transport", f->cluster.transport, "auto, tcp or rdma");
  app->add_option("--io-timeout", f->cluster.io_timeout,
                  "how long an operation may take, e.g. 30s");
  app->add_option("--token-fd", f->cluster.token_fd,
                  "read the token from this inherited descriptor");
  app->add_option("--token-file", f->cluster.token_file, "read the token from this file");
}

CLI::App* AddVerb(CLI::App* volume, Flags* f, const char* verb, const char* what, bool with_id) {
  CLI::App* app = volume->add_subcommand(verb, what);
  AddClusterFlags(app, f);
  app->add_option("--base-path", f->base, "directory of the 3FS tree that holds the volumes");
  if (with_id) app->add_option("--id", f->id, "volume id")->required();
  return app;
}

struct Verb {
  CLI::App* app;
  bool with_id;
  Command command;
};

std::vector<Verb> AddVolumeVerbs(CLI::App* volume, Flags* f) {
  std::vector<Verb> verbs;
  CLI::App* create = AddVerb(volume, f, "create", "make a volume's record and directory", true);
  create->add_option("--name", f->name, "name for people");
  create->add_option("--path", f->path, "its directory, under the base path")->required();
  create->add_option("--capacity", f->capacity, "bytes, or 10G");
  create->add_option("--chunk-size", f->chunk_size, "chunk size of new files; 0: the parent's");
  create->add_option("--stripe-size", f->stripe_size,
                     "chains a file spreads over; 0: the parent's");
  create->add_option("--chain-table-id", f->chain_table_id, "chain table; 0: the parent's");
  create->add_option("--parameters", f->parameters, "JSON object kept in the record");
  verbs.push_back({create, true, VolumeCreate});
  verbs.push_back({AddVerb(volume, f, "get", "show one volume", true), true, VolumeGet});
  verbs.push_back({AddVerb(volume, f, "delete", "remove a volume and all its files", true), true,
                   VolumeDelete});
  CLI::App* expand = AddVerb(volume, f, "expand", "raise a volume's capacity", true);
  expand->add_option("--capacity", f->capacity, "bytes, or 10G")->required();
  verbs.push_back({expand, true, VolumeExpand});
  CLI::App* list = AddVerb(volume, f, "list", "list volumes by id", false);
  list->add_option("--max", f->max, "at most so many; 0: all");
  list->add_option("--after", f->after, "continue after this id");
  verbs.push_back({list, false, VolumeListCommand});
  verbs.push_back(
      {AddVerb(volume, f, "capacity", "space of the cluster", false), false, VolumeCapacity});
  return verbs;
}

int Main(int argc, char** argv) {
  Flags flags;
  CLI::App app("threefsctl: volumes, mounts and diagnosis of 3FS on this node");
  app.require_subcommand(1);
  app.add_option("--log-level", flags.log_level, "debug, info, warn, error or off");
  CLI::App* status = app.add_subcommand("status", "state of the mounts of this node");
  status->add_option("volume", flags.id, "only this volume, in full");
  CLI::App* mounts = app.add_subcommand("mounts", "table of the mounts of this node");
  for (CLI::App* sub : {status, mounts}) {
    sub->add_option("--keeper", flags.keeper, "the keeper's socket");
    sub->add_flag("--json", flags.json, "answer with one JSON object");
  }
  CLI::App* doctor = app.add_subcommand("doctor", "why does it not connect?");
  AddClusterFlags(doctor, &flags);
  CLI::App* volume = app.add_subcommand("volume", "volumes: directories with a record");
  volume->require_subcommand(1);
  const std::vector<Verb> verbs = AddVolumeVerbs(volume, &flags);

  const std::vector<std::string_view> words(argv + 1, argv + argc);
  flags.json = std::find(words.begin(), words.end(), "--json") != words.end();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0 || !flags.json) return app.exit(error) == 0 ? 0 : kUsage;
    return Fail(flags, Status(Code::kInvalidArg, error.what()), kUsage);
  }
  LogLevel level{};
  if (!ParseLogLevel(flags.log_level, &level)) {
    return Fail(flags,
                Status(Code::kInvalidArg, "--log-level is one of debug, info, warn, error, off"),
                kUsage);
  }
  InitLog("threefsctl", level);
  if (status->parsed()) return StatusCommand(flags);
  if (mounts->parsed()) return MountsCommand(flags);
  if (doctor->parsed()) return DoctorCommand(flags);
  for (const Verb& verb : verbs) {
    if (verb.app->parsed()) return RunCommand(flags, verb.with_id, verb.command);
  }
  return kUsage;
}

}  // namespace
}  // namespace threefs::tools

int main(int argc, char** argv) { return threefs::tools::Main(argc, argv); }

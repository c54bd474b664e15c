// SPDX-License-Identifier: Apache-2.0
// client_smoke CLUSTER_ID MGMTD_ADDRESS [TOKEN_FILE]: the client core against a running cluster
// (threefs-standalone or 3FS itself), without FUSE: opens it, makes a directory and a file, writes
// 10 MiB, reads them back, truncates, lists, removes everything. Prints a line a step with its
// time; exit code 0 when all was as it must be.
#include <fmt/core.h>

#include <chrono>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "client/base/rng.h"
#include "client/file/cluster.h"
#include "client/meta/meta_ops.h"
#include "client/runtime/sync_wait.h"

namespace threefs {
namespace {

constexpr size_t kBytes = 10U << 20;
constexpr int32_t kCreateReadWrite = 0x42;  // O_CREAT | O_RDWR

class Steps {
 public:
  void Done(const char* what) {
    const auto now = std::chrono::steady_clock::now();
    fmt::print("{:<28} {:>9.3f} ms\n", what,
               std::chrono::duration<double, std::milli>(now - last_).count());
    last_ = now;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

Task<Status> CompareFile(file::Session* s, OpContext op, file::FileRef file, const Bytes* data) {
  CO_TRY(const auto back, co_await s->io().Read(op, file, 0, kBytes + 4096));
  if (back.length != data->size()) {
    co_return Status(Code::kDataCorruption, fmt::format("read {} bytes", back.length));
  }
  size_t at = 0;
  for (const Bytes& piece : back.pieces) {
    if (!(piece == data->Slice(at, piece.size()))) {
      co_return Status(Code::kDataCorruption, fmt::format("wrong bytes near {}", at));
    }
    at += piece.size();
  }
  co_return Status();
}

Task<Status> Smoke(file::Cluster* cluster, Loop* loop) {
  Steps steps;
  file::Session& s = cluster->session(*loop);
  const OpContext op = cluster->MakeOp(*loop);
  const std::string dir_name = "smoke-" + s.meta().NewUuid().ToString();
  CO_TRY(auto dir, co_await meta::Mkdirs(s.meta(), op, meta::At(0, dir_name), {}));
  const uint64_t dir_id = dir.stat.id;
  steps.Done("mkdir");
  const Uuid session = s.meta().NewUuid();
  CO_TRY(auto made,
         co_await meta::Create(
             s.meta(), op, meta::At(dir_id, "file"),
             {.open = {.flags = kCreateReadWrite, .session = session, .dyn_stripe = true}}));
  CO_TRY(auto file, file::FileState::FromInode(made.stat));
  steps.Done("create");
  Rng rng(1);
  std::vector<uint8_t> raw(kBytes);
  for (auto& b : raw) b = static_cast<uint8_t>(rng.Next());
  const Bytes data = Bytes::Own(std::move(raw));
  steps.Done("(random bytes)");
  CO_TRY(const uint64_t written, co_await s.io().Write(op, file, 0, std::vector<Bytes>(1, data)));
  if (written != kBytes) co_return Status(Code::kIOError, "a short write");
  steps.Done("write 10 MiB");
  CO_TRY(auto synced, co_await s.io().Sync(op, file, {}));
  if (synced.AsFile().length != kBytes) co_return Status(Code::kIOError, "wrong length after sync");
  steps.Done("fsync");
  CO_TRY(co_await CompareFile(&s, op, file, &data));
  steps.Done("read 10 MiB and compare");
  CO_TRY(auto cut, co_await s.io().Truncate(op, file, 1234567));
  if (cut.AsFile().length != 1234567) co_return Status(Code::kIOError, "wrong truncated length");
  const Bytes front = data.Slice(0, 1234567);
  CO_TRY(co_await CompareFile(&s, op, file, &front));
  steps.Done("truncate and compare");
  CO_TRY(co_await s.io().Close(op, file, session, {}));
  steps.Done("close");
  CO_TRY(auto list, co_await meta::List(s.meta(), op, meta::At(dir_id), "", 0));
  if (list.entries.size() != 1 || list.entries[0].name != "file") {
    co_return Status(Code::kIOError, "the directory does not list the file");
  }
  steps.Done("list");
  CO_TRY(co_await meta::Remove(s.meta(), op, meta::At(dir_id, "file"), meta::RemoveKind::kFile));
  CO_TRY(co_await meta::Remove(s.meta(), op, meta::At(0, dir_name), meta::RemoveKind::kDirectory));
  const auto gone = co_await meta::Stat(s.meta(), op, meta::At(0, dir_name));
  if (gone.code() != Code::kMetaNotFound) co_return Status(Code::kIOError, "it is still there");
  steps.Done("remove");
  co_return Status();
}

Task<Status> OpenAndRun(Loop* loop, net::Network* network, BlockingPool* pool,
                        file::ClusterOptions options) {
  Steps steps;
  CO_TRY(auto cluster, co_await file::Cluster::Open({loop}, *network, *pool, std::move(options)));
  steps.Done("open cluster");
  const Status status = co_await Smoke(cluster.get(), loop);
  co_await cluster->Close();
  co_return status;
}

int Main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "usage: client_smoke CLUSTER_ID MGMTD_ADDRESS [TOKEN_FILE]\n");
    return 2;
  }
  file::ClusterOptions options;
  options.cluster_id = argv[1];
  options.mgmtd_addresses = {argv[2]};
  if (argc > 3) {
    std::ifstream in(argv[3]);
    in >> options.token;
  }
  auto thread = LoopThread::Start("smoke");
  auto pool = BlockingPool::Create(1, "smoke");
  auto network = net::MakeTcpNetwork();
  Loop* loop = &thread->loop();
  const Status status =
      SyncWait(*loop, [&] { return OpenAndRun(loop, network.get(), pool.get(), options); });
  if (!status.ok()) fmt::print(stderr, "client_smoke: {}\n", status.ToString());
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace threefs

int main(int argc, char** argv) { return threefs::Main(argc, argv); }

// SPDX-License-Identifier: Apache-2.0
#include "mounter/fs/volume.h"

#include <fmt/core.h>

#include <charconv>
#include <utility>

#include "client/base/log.h"
#include "client/runtime/sync.h"
#include "client/runtime/sync_wait.h"
#include "mounter/fs/core.h"
#include "mounter/fs/sides.h"

namespace threefs::fs {
namespace {

constexpr size_t kParallelSyncs = 32;

file::ClusterOptions ClusterOptionsOf(const VolumeOptions& o) {
  file::ClusterOptions c;
  c.cluster_id = o.config.cluster_id;
  c.mgmtd_addresses = o.config.mgmtd_addresses;
  c.token = o.config.token;
  if (const auto uid = UidOfToken(o.config.token)) c.token_uid = c.token_gid = *uid;
  c.client_id = o.mount_id;
  c.client_start = o.client_start;
  c.node_type = schema::mgmtd::NodeType::kFuse;
  c.io_timeout = o.config.io_timeout;
  c.verify_checksums = o.config.verify_checksums;
  switch (o.config.transport) {
    case config::Transport::kAuto:
      c.transport = file::TransportChoice::kAuto;
      break;
    case config::Transport::kTcp:
      c.transport = file::TransportChoice::kTcp;
      break;
    case config::Transport::kRdma:
      c.transport = file::TransportChoice::kRdma;
      break;
  }
  return c;
}

// "User not match, userInfo (uid 0, gid 0, groups ()), (uid 1000, gid 1000)": the token's own gid
// (3fs/measured.md).
std::optional<uint32_t> GidFromRefusal(const std::string& message) {
  const size_t user = message.rfind("(uid ");
  const size_t at = message.find("gid ", user == std::string::npos ? 0 : user);
  if (user == std::string::npos || at == std::string::npos ||
      message.find("User not match") == std::string::npos)
    return std::nullopt;
  uint32_t gid = 0;
  const char* begin = message.data() + at + 4;
  const auto [end, ec] = std::from_chars(begin, message.data() + message.size(), gid);
  if (ec != std::errc{} || end == begin) return std::nullopt;
  return gid;
}

class VolumeImpl final : public Volume {
 public:
  explicit VolumeImpl(VolumeOptions options)
      : names_(MakeNames(&core_)),
        files_(MakeFiles(&core_)),
        dirs_(MakeDirs(&core_)),
        others_(MakeOthers(&core_)) {
    core_.options = std::move(options);
  }

  Task<Status> Start();
  FileSystem sides() override { return {names_.get(), files_.get(), dirs_.get(), others_.get()}; }
  void SetKernelCache(KernelCache* cache) override { core_.kernel = cache; }
  void Close() override {
    SyncWait(*core_.options.loops[0], [this] { return Finish(); });
  }

 private:
  Task<Status> FindRoot();
  Task<void> TellLeftDirty();
  Task<void> TellOne(uint64_t inode);
  Task<void> Finish();
  OpContext OwnContext() { return core_.cluster->MakeOp(*core_.options.loops[0]); }

  Core core_;
  std::unique_ptr<NameOps> names_;
  std::unique_ptr<FileOps> files_;
  std::unique_ptr<DirOps> dirs_;
  std::unique_ptr<OtherOps> others_;
};

Task<Status> VolumeImpl::Start() {
  const VolumeOptions& o = core_.options;
  file::ClusterOptions how = ClusterOptionsOf(o);
  auto opened = co_await file::Cluster::Open(o.loops, *o.network, *o.blocking, how);
  if (!opened.ok() && opened.code() == Code::kAuthenticationFail) {
    const auto gid = GidFromRefusal(opened.status().message());
    if (gid.has_value() && *gid != how.token_gid) {
      how.token_gid = *gid;
      opened = co_await file::Cluster::Open(o.loops, *o.network, *o.blocking, how);
    }
  }
  if (!opened.ok()) co_return opened.status();
  core_.cluster = *std::move(opened);
  for (Loop* loop : o.loops) {
    LoopSide side;
    side.loop = loop;
    side.session = &core_.cluster->session(*loop);
    side.identity = std::make_unique<Identity>(core_.cluster.get(), o.config.identity);
    side.rng = Rng::FromKernel();
    core_.loops.push_back(std::move(side));
  }
  Status status = co_await FindRoot();
  if (!status.ok()) {
    co_await core_.cluster->Close();
    co_return status;
  }
  co_await TellLeftDirty();
  co_return Status();
}

Task<Status> VolumeImpl::FindRoot() {
  const std::string& path = core_.options.config.path;
  const auto rsp =
      co_await meta::Stat(core_.loops[0].session->meta(), OwnContext(), meta::At(0, path));
  if (!rsp.ok()) {
    if (rsp.code() == Code::kMetaNotFound) {
      co_return Status(
          rsp.code(),
          fmt::format("the directory {} does not exist in cluster {}; create it or correct path",
                      path, core_.options.config.cluster_id));
    }
    co_return rsp.status().WithContext(fmt::format("the volume's directory {}", path));
  }
  if (!rsp->stat.IsDirectory()) {
    co_return Status(Code::kMetaNotDirectory,
                     fmt::format("{} is not a directory; give the volume one", path));
  }
  core_.root_inode = rsp->stat.id;
  co_return Status();
}

Task<void> VolumeImpl::TellOne(uint64_t inode) {
  file::Session& session = *core_.loops[0].session;
  meta::SyncArgs exact;
  exact.update_length = true;
  const auto rsp = co_await meta::Sync(session.meta(), OwnContext(), inode, exact);
  if (!rsp.ok() && rsp.code() != Code::kMetaNotFound) {
    LOG_WARN("the length of file {:#x}, written before a restart, is not told yet: {}", inode,
             rsp.status().ToString());
    co_return;
  }
  if (core_.options.dirty != nullptr) core_.options.dirty->Clear(inode);
}

Task<void> VolumeImpl::TellLeftDirty() {
  const std::vector<uint64_t>& left = core_.options.left_dirty;
  for (size_t i = 0; i < left.size(); i += kParallelSyncs) {
    TaskScope scope;
    for (size_t j = i; j < std::min(left.size(), i + kParallelSyncs); ++j)
      scope.Start(TellOne(left[j]));
    co_await scope.Join();
  }
}

Task<void> VolumeImpl::Finish() {
  core_.closing = true;
  while (core_.telling.load() > 0) co_await SleepFor(5ms);
  co_await core_.cluster->Close();
}

}  // namespace

Result<std::unique_ptr<Volume>> Volume::Open(VolumeOptions options) {
  Loop* home = options.loops[0];
  auto volume = std::make_unique<VolumeImpl>(std::move(options));
  const Status started = SyncWait(*home, [&] { return volume->Start(); });
  if (!started.ok()) return started;
  return std::unique_ptr<Volume>(std::move(volume));
}

}  // namespace threefs::fs

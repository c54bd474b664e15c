// SPDX-License-Identifier: Apache-2.0
// In-memory keeper, mount table and threefsctl for tests of the CSI services. Faults are switches.
// Locked, so that calls may come from several threads.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "csi/keeper/spec_check.h"
#include "csi/keeper_client.h"
#include "csi/mount_ops.h"
#include "csi/volume_ctl.h"

namespace threefs::csi {

/// The node's mount table and directories.
class FakeMounts final : public MountOps {
 public:
  Result<std::vector<keeper::MountEntry>> Table() override {
    const std::lock_guard<std::mutex> hold(mutex);
    return table;
  }
  Status EnsureDirectory(const std::string& path) override {
    const std::lock_guard<std::mutex> hold(mutex);
    directories.insert(path);
    return {};
  }
  Status Bind(const std::string& source, const std::string& target,
              const BindOptions& options) override {
    const std::lock_guard<std::mutex> hold(mutex);
    directories.insert(target);
    if (!fail_bind.ok()) return fail_bind;
    const keeper::MountEntry* from = keeper::FindMount(table, source);
    if (from == nullptr || from->source != options.source_device) return Code::kMetaNotFound;
    keeper::MountEntry entry = *from;
    entry.path = target;
    entry.read_only = options.read_only;
    table.push_back(entry);
    return {};
  }
  Status Unmount(const std::string& path) override {
    const std::lock_guard<std::mutex> hold(mutex);
    if (!fail_unmount.ok()) return fail_unmount;
    std::erase_if(table, [&](const auto& entry) { return entry.path == path; });
    return {};
  }
  Status RemoveDirectory(const std::string& path) override {
    const std::lock_guard<std::mutex> hold(mutex);
    directories.erase(path);
    return {};
  }
  Status OpenGuard(const std::string& /*path*/) override { return {}; }
  Result<Usage> Statfs(const std::string& /*path*/, Duration /*limit*/) override {
    if (!fail_statfs.ok()) return fail_statfs;
    return Usage{.total_bytes = 1000,
                 .free_bytes = 600,
                 .available_bytes = 500,
                 .total_files = 10,
                 .free_files = 4};
  }

  void Put(const std::string& path, const std::string& type, const std::string& source,
           bool read_only = false, uint32_t device = 0) {
    const std::lock_guard<std::mutex> hold(mutex);
    keeper::MountEntry entry;
    entry.path = path;
    entry.root = "/";
    entry.type = type;
    entry.source = source;
    entry.read_only = read_only;
    entry.device_minor = device != 0 ? device : ++next_device;
    table.push_back(entry);
  }
  bool Has(const std::string& path) {
    const std::lock_guard<std::mutex> hold(mutex);
    return keeper::FindMount(table, path) != nullptr;
  }

  std::mutex mutex;
  std::vector<keeper::MountEntry> table;
  std::set<std::string> directories;
  Status fail_bind, fail_unmount, fail_statfs;
  uint32_t next_device = 40;
};

/// threefs-keeper: mounts into a FakeMounts.
class FakeKeeper final : public KeeperApi {
 public:
  explicit FakeKeeper(FakeMounts* mounts) : mounts_(mounts) {}

  KeeperAnswer Mount(const mounter::MountSpec& spec, const std::string& token) override {
    if (on_mount) on_mount();
    const std::lock_guard<std::mutex> hold(mutex_);
    if (away) return Failure(mounter::FAILURE_SYSTEM, "keeper: nobody listens", true);
    const auto it = volumes.find(spec.volume_id());
    if (it != volumes.end()) {
      if (keeper::CanonicalSpec(it->second) != keeper::CanonicalSpec(spec)) {
        return Failure(mounter::FAILURE_CONFLICT, "mounted otherwise");
      }
    } else {
      if (fail_mount.kind() != mounter::FAILURE_UNKNOWN) {
        return Failure(fail_mount.kind(), fail_mount.sentence());
      }
      volumes[spec.volume_id()] = spec;
      mounts_->Put(spec.mount_path(), "fuse.hf3fs", "hf3fs." + spec.cluster_id());
    }
    last_token = token;
    return Info(spec.volume_id());
  }
  KeeperAnswer Unmount(const std::string& volume_id, const std::string& path) override {
    const std::lock_guard<std::mutex> hold(mutex_);
    if (away) return Failure(mounter::FAILURE_SYSTEM, "keeper: nobody listens", true);
    KeeperAnswer answer;
    answer.ok = true;
    const auto it = volumes.find(volume_id);
    if (it != volumes.end() && it->second.mount_path() == path) {
      volumes.erase(it);
      (void)mounts_->Unmount(path).ok();
      answer.reply.mutable_unmount()->set_was_mounted(true);
    }
    return answer;
  }
  KeeperAnswer GetStatus(const std::string& volume_id) override {
    const std::lock_guard<std::mutex> hold(mutex_);
    if (away) return Failure(mounter::FAILURE_SYSTEM, "keeper: nobody listens", true);
    if (volumes.count(volume_id) == 0) return Failure(mounter::FAILURE_NOT_FOUND, "not mounted");
    return Info(volume_id);
  }

  bool away = false;
  mounter::Failure fail_mount;
  mounter::MountState state = mounter::MOUNT_READY;
  std::map<std::string, mounter::MountSpec> volumes;
  std::string last_token;
  std::function<void()> on_mount;

 private:
  static KeeperAnswer Failure(mounter::FailureKind kind, const std::string& sentence,
                              bool away = false) {
    KeeperAnswer answer;
    answer.away = away;
    answer.failure.set_kind(kind);
    answer.failure.set_sentence(sentence);
    return answer;
  }
  KeeperAnswer Info(const std::string& volume_id) {
    KeeperAnswer answer;
    answer.ok = true;
    auto* info = answer.reply.mutable_mount();
    *info->mutable_spec() = volumes[volume_id];
    info->mutable_spec()->set_loops(2);  // as the real one fills it in
    info->set_state(state);
    info->set_last_error("it crashed");
    return answer;
  }

  FakeMounts* mounts_;
  std::mutex mutex_;
};

/// threefsctl: volumes by (cluster, base path, id).
class FakeCtl final : public VolumeCtl {
 public:
  CtlAnswer Create(const CtlTarget& target, const CtlCreate& create) override {
    if (on_create) on_create();
    if (Refused(target)) return refusal_;
    CtlAnswer answer;
    answer.ok = true;
    auto& volumes = places[target.cluster_id + target.base_path];
    const auto [it, created] = volumes.try_emplace(create.volume.id, create.volume);
    answer.created = created;
    answer.volumes = {it->second};
    last_create = create;
    return answer;
  }
  CtlAnswer Get(const CtlTarget& target, const std::string& id) override {
    if (Refused(target)) return refusal_;
    auto& volumes = places[target.cluster_id + target.base_path];
    if (volumes.count(id) == 0) return Kind("not-found", "no such volume");
    CtlAnswer answer;
    answer.ok = true;
    answer.volumes = {volumes[id]};
    return answer;
  }
  CtlAnswer Delete(const CtlTarget& target, const std::string& id) override {
    if (Refused(target)) return refusal_;
    CtlAnswer answer;
    answer.ok = true;
    answer.deleted = places[target.cluster_id + target.base_path].erase(id) != 0;
    return answer;
  }
  CtlAnswer Expand(const CtlTarget& target, const std::string& id, uint64_t bytes) override {
    CtlAnswer answer = Get(target, id);
    if (!answer.ok) return answer;
    CtlVolume& volume = places[target.cluster_id + target.base_path][id];
    volume.capacity_bytes = bytes;
    answer.volumes = {volume};
    return answer;
  }
  CtlAnswer List(const CtlTarget& target, uint32_t max, const std::string& after) override {
    if (Refused(target)) return refusal_;
    CtlAnswer answer;
    answer.ok = true;
    const auto& volumes = places[target.cluster_id + target.base_path];
    for (auto it = volumes.upper_bound(after); it != volumes.end(); ++it) {
      if (max != 0 && answer.volumes.size() == max) {
        answer.next = answer.volumes.back().id;
        break;
      }
      answer.volumes.push_back(it->second);
    }
    return answer;
  }
  CtlAnswer Capacity(const CtlTarget& target) override {
    if (Refused(target)) return refusal_;
    CtlAnswer answer;
    answer.ok = true;
    answer.available = 1 << 30;
    return answer;
  }

  std::string refuse_kind, refuse_sentence;  ///< every call fails so
  std::string token;                         ///< when not empty: any other token is refused
  std::map<std::string, std::map<std::string, CtlVolume>> places;
  CtlCreate last_create;
  std::function<void()> on_create;

 private:
  static CtlAnswer Kind(std::string kind, std::string sentence) {
    CtlAnswer answer;
    answer.kind = std::move(kind);
    answer.sentence = std::move(sentence);
    return answer;
  }
  bool Refused(const CtlTarget& target) {
    if (!refuse_kind.empty()) refusal_ = Kind(refuse_kind, refuse_sentence);
    const bool wrong = !token.empty() && target.token != token;
    if (wrong) refusal_ = Kind("bad-token", "the cluster refused the token: correct the secret");
    return wrong || !refuse_kind.empty();
  }
  CtlAnswer refusal_;
};

}  // namespace threefs::csi

// SPDX-License-Identifier: Apache-2.0
// StorageResync: brings a returning successor up to date (3fs/mgmtd.md §6; methods syncStart,
// update, syncDone): asks what it has, sends whole chunks for what differs, removes what is gone
// here, then says that it is done. One run is for one version of the chain: when that changes the
// run ends and the next one starts from the beginning.
#pragma once

#include <memory>
#include <string>

#include "client/base/status.h"
#include "client/runtime/sync.h"
#include "client/runtime/task.h"
#include "client/standalone/storage_service.h"
#include "client/standalone/storage_target.h"

namespace threefs::standalone {

class StorageResync {
 public:
  /// REQUIRES: view->successor is syncing
  StorageResync(StorageService* service, TargetPtr target, std::shared_ptr<const ChainView> view)
      : service_(service),
        target_(std::move(target)),
        view_(std::move(view)),
        cancel_(target_->view_cancel()),
        slots_(static_cast<size_t>(service->options_.resync_parallel)) {}

  /// Returns when the successor is up to date or the chain has changed.
  Task<void> Run();

 private:
  Task<Status> Once();
  Task<void> SendOne(std::string id);
  Task<Status> SendLocked(std::string id);
  [[nodiscard]] bool Current() const { return target_->view() == view_ && !service_->stopping_; }
  [[nodiscard]] rpc::CallOptions Options() const;

  StorageService* service_;
  TargetPtr target_;
  std::shared_ptr<const ChainView> view_;
  std::shared_ptr<CancelSource> cancel_;
  Semaphore slots_;
  Status first_error_;
};

}  // namespace threefs::standalone

// SPDX-License-Identifier: Apache-2.0
// What one operation of the meta service works with: its transaction, its caller, its time, and the
// allocators. Made by MetaStore for each operation; lives on one thread until the transaction ends.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "client/base/rng.h"
#include "client/base/status.h"
#include "client/schema/meta.h"
#include "client/schema/meta_rpc.h"
#include "client/schema/mgmtd.h"
#include "client/standalone/meta_db.h"
#include "client/standalone/meta_options.h"
#include "client/standalone/meta_records.h"

namespace threefs::standalone {

using RoutingSource = std::function<std::shared_ptr<const schema::mgmtd::RoutingInfo>()>;

/// Gives new files their chains (3fs/meta.md §5.2). Used under the writer lock only; its counters
/// start anew with the process, as 3FS's do.
class ChainAllocator {
 public:
  ChainAllocator(RoutingSource routing, Rng* rng) : routing_(std::move(routing)), rng_(rng) {}

  /// OK when every chain `layout` names exists and has a target; an Empty one needs a table with
  /// enough chains. kMetaInvalidFileLayout otherwise.
  Status Check(const schema::meta::Layout& layout) const;
  /// Turns an Empty layout into a ChainRange of a concrete table version; others are checked and
  /// kept. `parent` is the directory of the new file; its own counter is used, and moved, when it
  /// has iflag 0x1000 (then the result is true and the caller stores it).
  Result<bool> Fill(schema::meta::Inode* parent, schema::meta::Layout* layout);

 private:
  RoutingSource routing_;
  Rng* rng_;
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> next_;  ///< (table, stripe) → counter
};

struct MetaContext {
  MetaTxn& txn;
  const MetaOptions& options;
  ChainAllocator& chains;
  const schema::meta::ReqBase& who;  ///< after authentication: groups are the store's
  int64_t now_us = 0;                ///< as the clock says
  int64_t stamp_us = 0;              ///< now, cut to the time granularity
  bool commit_on_error = false;      ///< what is staged is to be kept although the operation fails

  /// `time_us` cut to the granularity; -1 ("now") becomes the stamp.
  [[nodiscard]] int64_t Cut(int64_t time_us) const;
  [[nodiscard]] const schema::UserInfo& user() const { return who.user; }
};

}  // namespace threefs::standalone

// SPDX-License-Identifier: Apache-2.0
// The store's share of background work: what waits in the GC folder, sessions of dead clients, old
// request records. Each function is one step on one transaction, like meta_ops.h; MetaService
// drives them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "client/base/status.h"
#include "client/standalone/meta_context.h"

namespace threefs::standalone::gc {

/// Up to `limit` entries of the GC folder after `after` (a name, "" = start) that were removed at
/// or before `file_before_us` (files) or at any time (directories).
Result<std::vector<schema::meta::DirEntry>> Due(MetaContext& ctx, int64_t file_before_us,
                                                const std::string& after, size_t limit);

/// Takes apart up to `limit` entries of a removed directory: files lose a link, directories join
/// the GC folder; parts the remover may not remove go to /trash/gc-orphans instead. True when the
/// directory is gone.
Result<bool> CollectDirectory(MetaContext& ctx, const schema::meta::DirEntry& entry, size_t limit);

/// The inode of a removed file whose chunks may go now; nullopt while somebody has it open for
/// writing.
Result<std::optional<schema::meta::Inode>> ReadyFile(MetaContext& ctx,
                                                     const schema::meta::DirEntry& entry);
/// Forgets a removed file; its chunks are gone.
Status FinishFile(MetaContext& ctx, const schema::meta::DirEntry& entry);

/// Drops sessions of clients that `alive` (client uuid → last seen) does not list or that were seen
/// before `seen_before_us`, sparing those opened after `young_after_us`; drops sessions marked by
/// pruneSession. Returns how many.
Result<size_t> PruneSessions(MetaContext& ctx, const std::map<Uuid, int64_t>* alive,
                             int64_t seen_before_us, int64_t young_after_us);

}  // namespace threefs::standalone::gc

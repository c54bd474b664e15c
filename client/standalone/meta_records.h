// SPDX-License-Identifier: Apache-2.0
// What the meta service keeps, as typed records over MetaTxn. Inodes and entries are stored in
// their wire encoding, so a newer field is kept for old records as an older sender's would be. Free
// functions; the transaction's thread.
//
//   I <inode>                      Inode
//   E <parent> <name>              DirEntry          (names in raw byte order: list pages by it)
//   S <inode> <session>            FileSession
//   P <session>                    a prune mark
//   R <client uuid> <request uuid> Outcome           (idempotency)
//   N                              the next inode id
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "client/base/status.h"
#include "client/base/uuid.h"
#include "client/schema/meta.h"
#include "client/schema/meta_rpc.h"
#include "client/standalone/meta_db.h"

namespace threefs::standalone {

inline constexpr uint64_t kFirstInode = 0x1000;

/// A file open for writing.
struct FileSession {
  uint64_t inode = 0;
  Uuid session{};
  schema::ClientId client{};
  int64_t time_us = 0;
  SERDE_FIELDS(inode, session, client, time_us)
};

/// How a request with this (client uuid, request uuid) ended.
struct Outcome {
  uint16_t code = 0;
  std::string message{};
  std::optional<uint64_t> inode{};  ///< rename: what moved
  int64_t time_us = 0;
  SERDE_FIELDS(code, message, inode, time_us)
};

namespace records {

using schema::meta::DirEntry;
using schema::meta::Inode;

Result<std::optional<Inode>> FindInode(MetaTxn& txn, uint64_t id);
/// kMetaNotFound when there is none.
Result<Inode> LoadInode(MetaTxn& txn, uint64_t id);
void StoreInode(MetaTxn& txn, const Inode& inode);
void DeleteInode(MetaTxn& txn, uint64_t id);
/// A fresh id; the counter is part of the transaction.
Result<uint64_t> NextInodeId(MetaTxn& txn);

Result<std::optional<DirEntry>> FindEntry(MetaTxn& txn, uint64_t parent, std::string_view name);
void StoreEntry(MetaTxn& txn, const DirEntry& entry);
void DeleteEntry(MetaTxn& txn, uint64_t parent, std::string_view name);
/// Entries with names greater than `after` ("" = all), in order, until `visit` answers false.
Status ScanEntries(MetaTxn& txn, uint64_t parent, std::string_view after,
                   const std::function<bool(DirEntry)>& visit);
Result<bool> DirectoryEmpty(MetaTxn& txn, uint64_t id);

void StoreSession(MetaTxn& txn, const FileSession& session);
void DeleteSession(MetaTxn& txn, uint64_t inode, const Uuid& session);
Result<bool> HasSession(MetaTxn& txn, uint64_t inode);
/// All sessions, by inode.
Status ScanSessions(MetaTxn& txn, const std::function<bool(FileSession)>& visit);
void StorePruneMark(MetaTxn& txn, const Uuid& session);
Status ScanPruneMarks(MetaTxn& txn, const std::function<bool(Uuid)>& visit);
void DeletePruneMark(MetaTxn& txn, const Uuid& session);

Result<std::optional<Outcome>> FindOutcome(MetaTxn& txn, const Uuid& client, const Uuid& request);
void StoreOutcome(MetaTxn& txn, const Uuid& client, const Uuid& request, const Outcome& outcome);
/// Deletes the outcomes older than `before_us`.
Status ExpireOutcomes(MetaTxn& txn, int64_t before_us);

}  // namespace records
}  // namespace threefs::standalone

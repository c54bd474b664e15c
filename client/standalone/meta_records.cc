// SPDX-License-Identifier: Apache-2.0
#include "client/standalone/meta_records.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "client/base/bytes.h"
#include "client/serde/serde.h"

namespace threefs::standalone {
namespace {

constexpr char kInodeKey = 'I';
constexpr char kEntryKey = 'E';
constexpr char kSessionKey = 'S';
constexpr char kPruneKey = 'P';
constexpr char kOutcomeKey = 'R';
constexpr std::string_view kNextInodeKey = "N";

// Big endian: byte order is number order.
void AppendId(std::string* key, uint64_t id) {
  for (int shift = 56; shift >= 0; shift -= 8) key->push_back(static_cast<char>(id >> shift));
}

std::string IdKey(char kind, uint64_t id) {
  std::string key(1, kind);
  AppendId(&key, id);
  return key;
}

void AppendUuid(std::string* key, const Uuid& uuid) { key->append(AsText(uuid.bytes)); }

std::string EntryKey(uint64_t parent, std::string_view name) {
  return IdKey(kEntryKey, parent).append(name);
}

std::string SessionKey(uint64_t inode, const Uuid& session) {
  std::string key = IdKey(kSessionKey, inode);
  AppendUuid(&key, session);
  return key;
}

std::string UuidKey(char kind, const Uuid& first) {
  std::string key(1, kind);
  AppendUuid(&key, first);
  return key;
}

std::string OutcomeKey(const Uuid& client, const Uuid& request) {
  std::string key = UuidKey(kOutcomeKey, client);
  AppendUuid(&key, request);
  return key;
}

template <class T>
void PutRecord(MetaTxn& txn, std::string_view key, const T& record) {
  txn.Put(key, serde::Encode(record).Flatten().text());
}

template <class T>
Result<T> ParseRecord(std::string_view value) {
  Result<T> record = serde::Decode<T>(Bytes::Borrow(AsBytes(value)));
  if (!record.ok()) return Status(Code::kMetaInconsistent, "a stored record does not decode");
  return record;
}

template <class T>
Result<std::optional<T>> FindRecord(MetaTxn& txn, std::string_view key) {
  TRY(const std::optional<std::string> value, txn.Get(key));
  if (!value) return std::optional<T>();
  TRY(T record, ParseRecord<T>(*value));
  return std::optional<T>(std::move(record));
}

// Scans the keys that start with `prefix`, from `begin` on; stops at the first record that does not
// decode.
template <class T>
Status ScanRecords(MetaTxn& txn, std::string_view prefix, std::string_view begin,
                   const std::function<bool(T)>& visit) {
  Status bad;
  const std::string end = PrefixEnd(prefix);
  TRY(txn.Scan(begin, end, [&](std::string_view, std::string_view value) {
    Result<T> record = ParseRecord<T>(value);
    if (!record.ok()) {
      bad = record.status();
      return false;
    }
    return visit(*std::move(record));
  }));
  return bad;
}

}  // namespace

namespace records {

Result<std::optional<Inode>> FindInode(MetaTxn& txn, uint64_t id) {
  return FindRecord<Inode>(txn, IdKey(kInodeKey, id));
}

Result<Inode> LoadInode(MetaTxn& txn, uint64_t id) {
  TRY(std::optional<Inode> inode, FindInode(txn, id));
  if (!inode) return Status(Code::kMetaNotFound, "no inode with this id");
  return *std::move(inode);
}

void StoreInode(MetaTxn& txn, const Inode& inode) {
  PutRecord(txn, IdKey(kInodeKey, inode.id), inode);
}

void DeleteInode(MetaTxn& txn, uint64_t id) { txn.Delete(IdKey(kInodeKey, id)); }

Result<uint64_t> NextInodeId(MetaTxn& txn) {
  TRY(const std::optional<std::string> stored, txn.Get(kNextInodeKey));
  uint64_t next = kFirstInode;
  if (stored) {
    TRY(next, ParseRecord<uint64_t>(*stored));
  }
  PutRecord(txn, kNextInodeKey, next + 1);
  return next;
}

Result<std::optional<DirEntry>> FindEntry(MetaTxn& txn, uint64_t parent, std::string_view name) {
  return FindRecord<DirEntry>(txn, EntryKey(parent, name));
}

void StoreEntry(MetaTxn& txn, const DirEntry& entry) {
  PutRecord(txn, EntryKey(entry.parent, entry.name), entry);
}

void DeleteEntry(MetaTxn& txn, uint64_t parent, std::string_view name) {
  txn.Delete(EntryKey(parent, name));
}

Status ScanEntries(MetaTxn& txn, uint64_t parent, std::string_view after,
                   const std::function<bool(DirEntry)>& visit) {
  std::string begin = EntryKey(parent, after);
  if (!after.empty()) begin.push_back('\0');  // the least name greater than `after`
  return ScanRecords<DirEntry>(txn, IdKey(kEntryKey, parent), begin, visit);
}

Result<bool> DirectoryEmpty(MetaTxn& txn, uint64_t id) {
  bool empty = true;
  const std::string prefix = IdKey(kEntryKey, id);
  TRY(txn.Scan(prefix, PrefixEnd(prefix), [&](std::string_view, std::string_view) {
    empty = false;
    return false;
  }));
  return empty;
}

void StoreSession(MetaTxn& txn, const FileSession& session) {
  PutRecord(txn, SessionKey(session.inode, session.session), session);
}

void DeleteSession(MetaTxn& txn, uint64_t inode, const Uuid& session) {
  txn.Delete(SessionKey(inode, session));
}

Result<bool> HasSession(MetaTxn& txn, uint64_t inode) {
  bool found = false;
  const std::string prefix = IdKey(kSessionKey, inode);
  TRY(txn.Scan(prefix, PrefixEnd(prefix), [&](std::string_view, std::string_view) {
    found = true;
    return false;
  }));
  return found;
}

Status ScanSessions(MetaTxn& txn, const std::function<bool(FileSession)>& visit) {
  const std::string prefix(1, kSessionKey);
  return ScanRecords<FileSession>(txn, prefix, prefix, visit);
}

void StorePruneMark(MetaTxn& txn, const Uuid& session) {
  PutRecord(txn, UuidKey(kPruneKey, session), session);
}

Status ScanPruneMarks(MetaTxn& txn, const std::function<bool(Uuid)>& visit) {
  const std::string prefix(1, kPruneKey);
  return ScanRecords<Uuid>(txn, prefix, prefix, visit);
}

void DeletePruneMark(MetaTxn& txn, const Uuid& session) { txn.Delete(UuidKey(kPruneKey, session)); }

Result<std::optional<Outcome>> FindOutcome(MetaTxn& txn, const Uuid& client, const Uuid& request) {
  return FindRecord<Outcome>(txn, OutcomeKey(client, request));
}

void StoreOutcome(MetaTxn& txn, const Uuid& client, const Uuid& request, const Outcome& outcome) {
  PutRecord(txn, OutcomeKey(client, request), outcome);
}

Status ExpireOutcomes(MetaTxn& txn, int64_t before_us) {
  std::vector<std::string> old;
  Status bad;
  const std::string prefix(1, kOutcomeKey);
  TRY(txn.Scan(prefix, PrefixEnd(prefix), [&](std::string_view key, std::string_view value) {
    const Result<Outcome> outcome = ParseRecord<Outcome>(value);
    if (!outcome.ok() || outcome->time_us < before_us) old.emplace_back(key);
    return true;
  }));
  for (const std::string& key : old) txn.Delete(key);
  return bad;
}

}  // namespace records
}  // namespace threefs::standalone

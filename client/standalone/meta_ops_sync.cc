// SPDX-License-Identifier: Apache-2.0
// sync, close, pruneSession (3fs/meta.md §9, §8.12). A length that only storage knows is fetched
// between two calls of ApplySync; the service keeps the syncs of one inode apart, so nothing but
// they changes a length in between.
#include <algorithm>
#include <utility>

#include "client/standalone/meta_access.h"
#include "client/standalone/meta_ops.h"

namespace threefs::standalone::ops {
namespace {

enum class LengthRule : uint8_t {
  kKeep,   ///< nothing to do, or the inode covers the hint already
  kHint,   ///< the hint is the length
  kQuery,  ///< storage knows
};

Result<LengthRule> Rule(const MetaContext& ctx, const wire::File& file, const SyncWork& work) {
  if (!work.update_length && !work.truncated) return LengthRule::kKeep;
  if (!work.hint || work.truncated || ctx.options.ignore_length_hint) return LengthRule::kQuery;
  const wire::VersionedLength& hint = *work.hint;
  if (hint.truncate_ver > file.truncate_ver) {
    return Status(Code::kMetaFoundBug, "the hint's truncate version was never given out");
  }
  if (file.length >= hint.length) return LengthRule::kKeep;
  return hint.truncate_ver == file.truncate_ver ? LengthRule::kHint : LengthRule::kQuery;
}

// True when the inode changed.
bool SetLength(const MetaContext& ctx, wire::Inode* inode, uint64_t length, bool truncated) {
  wire::File& file = *AsFile(*inode);
  const bool cut = truncated || length < file.length;
  if (!cut && length == file.length) return false;
  file.length = length;
  inode->mtime = ctx.stamp_us;
  if (cut) {
    ++file.truncate_ver;
    inode->ctime = ctx.stamp_us;
  }
  return true;
}

bool Newer(const MetaContext& ctx, const std::optional<int64_t>& wanted, int64_t* stored) {
  if (!wanted || ctx.Cut(*wanted) <= *stored) return false;
  *stored = ctx.Cut(*wanted);
  return true;
}

}  // namespace

bool NeedsLength(const MetaContext& ctx, const wire::Inode& inode, const SyncWork& work) {
  const wire::File* file = AsFile(inode);
  if (file == nullptr) return false;
  const Result<LengthRule> rule = Rule(ctx, *file, work);
  return rule.ok() && *rule == LengthRule::kQuery;
}

Result<SyncOutcome> ApplySync(MetaContext& ctx, const SyncWork& work,
                              std::optional<uint64_t> found) {
  SyncOutcome out;
  TRY(out.inode, records::LoadInode(ctx.txn, work.inode));
  wire::File* file = AsFile(out.inode);
  const bool of_files = work.session || work.update_length || work.truncated || work.hint;
  if (file == nullptr && of_files) return Status(Code::kMetaNotFile, "not a file");
  LengthRule rule = LengthRule::kKeep;
  if (file != nullptr) {
    TRY(rule, Rule(ctx, *file, work));
  }
  if (rule == LengthRule::kQuery && !found) {
    out.needs_length = true;
    return out;
  }
  bool changed = Newer(ctx, work.atime, &out.inode.atime);
  changed = Newer(ctx, work.mtime, &out.inode.mtime) || changed;
  if (rule == LengthRule::kHint) {
    changed = SetLength(ctx, &out.inode, work.hint->length, false) || changed;
  } else if (rule == LengthRule::kQuery) {
    changed = SetLength(ctx, &out.inode, *found, work.truncated) || changed;
  }
  if (changed) records::StoreInode(ctx.txn, out.inode);
  if (work.is_close && work.session) {
    records::DeleteSession(ctx.txn, work.inode, work.session->session);
    changed = true;
  }
  out.changed = changed;
  return out;
}

Result<wire::PruneSessionRsp> PruneSession(MetaContext& ctx, const wire::PruneSessionReq& req) {
  for (const Uuid& session : req.sessions) records::StorePruneMark(ctx.txn, session);
  return wire::PruneSessionRsp{};
}

}  // namespace threefs::standalone::ops

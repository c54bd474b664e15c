// SPDX-License-Identifier: Apache-2.0
// Every knob of the meta service, with 3FS's defaults (3fs/meta.md; the reason stands where ours
// differs). Plain values, fixed at start.
#pragma once

#include <cstdint>

#include "client/base/clock.h"
#include "client/standalone/meta_db.h"

namespace threefs::standalone {

struct MetaOptions {
  MetaDbOptions db;
  /// True: an operation is answered when it would survive a power cut. False: only an exact sync
  /// (fsync) waits for that, for itself and all before it; the rest follows within
  /// `db_flush_interval`. Without effect when db.sync is off.
  bool sync_each_operation = true;
  Duration db_flush_interval = 5s;

  /// Of the root directory when the store is made; other directories take over their parent's.
  uint32_t root_table_id = 1;
  uint32_t root_chunk_size = 1U << 20;
  uint32_t root_stripe_size = 4;

  /// Tokens are checked against the UserStore (§14).
  bool authenticate = false;
  /// Every change is refused with kReadOnlyMode.
  bool read_only = false;

  /// Times are cut to this when the server sets or stores them; 3FS: 1 s.
  int64_t time_granularity_us = 1'000'000;
  bool allow_stat_deleted_inodes = true;
  bool allow_owner_change_immutable = false;
  bool allow_directly_move_to_trash = false;
  bool recursive_remove_check_owner = true;
  /// How many directories of a tree the permission check before a recursive remove looks at; GC
  /// looks at the others.
  uint32_t recursive_remove_perm_check = 1024;
  bool idempotent_remove = true;
  bool idempotent_rename = false;
  Duration idempotent_record_ttl = std::chrono::minutes(30);
  bool ignore_length_hint = false;
  bool dynamic_stripe = false;
  bool enable_new_chunk_engine = false;
  bool iflags_chain_allocation = false;
  bool iflags_chunk_engine = true;
  uint32_t dyn_stripe_initial = 16;
  uint32_t dyn_stripe_growth = 2;
  /// open with O_TRUNC puts a new inode in place of a file at least this long.
  bool otrunc_replace_file = true;
  uint64_t otrunc_replace_file_threshold = 1ULL << 30;
  uint32_t max_symlink_count = 10;
  uint32_t max_symlink_depth = 4;
  uint32_t list_default_limit = 128;

  /// An unlinked file keeps its chunks this long. 3FS: 5 min; shorter here because the disk is
  /// small.
  Duration gc_file_delay = 30s;
  /// With less free space than this share of the capacity, unlinked files go at once.
  uint32_t gc_low_space_percent = 5;
  Duration gc_interval = 1s;
  uint32_t gc_batch = 64;
  uint32_t gc_remove_chunks_batch = 32;

  Duration session_scan_interval = std::chrono::minutes(5);
  Duration session_timeout = std::chrono::seconds(310);
  Duration session_min_age = std::chrono::minutes(1);
  Duration space_cache = 5s;
  Duration space_cache_max_age = 60s;
  /// Bound of one exchange with a storage node, and of all tries for one length.
  Duration storage_rpc_timeout = 2s;
  Duration storage_total_timeout = 5s;
};

}  // namespace threefs::standalone

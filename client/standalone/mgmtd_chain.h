// SPDX-License-Identifier: Apache-2.0
// The state machine of a chain: from what its targets report (local states) to what everybody sees
// (public states) and in which order (3fs/mgmtd.md §2, §6). Pure functions, any thread.
//
// | public   | alive                                     | dead                                   |
// |----------|-------------------------------------------|----------------------------------------|
// | SERVING  | SERVING                                   | OFFLINE; LASTSRV when no other is left |
// | LASTSRV  | SERVING                                   | LASTSRV                                |
// | SYNCING  | UPTODATE → SERVING; ONLINE → SYNCING      | OFFLINE                                |
// |          | (WAITING when nobody serves)              |                                        |
// | WAITING  | SYNCING when next after a serving target  | OFFLINE                                |
// | OFFLINE  | WAITING                                   | OFFLINE                                |
//
// Of several serving targets that die together the last of the chain stays LASTSRV: an update is
// committed from the tail to the head, so the tail has everything that anybody has read or was
// told.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "client/base/status.h"
#include "client/schema/mgmtd.h"

namespace threefs::standalone {

using LocalStates = std::map<uint64_t, schema::mgmtd::LocalTargetState>;

/// One step of the machine. True when `chain` changed (its version was raised by one). A target
/// that is not in `local` is dead.
bool StepChain(schema::mgmtd::ChainInfo* chain, const LocalStates& local);

/// Moves a LASTSRV head behind the others, giving up what only it has, so that another target may
/// serve. kMgmtdTargetNotFound when the chain has no LASTSRV or nobody to take over.
Status RotateLastServing(schema::mgmtd::ChainInfo* chain);

/// One step towards chain.preferred_target_order: takes the first serving target that stands in the
/// wrong place out, so that it comes back by resync behind the others. False when the order is
/// right or must not be touched now.
bool RotateTowardsPreferred(schema::mgmtd::ChainInfo* chain);

}  // namespace threefs::standalone

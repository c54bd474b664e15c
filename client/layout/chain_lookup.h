// SPDX-License-Identifier: Apache-2.0
// From a ChainRef to a chain id in a RoutingInfo (3fs/meta.md §5, 3fs/mgmtd.md §6). Pure functions
// over the wire's structs, any thread. Lookups are linear in the number of tables; the client's hot
// path uses mgmtd::RoutingTable.
#pragma once

#include <cstdint>
#include <vector>

#include "client/base/status.h"
#include "client/layout/layout.h"
#include "client/schema/mgmtd.h"

namespace threefs::layout {

/// Version 0: the newest one. Null when unknown. Valid as long as `routing`.
const schema::mgmtd::ChainTable* FindChainTable(const schema::mgmtd::RoutingInfo& routing,
                                                uint32_t table_id, uint32_t table_version);

/// Entry `index` of `table`: 1-based, wrapping. kInvalidArg for index 0 or a table without chains.
Result<uint32_t> ChainAt(const schema::mgmtd::ChainTable& table, uint32_t index);

/// The chain id of `ref`. kMgmtdClientRoutingInfoNotReady when the table is not in `routing`,
/// kInvalidArg for index 0.
Result<uint32_t> ResolveChain(const schema::mgmtd::RoutingInfo& routing, const ChainRef& ref);

/// Chain ids of the whole stripe, in stripe order. Errors as above, and ValidateLayout's.
Result<std::vector<uint32_t>> ResolveStripe(const schema::mgmtd::RoutingInfo& routing,
                                            const schema::meta::Layout& layout);

}  // namespace threefs::layout

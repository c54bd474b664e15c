// SPDX-License-Identifier: Apache-2.0
// BuildImage: the blocking half of ChunkStore::Prepare. Writes the data of the next image and
// returns it. Any thread.
#pragma once

#include "client/base/status.h"
#include "client/standalone/chunk_device.h"
#include "client/standalone/chunk_image.h"
#include "client/standalone/chunk_store.h"

namespace threefs::standalone {

/// Errors as ChunkStore::Prepare. REQUIRES: the change fits in its chunk size; base (may be null)
/// has the same one.
Result<ChunkPtr> BuildImage(ChunkDevice& device, SpaceMap& space, const ChunkPtr& base,
                            const ChunkChange& change);

}  // namespace threefs::standalone

// SPDX-License-Identifier: Apache-2.0
// KernelCache: how the file system takes back what the kernel remembers. The front implements it.
// Any loop; never blocks (what may wait for the kernel's locks runs elsewhere). Losing one is
// harmless but for staleness up to the timeouts.
#pragma once

#include <string>

#include "mounter/fs/types.h"

namespace threefs::fs {

class KernelCache {
 public:
  virtual ~KernelCache() = default;
  /// Attributes (and with them the size) are asked for again at the next use.
  virtual void DropAttributes(NodeId node) = 0;
  /// Attributes and cached pages.
  virtual void DropData(NodeId node) = 0;
  virtual void DropEntry(NodeId parent, std::string name) = 0;
};

}  // namespace threefs::fs

// SPDX-License-Identifier: Apache-2.0
#include "mounter/metrics/counters.h"

#include <unistd.h>

#include <cstdio>
#include <memory>

namespace threefs::metrics {

Totals Counters::Sum() const {
  Totals t;
  for (const Slot& s : slots_) {
    t.operations += s.operations.load(std::memory_order_relaxed);
    t.errors += s.errors.load(std::memory_order_relaxed);
    t.read_bytes += s.read_bytes.load(std::memory_order_relaxed);
    t.written_bytes += s.written_bytes.load(std::memory_order_relaxed);
    t.resent += s.resent.load(std::memory_order_relaxed);
    t.unanswered += s.unanswered.load(std::memory_order_relaxed);
  }
  return t;
}

uint64_t Counters::RssBytes() {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen("/proc/self/statm", "re"),
                                                   &std::fclose);
  unsigned long long size = 0;
  unsigned long long resident = 0;
  if (!file || std::fscanf(file.get(), "%llu %llu", &size, &resident) != 2) return 0;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace threefs::metrics

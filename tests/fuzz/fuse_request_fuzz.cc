// SPDX-License-Identifier: Apache-2.0
// Bytes as requests to a primed session over the null file system: each input is a run of [u16
// length][bytes]. Nothing may crash, read past a request, answer twice or leave a request without
// an answer.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "client/base/check.h"
#include "client/base/log.h"
#include "mounter/fuse/dev_queue.h"
#include "tests/mounter/fuse/fake_kernel.h"

namespace threefs::fuse {
namespace {

void Session(const uint8_t* data, size_t size) {
  // A session for each input: what one does (DESTROY, a second INIT) must not shadow the next.
  FakeKernel kernel;
  kernel.Init();
  constexpr int kMaxRequests = 64;
  for (int i = 0; i < kMaxRequests && size >= 2; ++i) {
    size_t n = data[0] | static_cast<size_t>(data[1]) << 8;
    data += 2;
    size -= 2;
    n = std::min(n, size);
    std::vector<uint8_t> request(data, data + n);
    if (n >= 4) {  // the kernel's length is always right; a wrong one only ends in its check
      const auto length = static_cast<uint32_t>(n);
      std::memcpy(request.data(), &length, sizeof(length));
    }
    data += n;
    size -= n;
    kernel.Send(std::move(request));
    CHECK(kernel.answers().size() <= 1);
  }
  CHECK(kernel.lengths_agree());
  CHECK(kernel.totals().unanswered == 0);
}

}  // namespace
}  // namespace threefs::fuse

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const bool quiet = [] {
    threefs::InitLog("fuzz", threefs::LogLevel::kOff);
    return true;
  }();
  (void)quiet;
  threefs::fuse::Session(data, size);
  return 0;
}

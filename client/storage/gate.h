// SPDX-License-Identifier: Apache-2.0
// Gate: a FIFO counting semaphore whose wait ends by a deadline. One loop only.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <utility>

#include "client/runtime/sync.h"
#include "client/runtime/task.h"

namespace threefs::storage {

class Gate {
 public:
  explicit Gate(size_t permits) : free_(permits) {}

  class Permit {
   public:
    Permit() = default;
    explicit Permit(Gate* gate) : gate_(gate) {}
    Permit(Permit&& o) noexcept : gate_(std::exchange(o.gate_, nullptr)) {}
    Permit& operator=(Permit&& o) noexcept {
      if (this != &o) {
        Release();
        gate_ = std::exchange(o.gate_, nullptr);
      }
      return *this;
    }
    ~Permit() { Release(); }
    void Release() {
      if (gate_ != nullptr) std::exchange(gate_, nullptr)->Put();
    }
    [[nodiscard]] bool owns() const { return gate_ != nullptr; }

   private:
    Gate* gate_ = nullptr;
  };

  /// A permit that does not own: the deadline or cancellation came first.
  Task<Permit> Enter(CallContext ctx);

 private:
  void Put();

  size_t free_;
  std::deque<std::shared_ptr<Event>> waiters_;
};

}  // namespace threefs::storage

// SPDX-License-Identifier: Apache-2.0
#include "client/standalone/fault_network.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

namespace threefs::standalone {
namespace {

bool TakeOne(std::atomic<int64_t>& count) {
  int64_t have = count.load();
  while (have > 0) {
    if (count.compare_exchange_weak(have, have - 1)) return true;
  }
  return false;
}

class FaultTransport final : public net::Transport {
 public:
  FaultTransport(std::unique_ptr<net::Transport> inner, std::shared_ptr<WireFaults> faults)
      : inner_(std::move(inner)), faults_(std::move(faults)) {}

  void Start(net::TransportHandler* handler) override { inner_->Start(handler); }
  void Send(net::OutFrame frame) override {
    if (TakeOne(faults_->cut)) {
      inner_->Send(Half(frame));
      inner_->Close({Code::kRPCSocketClosed, "cut in the middle of a frame (injected)"});
    } else if (TakeOne(faults_->lie)) {
      inner_->Send(Lie(frame));
    } else {
      inner_->Send(std::move(frame));
    }
  }
  [[nodiscard]] size_t unsent_bytes() const override { return inner_->unsent_bytes(); }
  void Close(Status why) override { inner_->Close(std::move(why)); }
  [[nodiscard]] net::TransportKind kind() const override { return inner_->kind(); }
  [[nodiscard]] net::Address peer() const override { return inner_->peer(); }

 private:
  static std::vector<uint8_t> Flat(const net::OutFrame& frame) {
    std::vector<uint8_t> flat;
    for (const Bytes& piece : frame.pieces) {
      flat.insert(flat.end(), piece.data(), piece.data() + piece.size());
    }
    return flat;
  }
  static net::OutFrame Half(const net::OutFrame& frame) {
    std::vector<uint8_t> flat = Flat(frame);
    flat.resize(std::max<size_t>(1, flat.size() / 2));
    return {.pieces = {Bytes::Own(std::move(flat))}};
  }
  // The size is the header's second word (3fs/wire.md §2.1): 64 bytes more than there are, so that
  // the peer takes the next frame's head for data, or waits.
  static net::OutFrame Lie(const net::OutFrame& frame) {
    std::vector<uint8_t> flat = Flat(frame);
    if (flat.size() >= net::kFrameHeaderSize) {
      uint32_t size = 0;
      std::memcpy(&size, flat.data() + 4, sizeof size);
      size += 64;
      std::memcpy(flat.data() + 4, &size, sizeof size);
    }
    return {.pieces = {Bytes::Own(std::move(flat))}};
  }
  std::unique_ptr<net::Transport> inner_;
  std::shared_ptr<WireFaults> faults_;
};

}  // namespace

Result<std::unique_ptr<net::Listener>> FaultNetwork::Listen(
    Loop& loop, net::Address at, std::function<void(std::unique_ptr<net::Transport>)> accept) {
  return inner_.Listen(
      loop, at,
      [faults = faults_, accept = std::move(accept)](std::unique_ptr<net::Transport> transport) {
        accept(std::make_unique<FaultTransport>(std::move(transport), faults));
      });
}

}  // namespace threefs::standalone

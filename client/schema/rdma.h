// SPDX-License-Identifier: Apache-2.0
// RDMA: the handshake (IBConnect, service 11, over TCP) and the admission a server asks of a client
// (RDMAControl, service 10), 3fs/wire.md §7. RDMARemoteBuf names client memory in storage requests
// (3fs/storage.md §2.1).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "client/schema/common.h"

namespace threefs::schema {

/// Raw on the wire (no table): address, length, count, then count × {rkey, device}. "None" is all
/// zero.
struct RDMARemoteBuf {
  struct Rkey {
    uint32_t rkey = 0;
    int32_t dev_id = -1;
  };
  static constexpr size_t kMaxDevices = 4;

  uint64_t addr = 0;
  uint64_t length = 0;
  uint8_t count = 0;  ///< how many of `rkeys` are set
  std::array<Rkey, kMaxDevices> rkeys{};

  static constexpr size_t kSerdeMinSize = 17;
  void SerdeWrite(serde::Writer& w) const;
  bool SerdeRead(serde::Reader& r);  ///< count above kMaxDevices is kDataCorruption
};

}  // namespace threefs::schema

namespace threefs::schema::rdma {

inline constexpr uint16_t kControlServiceId = 10;
inline constexpr uint16_t kConnectServiceId = 11;

struct RDMATransmissionReq {
  uint64_t uuid = 0;  ///< of the client's original request
  SERDE_FIELDS(uuid)
};
struct RDMATransmissionRsp {
  SERDE_FIELDS()
};

struct PortInfo {
  uint8_t port = 0;
  std::vector<std::string> zones{};
  uint8_t link_layer = 0;  ///< 1 InfiniBand, 2 Ethernet
  SERDE_FIELDS(port, zones, link_layer)
};
struct IBDeviceInfo {
  uint8_t dev = 0;
  std::string dev_name{};
  std::vector<PortInfo> ports{};
  SERDE_FIELDS(dev, dev_name, ports)
};
struct IBQueryReq {
  SERDE_FIELDS()
};
struct IBQueryRsp {
  std::vector<IBDeviceInfo> devices{};
  SERDE_FIELDS(devices)
};

struct IBConnectIBInfo {
  uint16_t lid = 0;
  SERDE_NAME("IBConnectIBInfo")
  SERDE_FIELDS(lid)
};
struct IBConnectRoCEInfo {
  std::string gid{};  ///< 16 bytes
  SERDE_NAME("IBConnectRoCEInfo")
  SERDE_FIELDS(gid)
};
struct IBConnectInfo {
  std::string hostname{};
  uint8_t dev = 0;
  std::string dev_name{};
  uint8_t port = 0;
  uint8_t mtu = 0;  ///< ibv_mtu: 1 = 256 … 5 = 4096
  uint32_t qp_num = 0;
  std::variant<IBConnectIBInfo, IBConnectRoCEInfo> linklayer{};
  SERDE_FIELDS(hostname, dev, dev_name, port, mtu, qp_num, linklayer)
};
/// Chosen by the client, taken over as it is by the server.
struct IBConnectConfig {
  uint8_t sl = 0;
  uint8_t traffic_class = 0;
  uint8_t gid_index = 0;
  uint16_t pkey_index = 0;
  uint32_t start_psn = 0;
  uint8_t min_rnr_timer = 0;
  uint8_t timeout = 0;
  uint8_t retry_cnt = 0;
  uint8_t rnr_retry = 0;
  uint32_t max_sge = 0;
  uint32_t max_rdma_wr = 0;
  uint32_t max_rdma_wr_per_post = 0;
  uint32_t max_rd_atomic = 0;
  uint32_t buf_size = 0;
  uint32_t send_buf_cnt = 0;
  uint32_t buf_ack_batch = 0;
  uint32_t buf_signal_batch = 0;
  uint32_t event_ack_batch = 0;
  bool record_latency_per_peer = false;
  SERDE_FIELDS(sl, traffic_class, gid_index, pkey_index, start_psn, min_rnr_timer, timeout,
               retry_cnt, rnr_retry, max_sge, max_rdma_wr, max_rdma_wr_per_post, max_rd_atomic,
               buf_size, send_buf_cnt, buf_ack_batch, buf_signal_batch, event_ack_batch,
               record_latency_per_peer)
};
/// What the reference proposes (3fs/wire.md §7.3).
inline IBConnectConfig DefaultConnectConfig() {
  return {.min_rnr_timer = 1,
          .timeout = 14,
          .retry_cnt = 7,
          .max_sge = 16,
          .max_rdma_wr = 128,
          .max_rdma_wr_per_post = 32,
          .max_rd_atomic = 16,
          .buf_size = 16384,
          .send_buf_cnt = 32,
          .buf_ack_batch = 8,
          .buf_signal_batch = 8,
          .event_ack_batch = 128};
}
struct IBConnectReq {
  IBConnectInfo base{};
  uint8_t target_dev = 0;
  std::string target_devname{};
  uint8_t target_port = 0;
  IBConnectConfig config{};
  SERDE_BASE_FIELDS(base, target_dev, target_devname, target_port, config)
};
struct IBConnectRsp {
  IBConnectInfo base{};
  SERDE_BASE_FIELDS(base)
};

namespace method {
using Apply = Method<kControlServiceId, 1, RDMATransmissionReq, RDMATransmissionRsp>;
using IBQuery = Method<kConnectServiceId, 1, IBQueryReq, IBQueryRsp>;
using IBConnect = Method<kConnectServiceId, 2, IBConnectReq, IBConnectRsp>;
}  // namespace method

}  // namespace threefs::schema::rdma

SCHEMA_EXTERN_METHOD(::threefs::schema::rdma::RDMATransmissionReq,
                     ::threefs::schema::rdma::RDMATransmissionRsp)
SCHEMA_EXTERN_METHOD(::threefs::schema::rdma::IBQueryReq, ::threefs::schema::rdma::IBQueryRsp)
SCHEMA_EXTERN_METHOD(::threefs::schema::rdma::IBConnectReq, ::threefs::schema::rdma::IBConnectRsp)

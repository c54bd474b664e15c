// SPDX-License-Identifier: Apache-2.0
#include "client/schema/rdma.h"

namespace threefs::schema {

void RDMARemoteBuf::SerdeWrite(serde::Writer& w) const {
  CHECK(count <= kMaxDevices);
  w.Fixed(addr);
  w.Fixed(length);
  w.Fixed(count);
  for (size_t i = 0; i < count; ++i) {
    w.Fixed(rkeys.at(i).rkey);
    w.Fixed(rkeys.at(i).dev_id);
  }
}

bool RDMARemoteBuf::SerdeRead(serde::Reader& r) {
  if (!r.Fixed(&addr) || !r.Fixed(&length) || !r.Fixed(&count)) return false;
  if (count > kMaxDevices) {
    count = 0;
    return r.Fail(Code::kDataCorruption);
  }
  for (size_t i = 0; i < count; ++i) {
    if (!r.Fixed(&rkeys.at(i).rkey) || !r.Fixed(&rkeys.at(i).dev_id)) return false;
  }
  return true;
}

}  // namespace threefs::schema

namespace rdma = ::threefs::schema::rdma;
SCHEMA_INSTANTIATE_METHOD(rdma::RDMATransmissionReq, rdma::RDMATransmissionRsp)
SCHEMA_INSTANTIATE_METHOD(rdma::IBQueryReq, rdma::IBQueryRsp)
SCHEMA_INSTANTIATE_METHOD(rdma::IBConnectReq, rdma::IBConnectRsp)

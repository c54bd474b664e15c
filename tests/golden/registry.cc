// SPDX-License-Identifier: Apache-2.0
#include "tests/golden/registry.h"

#include <map>
#include <tuple>
#include <utility>

#include "client/schema/core.h"
#include "client/schema/meta_rpc.h"
#include "client/schema/mgmtd_rpc.h"
#include "client/schema/packet.h"
#include "client/schema/rdma.h"
#include "client/schema/storage_rpc.h"
#include "client/serde/serde.h"
#include "tests/golden/wire_json.h"

namespace threefs::golden {

/// A Status that is not the error of a Result: Result<Status> would be ambiguous.
struct BareStatus {
  Status value{};
  static constexpr size_t kSerdeMinSize = 3;
  void SerdeWrite(serde::Writer& w) const { serde::WriteValue(w, value); }
  bool SerdeRead(serde::Reader& r) { return serde::ReadValue(r, &value); }
};
Json ToJson(const BareStatus& status) { return ToJson(status.value); }
namespace {

template <class T>
WireType Make(std::string name) {
  return {
      .name = std::move(name),
      .recode = [](const Bytes& input) -> Result<Bytes> {
        TRY(const T value, serde::Decode<T>(input));
        return serde::Encode(value).Flatten();
      },
      .show = [](const Bytes& input) -> Result<Json> {
        TRY(const T value, serde::Decode<T>(input));
        return Result<Json>(ToJson(value));
      },
      .encode_default = [] { return serde::Encode(serde::internal::MakeBlank<T>()).Flatten(); }};
}

struct Registry {
  std::vector<WireType> types;
  std::map<std::string, size_t, std::less<>> by_name;
  std::map<std::tuple<uint16_t, uint16_t, bool>, std::string> payloads;

  template <class T>
  void Add(const std::string& name) {
    if (by_name.emplace(name, types.size()).second) types.push_back(Make<T>(name));
  }
  template <class M>
  void AddMethod(const std::string& req, const std::string& rsp) {
    Add<typename M::Req>(req);
    Add<typename M::Rsp>(rsp);
    Add<Result<typename M::Rsp>>("Result<" + rsp + ">");
    payloads[{M::kServiceId, M::kMethodId, true}] = req;
    payloads[{M::kServiceId, M::kMethodId, false}] = "Result<" + rsp + ">";
  }
};

void AddServices(Registry* r) {
#define X(Name, id, Req, Rsp) \
  r->AddMethod<schema::mgmtd::method::Name>("hf3fs::mgmtd::" #Req, "hf3fs::mgmtd::" #Rsp);
  THREEFS_MGMTD_METHODS(X)
#undef X
#define X(Name, id, Req, Rsp) \
  r->AddMethod<schema::meta::method::Name>("hf3fs::meta::" #Req, "hf3fs::meta::" #Rsp);
  THREEFS_META_METHODS(X)
#undef X
#define X(Name, id, Req, Rsp) \
  r->AddMethod<schema::storage::method::Name>("hf3fs::storage::" #Req, "hf3fs::storage::" #Rsp);
  THREEFS_STORAGE_METHODS(X)
#undef X
#define X(Name, id, Req, Rsp) \
  r->AddMethod<schema::core::method::Name>("hf3fs::core::" #Req, "hf3fs::core::" #Rsp);
  THREEFS_CORE_METHODS(X)
#undef X
  r->AddMethod<schema::rdma::method::Apply>("hf3fs::net::RDMATransmissionReq",
                                            "hf3fs::net::RDMATransmissionRsp");
  r->AddMethod<schema::rdma::method::IBQuery>("hf3fs::net::IBQueryReq", "hf3fs::net::IBQueryRsp");
  r->AddMethod<schema::rdma::method::IBConnect>("hf3fs::net::IBConnectReq",
                                                "hf3fs::net::IBConnectRsp");
}

void AddCommon(Registry* r) {
  r->Add<schema::UserInfo>("hf3fs::flat::UserInfo");
  r->Add<schema::UserAttr>("hf3fs::flat::UserAttr");
  r->Add<schema::TokenAttr>("hf3fs::flat::TokenAttr");
  r->Add<schema::ClientId>("hf3fs::ClientId");
  r->Add<schema::ReleaseVersion>("hf3fs::flat::ReleaseVersion");
  r->Add<schema::ServiceGroupInfo>("hf3fs::flat::ServiceGroupInfo");
  r->Add<schema::Version>("hf3fs::serde::Version");
  r->Add<schema::Timestamp>("hf3fs::serde::Timestamp");
  r->Add<schema::MessagePacket>("hf3fs::serde::MessagePacket");
  r->Add<schema::RDMARemoteBuf>("hf3fs::net::RDMARemoteBuf");
  r->Add<schema::rdma::IBConnectConfig>("hf3fs::net::IBConnectConfig");
  r->Add<schema::rdma::IBDeviceInfo>("hf3fs::net::IBDeviceInfo");
  r->Add<net::Address>("net::Address");
  r->Add<BareStatus>("Status");
  r->Add<Result<serde::Void>>("Result<Void>");
  r->Add<Result<uint32_t>>("Result<uint32_t>");
  r->Add<Result<schema::meta::StatRsp>>("Result<StatRsp>");
  r->Add<Result<schema::mgmtd::GetRoutingInfoRsp>>("Result<GetRoutingInfoRsp>");
  r->Add<schema::storage::WriteReq>("WriteReq");
}

void AddMgmtd(Registry* r) {
  r->Add<schema::mgmtd::FbsAppInfo>("hf3fs::flat::FbsAppInfo");
  r->Add<schema::mgmtd::RoutingInfo>("hf3fs::flat::RoutingInfo");
  r->Add<schema::mgmtd::NodeInfo>("hf3fs::flat::NodeInfo");
  r->Add<schema::mgmtd::PersistentNodeInfo>("hf3fs::flat::PersistentNodeInfo");
  r->Add<schema::mgmtd::TargetInfo>("hf3fs::flat::TargetInfo");
  r->Add<schema::mgmtd::LocalTargetInfo>("hf3fs::flat::LocalTargetInfo");
  r->Add<schema::mgmtd::ChainInfo>("hf3fs::flat::ChainInfo");
  r->Add<schema::mgmtd::ChainTable>("hf3fs::flat::ChainTable");
  r->Add<schema::mgmtd::ChainSetting>("hf3fs::flat::ChainSetting");
  r->Add<schema::mgmtd::ChainTargetInfo>("hf3fs::flat::ChainTargetInfo");
  r->Add<schema::mgmtd::HeartbeatInfo>("hf3fs::flat::HeartbeatInfo");
  r->Add<schema::mgmtd::ConfigInfo>("hf3fs::flat::ConfigInfo");
  r->Add<schema::mgmtd::ClientSession>("hf3fs::flat::ClientSession");
  r->Add<schema::mgmtd::ClientSessionData>("hf3fs::flat::ClientSessionData");
}

void AddMeta(Registry* r) {
  r->Add<schema::meta::ReqBase>("hf3fs::meta::ReqBase");
  r->Add<schema::meta::PathAt>("hf3fs::meta::PathAt");
  r->Add<schema::meta::SessionInfo>("hf3fs::meta::SessionInfo");
  r->Add<schema::meta::Acl>("hf3fs::meta::Acl");
  r->Add<schema::meta::Layout>("hf3fs::meta::Layout");
  r->Add<schema::meta::Layout::ChainRange>("hf3fs::meta::Layout::ChainRange");
  r->Add<schema::meta::Layout::ChainList>("hf3fs::meta::Layout::ChainList");
  r->Add<schema::meta::File>("hf3fs::meta::File");
  r->Add<schema::meta::Directory>("hf3fs::meta::Directory");
  r->Add<schema::meta::Symlink>("hf3fs::meta::Symlink");
  r->Add<schema::meta::InodeData>("hf3fs::meta::InodeData");
  r->Add<schema::meta::Inode>("hf3fs::meta::Inode");
  r->Add<schema::meta::DirEntryData>("hf3fs::meta::DirEntryData");
  r->Add<schema::meta::DirEntry>("hf3fs::meta::DirEntry");
  r->Add<schema::meta::GcInfo>("hf3fs::meta::GcInfo");
  r->Add<schema::meta::VersionedLength>("hf3fs::meta::VersionedLength");
  for (const char* name : {"Inode(File,dynStripe)", "Inode(File,ChainList)",
                           "Inode(File,ChainRange)", "Inode(Directory)", "Inode(Symlink)"}) {
    r->Add<schema::meta::Inode>(name);
  }
}

void AddStorage(Registry* r) {
  r->Add<schema::storage::ChecksumInfo>("hf3fs::storage::ChecksumInfo");
  r->Add<schema::storage::IOResult>("hf3fs::storage::IOResult");
  r->Add<schema::storage::MessageTag>("hf3fs::storage::MessageTag");
  r->Add<schema::storage::ReadIO>("hf3fs::storage::ReadIO");
  r->Add<schema::storage::UpdateIO>("hf3fs::storage::UpdateIO");
  r->Add<schema::storage::CommitIO>("hf3fs::storage::CommitIO");
  r->Add<schema::storage::QueryLastChunkResult>("hf3fs::storage::QueryLastChunkResult");
  r->Add<schema::storage::ChunkMetadata>("hf3fs::storage::ChunkMetadata");
  r->Add<schema::storage::Target>("hf3fs::storage::Target");
}

void AddPrimitives(Registry* r) {
  r->Add<uint8_t>("uint8_t");
  r->Add<uint16_t>("uint16_t");
  r->Add<uint32_t>("uint32_t");
  r->Add<uint64_t>("uint64_t");
  r->Add<int32_t>("int32_t");
  r->Add<int64_t>("int64_t");
  r->Add<bool>("bool");
  r->Add<double>("double");
  r->Add<std::string>("string");
  r->Add<std::string>("Path");
  r->Add<std::optional<std::string>>("optional<string>");
  r->Add<std::optional<uint32_t>>("optional<uint32_t>");
  r->Add<std::vector<uint32_t>>("vector<uint32_t>");
  r->Add<std::vector<uint8_t>>("vector<uint8_t>");
  r->Add<std::vector<std::string>>("vector<string>");
  r->Add<std::vector<bool>>("vector<bool>");
  r->Add<std::set<std::string>>("set<string>");
  r->Add<std::map<uint32_t, std::string>>("map<uint32,string>");
}

const Registry& TheRegistry() {
  static const Registry registry = [] {
    Registry r;
    AddServices(&r);
    AddCommon(&r);
    AddMgmtd(&r);
    AddMeta(&r);
    AddStorage(&r);
    AddPrimitives(&r);
    return r;
  }();
  return registry;
}

}  // namespace

const std::vector<WireType>& AllWireTypes() { return TheRegistry().types; }

const WireType* FindWireType(std::string_view name) {
  const Registry& r = TheRegistry();
  const auto it = r.by_name.find(name);
  return it == r.by_name.end() ? nullptr : &r.types[it->second];
}

const WireType* FindPayloadType(uint16_t service_id, uint16_t method_id, bool is_request) {
  const Registry& r = TheRegistry();
  const auto it = r.payloads.find({service_id, method_id, is_request});
  return it == r.payloads.end() ? nullptr : FindWireType(it->second);
}

}  // namespace threefs::golden

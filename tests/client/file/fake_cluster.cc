// SPDX-License-Identifier: Apache-2.0
#include "tests/client/file/fake_cluster.h"

#include <algorithm>

#include "client/base/crc32c.h"
#include "client/layout/chunk_id.h"

namespace threefs::fake {
namespace {

namespace mg = schema::mgmtd;
namespace mt = schema::meta;

wire::ChecksumInfo Checksum(ByteSpan data) {
  return {.type = wire::ChecksumType::kCrc32c, .value = Crc32cRaw(0xffffffff, data)};
}

wire::IOResult Failed(Status why) {
  wire::IOResult r;
  r.length_info = std::move(why);
  return r;
}

}  // namespace

// Wraps a plain function Req → Result<Rsp> with the process's counters and faults.
template <class M, class F>
void FakeCluster::Serve(Process* p, F fn) {
  // NOLINTNEXTLINE(cppcoreguidelines-avoid-capturing-lambda-coroutines): the server keeps it
  p->server->Handle<M>(
      [p, fn](rpc::CallInfo, typename M::Req req) -> Task<Result<typename M::Rsp>> {
        ++p->requests[M::kMethodId];
        if (p->refuse) {
          if (auto why = p->refuse(M::kMethodId)) co_return *why;
        }
        co_return fn(std::move(req));
      });
}

FakeCluster::FakeCluster(Options o)
    : world(o.seed), network(world), client_loop(world.NewLoop()), options(std::move(o)) {
  for (uint32_t i = 0; i < options.mgmtds; ++i) mgmtds.push_back(Start(1 + i, Ip(11 + i), 8000));
  for (uint32_t i = 0; i < options.metas; ++i) metas.push_back(Start(101 + i, Ip(31 + i), 8001));
  for (uint32_t i = 0; i < options.storages; ++i) {
    storages.push_back(Start(201 + i, Ip(51 + i), 8002));
  }
  for (uint32_t c = 0; c < options.chains; ++c) {
    ChainTruth& chain = chains[1001 + c];
    for (uint32_t r = 0; r < options.replicas; ++r) {
      chain.nodes.push_back(201 + (c + r) % options.storages);
    }
  }
  for (size_t i = 0; i < mgmtds.size(); ++i) ServeMgmtd(i);
  for (auto& p : metas) ServeMeta(p.get());
  for (auto& p : storages) ServeStorage(p.get());
  for (auto* group : {&mgmtds, &metas, &storages}) {
    for (auto& p : *group) {
      auto bound = p->server->Listen(p->address);
      CHECK(bound.ok());
    }
  }
  Publish();
}

std::unique_ptr<Process> FakeCluster::Start(uint32_t node_id, uint32_t ip, uint16_t port) {
  auto p = std::make_unique<Process>();
  p->node_id = node_id;
  p->address = {.ip = ip, .port = port, .type = net::AddressType::kTcp};
  p->server = rpc::Server::Create(world.NewLoop(), network.Node(ip));
  Process* raw = p.get();
  p->server->SetFrameHook([raw](uint16_t, uint16_t method, bool is_answer) -> Task<bool> {
    uint64_t& left = raw->drop_answers[method];
    if (!is_answer || left == 0) co_return true;
    --left;
    co_return false;
  });
  return p;
}

std::string FakeCluster::Address(const Process& p, const char* scheme) const {
  const uint32_t ip = p.address.ip;
  return std::string(scheme) + "://" + std::to_string(ip & 255) + "." +
         std::to_string(ip >> 8 & 255) + "." + std::to_string(ip >> 16 & 255) + "." +
         std::to_string(ip >> 24) + ":" + std::to_string(p.address.port);
}

// --- mgmtd
// ---------------------------------------------------------------------------------------------------------------

void FakeCluster::ServeMgmtd(size_t index) {
  Process* p = mgmtds[index].get();
  const auto check = [this, index](const std::string& id, bool primary_only) -> Status {
    if (id != options.cluster_id) return {Code::kMgmtdClusterIdMismatch, "Cluster id mismatch"};
    if (!primary_only || index == primary) return {};
    return {Code::kMgmtdNotPrimary,
            primary < mgmtds.size() ? std::to_string(mgmtds[primary]->node_id) : "NodeId(0)"};
  };
  Serve<mg::method::GetPrimaryMgmtd>(
      p, [this, check](mg::GetPrimaryMgmtdReq req) -> Result<mg::GetPrimaryMgmtdRsp> {
        TRY(check(req.cluster_id, false));
        mg::GetPrimaryMgmtdRsp rsp;
        if (primary >= mgmtds.size()) return rsp;
        mg::PersistentNodeInfo& node = rsp.primary.emplace();
        node.node_id = mgmtds[primary]->node_id;
        node.service_groups.push_back(
            {.services = {"Mgmtd"},
             .endpoints = {mgmtds[primary]->address.As(net::AddressType::kRdma)}});
        return rsp;
      });
  Serve<mg::method::GetRoutingInfo>(
      p, [this, check](mg::GetRoutingInfoReq req) -> Result<mg::GetRoutingInfoRsp> {
        TRY(check(req.cluster_id, true));
        if (req.routing_info_version > routing.routing_info_version) {
          return Status(Code::kMgmtdInvalidRoutingInfoVersion, "newer than the server's");
        }
        mg::GetRoutingInfoRsp rsp;
        if (req.routing_info_version != routing.routing_info_version) rsp.info = routing;
        return rsp;
      });
  Serve<mg::method::ExtendClientSession>(
      p, [this, check](mg::ExtendClientSessionReq req) -> Result<mg::ExtendClientSessionRsp> {
        TRY(check(req.cluster_id, true));
        sessions.push_back(req);
        if (req.client_session_version <= session_version) {
          return Status(Code::kMgmtdClientSessionVersionStale, std::to_string(session_version));
        }
        session_version = req.client_session_version;
        return mg::ExtendClientSessionRsp{};
      });
}

void FakeCluster::Publish() {
  mg::RoutingInfo info;
  info.routing_info_version = routing.routing_info_version + 1;
  const auto add = [&info](const Process& p, mg::NodeType type, const char* service) {
    mg::NodeInfo& node = info.nodes.At(p.node_id);
    node.app.node_id = p.node_id;
    node.app.service_groups.push_back(
        {.services = {service}, .endpoints = {p.address.As(net::AddressType::kRdma)}});
    node.type = type;
    node.status = mg::NodeStatus::kHeartbeatConnected;
  };
  for (auto& p : mgmtds) add(*p, mg::NodeType::kMgmtd, "Mgmtd");
  for (auto& p : metas) add(*p, mg::NodeType::kMeta, "MetaSerde");
  for (auto& p : storages) add(*p, mg::NodeType::kStorage, "StorageSerde");
  mg::ChainTable table{.chain_table_id = 1, .chain_table_version = 1, .chains = {}, .desc = ""};
  for (const auto& [id, truth] : chains) {
    table.chains.push_back(id);
    mg::ChainInfo& chain = info.chains.At(id);
    chain.chain_id = id;
    chain.chain_version = truth.version;
    for (const uint32_t node : truth.nodes) {
      const uint64_t target = uint64_t{id} * 1000 + node;
      chain.targets.push_back({target, mg::PublicTargetState::kServing});
      mg::TargetInfo& t = info.targets.At(target);
      t.target_id = target;
      t.public_state = mg::PublicTargetState::kServing;
      t.local_state = mg::LocalTargetState::kUptodate;
      t.chain_id = id;
      t.node_id = node;
    }
  }
  info.chain_tables.At(1)[1] = table;
  routing = std::move(info);
}

void FakeCluster::MoveHead(uint32_t chain, bool drop) {
  ChainTruth& truth = chains.at(chain);
  const uint32_t head = truth.nodes.front();
  truth.nodes.erase(truth.nodes.begin());
  if (!drop) truth.nodes.push_back(head);
  ++truth.version;
}

// --- meta
// ----------------------------------------------------------------------------------------------------------------

mt::Inode FakeCluster::MakeFile(uint64_t id, uint32_t chunk_size, uint32_t stripe,
                                uint32_t dyn_stripe) {
  mt::Inode inode;
  inode.id = id;
  mt::File file;
  file.layout = {.table_id = 1,
                 .table_version = 1,
                 .chunk_size = chunk_size,
                 .stripe_size = stripe,
                 .chains = mt::Layout::ChainRange{.base_index = 1}};
  file.dyn_stripe = dyn_stripe;
  inode.type = std::move(file);
  inodes[id] = inode;
  return inode;
}

uint64_t FakeCluster::StoredLength(const mt::Inode& inode) const {
  uint64_t length = 0;
  for (const auto& [key, chunk] : chunks) {
    const auto id = layout::ParseChunkId(key.second);
    if (!id.ok() || id->inode != inode.id) continue;
    const uint64_t at = uint64_t{id->index} * inode.AsFile().layout.chunk_size;
    length = std::max(length, at + chunk.data.size());
  }
  return length;
}

Result<mt::Inode> FakeCluster::SyncInode(uint64_t id, bool update_length, bool truncated,
                                         const std::optional<mt::VersionedLength>& hint) {
  const auto it = inodes.find(id);
  if (it == inodes.end()) return Status(Code::kMetaNotFound, "no such inode");
  if (update_length || truncated) {
    mt::File& file = it->second.AsFile();
    const uint64_t found = hint ? std::max(file.length, hint->length) : StoredLength(it->second);
    if (truncated || found < file.length) ++file.truncate_ver;
    file.length = found;
  }
  return it->second;
}

void FakeCluster::ServeMeta(Process* p) {
  Serve<mt::method::Stat>(p, [this](mt::StatReq req) -> Result<mt::StatRsp> {
    const auto it = inodes.find(req.path.parent);
    mt::StatRsp rsp;
    if (req.path.parent == 0) {
      rsp.stat.type = mt::Directory{};
      return rsp;
    }
    if (it == inodes.end() || req.path.path) return Status(Code::kMetaNotFound, "here.cc:1");
    rsp.stat = it->second;
    return rsp;
  });
  Serve<mt::method::Sync>(p, [this](mt::SyncReq req) -> Result<mt::SyncRsp> {
    syncs.push_back(req);
    TRY(mt::Inode inode, SyncInode(req.inode, req.update_length, req.truncated, req.length_hint));
    mt::SyncRsp rsp;
    rsp.stat = std::move(inode);
    return rsp;
  });
  Serve<mt::method::Close>(p, [this](mt::CloseReq req) -> Result<mt::CloseRsp> {
    TRY(mt::Inode inode, SyncInode(req.inode, req.update_length, false, req.length_hint));
    mt::CloseRsp rsp;
    rsp.stat = std::move(inode);
    return rsp;
  });
  Serve<mt::method::SetAttr>(p, [this](mt::SetAttrReq req) -> Result<mt::SetAttrRsp> {
    const auto it = inodes.find(req.path.parent);
    if (it == inodes.end()) return Status(Code::kMetaNotFound, "no such inode");
    if (req.dyn_stripe != 0) {
      auto& have = it->second.AsFile().dyn_stripe;
      have = std::max(have, req.dyn_stripe);
    }
    mt::SetAttrRsp rsp;
    rsp.stat = it->second;
    return rsp;
  });
  Serve<mt::method::Open>(p, [this](mt::OpenReq req) -> Result<mt::OpenRsp> {
    const auto it = inodes.find(req.path.parent);
    if (it == inodes.end()) return Status(Code::kMetaNotFound, "no such inode");
    mt::OpenRsp rsp;
    rsp.stat = it->second;
    return rsp;
  });
  Serve<mt::method::Mkdirs>(p, [this](mt::MkdirsReq req) -> Result<mt::MkdirsRsp> {
    mkdir_ids.push_back(req.base.uuid);
    mt::MkdirsRsp rsp;
    rsp.stat.type = mt::Directory{};
    return rsp;
  });
  Serve<mt::method::PruneSession>(p,
                                  [this](mt::PruneSessionReq req) -> Result<mt::PruneSessionRsp> {
                                    pruned.insert(req.sessions.begin(), req.sessions.end());
                                    return mt::PruneSessionRsp{};
                                  });
}

// --- storage
// -------------------------------------------------------------------------------------------------------------

Status FakeCluster::CheckChain(const Process& p, wire::VersionedChainId id, bool update) const {
  const auto it = chains.find(id.chain_id);
  const bool here = it != chains.end() &&
                    std::find(it->second.nodes.begin(), it->second.nodes.end(), p.node_id) !=
                        it->second.nodes.end();
  if (!here) return {Code::kStorageClientRoutingError, "chain not found"};
  if (it->second.version != id.chain_ver) {
    return {Code::kStorageClientRoutingVersionMismatch, "chain version mismatch"};
  }
  if (update && it->second.nodes.front() != p.node_id) {
    return {Code::kStorageClientRoutingError, "non-head node receive a client update request"};
  }
  return {};
}

Result<wire::BatchReadRsp> FakeCluster::Read(const Process& p, const wire::BatchReadReq& req) {
  wire::BatchReadRsp rsp;
  std::vector<uint8_t> all;
  if ((req.feature_flags & wire::kFeatureSendDataInline) == 0) {
    return Status(Code::kInvalidArg, "batch read no RDMA socket");
  }
  for (const wire::ReadIO& io : req.payloads) {
    TRY(CheckChain(p, io.key.v_chain_id, false));
    if (io.rdmabuf.length < io.length) return Status(Code::kInvalidArg, "invalid read buffer size");
    const auto it = chunks.find({io.key.v_chain_id.chain_id, io.key.chunk_id});
    if (it == chunks.end()) {
      rsp.results.push_back(Failed({Code::kStorageChunkMetadataNotFound, "no such chunk"}));
      continue;
    }
    const auto& data = it->second.data;
    const size_t from = std::min<size_t>(io.offset, data.size());
    const size_t n = std::min<size_t>(io.length, data.size() - from);
    wire::IOResult r;
    r.length_info = static_cast<uint32_t>(n);
    r.checksum = Checksum({data.data() + from, n});
    rsp.results.push_back(std::move(r));
    all.insert(all.end(), data.begin() + static_cast<int64_t>(from),
               data.begin() + static_cast<int64_t>(from + n));
  }
  rsp.inlinebuf.data = Bytes::Own(std::move(all));
  if (alter_read) alter_read(req, &rsp);
  return rsp;
}

// The exactly-once table of 3fs/storage.md §4.
wire::IOResult FakeCluster::Update(const Process& p, wire::VersionedChainId chain,
                                   const wire::MessageTag& tag,
                                   const std::function<wire::IOResult()>& apply) {
  update_tags.push_back(tag);
  if (Status s = CheckChain(p, chain, true); !s.ok()) return Failed(s);
  if (tag.channel.id == 0) return Failed({Code::kStorageClientFoundBug, "channel 0"});
  Remembered& known = channels_[{tag.client_id.uuid, chain.chain_id, tag.channel.id}];
  if (tag.channel.seqnum < known.seqnum) {
    return Failed({Code::kStorageClientDuplicateUpdate, "old sequence number"});
  }
  if (tag.channel.seqnum == known.seqnum) {
    if (tag.request_id != known.request_id) {
      return Failed({Code::kStorageClientFoundBug, "another request on this number"});
    }
    if (known.result.length_info.ok()) return known.result;
  }
  wire::IOResult result = apply();
  if (result.length_info.ok()) ++applied;
  known = {tag.channel.seqnum, tag.request_id, result};
  return result;
}

wire::IOResult FakeCluster::ApplyWrite(const wire::UpdateIO& io) {
  if (io.inlinebuf.data.size() != io.length) {
    return Failed({Code::kStorageClientFoundBug, "inline size"});
  }
  if (io.offset + io.length > io.chunk_size) return Failed({Code::kInvalidArg, "beyond the chunk"});
  if (io.checksum.value != Checksum(io.inlinebuf.data.span()).value) {
    return Failed({Code::kStorageChecksumMismatch, "checksum"});
  }
  Chunk& chunk = chunks[{io.key.v_chain_id.chain_id, io.key.chunk_id}];
  chunk.chunk_size = io.chunk_size;
  chunk.data.resize(std::max<size_t>(chunk.data.size(), io.offset + io.length));
  std::copy_n(io.inlinebuf.data.data(), io.length, chunk.data.begin() + io.offset);
  wire::IOResult r;
  r.length_info = io.length;
  r.update_ver = r.commit_ver = ++chunk.version;
  r.checksum = Checksum(chunk.data);
  return r;
}

wire::IOResult FakeCluster::ApplyTruncate(const wire::TruncateChunkOp& op) {
  Chunk& chunk = chunks[{op.v_chain_id.chain_id, op.chunk_id}];
  chunk.chunk_size = op.chunk_size;
  if (!op.only_extend_chunk || chunk.data.size() < op.chunk_len) chunk.data.resize(op.chunk_len);
  ++chunk.version;
  wire::IOResult r;
  r.length_info = static_cast<uint32_t>(chunk.data.size());
  return r;
}

wire::RemoveChunksResult FakeCluster::Remove(const Process& p, const wire::RemoveChunksOp& op) {
  wire::RemoveChunksResult out;
  update_tags.push_back(op.tag);
  if (Status s = CheckChain(p, op.v_chain_id, true); !s.ok()) {
    out.status_code = s;
    return out;
  }
  const auto& range = op.chunk_id_range;
  for (;;) {
    auto it = chunks.lower_bound({op.v_chain_id.chain_id, range.end});
    if (it == chunks.begin()) break;
    --it;
    if (it->first.first != op.v_chain_id.chain_id || it->first.second < range.begin) break;
    if (out.num_chunks_removed == range.max_num_chunk_ids_to_process) {
      out.more_chunks_in_range = true;
      break;
    }
    chunks.erase(it);
    ++out.num_chunks_removed;
    ++applied;
  }
  out.status_code = serde::Void{};
  return out;
}

wire::QueryLastChunkResult FakeCluster::QueryLast(const Process& p,
                                                  const wire::QueryLastChunkOp& op) const {
  wire::QueryLastChunkResult out;
  if (Status s = CheckChain(p, op.v_chain_id, false); !s.ok()) {
    out.status_code = s;
    return out;
  }
  out.status_code = serde::Void{};
  auto it = chunks.lower_bound({op.v_chain_id.chain_id, op.chunk_id_range.end});
  if (it == chunks.begin()) return out;
  --it;
  if (it->first.first != op.v_chain_id.chain_id || it->first.second < op.chunk_id_range.begin) {
    return out;
  }
  out.last_chunk_id = it->first.second;
  out.last_chunk_len = static_cast<uint32_t>(it->second.data.size());
  out.total_chunk_len = it->second.data.size();
  out.total_num_chunks = 1;
  return out;
}

void FakeCluster::ServeStorage(Process* p) {
  Serve<wire::method::BatchRead>(p, [this, p](wire::BatchReadReq req) { return Read(*p, req); });
  Serve<wire::method::Write>(p, [this, p](wire::WriteReq req) -> Result<wire::WriteRsp> {
    wire::WriteRsp rsp;
    rsp.tag = req.tag;
    rsp.result = Update(*p, req.payload.key.v_chain_id, req.tag,
                        [this, &req] { return ApplyWrite(req.payload); });
    if (alter_write) alter_write(req, &rsp);
    return rsp;
  });
  Serve<wire::method::TruncateChunks>(
      p, [this, p](wire::TruncateChunksReq req) -> Result<wire::TruncateChunksRsp> {
        wire::TruncateChunksRsp rsp;
        for (const auto& op : req.payloads) {
          rsp.results.push_back(
              Update(*p, op.v_chain_id, op.tag, [this, &op] { return ApplyTruncate(op); }));
        }
        return rsp;
      });
  Serve<wire::method::RemoveChunks>(
      p, [this, p](wire::RemoveChunksReq req) -> Result<wire::RemoveChunksRsp> {
        wire::RemoveChunksRsp rsp;
        for (const auto& op : req.payloads) rsp.results.push_back(Remove(*p, op));
        if (alter_remove) alter_remove(&rsp);
        return rsp;
      });
  Serve<wire::method::QueryLastChunk>(
      p, [this, p](wire::QueryLastChunkReq req) -> Result<wire::QueryLastChunkRsp> {
        wire::QueryLastChunkRsp rsp;
        for (const auto& op : req.payloads) rsp.results.push_back(QueryLast(*p, op));
        return rsp;
      });
}

}  // namespace threefs::fake

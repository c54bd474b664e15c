// SPDX-License-Identifier: Apache-2.0
#include "client/standalone/node_host.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace threefs::standalone {

NodeHost::NodeHost(const NodePlace& place, uint64_t seed)
    : loop_(*place.loop),
      network_(*place.network),
      gate_(Rng(seed)),
      client_(rpc::Client::Create(*place.loop, *place.network, {})),
      core_server_(rpc::Server::Create(*place.loop, network_)),
      server_(rpc::Server::Create(*place.loop, network_)) {
  server_->SetFrameHook(gate_.Hook());
}

NodeHost::~NodeHost() = default;

Status NodeHost::Listen(NodePlace* place, std::vector<ConfigItem> config,
                        std::function<void(bool graceful)> shutdown) {
  core_ = std::make_unique<CoreService>(loop_, std::move(config), std::move(shutdown));
  core_->RegisterMethods(*core_server_);
  TRY(place->core, core_server_->Listen(place->core));
  TRY(place->service, server_->Listen(place->service));
  return {};
}

std::vector<schema::ServiceGroupInfo> NodeHost::Endpoints(const NodePlace& place,
                                                          const std::string& service) {
  return {{.services = {service}, .endpoints = {place.service.As(net::AddressType::kRdma)}},
          {.services = {"Core"}, .endpoints = {place.core.As(net::AddressType::kTcp)}}};
}

}  // namespace threefs::standalone

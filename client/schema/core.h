// SPDX-License-Identifier: Apache-2.0
// Core, service 10001: every server answers it on its TCP group (3fs/mgmtd.md §10).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "client/base/status.h"
#include "client/schema/common.h"

namespace threefs::schema::core {

inline constexpr uint16_t kServiceId = 10001;

struct GetConfigReq {
  std::string config_key{};  ///< "" = everything; else the dotted path of a section or item
  SERDE_FIELDS(config_key)
};
struct GetConfigRsp {
  std::string config{};
  SERDE_FIELDS(config)
};
struct RenderConfigReq {
  std::string config_template{};
  bool test_update = true;
  bool is_hot_update = true;
  SERDE_FIELDS(config_template, test_update, is_hot_update)
};
struct RenderConfigRsp {
  std::string config_after_render{};
  Status update_status{};
  std::string config_after_update{};
  SERDE_FIELDS(config_after_render, update_status, config_after_update)
};
struct HotUpdateConfigReq {
  std::string update{};
  bool render = false;
  SERDE_FIELDS(update, render)
};
struct HotUpdateConfigRsp {
  SERDE_FIELDS()
};
struct GetLastConfigUpdateRecordReq {
  SERDE_FIELDS()
};
struct ConfigUpdateRecord {
  int64_t update_time = 0;
  Status result{};
  std::string description{};
  SERDE_FIELDS(update_time, result, description)
};
struct GetLastConfigUpdateRecordRsp {
  std::optional<ConfigUpdateRecord> record{};
  SERDE_FIELDS(record)
};
struct ShutdownReq {
  bool graceful = true;
  SERDE_FIELDS(graceful)
};
struct ShutdownRsp {
  SERDE_FIELDS()
};

}  // namespace threefs::schema::core

#define THREEFS_CORE_METHODS(X)                                                               \
  X(Echo, 1, EchoMessage, EchoMessage)                                                        \
  X(GetConfig, 2, GetConfigReq, GetConfigRsp)                                                 \
  X(RenderConfig, 3, RenderConfigReq, RenderConfigRsp)                                        \
  X(HotUpdateConfig, 4, HotUpdateConfigReq, HotUpdateConfigRsp)                               \
  X(GetLastConfigUpdateRecord, 5, GetLastConfigUpdateRecordReq, GetLastConfigUpdateRecordRsp) \
  X(Shutdown, 6, ShutdownReq, ShutdownRsp)

namespace threefs::schema::core {
namespace method {
#define X(Name, id, Req, Rsp) using Name = Method<kServiceId, id, Req, Rsp>;
THREEFS_CORE_METHODS(X)
#undef X
}  // namespace method
}  // namespace threefs::schema::core

// EchoMessage is instantiated by common.h.
SCHEMA_EXTERN_METHOD(::threefs::schema::core::GetConfigReq, ::threefs::schema::core::GetConfigRsp)
SCHEMA_EXTERN_METHOD(::threefs::schema::core::RenderConfigReq,
                     ::threefs::schema::core::RenderConfigRsp)
SCHEMA_EXTERN_METHOD(::threefs::schema::core::HotUpdateConfigReq,
                     ::threefs::schema::core::HotUpdateConfigRsp)
SCHEMA_EXTERN_METHOD(::threefs::schema::core::GetLastConfigUpdateRecordReq,
                     ::threefs::schema::core::GetLastConfigUpdateRecordRsp)
SCHEMA_EXTERN_METHOD(::threefs::schema::core::ShutdownReq, ::threefs::schema::core::ShutdownRsp)

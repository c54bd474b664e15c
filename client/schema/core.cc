// SPDX-License-Identifier: Apache-2.0
#include "client/schema/core.h"

namespace core = ::threefs::schema::core;

SCHEMA_INSTANTIATE_METHOD(core::GetConfigReq, core::GetConfigRsp)
SCHEMA_INSTANTIATE_METHOD(core::RenderConfigReq, core::RenderConfigRsp)
SCHEMA_INSTANTIATE_METHOD(core::HotUpdateConfigReq, core::HotUpdateConfigRsp)
SCHEMA_INSTANTIATE_METHOD(core::GetLastConfigUpdateRecordReq, core::GetLastConfigUpdateRecordRsp)
SCHEMA_INSTANTIATE_METHOD(core::ShutdownReq, core::ShutdownRsp)

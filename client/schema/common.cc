// SPDX-License-Identifier: Apache-2.0
#include "client/schema/common.h"

SCHEMA_INSTANTIATE_METHOD(::threefs::schema::EchoMessage, ::threefs::schema::EchoMessage)
SERDE_INSTANTIATE(::threefs::schema::UserAttr)

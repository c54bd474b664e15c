// SPDX-License-Identifier: Apache-2.0
#include "client/schema/packet.h"

SERDE_INSTANTIATE(::threefs::schema::MessagePacket)
template ::threefs::serde::Encoded threefs::serde::Encode<::threefs::schema::OutPacket>(
    const ::threefs::schema::OutPacket&);

// SPDX-License-Identifier: Apache-2.0
// Checks of a request by itself, before anything is read (3fs/meta.md §3.2). Pure. Methods without
// rules are always fine.
#pragma once

#include "client/base/status.h"
#include "client/schema/meta_rpc.h"

namespace threefs::standalone {

Status Validate(const schema::meta::CreateReq& req);
Status Validate(const schema::meta::OpenReq& req);
Status Validate(const schema::meta::MkdirsReq& req);
Status Validate(const schema::meta::SymlinkReq& req);
Status Validate(const schema::meta::HardLinkReq& req);
Status Validate(const schema::meta::RemoveReq& req);
Status Validate(const schema::meta::RenameReq& req);
Status Validate(const schema::meta::SyncReq& req);
Status Validate(const schema::meta::CloseReq& req);
Status Validate(const schema::meta::SetAttrReq& req);
template <class Req>
Status Validate(const Req& /*req*/) {
  return {};
}

}  // namespace threefs::standalone

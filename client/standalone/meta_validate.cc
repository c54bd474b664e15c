// SPDX-License-Identifier: Apache-2.0
#include "client/standalone/meta_validate.h"

#include <string>

#include "client/layout/layout.h"
#include "client/standalone/meta_path.h"

namespace threefs::standalone {

namespace wire = schema::meta;

namespace {

Status Bad(const char* why) { return {Code::kInvalidArg, why}; }

// The path names something that can be made, removed or renamed.
Status CheckCreatePath(const wire::PathAt& at) {
  if (!at.path || at.path->empty()) return Bad("the path is missing");
  if (at.path->find('\0') != std::string::npos) return Bad("a name cannot hold a zero byte");
  const SplitPath split = Split(*at.path);
  if (split.names.empty()) return Bad("the path has no name");
  if (split.names.back() == "." || split.names.back() == "..") {
    return Bad("the path ends in \".\", \"..\" or \"/\"");
  }
  return {};
}

bool ValidSession(const std::optional<wire::SessionInfo>& session) {
  return session && !session->client.uuid.IsZero() && !session->session.IsZero();
}

Status CheckOpenFlags(int32_t flags, const std::optional<wire::SessionInfo>& session,
                      uint32_t remove_chunks_batch_size) {
  const bool writes = (flags & wire::kOpenAccessMask) != 0;
  const bool truncates = (flags & wire::kOpenTruncate) != 0;
  if ((flags & wire::kOpenDirectory) != 0 && (writes || truncates)) {
    return Bad("a directory cannot be opened for writing");
  }
  if (writes && !ValidSession(session)) return Bad("opening for writing needs a session");
  if (truncates && remove_chunks_batch_size == 0) return Bad("O_TRUNC needs a batch size");
  return {};
}

bool Named(const wire::ReqBase& base) { return !base.client.uuid.IsZero() && !base.uuid.IsZero(); }

}  // namespace

Status Validate(const wire::CreateReq& req) {
  TRY(CheckCreatePath(req.path));
  TRY(CheckOpenFlags(req.flags, req.session, req.remove_chunks_batch_size));
  if (req.layout) TRY(layout::ValidateLayout(*req.layout, /*allow_empty=*/true));
  return {};
}

Status Validate(const wire::OpenReq& req) {
  TRY(CheckOpenFlags(req.flags, req.session, req.remove_chunks_batch_size));
  const bool reads_only = (req.flags & wire::kOpenAccessMask) == 0;
  if (reads_only && (req.flags & (wire::kOpenTruncate | wire::kOpenAppend)) != 0) {
    return Bad("O_TRUNC and O_APPEND need write access");
  }
  return {};
}

Status Validate(const wire::MkdirsReq& req) {
  if (!req.path.path || req.path.path->empty()) return Bad("the path is missing");
  if (req.path.path->find('\0') != std::string::npos) return Bad("a name cannot hold a zero byte");
  if (req.layout) TRY(layout::ValidateLayout(*req.layout, /*allow_empty=*/true));
  return {};
}

Status Validate(const wire::SymlinkReq& req) { return CheckCreatePath(req.path); }

Status Validate(const wire::HardLinkReq& req) { return CheckCreatePath(req.new_path); }

Status Validate(const wire::RemoveReq& req) {
  if (req.path.path) TRY(CheckCreatePath(req.path));
  if (req.recursive && !Named(req.base))
    return Bad("a recursive remove needs client and request uuid");
  return {};
}

Status Validate(const wire::RenameReq& req) {
  TRY(CheckCreatePath(req.src));
  TRY(CheckCreatePath(req.dest));
  if (req.move_to_trash && !Named(req.base))
    return Bad("moveToTrash needs client and request uuid");
  return {};
}

Status Validate(const wire::SyncReq& req) {
  if (req.truncated && !req.update_length) return Bad("truncated needs updateLength");
  return {};
}

Status Validate(const wire::CloseReq& req) {
  if ((req.update_length || req.mtime) && !ValidSession(req.session)) {
    return Bad("a close that updates length or mtime needs a session");
  }
  return {};
}

Status Validate(const wire::SetAttrReq& req) {
  if (req.iflags && (*req.iflags & ~wire::kIflagsSupported) != 0)
    return Bad("unsupported inode flags");
  if (req.layout) TRY(layout::ValidateLayout(*req.layout, /*allow_empty=*/true));
  return {};
}

}  // namespace threefs::standalone

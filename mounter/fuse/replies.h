// SPDX-License-Identifier: Apache-2.0
// The answers of this room, one function a shape: each takes the Request and with it the duty to
// answer. On its loop.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mounter/fs/types.h"
#include "mounter/fuse/request.h"

namespace threefs::fuse {

void ReplyEntry(Request r, const fs::Entry& entry);
void ReplyAttr(Request r, const fs::AttrReply& attr);
void ReplyOpen(Request r, const fs::OpenReply& open);
void ReplyCreate(Request r, const fs::CreateReply& create);
void ReplyText(Request r, const std::string& text);
void ReplyWritten(Request r, uint32_t count);
/// Straight from the pieces by one writev.
void ReplyData(Request r, const fs::ReadReply& read);
void ReplyStatFs(Request r, const fs::StatFs& stat);
/// An attribute's value for a caller with room for `size` bytes; 0: only asks how long it is.
void ReplyXattr(Request r, const std::string& value, size_t size);
void ReplyOffset(Request r, uint64_t offset);
void ReplyIoctl(Request r, const fs::IoctlReply& reply);
/// A page of a directory, made with AddToPage: returns the bytes it needs; more than the room left:
/// not added.
void ReplyPage(Request r, const std::vector<char>& page, size_t size);
size_t AddToPage(const Request& r, std::vector<char>* page, size_t used, const fs::DirItem& item,
                 bool plus);

}  // namespace threefs::fuse

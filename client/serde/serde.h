// SPDX-License-Identifier: Apache-2.0
// Serde: 3FS's binary encoding (3fs/wire.md §1). Pure functions, any thread. Bounded: a count or
// length is checked against the bytes that remain before anything is allocated; input can never
// crash or blow up memory.
//
//   serde::Encoded e = serde::Encode(value);             value: any type of the table in wire.md
//   §1.2 Result<T> v = serde::Decode<T>(bytes);
//
// A struct is serializable when it lists its fields once:
//   struct Acl { uint32_t uid = 0; ...; auto fields() const / SERDE_FIELDS(uid, gid, perm, iflags);
//   };
// Zero copy: a `Bytes` field (the payload of inline IO) of kSpliceThreshold bytes or more is not
// copied into the encoding but spliced as a piece of its own; decoding makes it a slice of the
// input's buffer.
#pragma once

#include "client/serde/decode.h"  // IWYU pragma: export
#include "client/serde/encode.h"  // IWYU pragma: export
#include "client/serde/fields.h"  // IWYU pragma: export

// SPDX-License-Identifier: Apache-2.0
// ReadPath: one Read call of the storage client: pieces, replicas, batches, repeats, checksums
// (3fs/storage.md §3, §5). Lives in the calling coroutine. One loop only; not for other rooms.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "client/runtime/task.h"
#include "client/storage/core.h"

namespace threefs::storage {

class ReadPath {
 public:
  /// `core` and `ops` outlive it.
  ReadPath(Core& core, OpContext op, const std::vector<ReadOp>& ops);
  Task<std::vector<ReadOutcome>> Run();

 private:
  // A part of an op that travels as one ReadIO.
  struct Piece {
    size_t op = 0;
    uint32_t offset = 0;
    uint32_t length = 0;
    bool done = false;
    bool exists = true;
    Status last;
    Bytes data;
    uint64_t target_id = 0;  // of the last try
    uint32_t node_id = 0;
    uint32_t chain_version = 0;
    uint32_t replicas = 0;         // of its chain at the last try
    uint32_t damaged = 0;          // answers whose data or shape was wrong
    std::vector<uint64_t> failed;  // targets that failed in this call
  };
  struct Batch {
    net::Address address;
    uint32_t node_id = 0;
    uint64_t bytes = 0;
    std::vector<Piece*> pieces;
  };

  void Cut();
  std::vector<Batch> Assign();
  Task<void> Send(Batch* batch);
  schema::storage::BatchReadReq MakeRequest(const Batch& batch);
  void Take(Batch* batch, const Result<schema::storage::BatchReadRsp>& rsp);
  void TakeResult(Piece* piece, const schema::storage::IOResult& result, Bytes data);
  void Fail(Piece* piece, const Status& why);
  void Damaged(Piece* piece, Status why);
  Task<void> RunRound(std::vector<Batch> batches);
  Task<bool> WaitBeforeNext(uint64_t routing_version);
  std::vector<ReadOutcome> Collect();
  [[nodiscard]] std::string Where(const Piece& piece) const;

  Core& core_;
  OpContext op_;
  const std::vector<ReadOp>& ops_;
  CallContext ctx_;
  TimePoint started_;
  uint32_t round_ = 0;
  Duration backoff_;
  std::vector<Piece> pieces_;
};

}  // namespace threefs::storage

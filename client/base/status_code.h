// SPDX-License-Identifier: Apache-2.0
// Every status code of the 3FS wire (3fs/wire.md §8), as one list. The numbers travel on the wire; a number that is
// not listed here is kept as it came (Code is open: any uint16_t is a valid Code).
// The errno a code turns into is not decided here: mounter/fs/errno_map.cc is the only such table.
#pragma once

#include <cstdint>
#include <string_view>

// clang-format off
// X(enumerator, number, wire name)
#define THREEFS_STATUS_CODES(X) \
  X(kOk, 0, "OK") \
  X(kNotImplemented, 1, "NotImplemented") \
  X(kDataCorruption, 2, "DataCorruption") \
  X(kInvalidArg, 3, "InvalidArg") \
  X(kInvalidConfig, 4, "InvalidConfig") \
  X(kQueueEmpty, 5, "QueueEmpty") \
  X(kQueueFull, 6, "QueueFull") \
  X(kQueueConflict, 7, "QueueConflict") \
  X(kQueueInvalidItem, 8, "QueueInvalidItem") \
  X(kMonitorInitFailed, 12, "MonitorInitFailed") \
  X(kMonitorQueryFailed, 13, "MonitorQueryFailed") \
  X(kMonitorWriteFailed, 14, "MonitorWriteFailed") \
  X(kConfigInvalidType, 15, "ConfigInvalidType") \
  X(kConfigInvalidValue, 16, "ConfigInvalidValue") \
  X(kConfigUpdateFailed, 17, "ConfigUpdateFailed") \
  X(kConfigValidateFailed, 18, "ConfigValidateFailed") \
  X(kConfigRedundantKey, 19, "ConfigRedundantKey") \
  X(kConfigKeyNotFound, 20, "ConfigKeyNotFound") \
  X(kAuthenticationFail, 25, "AuthenticationFail") \
  X(kNotEnoughMemory, 26, "NotEnoughMemory") \
  X(kInterrupted, 27, "Interrupted") \
  X(kInvalidFormat, 33, "InvalidFormat") \
  X(kReadOnlyMode, 34, "ReadOnlyMode") \
  X(kSerdeInsufficientLength, 40, "SerdeInsufficientLength") \
  X(kSerdeMissingFieldsAtEnd, 41, "SerdeMissingFieldsAtEnd") \
  X(kSerdeVariantIndexExceeded, 42, "SerdeVariantIndexExceeded") \
  X(kSerdeUnknownEnumValue, 43, "SerdeUnknownEnumValue") \
  X(kSerdeNotContainer, 44, "SerdeNotContainer") \
  X(kSerdeNotString, 45, "SerdeNotString") \
  X(kSerdeNotNumber, 46, "SerdeNotNumber") \
  X(kSerdeNotInteger, 47, "SerdeNotInteger") \
  X(kSerdeNotTable, 48, "SerdeNotTable") \
  X(kSerdeKeyNotFound, 49, "SerdeKeyNotFound") \
  X(kSerdeInvalidJson, 50, "SerdeInvalidJson") \
  X(kSerdeInvalidToml, 51, "SerdeInvalidToml") \
  X(kNoApplication, 52, "NoApplication") \
  X(kCannotPushConfig, 53, "CannotPushConfig") \
  X(kKVStoreNotFound, 60, "KVStoreNotFound") \
  X(kKVStoreGetError, 61, "KVStoreGetError") \
  X(kKVStoreSetError, 62, "KVStoreSetError") \
  X(kKVStoreOpenFailed, 63, "KVStoreOpenFailed") \
  X(kTokenMismatch, 64, "TokenMismatch") \
  X(kTokenDuplicated, 65, "TokenDuplicated") \
  X(kTokenStale, 66, "TokenStale") \
  X(kTooManyTokens, 67, "TooManyTokens") \
  X(kKVStoreIterateError, 68, "KVStoreIterateError") \
  X(kIOError, 69, "IOError") \
  X(kFaultInjection, 70, "FaultInjection") \
  X(kConfigParseError, 71, "ConfigParseError") \
  X(kOSError, 72, "OSError") \
  X(kFoundBug, 998, "FoundBug") \
  X(kTransactionFailed, 1000, "Transaction::Failed") \
  X(kTransactionConflict, 1001, "Transaction::Conflict") \
  X(kTransactionThrottled, 1002, "Transaction::Throttled") \
  X(kTransactionTooOld, 1003, "Transaction::TooOld") \
  X(kTransactionNetworkError, 1004, "Transaction::NetworkError") \
  X(kTransactionCanceled, 1005, "Transaction::Canceled") \
  X(kTransactionMaybeCommitted, 1006, "Transaction::MaybeCommitted") \
  X(kTransactionRetryable, 1007, "Transaction::Retryable") \
  X(kTransactionResourceConstrained, 1008, "Transaction::ResourceConstrained") \
  X(kTransactionProcessBehind, 1009, "Transaction::ProcessBehind") \
  X(kTransactionFutureVersion, 1010, "Transaction::FutureVersion") \
  X(kRPCInvalidMessageType, 2000, "RPC::InvalidMessageType") \
  X(kRPCRequestIsEmpty, 2001, "RPC::RequestIsEmpty") \
  X(kRPCVerifyRequestFailed, 2002, "RPC::VerifyRequestFailed") \
  X(kRPCVerifyResponseFailed, 2003, "RPC::VerifyResponseFailed") \
  X(kRPCTimeout, 2005, "RPC::Timeout") \
  X(kRPCInvalidAddr, 2006, "RPC::InvalidAddr") \
  X(kRPCSendFailed, 2007, "RPC::SendFailed") \
  X(kRPCInvalidServiceID, 2008, "RPC::InvalidServiceID") \
  X(kRPCInvalidMethodID, 2009, "RPC::InvalidMethodID") \
  X(kRPCSocketError, 2010, "RPC::SocketError") \
  X(kRPCListenFailed, 2011, "RPC::ListenFailed") \
  X(kRPCRequestRefused, 2012, "RPC::RequestRefused") \
  X(kRPCSocketClosed, 2013, "RPC::SocketClosed") \
  X(kRPCConnectFailed, 2014, "RPC::ConnectFailed") \
  X(kRPCIBInitFailed, 2015, "RPC::IBInitFailed") \
  X(kRPCIBDeviceNotFound, 2016, "RPC::IBDeviceNotFound") \
  X(kRPCRDMAPostFailed, 2017, "RPC::RDMAPostFailed") \
  X(kRPCRDMAError, 2018, "RPC::RDMAError") \
  X(kRPCRDMANoBuf, 2019, "RPC::RDMANoBuf") \
  X(kRPCInvalidServiceName, 2020, "RPC::InvalidServiceName") \
  X(kRPCIBDeviceNotInitialized, 2021, "RPC::IBDeviceNotInitialized") \
  X(kRPCEpollInitError, 2022, "RPC::EpollInitError") \
  X(kRPCEpollAddError, 2023, "RPC::EpollAddError") \
  X(kRPCEpollDelError, 2024, "RPC::EpollDelError") \
  X(kRPCEpollWakeUpError, 2025, "RPC::EpollWakeUpError") \
  X(kRPCEpollWaitError, 2026, "RPC::EpollWaitError") \
  X(kRPCIBOpenPortFailed, 2027, "RPC::IBOpenPortFailed") \
  X(kMetaNotFound, 3000, "Meta::NotFound") \
  X(kMetaNotEmpty, 3001, "Meta::NotEmpty") \
  X(kMetaNotDirectory, 3003, "Meta::NotDirectory") \
  X(kMetaTooManySymlinks, 3005, "Meta::TooManySymlinks") \
  X(kMetaIsDirectory, 3006, "Meta::IsDirectory") \
  X(kMetaExists, 3007, "Meta::Exists") \
  X(kMetaNoPermission, 3008, "Meta::NoPermission") \
  X(kMetaInconsistent, 3009, "Meta::Inconsistent") \
  X(kMetaNotFile, 3010, "Meta::NotFile") \
  X(kMetaBadFileSystem, 3011, "Meta::BadFileSystem") \
  X(kMetaInodeIdAllocFailed, 3012, "Meta::InodeIdAllocFailed") \
  X(kMetaInvalidFileLayout, 3013, "Meta::InvalidFileLayout") \
  X(kMetaFileHasHole, 3014, "Meta::FileHasHole") \
  X(kMetaOTruncFailed, 3015, "Meta::OTruncFailed") \
  X(kMetaMoreChunksToRemove, 3016, "Meta::MoreChunksToRemove") \
  X(kMetaNameTooLong, 3017, "Meta::NameTooLong") \
  X(kMetaRequestCanceled, 3018, "Meta::RequestCanceled") \
  X(kMetaBusy, 3019, "Meta::Busy") \
  X(kMetaExpected, 3100, "Meta::Expected") \
  X(kMetaNoLock, 3101, "Meta::NoLock") \
  X(kMetaFileTooLarge, 3102, "Meta::FileTooLarge") \
  X(kMetaRetryable, 3200, "Meta::Retryable") \
  X(kMetaForwardFailed, 3201, "Meta::ForwardFailed") \
  X(kMetaForwardTimeout, 3202, "Meta::ForwardTimeout") \
  X(kMetaOperationTimeout, 3203, "Meta::OperationTimeout") \
  X(kMetaNotRetryable, 3300, "Meta::NotRetryable") \
  X(kMetaFoundBug, 3999, "Meta::FoundBug") \
  X(kStorageChunkMetadataUnpackError, 4000, "Storage::ChunkMetadataUnpackError") \
  X(kStorageChunkMetadataNotFound, 4001, "Storage::ChunkMetadataNotFound") \
  X(kStorageChunkMetadataGetError, 4002, "Storage::ChunkMetadataGetError") \
  X(kStorageChunkMetadataSetError, 4003, "Storage::ChunkMetadataSetError") \
  X(kStorageChunkNotCommit, 4004, "Storage::ChunkNotCommit") \
  X(kStorageChunkNotClean, 4005, "Storage::ChunkNotClean") \
  X(kStorageChunkStaleUpdate, 4006, "Storage::ChunkStaleUpdate") \
  X(kStorageChunkMissingUpdate, 4007, "Storage::ChunkMissingUpdate") \
  X(kStorageChunkCommittedUpdate, 4008, "Storage::ChunkCommittedUpdate") \
  X(kStorageChunkOpenFailed, 4009, "Storage::ChunkOpenFailed") \
  X(kStorageChunkReadFailed, 4010, "Storage::ChunkReadFailed") \
  X(kStorageChunkWriteFailed, 4011, "Storage::ChunkWriteFailed") \
  X(kStorageChunkAdvanceUpdate, 4012, "Storage::ChunkAdvanceUpdate") \
  X(kStorageChunkApplyFailed, 4013, "Storage::ChunkApplyFailed") \
  X(kStoragePunchHoleFailed, 4014, "Storage::PunchHoleFailed") \
  X(kStorageChunkSizeMismatch, 4015, "Storage::ChunkSizeMismatch") \
  X(kStorageStorageStatFailed, 4016, "Storage::StorageStatFailed") \
  X(kStorageStorageUUIDMismatch, 4017, "Storage::StorageUUIDMismatch") \
  X(kStorageStorageInitFailed, 4018, "Storage::StorageInitFailed") \
  X(kStorageMetaStoreOpenFailed, 4020, "Storage::MetaStoreOpenFailed") \
  X(kStorageMetaStoreInvalidIterator, 4021, "Storage::MetaStoreInvalidIterator") \
  X(kStorageChunkNotReadyToRemove, 4022, "Storage::ChunkNotReadyToRemove") \
  X(kStorageChunkStaleCommit, 4023, "Storage::ChunkStaleCommit") \
  X(kStorageChunkInvalidChunkSize, 4024, "Storage::ChunkInvalidChunkSize") \
  X(kStorageTargetOffline, 4030, "Storage::TargetOffline") \
  X(kStorageTargetNotFound, 4031, "Storage::TargetNotFound") \
  X(kStorageTargetStateInvalid, 4032, "Storage::TargetStateInvalid") \
  X(kStorageNoSuccessorTarget, 4033, "Storage::NoSuccessorTarget") \
  X(kStorageNoSuccessorAddr, 4034, "Storage::NoSuccessorAddr") \
  X(kStorageChunkStoreInitFailed, 4040, "Storage::ChunkStoreInitFailed") \
  X(kStorageAioSubmitFailed, 4050, "Storage::AioSubmitFailed") \
  X(kStorageAioGetEventsFailed, 4051, "Storage::AioGetEventsFailed") \
  X(kStorageBufferSizeExceeded, 4060, "Storage::BufferSizeExceeded") \
  X(kStorageSyncStartFailed, 4070, "Storage::SyncStartFailed") \
  X(kStorageSyncSendStartFailed, 4071, "Storage::SyncSendStartFailed") \
  X(kStorageSyncSendDoneFailed, 4072, "Storage::SyncSendDoneFailed") \
  X(kStorageChecksumMismatch, 4080, "Storage::ChecksumMismatch") \
  X(kStorageChainVersionMismatch, 4081, "Storage::ChainVersionMismatch") \
  X(kStorageChunkVersionMismatch, 4082, "Storage::ChunkVersionMismatch") \
  X(kStorageChannelIsLocked, 4090, "Storage::ChannelIsLocked") \
  X(kStorageChunkIsLocked, 4091, "Storage::ChunkIsLocked") \
  X(kMgmtdNotPrimary, 5000, "Mgmtd::NotPrimary") \
  X(kMgmtdNodeNotFound, 5001, "Mgmtd::NodeNotFound") \
  X(kMgmtdHeartbeatFail, 5002, "Mgmtd::HeartbeatFail") \
  X(kMgmtdClusterIdMismatch, 5003, "Mgmtd::ClusterIdMismatch") \
  X(kMgmtdRegisterFail, 5004, "Mgmtd::RegisterFail") \
  X(kMgmtdInvalidRoutingInfoVersion, 5005, "Mgmtd::InvalidRoutingInfoVersion") \
  X(kMgmtdInvalidConfigVersion, 5006, "Mgmtd::InvalidConfigVersion") \
  X(kMgmtdInvalidChainTable, 5007, "Mgmtd::InvalidChainTable") \
  X(kMgmtdInvalidChainTableVersion, 5008, "Mgmtd::InvalidChainTableVersion") \
  X(kMgmtdHeartbeatVersionStale, 5009, "Mgmtd::HeartbeatVersionStale") \
  X(kMgmtdClientSessionVersionStale, 5010, "Mgmtd::ClientSessionVersionStale") \
  X(kMgmtdInvalidTag, 5011, "Mgmtd::InvalidTag") \
  X(kMgmtdChainNotFound, 5012, "Mgmtd::ChainNotFound") \
  X(kMgmtdNodeTypeMismatch, 5013, "Mgmtd::NodeTypeMismatch") \
  X(kMgmtdExtendClientSessionMismatch, 5014, "Mgmtd::ExtendClientSessionMismatch") \
  X(kMgmtdClientSessionNotFound, 5015, "Mgmtd::ClientSessionNotFound") \
  X(kMgmtdNotAdmin, 5016, "Mgmtd::NotAdmin") \
  X(kMgmtdTargetNotFound, 5017, "Mgmtd::TargetNotFound") \
  X(kMgmtdTargetExisted, 5018, "Mgmtd::TargetExisted") \
  X(kMgmtdClientPrimaryMgmtdNotFound, 6000, "MgmtdClient::PrimaryMgmtdNotFound") \
  X(kMgmtdClientWorkQueueFull, 6001, "MgmtdClient::WorkQueueFull") \
  X(kMgmtdClientMetaServiceNotAvailable, 6002, "MgmtdClient::MetaServiceNotAvailable") \
  X(kMgmtdClientExit, 6003, "MgmtdClient::Exit") \
  X(kMgmtdClientRoutingInfoNotReady, 6004, "MgmtdClient::RoutingInfoNotReady") \
  X(kStorageClientInitFailed, 7000, "StorageClient::InitFailed") \
  X(kStorageClientMemoryError, 7001, "StorageClient::MemoryError") \
  X(kStorageClientInvalidArg, 7002, "StorageClient::InvalidArg") \
  X(kStorageClientNotInitialized, 7003, "StorageClient::NotInitialized") \
  X(kStorageClientRoutingError, 7004, "StorageClient::RoutingError") \
  X(kStorageClientNotAvailable, 7005, "StorageClient::NotAvailable") \
  X(kStorageClientCommError, 7006, "StorageClient::CommError") \
  X(kStorageClientChunkNotFound, 7007, "StorageClient::ChunkNotFound") \
  X(kStorageClientTimeout, 7008, "StorageClient::Timeout") \
  X(kStorageClientBadConfig, 7009, "StorageClient::BadConfig") \
  X(kStorageClientRemoteIOError, 7010, "StorageClient::RemoteIOError") \
  X(kStorageClientServerError, 7011, "StorageClient::ServerError") \
  X(kStorageClientResourceBusy, 7012, "StorageClient::ResourceBusy") \
  X(kStorageClientDuplicateUpdate, 7013, "StorageClient::DuplicateUpdate") \
  X(kStorageClientRoutingVersionMismatch, 7014, "StorageClient::RoutingVersionMismatch") \
  X(kStorageClientChecksumMismatch, 7015, "StorageClient::ChecksumMismatch") \
  X(kStorageClientNoRDMAInterface, 7016, "StorageClient::NoRDMAInterface") \
  X(kStorageClientProtocolMismatch, 7017, "StorageClient::ProtocolMismatch") \
  X(kStorageClientRequestCanceled, 7018, "StorageClient::RequestCanceled") \
  X(kStorageClientReadOnlyServer, 7019, "StorageClient::ReadOnlyServer") \
  X(kStorageClientChunkNotCommit, 7020, "StorageClient::ChunkNotCommit") \
  X(kStorageClientNoSpace, 7021, "StorageClient::NoSpace") \
  X(kStorageClientFoundBug, 7999, "StorageClient::FoundBug") \
  X(kClientAgentTooManyOpenFiles, 8000, "ClientAgent::TooManyOpenFiles") \
  X(kClientAgentHoleInIoOutcome, 8001, "ClientAgent::HoleInIoOutcome") \
  X(kClientAgentFailedToStart, 8002, "ClientAgent::FailedToStart") \
  X(kClientAgentOperationDisabled, 8003, "ClientAgent::OperationDisabled") \
  X(kClientAgentIovNotRegistered, 8004, "ClientAgent::IovNotRegistered") \
  X(kClientAgentIovShmFail, 8006, "ClientAgent::IovShmFail") \
  X(kCliWrongUsage, 10000, "Cli::WrongUsage") \
  X(kKvServiceUpdateConflict, 11000, "KvService::UpdateConflict") \
  X(kKvServiceOperatingByOthers, 11001, "KvService::OperatingByOthers") \
  X(kKvServiceStoreNotFound, 11002, "KvService::StoreNotFound") \
  X(kKvServiceStoreNotAvailable, 11003, "KvService::StoreNotAvailable") \
  X(kKvServiceStoreLoaded, 11004, "KvService::StoreLoaded") \
  X(kKvServiceClusterIdMismatch, 11005, "KvService::ClusterIdMismatch") \
  X(kKvServiceNotPrimary, 11006, "KvService::NotPrimary") \
  X(kKvServiceTableInfoStale, 11007, "KvService::TableInfoStale") \
  X(kKvServiceHeartbeatVersionStale, 11008, "KvService::HeartbeatVersionStale") \
  X(kKvServiceUnknownWorker, 11009, "KvService::UnknownWorker") \
  X(kKvServiceStoreLeaseEmpty, 11010, "KvService::StoreLeaseEmpty") \
  X(kKvServiceStoreLeaseHeld, 11011, "KvService::StoreLeaseHeld") \
  X(kKvServiceTableNotFound, 11012, "KvService::TableNotFound") \
  X(kKvServiceTableIdMismatch, 11013, "KvService::TableIdMismatch") \
  X(kKvServiceNoAvailableWorker, 11014, "KvService::NoAvailableWorker") \
  X(kKvServiceNoPermission, 11015, "KvService::NoPermission") \
  X(kKvServiceNoAvailableMaster, 11016, "KvService::NoAvailableMaster") \
  X(kKvServiceStoreTypeMismatch, 11017, "KvService::StoreTypeMismatch") \
  X(kKvServiceWriteStale, 11018, "KvService::WriteStale") \
  X(kKvServiceExists, 11019, "KvService::Exists") \
  X(kKvServiceNotFound, 11020, "KvService::NotFound") \
  X(kKvServiceOutOfRange, 11021, "KvService::OutOfRange") \
  X(kKvServiceDeleted, 11022, "KvService::Deleted") \
  X(kKvServiceServiceStopping, 11023, "KvService::ServiceStopping")
// clang-format on

namespace threefs {

enum class Code : uint16_t {
#define THREEFS_X(enumerator, number, name) enumerator = number,
  THREEFS_STATUS_CODES(THREEFS_X)
#undef THREEFS_X
};

/// The wire name ("Meta::NotFound"), or "Unknown" for a number that is not listed.
constexpr std::string_view CodeName(Code code) {
  switch (code) {
#define THREEFS_X(enumerator, number, name) \
  case Code::enumerator:                    \
    return name;
    THREEFS_STATUS_CODES(THREEFS_X)
#undef THREEFS_X
  }
  return "Unknown";
}

constexpr uint16_t Raw(Code code) { return static_cast<uint16_t>(code); }

}  // namespace threefs

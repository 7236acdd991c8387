#pragma once

#include "testing/contract_fixture.hpp"

// The tests of the contract, by what a transport must be like for the clause to apply to it. Each
// suite is instantiated in instantiate.cpp for exactly the variants that its comment names.

namespace sluice::testing {

/// Every transport, open and clogged, with both policies.
class Contract : public ContractTest {};
/// Kinds whose bytes the loop itself gives to the kernel, so that what was taken shows in the same
/// turn: all but files. Open: the kernel's buffer is empty at the start.
class OpenContract : public ContractTest {};
/// These, clogged: the kernel's buffer is full at the start.
class CloggedContract : public ContractTest {};
/// These, open, with WritePolicy::immediate or ::coalesce only.
class ImmediateContract : public ContractTest {};
class CoalesceContract : public ContractTest {};
/// These, blocked or not, with WritePolicy::immediate only.
class AnyImmediateContract : public ContractTest {};
/// Every transport, blocked or not, with WritePolicy::coalesce only.
class AnyCoalesceContract : public ContractTest {};

/// The duplex kinds: TCP and Unix streams, with and without TLS.
class StreamContract : public ContractTest {};
class OpenStreamContract : public ContractTest {};
/// Those of them that can half-close: all but TLS 1.2.
class HalfCloseContract : public ContractTest {};
class OpenHalfCloseContract : public ContractTest {};
/// Kinds that say no farewell: close() needs nothing of the peer. All but TLS.
class PlainContract : public ContractTest {};
/// Kinds that are at their end in the turn in which their last byte has gone: all but TLS and
/// files.
class PromptContract : public ContractTest {};
class PromptStreamContract : public ContractTest {};
class PromptCoalesceContract : public ContractTest {};
/// Kinds that cannot: write pipes of every sort.
class PipeContract : public ContractTest {};
class OpenPipeContract : public ContractTest {};
/// Write pipes that hear of their reader's going away.
class WatchedPipeContract : public ContractTest {};
class OpenWatchedPipeContract : public ContractTest {};
/// Write pipes that do not: ttys.
class UnwatchedPipeContract : public ContractTest {};
/// Kinds whose first write after the peer closed is refused.
class BreakingContract : public ContractTest {};
/// Kinds on the scripted kernel: what only a script can bring about.
class ScriptedContract : public ContractTest {};
class ScriptedStreamContract : public ContractTest {};
/// Open and immediate, on the scripted kernel: the exact system calls.
class ScriptedCallsContract : public ContractTest {};

}  // namespace sluice::testing

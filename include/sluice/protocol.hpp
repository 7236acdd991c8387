#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <system_error>

#include "sluice/bytes.hpp"

namespace sluice {

class Transport;
class ReadTransport;
class WriteTransport;

/// What every protocol can be told. All callbacks run on the loop's thread. A transport calls
/// connection_made first and once, connection_lost last and once, and nothing after that (W-3).
/// The transport keeps its protocol alive until connection_lost has returned. Every method of the
/// transport may be called from every callback (W-4). What a callback throws goes to the loop's
/// exception handler. asyncio: BaseProtocol.
class BaseProtocol {
 public:
  BaseProtocol() = default;
  BaseProtocol(const BaseProtocol&) = delete;
  BaseProtocol& operator=(const BaseProtocol&) = delete;
  virtual ~BaseProtocol() = default;

  /// The connection is gone. `error` is empty after close(), abort() or end of file, otherwise it
  /// is what broke the connection (W-89). The descriptor is closed when this returns (W-45).
  virtual void connection_lost(std::error_code /*error*/) {}

  /// The write buffer has grown above its high mark: stop producing. Called once, from inside the
  /// call that grew it (W-66, W-68). Writing on is allowed; it only costs memory.
  virtual void pause_writing() {}

  /// The write buffer has drained to its low mark: produce again. Called once for each
  /// pause_writing, unless the connection is lost first (W-70, W-76).
  virtual void resume_writing() {}
};

/// The protocol of a write-only transport. asyncio: a BaseProtocol given to connect_write_pipe.
class WriteProtocol : public BaseProtocol {
 public:
  /// The transport is ready to be written to. Keep the pointer to write later.
  virtual void connection_made(std::shared_ptr<WriteTransport> /*transport*/) {}
};

/// The protocol of a read-only transport. asyncio: a Protocol given to connect_read_pipe.
class ReadProtocol : public BaseProtocol {
 public:
  /// The transport is ready; reading starts when this returns.
  virtual void connection_made(std::shared_ptr<ReadTransport> /*transport*/) {}
  /// `data` arrived; never empty. The bytes are valid until the call returns: copy what you keep.
  virtual void data_received(Bytes /*data*/) {}
  /// The writing end closed. The result is ignored: connection_lost follows (W-160).
  virtual bool eof_received() { return false; }
};

/// The protocol of a duplex stream. asyncio: Protocol.
class Protocol : public BaseProtocol {
 public:
  /// The connection is established; reading starts when this returns. Keep the pointer to write
  /// later.
  virtual void connection_made(std::shared_ptr<Transport> /*transport*/) {}
  /// `data` arrived, at most 256 KiB, never empty. The bytes are valid until the call returns.
  virtual void data_received(Bytes /*data*/) {}
  /// The peer will send no more. Return true to keep the connection open for writing; with false
  /// the transport closes itself after what is buffered has been sent (W-155).
  virtual bool eof_received() { return false; }
};

/// The protocol of a duplex stream that reads into memory of its own. asyncio: BufferedProtocol.
class BufferedProtocol : public BaseProtocol {
 public:
  /// As Protocol::connection_made.
  virtual void connection_made(std::shared_ptr<Transport> /*transport*/) {}
  /// The memory for the next read; asked for before each one. `hint` is the size wanted, 0 for any.
  /// An empty span is an error that loses the connection. The memory is the protocol's and must
  /// stay valid until buffer_updated or the next call (W-159).
  virtual std::span<std::byte> get_buffer(std::size_t hint) = 0;
  /// `count` bytes, at least one, now stand at the front of the memory given last.
  virtual void buffer_updated(std::size_t count) = 0;
  /// As Protocol::eof_received.
  virtual bool eof_received() { return false; }
};

}  // namespace sluice

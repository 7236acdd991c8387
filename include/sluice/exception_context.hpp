#pragma once

#include <exception>
#include <string>

namespace sluice {

class BaseProtocol;
class BaseTransport;

/// What an exception handler is told. Pointers are null when they do not apply and valid during the
/// call only. asyncio: the context of call_exception_handler (W-176).
struct ExceptionContext {
  /// What was going on: "protocol.pause_writing() failed".
  std::string message;
  /// What was thrown; may be null.
  std::exception_ptr exception;
  BaseTransport* transport = nullptr;
  BaseProtocol* protocol = nullptr;

  /// What `exception` says of itself; empty without one.
  [[nodiscard]] std::string what() const;
};

}  // namespace sluice

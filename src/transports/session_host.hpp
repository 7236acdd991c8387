#pragma once

#include <cstdint>
#include <system_error>

#include "loop/watcher.hpp"

namespace sluice::transports {

/// What a Session needs of its transport.
class SessionHost {
 public:
  SessionHost() = default;
  SessionHost(const SessionHost&) = delete;
  SessionHost& operator=(const SessionHost&) = delete;

  /// Call Session::greet() soon, from the loop.
  virtual void request_greeting() = 0;
  /// The handshake is done: the channel carries the protocol's bytes. `missed` is what the
  /// descriptor has told meanwhile.
  virtual void session_open(const loop::IoEvents& missed) = 0;
  /// The transport is lost: the handshake has failed, a time is over, or, without an error, the
  /// farewell is done.
  virtual void session_over(std::error_code error) = 0;
  /// Call on_io({readable}) in the next turn.
  virtual void request_read() noexcept = 0;
  /// Bytes written by the protocol that have gone so far.
  [[nodiscard]] virtual std::uint64_t bytes_gone() const noexcept = 0;

 protected:
  ~SessionHost() = default;
};

}  // namespace sluice::transports

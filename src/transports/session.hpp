#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <system_error>

#include "loop/loop_core.hpp"
#include "loop/watcher.hpp"
#include "transports/secure_channel.hpp"
#include "transports/session_host.hpp"

namespace sluice::transports {

/// What a secured transport does besides carrying its protocol's bytes: the handshake before them
/// and the farewell after them, each within its time. Loop thread.
class Session {
 public:
  enum class State : std::uint8_t {
    waiting,   ///< The handshake is to begin; bytes written before it may be on their way first.
    ready,     ///< Those bytes have gone; it begins in the next turn.
    greeting,  ///< The handshake is under way.
    carrying,  ///< The channel carries the protocol's bytes.
    draining,  ///< The transport is closing: what is queued leaves, what comes is thrown away.
    parting,   ///< Our farewell is said, the peer's is awaited.
    failed,    ///< The handshake came to no good end.
    over,      ///< The connection is at its end.
  };
  enum class Purpose : std::uint8_t {
    connect,  ///< The protocol hears of the connection only after the handshake.
    upgrade,  ///< The protocol knows the connection.
  };
  struct Settings {
    Purpose purpose = Purpose::connect;
    /// For messages: the host, or the address.
    std::string peer{};
    std::chrono::nanoseconds handshake_timeout;
    std::chrono::nanoseconds shutdown_timeout;
  };
  /// Told once how the handshake ended; null: well. It is not told when the loop closes first.
  using Report = std::function<void(std::exception_ptr)>;

  /// The loop and the channel must outlive it.
  Session(loop::LoopCore& loop, SecureChannel& channel, Settings settings)
      : loop_(&loop), channel_(&channel), settings_(std::move(settings)) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() { timer_.cancel(); }

  /// Begins, with so many bytes to go out unencrypted first.
  void begin(SessionHost& host, std::size_t clear_bytes, Report report);
  /// The first step of the handshake.
  void greet();
  /// Takes what is the session's business out of the events; the rest is the transport's.
  [[nodiscard]] loop::IoEvents on_io(loop::IoEvents events);
  /// close() was called: from now on, time runs for a peer that does not move, and what it sends
  /// is thrown away, since one that waits until it can send does not read.
  void closing();
  /// All bytes have gone: says farewell. False when the peer's is there already.
  [[nodiscard]] bool part();
  /// The transport is lost; a handshake under way has failed then, for the same reason.
  void end(std::error_code reason);
  /// The same when the loop is closing: nobody is told.
  void drop() noexcept;

  [[nodiscard]] State state() const noexcept { return state_; }
  /// Whether the handshake is still to be done.
  [[nodiscard]] bool opening() const noexcept { return state_ <= State::greeting; }
  /// Whether the protocol never heard of the connection and must not hear of its end (W-118).
  [[nodiscard]] bool unknown_to_protocol() const noexcept {
    return settings_.purpose == Purpose::connect && (opening() || state_ == State::failed);
  }
  [[nodiscard]] Purpose purpose() const noexcept { return settings_.purpose; }
  [[nodiscard]] bool half_closes() const noexcept {
    return !opening() && state_ != State::failed && channel_->half_closes();
  }
  [[nodiscard]] const SecureChannel& channel() const noexcept { return *channel_; }

 private:
  void step_greeting();
  void clear_bytes_gone() noexcept;
  void step_draining();
  void step_parting();
  void arm_shutdown_timer();
  void fail(std::error_code error, const std::exception_ptr& outcome);
  void report(const std::exception_ptr& outcome) noexcept;

  loop::LoopCore* loop_;
  SecureChannel* channel_;
  SessionHost* host_ = nullptr;
  Settings settings_;
  Report report_;
  TimerHandle timer_;
  loop::IoEvents missed_;
  std::uint64_t gone_at_last_look_ = 0;
  State state_ = State::waiting;
};

}  // namespace sluice::transports

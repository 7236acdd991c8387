#pragma once

#include <cstdint>
#include <memory>
#include <system_error>

#include "core/check.hpp"
#include "core/lifecycle.hpp"
#include "loop/loop_core.hpp"
#include "sluice/transport.hpp"

namespace sluice::transports {

/// When connection_lost is called: like call_soon, or before the call that loses returns.
enum class Delivery : std::uint8_t { soon, now };

/// The life of a transport of any kind, and the only way to connection_lost.
class TransportLife : protected loop::Resident {
 protected:
  explicit TransportLife(loop::LoopCore& loop) noexcept : loop_(&loop) {}
  ~TransportLife() = default;

  /// From now on the transport is the loop's: it lives until connection_lost has returned.
  void live(std::shared_ptr<void> self);
  /// Ends the connection. What is asked for twice happens once: the lifecycle moves only once.
  void lose(std::error_code error, Delivery delivery);
  /// Ends the transport of which nobody has heard yet, and tells nobody.
  void take_back() noexcept;
  /// Transports belong to the loop's thread; in debug builds a call from another one throws.
  void check_thread() const {
    // A closed transport may have outlived its loop.
    if (core::debug_checks && !life().closed()) {
      loop_->check_thread();
    }
  }

  /// Good for as long as the transport is.
  [[nodiscard]] loop::Log& log() const noexcept {
    return life().closed() ? *static_cast<loop::Log*>(kept_.get()) : *loop_->log();
  }
  /// A share of the transport. Throws std::bad_weak_ptr when it is not the loop's.
  [[nodiscard]] const std::shared_ptr<void>& share_of_loop() const {
    if (kept_ == nullptr || life().closed()) {
      throw std::bad_weak_ptr();
    }
    return kept_;
  }

  loop::LoopCore* loop_;  // not to be used once closed: the loop may be gone

 private:
  void deliver_connection_lost();
  [[nodiscard]] std::shared_ptr<void> become_closed() noexcept;
  // loop::Resident: what lose() has asked for.
  void depart() final { deliver_connection_lost(); }
  // loop::Resident: the same end without the callbacks.
  void drop() noexcept final;

  [[nodiscard]] virtual BaseTransport& transport() noexcept = 0;
  /// Where it is in its life, and the one way on; what carries bytes keeps it with them.
  [[nodiscard]] virtual const core::Lifecycle& life() const noexcept = 0;
  [[nodiscard]] virtual bool move_to(core::LifeState next) noexcept = 0;
  // The steps of the end, in this order.
  /// Losing: nothing is read or sent any more, and what is queued is discarded.
  virtual void stop(std::error_code error) = 0;
  /// What it throws goes to the exception handler, after the descriptor is released.
  virtual void call_connection_lost(std::error_code error) = 0;
  virtual void release_descriptor() noexcept = 0;
  /// Closed: hands over the protocol, which may be on the stack below.
  [[nodiscard]] virtual std::shared_ptr<BaseProtocol> leave() noexcept = 0;
  // The loop is closing; nobody is told.
  /// In the place of stop(), if that was not called yet.
  virtual void stop_untold() noexcept = 0;
  /// In the place of leave().
  [[nodiscard]] virtual std::shared_ptr<BaseProtocol> leave_untold() noexcept = 0;

  std::error_code reason_;  // of the loss
  // While the transport is the loop's, itself; once it is closed, the log, which it may need longer
  // than there is a loop.
  std::shared_ptr<void> kept_;
};

}  // namespace sluice::transports

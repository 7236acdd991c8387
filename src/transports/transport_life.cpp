#include "transports/transport_life.hpp"

#include <exception>
#include <utility>

namespace sluice::transports {

void TransportLife::live(std::shared_ptr<void> self) {
  kept_ = std::move(self);
  loop_->add_resident(*this);
}

void TransportLife::lose(std::error_code error, Delivery delivery) {
  if (!move_to(core::LifeState::losing)) {
    return;
  }
  reason_ = error;
  stop(error);
  if (delivery == Delivery::now) {
    deliver_connection_lost();
  } else {
    loop_->depart_soon(*this, kept_);
  }
}

void TransportLife::deliver_connection_lost() {
  if (life().closed()) {
    return;
  }
  std::exception_ptr thrown;
  try {
    call_connection_lost(reason_);
  } catch (...) {
    thrown = std::current_exception();
  }
  release_descriptor();
  if (thrown) {
    loop_->call_exception_handler({"Exception in callback protocol.connection_lost()", thrown,
                                   &transport(), transport().get_protocol().get()});
  }
  std::shared_ptr<void> self = become_closed();
  // Both may be on the stack below us.
  loop_->bury(leave());
  loop::Resident::unlink();
  loop_->bury(std::move(self));
}

std::shared_ptr<void> TransportLife::become_closed() noexcept {
  static_cast<void>(move_to(core::LifeState::closed));
  return std::exchange(kept_, loop_->log());
}

void TransportLife::take_back() noexcept {
  loop::Resident::unlink();
  drop();
}

void TransportLife::drop() noexcept {
  if (move_to(core::LifeState::losing)) {
    stop_untold();
  }
  release_descriptor();
  std::shared_ptr<void> self = become_closed();
  loop_->bury(leave_untold());
  loop_->bury(std::move(self));
}

}  // namespace sluice::transports

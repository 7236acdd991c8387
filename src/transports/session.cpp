#include "transports/session.hpp"

#include <utility>

namespace sluice::transports {
namespace {

std::string in_seconds(std::chrono::nanoseconds time) {
  std::string text = std::to_string(std::chrono::duration<double>(time).count());
  text.erase(text.find_last_not_of('0') + 1);
  return text.ends_with('.') ? text + '0' : text;
}

// Why the handshake failed, with the details that `tell` has; without memory, that there is none.
template <class Tell>
std::exception_ptr handshake_failure(std::error_code error, const std::string& peer,
                                     Tell tell) noexcept {
  try {
    const std::string details = tell();
    return std::make_exception_ptr(std::system_error(
        error, "TLS handshake with " + peer + (details.empty() ? "" : ": " + details)));
  } catch (...) {
    return std::current_exception();
  }
}

}  // namespace

void Session::begin(SessionHost& host, std::size_t clear_bytes, Report report) {
  host_ = &host;
  report_ = std::move(report);
  timer_ = loop_->later(settings_.handshake_timeout, [this] {
    fail(TlsErrc::handshake_timed_out,
         handshake_failure(TlsErrc::handshake_timed_out, settings_.peer, [this] {
           return "SSL handshake is taking longer than " + in_seconds(settings_.handshake_timeout) +
                  " seconds: aborting the connection";
         }));
  });
  if (clear_bytes > 0) {
    channel_->pass_clear(clear_bytes, [this] { clear_bytes_gone(); });
  } else {
    host_->request_greeting();
  }
}

// From inside a write: it asks for nothing that takes memory.
void Session::clear_bytes_gone() noexcept {
  state_ = State::ready;
  host_->request_read();
}

void Session::greet() {
  if (state_ == State::waiting) {
    state_ = State::greeting;
    step_greeting();
  }
}

loop::IoEvents Session::on_io(loop::IoEvents events) {
  switch (state_) {
    case State::waiting:
      missed_.add(events);
      return {.writable = events.writable, .broken = events.broken};
    case State::ready:
    case State::greeting:
      missed_.add(events);
      state_ = State::greeting;
      step_greeting();
      return {};
    case State::carrying:
      if (events.writable) {
        channel_->push();
      }
      return events;
    case State::draining:
      if (events.writable) {
        channel_->push();
      }
      step_draining();
      return {.writable = events.writable, .broken = events.broken};
    case State::parting:
      step_parting();
      return {};
    case State::failed:
    case State::over:
      break;
  }
  return {};
}

void Session::step_greeting() {
  switch (channel_->handshake()) {
    case Progress::done:
      timer_.cancel();
      state_ = State::carrying;
      host_->session_open(missed_);
      report(nullptr);
      break;
    case Progress::waiting:
      break;
    case Progress::again:
      host_->request_read();
      break;
    case Progress::failed: {
      const SecureChannel::Failure& failure = channel_->failure();
      fail(failure.code,
           handshake_failure(failure.code, settings_.peer, [&] { return failure.details; }));
      break;
    }
  }
}

void Session::fail(std::error_code error, const std::exception_ptr& outcome) {
  if (!opening()) {
    return;
  }
  timer_.cancel();
  state_ = State::failed;
  report(outcome);
  host_->session_over(error);
}

// Reporting may run the user's code only later; it must not keep alive what it captured.
void Session::report(const std::exception_ptr& outcome) noexcept {
  if (const Report told = std::exchange(report_, nullptr)) {
    loop_->guarded("Exception in telling how a TLS handshake ended", nullptr, nullptr,
                   [&] { told(outcome); });
  }
}

void Session::closing() {
  state_ = State::draining;
  gone_at_last_look_ = host_->bytes_gone();
  arm_shutdown_timer();
  // What has come already is announced by no other event.
  host_->request_read();
}

// A peer that reads is given time again; one that only sends, or does nothing, is not (W-121).
void Session::arm_shutdown_timer() {
  timer_ = loop_->later(settings_.shutdown_timeout, [this] {
    const std::uint64_t gone = host_->bytes_gone();
    if (state_ == State::draining && gone != gone_at_last_look_) {
      gone_at_last_look_ = gone;
      arm_shutdown_timer();
    } else {
      host_->session_over(TlsErrc::shutdown_timed_out);
    }
  });
}

bool Session::part() {
  if (state_ != State::draining) {
    return false;
  }
  state_ = State::parting;
  // The farewell has a time of its own, however long the bytes took.
  timer_.cancel();
  arm_shutdown_timer();
  // A connection that cannot say farewell any more needs no answer to it.
  if (channel_->shutdown()) {
    return false;
  }
  host_->request_read();
  return true;
}

void Session::step_draining() {
  switch (channel_->throw_away(loop_->read_memory())) {
    case Progress::again:
      host_->request_read();
      break;
    case Progress::failed:
      host_->session_over(channel_->failure().code);
      break;
    case Progress::waiting:
    case Progress::done:
      break;
  }
}

void Session::step_parting() {
  switch (channel_->part(loop_->read_memory())) {
    case Progress::done:
    case Progress::failed:
      host_->session_over({});
      break;
    case Progress::waiting:
      break;
    case Progress::again:
      host_->request_read();
      break;
  }
}

void Session::end(std::error_code reason) {
  timer_.cancel();
  channel_->abandon();
  if (opening()) {
    state_ = State::failed;
    const std::error_code error = reason ? reason : make_error_code(TlsErrc::closed_by_us);
    report(handshake_failure(error, settings_.peer, [] { return std::string(); }));
  } else if (state_ != State::failed) {
    state_ = State::over;
  }
}

void Session::drop() noexcept {
  timer_.cancel();
  channel_->abandon();
  report_ = nullptr;
}

}  // namespace sluice::transports

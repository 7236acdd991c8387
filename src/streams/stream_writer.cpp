#include "sluice/stream_writer.hpp"

#include <string>

#include "sluice/error.hpp"
#include "streams/stream_output.hpp"

namespace sluice {

namespace detail {

bool DrainAwaiter::await_ready() const noexcept {
  if (output_->input_failure()) {
    return true;
  }
  return !output_->transport()->is_closing() && !output_->paused();
}

void DrainAwaiter::begin() {
  if (output_->paused()) {
    wait_ = Wait::for_room;
    output_->wait_for_room(*this);
  } else {
    wait_ = Wait::one_turn;
    wake();
  }
}

void DrainAwaiter::has_room() {
  wait_ = Wait::over;
  wake();
}

void DrainAwaiter::await_resume() {
  throw_if_cancelled();
  if (const std::exception_ptr failure = output_->input_failure(); failure && wait_ == Wait::none) {
    std::rethrow_exception(failure);
  }
  if (wait_ == Wait::over || !output_->lost()) {
    return;
  }
  if (wait_ == Wait::for_room && output_->loss()) {
    throw std::system_error(output_->loss(), "drain of a stream whose connection was lost");
  }
  // Gone before, or aborted with bytes that were waited for.
  throw std::system_error(std::make_error_code(std::errc::connection_reset), "Connection lost");
}

bool ClosedAwaiter::await_ready() const noexcept {
  return output_->lost();
}

void ClosedAwaiter::enter() noexcept {
  output_->wait_for_end(*this);
}

void ClosedAwaiter::await_resume() {
  throw_if_cancelled();
  if (output_->loss()) {
    throw std::system_error(output_->loss(), "the connection of a stream was lost");
  }
}

}  // namespace detail

class StreamWriter::Ownership : public detail::WriterShare {
 public:
  explicit Ownership(std::shared_ptr<streams::StreamOutput> stream) noexcept
      : WriterShare{stream->transport(), std::move(stream)} {}
  Ownership(const Ownership&) = delete;
  Ownership& operator=(const Ownership&) = delete;
  ~Ownership() {
    const std::shared_ptr<WriteTransport> held = transport;
    if (!held || held->is_closing()) {
      return;
    }
    held->close();
    if (output->unneeded()) {
      return;
    }
    output->scheduler().warn(
        "the last StreamWriter of an open stream was dropped: closing the transport of file "
        "descriptor " +
        std::to_string(held->fileno()));
  }
};

StreamWriter::StreamWriter(std::shared_ptr<streams::StreamOutput> output)
    : share_(std::make_shared<Ownership>(std::move(output))) {}

}  // namespace sluice

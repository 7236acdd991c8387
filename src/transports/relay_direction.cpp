#include "transports/relay_direction.hpp"

#include <utility>

#include "transports/conduit.hpp"

namespace sluice::transports {

RelayDirection::RelayDirection(std::shared_ptr<ReadTransport> from,
                               std::shared_ptr<WriteTransport> to, std::shared_ptr<RelayPipe> pipe,
                               Ended ended)
    : from_(std::move(from)),
      to_(std::move(to)),
      writing_(dynamic_cast<Conduit*>(to_.get())),
      pipe_(std::move(pipe)),
      ended_(std::move(ended)) {}

void RelayDirection::begin() {
  if (pipe_) {
    dynamic_cast<Conduit&>(*from_).redirect_reading(
        std::make_unique<RelaySource>(pipe_, from_->fileno()));
    pipe_->on_drained([weak = weak_from_this()] {
      if (const auto self = weak.lock()) {
        self->go_on();
      }
    });
  }
  from_->resume_reading();
  if (!from_->is_reading()) {
    // Its end was seen before.
    end_received();
  } else if (to_->get_write_buffer_size() > to_->get_write_buffer_limits().high) {
    hold();
  }
}

void RelayDirection::received(Bytes data) {
  if (state_ == State::ended) {
    return;
  }
  if (to_->is_closing()) {
    result_.discarded += data.size();
    hold();
    return;
  }
  if (writing_->has_written_eof()) {
    result_.discarded += data.size();
    result_.write_error = std::make_error_code(std::errc::broken_pipe);
    end();
    return;
  }
  pass_on(data);
  result_.bytes += data.size();
}

// Bytes in the pipe are only counted here; they are another piece of the queue.
void RelayDirection::pass_on(Bytes data) {
  if (pipe_ && pipe_->filled()) {
    hold();
    pipe_->begin(data.size());
    writing_->write_range(pipe_, "relay()");
    return;
  }
  const std::shared_ptr<WriteTransport> to = to_;
  to->write(data);
  // A pause that was told to an earlier protocol is not told again.
  if (state_ == State::flowing &&
      to->get_write_buffer_size() > to->get_write_buffer_limits().high) {
    hold();
  }
}

void RelayDirection::hold() {
  if (state_ == State::flowing) {
    state_ = State::held;
    from_->pause_reading();
  }
}

void RelayDirection::go_on() {
  if (state_ != State::held || to_->is_closing() || (pipe_ && pipe_->remaining() > 0)) {
    return;
  }
  state_ = State::flowing;
  from_->resume_reading();
}

void RelayDirection::end_received() {
  if (state_ == State::ended) {
    return;
  }
  const std::shared_ptr<WriteTransport> to = to_;
  end();
  to->can_write_eof() ? to->write_eof() : to->close();
}

void RelayDirection::from_lost(std::error_code error) {
  if (state_ == State::ended) {
    return;
  }
  result_.read_error = error;
  const std::shared_ptr<WriteTransport> to = to_;
  end();
  error ? to->abort() : to->close();
}

void RelayDirection::to_lost(std::error_code error) {
  if (state_ == State::ended) {
    return;
  }
  result_.write_error = error;
  const std::shared_ptr<ReadTransport> from = from_;
  end();
  if (auto* const duplex = dynamic_cast<WriteTransport*>(from.get()); error && duplex != nullptr) {
    duplex->abort();
  } else {
    from->close();
  }
}

void RelayDirection::stop() {
  if (state_ != State::ended) {
    end();
  }
}

// Bytes that are in the pipe stay in the queue of the writing end, which owns the pipe then. Nobody
// wants what would be read, until the protocol changes.
void RelayDirection::end() {
  state_ = State::ended;
  from_->pause_reading();
  if (const std::shared_ptr<RelayPipe> pipe = std::exchange(pipe_, nullptr)) {
    pipe->on_drained(nullptr);
    dynamic_cast<Conduit&>(*from_).redirect_reading(nullptr);
  }
  from_.reset();
  to_.reset();
  const Ended ended = std::exchange(ended_, nullptr);
  ended(result_);
}

}  // namespace sluice::transports

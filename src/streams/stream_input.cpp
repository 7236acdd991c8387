#include "streams/stream_input.hpp"

#include <algorithm>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace sluice::streams {

using detail::ReadRequest;
using Kind = ReadRequest::Kind;

StreamInput::StreamInput(std::size_t limit) : limit_(limit) {
  if (limit == 0) {
    throw std::invalid_argument("the limit of a stream cannot be 0");
  }
}

void StreamInput::feed_data(Bytes data) {
  buffer_.append(data);
  pause_if_full();
  // Last: the task may go on in here, and drop the stream.
  if (waiting_ != nullptr && satisfied(waiting_->request())) {
    waiting_->wake_at_once();
  }
}

void StreamInput::feed_eof() {
  ended_ = true;
  wake_if_ready();
}

void StreamInput::set_exception(std::exception_ptr exception) {
  failure_ = std::move(exception);
  wake_if_ready();
}

void StreamInput::connection_lost(std::error_code error) {
  if (error) {
    set_exception(std::make_exception_ptr(
        std::system_error(error, "read from a stream whose connection was lost")));
  } else {
    feed_eof();
  }
}

void StreamInput::wake_if_ready() {
  if (waiting_ != nullptr && satisfied(waiting_->request())) {
    waiting_->wake();
  }
}

// Not for a read that waits for more than that: it would wait for ever.
void StreamInput::pause_if_full() {
  const std::size_t above_limit = buffer_.size() - std::min(buffer_.size(), limit_);
  if (flow_ == Flow::paused || above_limit <= limit_ ||
      (waiting_ != nullptr && !satisfied(waiting_->request()))) {
    return;
  }
  if (const std::shared_ptr<ReadTransport> transport = transport_.lock()) {
    flow_ = Flow::paused;
    transport->pause_reading();
  }
}

void StreamInput::resume() {
  if (flow_ != Flow::paused) {
    return;
  }
  flow_ = Flow::reading;
  if (const std::shared_ptr<ReadTransport> transport = transport_.lock()) {
    transport->resume_reading();
  }
}

bool StreamInput::ready(ReadRequest& request) {
  if (waiting_ != nullptr) {
    throw std::logic_error(
        "a read was called while another coroutine is already waiting for incoming data");
  }
  return satisfied(request);
}

void StreamInput::enter(detail::ReadAwaiter& waiter) noexcept {
  waiting_ = &waiter;
  // More is wanted than the limits let in.
  resume();
}

void StreamInput::leave(detail::ReadAwaiter& waiter) noexcept {
  if (waiting_ == &waiter) {
    waiting_ = nullptr;
    pause_if_full();
  }
}

bool StreamInput::satisfied(ReadRequest& request) const {
  if (failure_ || ended_) {
    // Where the separator is decides what is taken at the end.
    static_cast<void>(separator_decided(request));
    return true;
  }
  switch (request.kind) {
    case Kind::some:
      return request.count == 0 || !buffer_.empty();
    case Kind::exactly:
      return buffer_.size() >= request.count;
    case Kind::all:
    case Kind::end:
      return false;
    case Kind::until:
    case Kind::line:
      return separator_decided(request);
  }
  return false;
}

// Whether it is there, or cannot come within the limit any more. Then `searched` is where it
// begins, or may begin at the earliest.
bool StreamInput::separator_decided(ReadRequest& request) const {
  if (request.kind != Kind::until && request.kind != Kind::line) {
    return false;
  }
  const std::string_view all = buffer_.view();
  const std::size_t found = all.find(request.separator, request.searched);
  if (found != std::string_view::npos) {
    request.searched = found;
    return true;
  }
  const std::size_t width = request.separator.size();
  request.searched =
      std::max(request.searched, all.size() + 1 < width ? 0 : all.size() + 1 - width);
  return request.searched > limit_;
}

std::string StreamInput::take_front(std::size_t count) {
  std::string taken = buffer_.take(count);
  if (buffer_.size() <= limit_) {
    resume();
  }
  return taken;
}

std::string StreamInput::take(const ReadRequest& request) {
  if (failure_) {
    std::rethrow_exception(failure_);
  }
  switch (request.kind) {
    case Kind::some:
      return take_front(request.count);
    case Kind::exactly:
      if (buffer_.size() < request.count) {
        throw IncompleteReadError(take_front(buffer_.size()), request.count);
      }
      return take_front(request.count);
    case Kind::all:
      return take_front(buffer_.size());
    case Kind::until:
      return take_until(request);
    case Kind::line:
      return take_line(request);
    case Kind::end:
      break;
  }
  return {};
}

std::string StreamInput::take_buffered() {
  if (waiting_ != nullptr) {
    // It would find nothing, and take that for the end.
    if (satisfied(waiting_->request())) {
      throw std::logic_error(
          "start_tls was called while another coroutine is about to take what it has read");
    }
    waiting_->request().searched = 0;
  }
  return take_front(buffer_.size());
}

std::string StreamInput::take_until(const ReadRequest& request) {
  const bool found = buffer_.view()
                         .substr(std::min(request.searched, buffer_.size()))
                         .starts_with(request.separator);
  if (request.searched > limit_) {
    throw LimitOverrunError(found ? "Separator is found, but chunk is longer than limit"
                                  : "Separator is not found, and chunk exceed the limit",
                            request.searched);
  }
  if (!found) {
    throw IncompleteReadError(take_front(buffer_.size()), std::nullopt);
  }
  return take_front(request.searched + request.separator.size());
}

std::string StreamInput::take_line(const ReadRequest& request) {
  try {
    return take_until(request);
  } catch (const IncompleteReadError& error) {
    return error.partial();
  } catch (const LimitOverrunError& error) {
    const bool found = buffer_.view().substr(error.consumed()).starts_with(request.separator);
    static_cast<void>(
        take_front(found ? error.consumed() + request.separator.size() : buffer_.size()));
    throw;
  }
}

}  // namespace sluice::streams

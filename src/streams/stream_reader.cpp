#include "sluice/stream_reader.hpp"

#include "sluice/error.hpp"
#include "streams/stream_input.hpp"

namespace sluice {

using detail::ReadAwaiter;
using detail::ReadRequest;
using Kind = ReadRequest::Kind;

IncompleteReadError::IncompleteReadError(std::string partial, std::optional<std::size_t> expected)
    : std::runtime_error(std::to_string(partial.size()) + " bytes read on a total of " +
                         (expected ? std::to_string(*expected) : "undefined") + " expected bytes"),
      partial_(std::move(partial)),
      expected_(expected) {}

namespace detail {

ReadAwaiter::~ReadAwaiter() {
  input_->leave(*this);
}

bool ReadAwaiter::await_ready() {
  return input_->ready(request_);
}

void ReadAwaiter::enter() noexcept {
  input_->enter(*this);
}

bool ReadAwaiter::give_up() {
  input_->leave(*this);
  wake_cancelled();
  return true;
}

// The bytes are taken here and not before: a task that was cancelled meanwhile leaves them where
// they are.
std::string ReadAwaiter::await_resume() {
  throw_if_cancelled();
  // Now, since the awaiter lives to the end of the expression, which may hold another read.
  input_->leave(*this);
  return input_->take(request_);
}

}  // namespace detail

ReadAwaiter StreamReader::read(std::size_t count) const {
  return {input_, {.kind = Kind::some, .count = count}};
}

ReadAwaiter StreamReader::read() const {
  return {input_, {.kind = Kind::all}};
}

ReadAwaiter StreamReader::readexactly(std::size_t count) const {
  return {input_, {.kind = Kind::exactly, .count = count}};
}

ReadAwaiter StreamReader::readuntil(std::string_view separator) const {
  if (separator.empty()) {
    throw std::invalid_argument("Separator should be at least one-byte string");
  }
  return {input_, {.kind = Kind::until, .separator = std::string(separator)}};
}

ReadAwaiter StreamReader::readline() const {
  return {input_, {.kind = Kind::line, .separator = "\n"}};
}

bool StreamReader::at_eof() const noexcept {
  return input_->at_eof();
}

std::exception_ptr StreamReader::exception() const noexcept {
  return input_->exception();
}

}  // namespace sluice

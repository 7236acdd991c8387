#include "streams/child_streams.hpp"

#include <utility>

namespace sluice::streams {

ChildStreams::ChildStreams(std::shared_ptr<detail::Scheduler> scheduler, std::size_t limit)
    : scheduler_(std::move(scheduler)) {
  for (Output& each : outputs_) {
    each.unopened = std::make_shared<StreamInput>(limit);
    each.input = each.unopened;
  }
}

void ChildStreams::connection_made(std::shared_ptr<SubprocessTransport> transport) {
  transport_ = std::move(transport);
  if (const auto pipe = transport_->stdin_transport()) {
    stdin_ = std::make_shared<StreamOutput>(scheduler_, nullptr);
    stdin_->set_transport(pipe);
  }
  outputs_[0].unopened->set_transport(transport_->stdout_transport());
  outputs_[1].unopened->set_transport(transport_->stderr_transport());
}

std::optional<StreamWriter> ChildStreams::open_stdin() {
  return stdin_ ? std::optional(StreamWriter(stdin_)) : std::nullopt;
}

std::optional<StreamReader> ChildStreams::open_output(int fd) {
  auto input = std::exchange(output(fd).unopened, nullptr);
  return transport_->get_pipe_transport(fd) ? std::optional(StreamReader(std::move(input)))
                                            : std::nullopt;
}

void ChildStreams::close_unread() {
  for (const int fd : {1, 2}) {
    if (output(fd).input.expired()) {
      stop_reading(fd);
    }
  }
}

// The child is told so by EPIPE, and the bytes are not read into nothing.
void ChildStreams::stop_reading(int fd) {
  if (const auto pipe = transport_->get_pipe_transport(fd)) {
    pipe->close();
  }
}

void ChildStreams::pipe_data_received(int fd, Bytes data) {
  if (const auto input = output(fd).input.lock()) {
    input->feed_data(data);
  } else {
    stop_reading(fd);
  }
}

void ChildStreams::pipe_connection_lost(int fd, std::error_code error) {
  if (fd == 0) {
    stdin_->connection_lost(error);
  } else if (const auto input = output(fd).input.lock()) {
    input->connection_lost(error);
  }
}

void ChildStreams::process_exited() {
  if (stdin_) {
    stdin_->set_unneeded();
  }
  while (detail::ExitAwaiter* const each = exits_.pop_front()) {
    each->wake();
  }
}

void ChildStreams::pause_writing() {
  stdin_->pause_writing();
}

void ChildStreams::resume_writing() {
  stdin_->resume_writing();
}

}  // namespace sluice::streams

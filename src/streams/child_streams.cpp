#include "streams/child_streams.hpp"

#include <utility>

namespace sluice::streams {

OutputEnd::~OutputEnd() {
  const std::shared_ptr<ReadTransport> pipe = pipe_.lock();
  if (pipe && !pipe->is_closing()) {
    pipe->close();
  }
}

void OutputEnd::set_pipe(const std::shared_ptr<ReadTransport>& pipe) noexcept {
  pipe_ = pipe;
  input_.set_transport(pipe);
}

ChildStreams::ChildStreams(std::shared_ptr<detail::Scheduler> scheduler, std::size_t limit)
    : scheduler_(std::move(scheduler)) {
  for (Output& each : outputs_) {
    each.unopened = std::make_shared<OutputEnd>(limit);
    each.end = each.unopened;
  }
}

void ChildStreams::connection_made(std::shared_ptr<SubprocessTransport> transport) {
  transport_ = std::move(transport);
  if (const auto pipe = transport_->stdin_transport()) {
    stdin_ = std::make_shared<StreamOutput>(scheduler_, nullptr);
    stdin_->set_transport(pipe);
  }
  outputs_[0].unopened->set_pipe(transport_->stdout_transport());
  outputs_[1].unopened->set_pipe(transport_->stderr_transport());
}

std::optional<StreamWriter> ChildStreams::open_stdin() {
  return stdin_ ? std::optional(StreamWriter(stdin_)) : std::nullopt;
}

std::optional<StreamReader> ChildStreams::open_output(int fd) {
  // The readers' from here on, if there are any.
  const std::shared_ptr<OutputEnd> unopened = std::exchange(output(fd).unopened, nullptr);
  return transport_->get_pipe_transport(fd) ? std::optional(StreamReader(shared_input(fd)))
                                            : std::nullopt;
}

std::shared_ptr<StreamInput> ChildStreams::shared_input(int fd) {
  const std::shared_ptr<OutputEnd> end = output(fd).end.lock();
  return end ? std::shared_ptr<StreamInput>(end, &end->input()) : nullptr;
}

void ChildStreams::pipe_data_received(int fd, Bytes data) {
  if (const auto input = shared_input(fd)) {
    input->feed_data(data);
  }
}

void ChildStreams::pipe_connection_lost(int fd, std::error_code error) {
  if (fd == 0) {
    stdin_->connection_lost(error);
  } else if (const auto input = shared_input(fd)) {
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

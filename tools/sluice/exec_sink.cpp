#include "exec_sink.hpp"

#include <utility>

#include "exec_child.hpp"
#include "sink_protocol.hpp"

namespace sluice::cli {

class ExecSink::Writer final : public SinkProtocol<SubprocessProtocol> {
 public:
  explicit Writer(ExecSink& sink) : SinkProtocol(sink), sink_(sink) {}
  void connection_made(std::shared_ptr<SubprocessTransport> child) override {
    sink_.made_child(std::move(child));
  }
  // The source waits until the command has ended, and with it the sink.
  void pipe_connection_lost(int /*fd*/, std::error_code error) override {
    sink_.stdin_lost(error);
    if (!sink_.is_paused()) {
      pause_writing();
    }
  }

 private:
  ExecSink& sink_;
};

ExecSink::ExecSink(EventLoop& loop, const Endpoint& endpoint, BufferMarks marks,
                   SinkListener& listener)
    : TransportSink(loop, endpoint, marks, PeerEnd::never_comes, listener) {
  heed_children();
}

void ExecSink::open() {
  SubprocessOptions options;
  options.stdout_ = Stdio::inherit();
  options.stderr_ = Stdio::inherit();
  const auto factory = [this] { return std::make_shared<Writer>(*this); };
  loop_.subprocess_exec(factory, endpoint().command, std::move(options))
      .add_done_callback([this](const Future<SubprocessConnection<Writer>>& done) {
        if (const std::exception_ptr failure = done.exception()) {
          opening_failed(start_failure(endpoint().name, failure));
        }
      });
}

void ExecSink::abort() {
  if (is_gone()) {
    return;
  }
  TransportSink::abort();
  if (child_) {
    child_->close();
  }
}

// What is started now is killed in made_child.
void ExecSink::cancel_opening() {}

void ExecSink::made_child(std::shared_ptr<SubprocessTransport> child) {
  if (state_ != SinkState::opening) {
    child->close();
    return;
  }
  child_ = std::move(child);
  made(child_->stdin_transport());
}

void ExecSink::stdin_lost(std::error_code error) {
  // An end that we did not ask for is one too early, with or without an error.
  if (error || state_ != SinkState::closing) {
    early_end_ = "cannot write to " + endpoint().name + ": " +
                 (error ? error.message() : "the reader closed its end");
  }
}

// How the command ended tells more than that it did not read on.
std::string ExecSink::reader_fault() const {
  const std::string fault = child_fault(endpoint().name, *child_);
  return fault.empty() ? early_end_ : fault;
}

}  // namespace sluice::cli

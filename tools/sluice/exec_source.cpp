#include "exec_source.hpp"

#include <utility>

#include "exec_child.hpp"

namespace sluice::cli {

class ExecSource::Reader final : public SubprocessProtocol {
 public:
  explicit Reader(ExecSource& source) : source_(source) {}

  void connection_made(std::shared_ptr<SubprocessTransport> child) override { source_.made(child); }
  void pipe_data_received(int /*fd*/, Bytes data) override {
    if (source_.state_ == State::open) {
      source_.listener_.source_block(Buffer::copy_of(data));
    }
  }
  void pipe_connection_lost(int /*fd*/, std::error_code error) override {
    source_.read_error_ = error;
  }
  void connection_lost(std::error_code /*error*/) override { source_.lost(); }

 private:
  ExecSource& source_;
};

ExecSource::ExecSource(EventLoop& loop, Endpoint endpoint, SourceListener& listener)
    : loop_(loop), endpoint_(std::move(endpoint)), listener_(listener) {
  heed_children();
}

void ExecSource::open() {
  SubprocessOptions options;
  options.stdin_ = Stdio::devnull();
  options.stderr_ = Stdio::inherit();
  const auto factory = [this] { return std::make_shared<Reader>(*this); };
  loop_.subprocess_exec(factory, endpoint_.command, std::move(options))
      .add_done_callback([this](const Future<SubprocessConnection<Reader>>& done) {
        if (const std::exception_ptr failure = done.exception()) {
          finish(state_ == State::aborted ? SourceEnd::aborted : SourceEnd::failed,
                 start_failure(endpoint_.name, failure));
        }
      });
}

void ExecSource::made(const std::shared_ptr<SubprocessTransport>& child) {
  child_ = child;
  if (state_ == State::aborted) {
    child_->close();
    return;
  }
  state_ = State::open;
  child_->stdout_transport()->pause_reading();
  listener_.source_ready();
}

void ExecSource::pause() {
  if (state_ == State::open) child_->stdout_transport()->pause_reading();
}

void ExecSource::resume() {
  if (state_ == State::open) child_->stdout_transport()->resume_reading();
}

void ExecSource::abort() {
  if (state_ == State::done) return;
  state_ = State::aborted;
  if (child_) child_->close();
}

void ExecSource::lost() {
  if (state_ == State::aborted) {
    finish(SourceEnd::aborted, {});
    return;
  }
  std::string fault = child_fault(endpoint_.name, *child_);
  if (fault.empty() && read_error_) {
    fault = "cannot read " + endpoint_.name + ": " + read_error_.message();
  }
  finish(fault.empty() ? SourceEnd::end_of_file : SourceEnd::failed, fault);
}

void ExecSource::finish(SourceEnd end, const std::string& error) {
  state_ = State::done;
  listener_.source_done(end, error);
}

}  // namespace sluice::cli

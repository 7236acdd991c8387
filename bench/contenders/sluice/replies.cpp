// One write() for each whole request.

#include <cstddef>
#include <memory>
#include <sluice/sluice.hpp>
#include <string>
#include <system_error>
#include <utility>

#include "common/messages.hpp"
#include "serving.hpp"
#include "workloads.hpp"

namespace bench {
namespace {

class Replier : public sluice::Protocol {
 public:
  void connection_made(std::shared_ptr<sluice::Transport> transport) override {
    transport_ = std::move(transport);
  }
  void data_received(sluice::Bytes data) override {
    partial_ += data.size();
    for (; partial_ >= request_bytes; partial_ -= request_bytes) {
      transport_->write(reply_text);
    }
  }
  void pause_writing() override { transport_->pause_reading(); }
  void resume_writing() override { transport_->resume_reading(); }
  void connection_lost(std::error_code /*error*/) override { transport_.reset(); }

 private:
  std::size_t partial_ = 0;
  std::shared_ptr<sluice::Transport> transport_;
};

sluice::Task<> reply(sluice::StreamReader reader, sluice::StreamWriter writer) {
  for (std::size_t partial = 0;;) {
    const std::string data = co_await reader.read(sluice::default_stream_limit);
    if (data.empty()) {
      break;
    }
    partial += data.size();
    for (; partial >= request_bytes; partial -= request_bytes) {
      writer.write(reply_text);
    }
    co_await writer.drain();
  }
  writer.close();
}

}  // namespace

void serve_replies(CommandLine& options) {
  const bool coroutines = options.flag("coroutines");
  const std::size_t threads = coroutines ? 1 : options.number("threads", 1);
  options.reject_the_rest();
  if (coroutines) {
    serve_coroutine(reply);
  } else {
    serve_protocol([] { return std::make_shared<Replier>(); }, threads);
  }
}

}  // namespace bench

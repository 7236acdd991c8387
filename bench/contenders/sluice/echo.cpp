// Writes back what was read.

#include <cstddef>
#include <memory>
#include <sluice/sluice.hpp>
#include <string>
#include <system_error>
#include <utility>

#include "serving.hpp"
#include "workloads.hpp"

namespace bench {
namespace {

class Echo : public sluice::Protocol {
 public:
  void connection_made(std::shared_ptr<sluice::Transport> transport) override {
    transport_ = std::move(transport);
  }
  void data_received(sluice::Bytes data) override { transport_->write(data); }
  void pause_writing() override { transport_->pause_reading(); }
  void resume_writing() override { transport_->resume_reading(); }
  void connection_lost(std::error_code /*error*/) override { transport_.reset(); }

 private:
  std::shared_ptr<sluice::Transport> transport_;
};

sluice::Task<> echo(sluice::StreamReader reader, sluice::StreamWriter writer) {
  for (;;) {
    const std::string data = co_await reader.read(sluice::default_stream_limit);
    if (data.empty()) {
      break;
    }
    writer.write(data);
    co_await writer.drain();
  }
  writer.close();
}

}  // namespace

void serve_echo(CommandLine& options) {
  const std::size_t threads = options.number("threads", 1);
  const bool coroutines = options.flag("coroutines");
  options.reject_the_rest();
  if (coroutines) {
    serve_coroutine(echo, threads);
  } else {
    serve_protocol([] { return std::make_shared<Echo>(); }, threads);
  }
}

}  // namespace bench

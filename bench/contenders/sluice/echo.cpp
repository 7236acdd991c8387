// Writes back what was read.

#include <cstddef>
#include <memory>
#include <sluice/sluice.hpp>
#include <string>

#include "echo_protocol.hpp"
#include "serving.hpp"
#include "workloads.hpp"

namespace bench {
namespace {

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
  const bool coroutines = options.flag("coroutines");
  const std::size_t threads = coroutines ? 1 : options.number("threads", 1);
  options.reject_the_rest();
  if (coroutines) {
    serve_coroutine(echo);
  } else {
    serve_protocol([] { return std::make_shared<Echo>(); }, threads);
  }
}

}  // namespace bench

// Chunks without end over TLS.

#include <memory>
#include <stdexcept>

#include "common/row.hpp"
#include "contenders/sluice/stream_protocol.hpp"
#include "tls_serving.hpp"
#include "workloads.hpp"

namespace bench {

void serve_tls_stream(CommandLine& options) {
  const auto context = tls_context(options);
  const Chunk chunk{row_pattern(options.number("size", 65536))};
  options.reject_the_rest();
  if (chunk.borrowed.empty()) {
    throw std::invalid_argument("--size must be positive");
  }
  serve_securely(context, [&chunk] { return std::make_shared<SocketStreamer>(chunk); });
}

}  // namespace bench

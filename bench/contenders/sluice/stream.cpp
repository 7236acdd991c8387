// Chunks without end: writes until it is told to pause, and goes on when it is told to.

#include <fcntl.h>

#include <cstddef>
#include <memory>
#include <sluice/sluice.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "common/listening_socket.hpp"
#include "common/messages.hpp"
#include "common/require.hpp"
#include "serving.hpp"
#include "stream_protocol.hpp"
#include "workloads.hpp"

namespace bench {

void serve_stream(CommandLine& options) {
  Chunk chunk{row_pattern(options.number("size", 65536))};
  const std::string transport = options.text("transport", "tcp");
  const std::string path = options.text("path");
  const std::size_t pipes = options.number("pipes", 1);
  if (options.flag("owned")) {
    chunk.owned = sluice::Buffer::copy_of(std::string_view(chunk.borrowed));
  }
  options.reject_the_rest();
  if (chunk.borrowed.empty()) {
    throw std::invalid_argument("--size must be positive");
  }

  const auto streamer = [&chunk] { return std::make_shared<SocketStreamer>(chunk); };
  if (transport == "tcp") {
    serve_protocol(streamer);
  } else if (transport == "unix") {
    sluice::EventLoop loop;
    const auto server =
        loop.run_until_complete(loop.create_unix_server(streamer, path, server_options()));
    stop_at_end_of_input(loop);
    announce(0);
    loop.run_forever();
  } else if (transport == "pipe") {
    announce(0);
    sluice::EventLoop loop;
    stop_at_end_of_input(loop);
    for (const std::string& fifo : fifo_paths(path, pipes)) {
      // Blocks until the reader has opened it too.
      sluice::Fd writing(require(open(fifo.c_str(), O_WRONLY | O_CLOEXEC), "open"));
      loop.run_until_complete(loop.connect_write_pipe(
          [&chunk] { return std::make_shared<PipeStreamer>(chunk); }, std::move(writing)));
    }
    loop.run_forever();
  } else {
    throw std::invalid_argument("no transport " + transport);
  }
}

}  // namespace bench

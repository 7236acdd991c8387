// Chunks without end, as long as the kernel takes them.

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/listening_socket.hpp"
#include "common/messages.hpp"
#include "common/require.hpp"
#include "common/row.hpp"
#include "reactor.hpp"
#include "server.hpp"
#include "workloads.hpp"

namespace bench {
namespace {

// So much for one peer, then it is the turn of the others: a peer that reads as fast as this writes
// would never let go.
constexpr std::size_t turn_bytes = 1024 * 1024;

class Streamer final : public Watched {
 public:
  Streamer(Descriptor sink, std::string_view row) noexcept : Watched(std::move(sink)), row_(row) {}

  bool ready(std::uint32_t events) override {
    if ((events & hang_up) != 0) {
      return false;
    }
    for (std::size_t written = 0; written < turn_bytes;) {
      const std::size_t rest = row_.size() - position_;
      const ssize_t taken = ::write(fd(), row_.data() + position_, rest);
      if (taken < 0) {
        return errno == EAGAIN;
      }
      written += static_cast<std::size_t>(taken);
      position_ = (position_ + static_cast<std::size_t>(taken)) % row_.size();
      if (static_cast<std::size_t>(taken) < rest) {
        return true;
      }
    }
    return true;
  }

 private:
  std::string_view row_;
  std::size_t position_ = 0;
};

// Level-triggered: a peer whose turn ended early comes up again.
constexpr std::uint32_t stream_events = EPOLLOUT | EPOLLRDHUP;

void serve_fifos(const std::vector<std::string>& paths, std::string_view row) {
  announce(0);
  Reactor reactor;
  for (const std::string& path : paths) {
    // Blocks until the reader has opened it too.
    Descriptor fifo(require(open(path.c_str(), O_WRONLY | O_CLOEXEC), "open"));
    require(fcntl(fifo.get(), F_SETFL, O_NONBLOCK), "fcntl");
    reactor.watch(std::make_unique<Streamer>(std::move(fifo), row), stream_events);
  }
  run_until_end_of_input(reactor);
}

}  // namespace

void serve_stream(CommandLine& options) {
  const Row row = row_of(pattern(options.number("size", 65536)));
  const std::string transport = options.text("transport", "tcp");
  const std::string path = options.text("path");
  const std::size_t pipes = options.number("pipes", 1);
  // The bytes live as long as the program either way.
  (void)options.flag("owned");
  options.reject_the_rest();
  if (row.empty()) {
    throw std::invalid_argument("--size must be positive");
  }

  const PrepareThread prepare = [&row] {
    return [&row](Descriptor socket) { return std::make_unique<Streamer>(std::move(socket), row); };
  };
  if (transport == "tcp") {
    serve_tcp(prepare, 1, stream_events);
  } else if (transport == "unix") {
    serve_unix(path, prepare, stream_events);
  } else if (transport == "pipe") {
    serve_fifos(fifo_paths(path, pipes), row);
  } else {
    throw std::invalid_argument("no transport " + transport);
  }
}

}  // namespace bench

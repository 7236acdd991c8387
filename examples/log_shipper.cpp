// Follows a file as tail -F does and sends its lines over TLS. The file is not read while the
// server does not keep up, and the connection is made again when it breaks, after pauses that grow.
// Usage: log_shipper FILE HOST PORT [TRUSTED-CERTIFICATES [acknowledged]]. Try it:
//     openssl s_server -quiet -accept 6514 -cert cert.pem -key key.pem
//     log_shipper /var/log/syslog localhost 6514 cert.pem
// What may be lost when a connection breaks is what the kernel had taken and the server had not
// read. With "acknowledged" nothing is: the server answers, a number on a line, how many bytes of
// this connection it has stored, and what it has not answered for is sent again, so that a line may
// come twice. Either way shipping goes on at the beginning of a line. A file that was renamed is
// shipped to its end before the new one is begun; what is written to it after that is not seen, nor
// is a file that comes and goes between two looks. One that was truncated is begun again, and what
// was not read by then is lost. The position is kept in memory only.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sluice/sluice.hpp>
#include <sluice/tls.hpp>
#include <string>
#include <utility>

#include "arguments.hpp"

using namespace std::chrono_literals;

constexpr std::size_t block_size = 64 * 1024;  // longer lines come in pieces
constexpr auto poll_interval = 50ms;
constexpr std::chrono::milliseconds shortest_pause = 100ms;
constexpr std::chrono::milliseconds longest_pause = 10s;

// A file that grows, and how far it was read.
class Followed {
 public:
  explicit Followed(std::string path) : path_(std::move(path)) {}

  // The next lines; nothing if there are none yet.
  std::string read() {
    if (!file_) {
      file_.reset(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    }
    // Asked before reading: what was written before the renaming is then read, too.
    finished_ = replaced();
    struct stat status {};
    if (::fstat(file_.get(), &status) == 0 && status.st_size < offset_) {
      std::fprintf(stderr, "%s was truncated\n", path_.c_str());
      offset_ = 0;
    }
    std::string block = block_at(offset_, block_size);
    const auto end = block.rfind('\n');
    // What follows the last line is a line that is still being written, unless it fills the block
    // or its file is no longer written to.
    if (end == block.npos && block.size() < block_size && !finished_) {
      return {};
    }
    block.resize(end == block.npos ? block.size() : end + 1);
    offset_ += static_cast<off_t>(block.size());
    if (!block.empty() && end == block.npos && block.size() < block_size) {
      block += '\n';  // so that the first line of the next file is one of its own
    }
    return block;
  }

  // Reads on at the beginning of the line that was read `bytes` ago.
  void go_back(std::uint64_t bytes) {
    off_t offset = std::max<off_t>(offset_ - static_cast<off_t>(bytes), 0);
    while (offset > 0) {
      const auto count = std::min<off_t>(offset, block_size);
      const std::string before = block_at(offset - count, static_cast<std::size_t>(count));
      const auto newline = before.rfind('\n');
      offset -= newline == before.npos ? count : count - static_cast<off_t>(newline) - 1;
      if (newline != before.npos) {
        break;
      }
    }
    offset_ = offset;
  }

  // Whether the path named another file before the last read().
  [[nodiscard]] bool finished() const { return finished_; }
  void take_the_new_one() {
    file_.reset();
    offset_ = 0;
  }

 private:
  [[nodiscard]] bool replaced() const {
    struct stat ours {};
    struct stat named {};
    return ::fstat(file_.get(), &ours) == 0 && ::stat(path_.c_str(), &named) == 0 &&
           (ours.st_ino != named.st_ino || ours.st_dev != named.st_dev);
  }
  [[nodiscard]] std::string block_at(off_t offset, std::size_t size) const {
    std::string block(size, '\0');
    const auto count = ::pread(file_.get(), block.data(), block.size(), offset);
    block.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
    return block;
  }

  std::string path_;
  sluice::Fd file_;
  off_t offset_ = 0;
  bool finished_ = false;
};

// Sends what the file gets, over one connection after the other.
class Shipper {
 public:
  Shipper(std::string path, std::string host, std::uint16_t port, bool acknowledged,
          std::shared_ptr<sluice::TlsContext> context)
      : file_(std::move(path)), host_(std::move(host)), port_(port), acknowledged_(acknowledged) {
    options_.connect.ssl = std::move(context);
  }

  sluice::Task<> run() {
    for (auto pause = shortest_pause;; pause = std::min(pause * 2, longest_pause)) {
      try {
        const sluice::StreamPair pair = co_await sluice::open_connection(host_, port_, options_);
        if (co_await ship(pair.reader, pair.writer) > 0) {
          pause = shortest_pause;
        }
      } catch (const std::system_error& error) {
        std::fprintf(stderr, "%s\n", error.what());
      }
      co_await sluice::sleep(pause);
    }
  }

 private:
  struct Link {
    std::uint64_t sent = 0;
    std::uint64_t acknowledged = 0;
    bool over = false;
  };

  // Ends with the connection, and says how many bytes of it are the server's now. The file is then
  // where the next connection has to begin.
  sluice::Task<std::uint64_t> ship(sluice::StreamReader reader, sluice::StreamWriter writer) {
    const auto link = std::make_shared<Link>();
    sluice::EventLoop& loop = co_await sluice::get_running_loop();
    loop.create_task(listen(std::move(reader), link));
    try {
      co_await send(writer, *link);
    } catch (const std::system_error&) {
      // Whoever listens hears of it, too.
    }
    writer.transport()->abort();
    const std::uint64_t taken = stored(writer, *link);
    file_.go_back(link->sent - taken);
    co_return taken;
  }

  sluice::Task<> send(const sluice::StreamWriter& writer, Link& link) {
    while (!link.over && !writer.is_closing()) {
      const std::string lines = file_.read();
      if (!lines.empty()) {
        link.sent += lines.size();
        writer.write(lines);
        co_await writer.drain();
        // A server that takes everything at once is no reason to stop listening.
        co_await sluice::sleep(0s);
      } else if (file_.finished() && stored(writer, link) == link.sent) {
        file_.take_the_new_one();
      } else {
        co_await sluice::sleep(poll_interval);
      }
    }
  }

  // How many bytes of this connection need not be sent again.
  std::uint64_t stored(const sluice::StreamWriter& writer, const Link& link) const {
    return std::min(link.sent, acknowledged_
                                   ? link.acknowledged
                                   : writer.transport()->write_statistics().bytes_written);
  }

  // Hears acknowledgements, and the end of the connection.
  static sluice::Task<> listen(sluice::StreamReader reader, std::shared_ptr<Link> link) {
    try {
      for (std::string line; !(line = co_await reader.readline()).empty();) {
        link->acknowledged = std::strtoull(line.c_str(), nullptr, 10);
      }
      std::fprintf(stderr, "the server has closed the connection\n");
    } catch (const std::runtime_error& error) {
      std::fprintf(stderr, "%s\n", error.what());
    }
    link->over = true;
  }

  Followed file_;
  std::string host_;
  std::uint16_t port_;
  bool acknowledged_;
  sluice::StreamOptions options_;
};

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr,
                 "usage: log_shipper FILE HOST PORT [TRUSTED-CERTIFICATES [acknowledged]]\n");
    return 2;
  }
  const std::uint16_t port = port_argument(argv[3]);
  try {
    Shipper shipper(argv[1], argv[2], port, argc > 5,
                    sluice::TlsContext::client({.ca_file = argc > 4 ? argv[4] : ""}));
    sluice::EventLoop loop;
    loop.create_task(shipper.run());
    loop.add_signal_handler(SIGTERM, [&] { loop.stop(); });
    loop.add_signal_handler(SIGINT, [&] { loop.stop(); });
    loop.run_forever();
  } catch (const std::system_error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}

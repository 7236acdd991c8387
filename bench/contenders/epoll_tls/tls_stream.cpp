// Chunks without end, encrypted as long as the kernel takes them.

#include <sys/epoll.h>

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>

#include "common/row.hpp"
#include "contenders/epoll/server.hpp"
#include "secured.hpp"
#include "workloads.hpp"

namespace bench {
namespace {

// So much for one peer, then it is the turn of the others: a peer that reads as fast as this writes
// would never let go.
constexpr std::size_t turn_bytes = 1024 * 1024;

class SecureStreamer final : public Secured<SecureStreamer> {
 public:
  SecureStreamer(Descriptor socket, TlsServing& serving, std::string_view row)
      : Secured(std::move(socket), serving), row_(std::as_bytes(std::span(row))) {}

  void consume() {
    std::array<std::byte, tls_record_bytes> ignored;
    while (channel().read(ignored) > 0) {
    }
  }
  [[nodiscard]] bool produce() {
    for (std::size_t written = 0; written < turn_bytes && channel().unsent().empty();
         written += row_.size()) {
      channel().write(row_);
      if (!flush()) {
        return false;
      }
    }
    return true;
  }

 private:
  std::span<const std::byte> row_;
};

}  // namespace

void serve_tls_stream(CommandLine& options) {
  TlsServing serving(options);
  const Row row = row_of(pattern(options.number("size", 65536)));
  options.reject_the_rest();
  if (row.empty()) {
    throw std::invalid_argument("--size must be positive");
  }
  serve_tcp(
      [&] {
        return [&](Descriptor socket) {
          return std::make_unique<SecureStreamer>(std::move(socket), serving, row);
        };
      },
      // Level-triggered: a peer whose turn ended early comes up again.
      1, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
}

}  // namespace bench

// A client that begins with 'E' has its bytes back; one that begins with 'S' is offered 100 MB, of
// which nothing is kept here: the kernel says how far it got.

#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "answering.hpp"
#include "common/messages.hpp"
#include "common/slow_offer.hpp"
#include "server.hpp"
#include "workloads.hpp"

namespace bench {
namespace {

class EchoOrOffer final : public Answering<EchoOrOffer> {
 public:
  EchoOrOffer(Descriptor socket, ReadBuffer& buffer, std::string_view chunk) noexcept
      : Answering(std::move(socket), buffer), chunk_(chunk) {}

  bool ready(std::uint32_t events) override {
    return (role_ != Role::offer || offer()) && Answering::ready(events);
  }
  [[nodiscard]] bool answer(std::string_view bytes) {
    if (role_ == Role::unknown) {
      role_ = bytes.front() == 'S' ? Role::offer : Role::echo;
      bytes.remove_prefix(1);
    }
    if (role_ == Role::offer) {
      return offer();
    }
    return bytes.empty() || unsent().send(fd(), bytes);
  }

 private:
  enum class Role : std::uint8_t { unknown, echo, offer };

  // False: the peer is gone.
  bool offer() {
    while (offered_ < slow_chunks * slow_chunk_bytes) {
      const std::string_view rest = chunk_.substr(offered_ % slow_chunk_bytes);
      const ssize_t sent = send(fd(), rest.data(), rest.size(), MSG_NOSIGNAL);
      if (sent < 0) {
        return errno == EAGAIN;
      }
      offered_ += static_cast<std::size_t>(sent);
    }
    return true;
  }

  std::string_view chunk_;
  std::size_t offered_ = 0;
  Role role_ = Role::unknown;
};

}  // namespace

void serve_slow(CommandLine& options) {
  options.reject_the_rest();
  const std::string chunk = pattern(slow_chunk_bytes);
  serve_tcp(
      [&chunk] {
        auto buffer = std::make_shared<ReadBuffer>(read_buffer_bytes);
        return [buffer, &chunk](Descriptor socket) {
          return std::make_unique<EchoOrOffer>(std::move(socket), *buffer, chunk);
        };
      },
      1, edges);
}

}  // namespace bench

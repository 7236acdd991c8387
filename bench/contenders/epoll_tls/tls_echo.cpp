// Encrypts what was decrypted.

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>

#include "contenders/epoll/server.hpp"
#include "secured.hpp"
#include "workloads.hpp"

namespace bench {
namespace {

class SecureEcho final : public Secured<SecureEcho> {
 public:
  using Secured::Secured;

  void consume() {
    std::array<std::byte, tls_record_bytes> plain;
    while (const std::size_t size = channel().read(plain)) {
      channel().write(std::span(plain).first(size));
    }
  }
  [[nodiscard]] static bool produce() noexcept { return true; }
};

}  // namespace

void serve_tls_echo(CommandLine& options) {
  TlsServing serving(options);
  options.reject_the_rest();
  serve_tcp(
      [&serving] {
        return [&serving](Descriptor socket) {
          return std::make_unique<SecureEcho>(std::move(socket), serving);
        };
      },
      1, edges);
}

}  // namespace bench

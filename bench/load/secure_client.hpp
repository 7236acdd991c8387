#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "common/descriptor.hpp"
#include "common/tls_channel.hpp"
#include "connection.hpp"
#include "sha256.hpp"

namespace bench {

/// Our end of a TLS connection.
class SecureClient {
 public:
  /// Connects, and returns after the handshake. Non-blocking from then on.
  SecureClient(const Address& address, SSL_CTX& context);

  [[nodiscard]] int fd() const noexcept { return socket_.get(); }
  /// Encrypts `plain` and sends what the kernel takes.
  void send(std::string_view plain);
  /// Sends more of what is left. False: some is still left.
  [[nodiscard]] bool flush();
  /// Receives once; `take` gets the plain bytes, in any number of parts. `memory` is for what comes
  /// from the kernel. Whether it was filled, so that there may be more.
  template <class Take>
  bool receive(std::span<char> memory, Take take) {
    const std::size_t got = receive_some(fd(), memory);
    channel_->feed(std::as_bytes(memory.first(got)));
    while (const std::size_t size = channel_->read(plain_)) {
      take(std::span(reinterpret_cast<const char*>(plain_.data()), size));
    }
    return got == memory.size();
  }
  /// Sends `plain` while it receives `awaited` bytes, which are added to `sum`.
  void exchange(std::string_view plain, std::size_t awaited, Sha256& sum);

 private:
  Descriptor socket_;
  std::unique_ptr<TlsChannel> channel_;
  std::vector<std::byte> plain_ = std::vector<std::byte>(16 * 1024);
};

std::vector<SecureClient> connect_securely(const Address& address, SSL_CTX& context,
                                           std::size_t count);

}  // namespace bench

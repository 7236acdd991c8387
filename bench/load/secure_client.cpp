#include "secure_client.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <utility>

namespace bench {

SecureClient::SecureClient(const Address& address, SSL_CTX& context)
    : socket_(connect_to(address)),
      channel_(std::make_unique<TlsChannel>(context, TlsChannel::Side::client)) {
  std::array<char, 16 * 1024> memory;
  bool greeted = false;
  while (!greeted) {
    greeted = channel_->advance_handshake();
    while (!flush()) {
      wait_until_ready(fd(), POLLOUT);
    }
    if (!greeted) {
      wait_until_ready(fd(), POLLIN);
      const std::size_t got = receive_some(fd(), memory);
      channel_->feed(std::as_bytes(std::span(memory).first(got)));
    }
  }
}

void SecureClient::send(std::string_view plain) {
  channel_->write(std::as_bytes(std::span(plain)));
  static_cast<void>(flush());
}

bool SecureClient::flush() {
  if (!channel_->unsent().empty()) {
    const std::span<const std::byte> bytes = channel_->unsent();
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    channel_->mark_sent(send_some(fd(), text));
  }
  return channel_->unsent().empty();
}

void SecureClient::exchange(std::string_view plain, std::size_t awaited, Sha256& sum) {
  std::vector<char> memory(256 * 1024);
  if (!plain.empty()) {
    send(plain);
  }
  while (!flush() || awaited > 0) {
    wait_until_ready(fd(), flush() ? POLLIN : POLLIN | POLLOUT);
    static_cast<void>(receive(memory, [&](std::span<const char> part) {
      // A stream goes on behind what is awaited.
      part = part.first(std::min(part.size(), awaited));
      sum.update(part);
      awaited -= part.size();
    }));
  }
}

std::vector<SecureClient> connect_securely(const Address& address, SSL_CTX& context,
                                           std::size_t count) {
  std::vector<SecureClient> clients;
  while (clients.size() < count) {
    clients.emplace_back(address, context);
  }
  return clients;
}

}  // namespace bench

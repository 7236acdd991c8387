// Passes on what arrives, both ways, as Asio's proxies do: each way reads, writes what was read,
// and reads on.
#pragma once

#include <array>
#include <asio.hpp>
#include <cstdint>
#include <memory>
#include <utility>

#include "sessions.hpp"

namespace bench::with_asio {

class Relay : public std::enable_shared_from_this<Relay> {
 public:
  using Socket = asio::ip::tcp::socket;

  explicit Relay(Socket client) : client_(std::move(client)), target_(client_.get_executor()) {}

  void start(std::uint16_t to) {
    target_.async_connect({asio::ip::address_v4::loopback(), to},
                          [this, self = shared_from_this()](std::error_code error) {
                            if (!error) {
                              target_.set_option(asio::ip::tcp::no_delay(true), error);
                              pump(client_, target_, there_);
                              pump(target_, client_, back_);
                            }
                          });
  }

 private:
  using Memory = std::array<char, read_bytes>;

  void pump(Socket& from, Socket& to, Memory& memory) {
    from.async_read_some(asio::buffer(memory), [&, self = shared_from_this()](std::error_code error,
                                                                              std::size_t size) {
      if (error) {
        to.shutdown(Socket::shutdown_send, error);
        return;
      }
      asio::async_write(to, asio::buffer(memory, size),
                        [&, self](std::error_code failure, std::size_t /*size*/) {
                          if (!failure) {
                            pump(from, to, memory);
                          }
                        });
    });
  }

  Socket client_;
  Socket target_;
  Memory there_;
  Memory back_;
};

}  // namespace bench::with_asio

// A client of a server on standalone Asio, written as its examples do: a session keeps itself alive
// by the handlers that are under way, and is gone, and its socket closed, when there is none.
#pragma once

#include <array>
#include <asio.hpp>
#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

namespace bench::with_asio {

inline constexpr std::size_t read_bytes = 16 * 1024;

// Reads, writes what was read, reads on.
template <class Stream>
class EchoSession : public std::enable_shared_from_this<EchoSession<Stream>> {
 public:
  explicit EchoSession(Stream stream) : stream_(std::move(stream)) {}

  Stream& stream() noexcept { return stream_; }
  void start() { read(); }
  // Echoes this before it reads.
  void start(std::string_view first) {
    first.copy(data_.data(), first.size());
    write(first.size());
  }

 private:
  void read() {
    stream_.async_read_some(asio::buffer(data_), [this, self = this->shared_from_this()](
                                                     std::error_code error, std::size_t size) {
      if (!error) {
        write(size);
      }
    });
  }
  void write(std::size_t size) {
    asio::async_write(
        stream_, asio::buffer(data_, size),
        [this, self = this->shared_from_this()](std::error_code error, std::size_t /*size*/) {
          if (!error) {
            read();
          }
        });
  }

  Stream stream_;
  std::array<char, read_bytes> data_;
};

// Writes the same chunk `chunks` times, the next when the last is written.
template <class Stream>
class StreamSession : public std::enable_shared_from_this<StreamSession<Stream>> {
 public:
  StreamSession(Stream stream, std::string_view chunk, std::size_t chunks)
      : stream_(std::move(stream)), chunk_(chunk), left_(chunks) {}

  Stream& stream() noexcept { return stream_; }
  void start() { write(); }

 private:
  void write() {
    if (left_ == 0) {
      wait_for_the_end();
      return;
    }
    --left_;
    asio::async_write(
        stream_, asio::buffer(chunk_),
        [this, self = this->shared_from_this()](std::error_code error, std::size_t /*size*/) {
          if (!error) {
            write();
          }
        });
  }
  void wait_for_the_end() {
    stream_.async_read_some(
        asio::buffer(&ignored_, 1),
        [this, self = this->shared_from_this()](std::error_code error, std::size_t /*size*/) {
          if (!error) {
            wait_for_the_end();
          }
        });
  }

  Stream stream_;
  std::string_view chunk_;
  std::size_t left_;
  char ignored_ = 0;
};

}  // namespace bench::with_asio

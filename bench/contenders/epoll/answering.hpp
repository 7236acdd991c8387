#pragma once

#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "common/descriptor.hpp"
#include "common/row.hpp"
#include "reactor.hpp"
#include "unsent.hpp"

namespace bench {

inline constexpr std::size_t read_buffer_bytes = 256 * 1024;

/// A connection that answers what it reads, and does not read while its peer does not take the
/// answers. `Connection` has `bool answer(std::string_view bytes)`, false when the peer is gone.
template <class Connection>
class Answering : public Watched {
 public:
  Answering(Descriptor socket, ReadBuffer& buffer) noexcept
      : Watched(std::move(socket)), buffer_(buffer) {}

  bool ready(std::uint32_t events) override {
    if (!unsent_.flush(fd())) {
      return false;
    }
    while (unsent_.empty()) {
      const ssize_t got = recv(fd(), buffer_.data(), buffer_.size(), 0);
      if (got <= 0) {
        return got < 0 && errno == EAGAIN;
      }
      const auto size = static_cast<std::size_t>(got);
      if (!static_cast<Connection*>(this)->answer({buffer_.data(), size})) {
        return false;
      }
      // A read that did not fill the buffer took all there was: the next one would be in vain.
      if (size < buffer_.size() && (events & hang_up) == 0) {
        return true;
      }
    }
    return true;
  }

 protected:
  Unsent& unsent() noexcept { return unsent_; }

 private:
  ReadBuffer& buffer_;
  Unsent unsent_;
};

}  // namespace bench

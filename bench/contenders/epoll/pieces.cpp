// The pieces of the replies to all whole requests of one read, sent with one writev.

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "answering.hpp"
#include "common/messages.hpp"
#include "server.hpp"
#include "workloads.hpp"

namespace bench {
namespace {

struct Shared {
  explicit Shared(std::size_t count) : pieces(split(text, pieces_of(count))) {}

  ReadBuffer in = ReadBuffer(read_buffer_bytes);
  std::string text = pattern(pieces_bytes);
  std::vector<std::string_view> pieces;
  std::array<iovec, IOV_MAX> out{};
};

class PieceSender final : public Answering<PieceSender> {
 public:
  PieceSender(Descriptor socket, Shared& shared) noexcept
      : Answering(std::move(socket), shared.in), shared_(shared) {}

  [[nodiscard]] bool answer(std::string_view bytes) {
    partial_ += bytes.size();
    while (partial_ >= request_bytes) {
      const std::size_t at_a_time = shared_.out.size() / shared_.pieces.size();
      const std::size_t replies = std::min(partial_ / request_bytes, at_a_time);
      partial_ -= replies * request_bytes;
      if (!send_replies(replies)) {
        return false;
      }
    }
    return true;
  }

 private:
  [[nodiscard]] bool send_replies(std::size_t replies) {
    std::size_t filled = 0;
    for (std::size_t i = 0; i < replies; ++i) {
      for (const std::string_view piece : shared_.pieces) {
        shared_.out[filled++] = {const_cast<char*>(piece.data()), piece.size()};
      }
    }
    const std::span pieces(shared_.out.data(), filled);
    const ssize_t sent =
        unsent().empty() ? writev(fd(), pieces.data(), static_cast<int>(filled)) : 0;
    if (sent < 0 && errno != EAGAIN) {
      return false;
    }
    const auto taken = static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
    if (taken < replies * shared_.text.size()) {
      keep_behind(pieces, taken);
    }
    return true;
  }
  void keep_behind(std::span<const iovec> pieces, std::size_t taken) {
    for (const iovec& piece : pieces) {
      const std::size_t skipped = std::min(taken, piece.iov_len);
      taken -= skipped;
      unsent().keep({static_cast<const char*>(piece.iov_base) + skipped, piece.iov_len - skipped});
    }
  }

  Shared& shared_;
  std::size_t partial_ = 0;
};

}  // namespace

void serve_pieces(CommandLine& options) {
  const std::size_t count = options.number("pieces", 2);
  // By hand, nothing is ever copied before it is refused, and there are no marks.
  (void)options.flag("owned");
  (void)options.number("high", 0);
  options.reject_the_rest();
  serve_tcp(
      [count] {
        auto shared = std::make_shared<Shared>(count);
        return [shared](Descriptor socket) {
          return std::make_unique<PieceSender>(std::move(socket), *shared);
        };
      },
      1, edges);
}

}  // namespace bench

// The replies to all whole requests of one read, put side by side and sent with one send.

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "answering.hpp"
#include "common/messages.hpp"
#include "server.hpp"
#include "workloads.hpp"

namespace bench {
namespace {

struct Buffers {
  ReadBuffer in = ReadBuffer(read_buffer_bytes);
  // One more than fits a read: a request may have begun in the read before.
  std::vector<char> out = std::vector<char>((in.size() / request_bytes + 1) * reply_text.size());
};

class Replier final : public Answering<Replier> {
 public:
  Replier(Descriptor socket, Buffers& buffers) noexcept
      : Answering(std::move(socket), buffers.in), out_(buffers.out.data()) {}

  [[nodiscard]] bool answer(std::string_view bytes) {
    partial_ += bytes.size();
    char* end = out_;
    for (; partial_ >= request_bytes; partial_ -= request_bytes) {
      std::memcpy(end, reply_text.data(), reply_text.size());
      end += reply_text.size();
    }
    const auto filled = static_cast<std::size_t>(end - out_);
    return filled == 0 || unsent().send(fd(), {out_, filled});
  }

 private:
  char* out_;
  std::size_t partial_ = 0;
};

}  // namespace

void serve_replies(CommandLine& options) {
  const std::size_t threads = options.number("threads", 1);
  options.reject_the_rest();
  serve_tcp(
      [] {
        auto buffers = std::make_shared<Buffers>();
        return [buffers](Descriptor socket) {
          return std::make_unique<Replier>(std::move(socket), *buffers);
        };
      },
      threads, edges);
}

}  // namespace bench

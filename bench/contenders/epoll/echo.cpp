// Writes back what was read, from the memory it was read into.

#include <memory>
#include <string_view>
#include <utility>

#include "answering.hpp"
#include "server.hpp"
#include "workloads.hpp"

namespace bench {
namespace {

class Echo final : public Answering<Echo> {
 public:
  using Answering::Answering;
  [[nodiscard]] bool answer(std::string_view bytes) { return unsent().send(fd(), bytes); }
};

}  // namespace

void serve_echo(CommandLine& options) {
  const std::size_t threads = options.number("threads", 1);
  options.reject_the_rest();
  serve_tcp(
      [] {
        auto buffer = std::make_shared<ReadBuffer>(read_buffer_bytes);
        return [buffer](Descriptor socket) {
          return std::make_unique<Echo>(std::move(socket), *buffer);
        };
      },
      threads, edges);
}

}  // namespace bench

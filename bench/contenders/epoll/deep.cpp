// As many messages as are asked for, gathered in large blocks, which are freed as they are sent.

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "answering.hpp"
#include "common/deep_messages.hpp"
#include "reactor.hpp"
#include "server.hpp"
#include "workloads.hpp"

namespace bench {
namespace {

class DeepWriter final : public Watched {
 public:
  DeepWriter(Descriptor socket, ReadBuffer& buffer) noexcept
      : Watched(std::move(socket)), buffer_(buffer) {}

  bool ready(std::uint32_t events) override {
    for (;;) {
      if (!flush()) {
        return false;
      }
      const ssize_t got = recv(fd(), buffer_.data(), buffer_.size(), 0);
      if (got <= 0) {
        return got < 0 && errno == EAGAIN;
      }
      answer({buffer_.data(), static_cast<std::size_t>(got)});
      if ((events & hang_up) == 0) {
        return flush();
      }
    }
  }

 private:
  // As much as a send takes at most, about.
  static constexpr std::size_t block_bytes = 256 * 1024;

  // Holds the next one itself: nothing small lies between blocks on the heap and keeps freed ones
  // from going back to the system.
  struct Block {
    std::unique_ptr<Block> next;
    std::array<char, block_bytes> bytes;
  };

  void answer(std::string_view received) {
    const auto writes = deep_request(received);
    if (!writes) {
      append(received);
      return;
    }
    DeepMessage message;
    for (std::uint64_t number = 0; number < *writes; ++number) {
      append(message.numbered(number));
    }
  }
  void append(std::string_view bytes) {
    while (!bytes.empty()) {
      if (end_ == block_bytes) {
        add_block();
      }
      const std::size_t count = std::min(bytes.size(), block_bytes - end_);
      std::memcpy(last_->bytes.data() + end_, bytes.data(), count);
      end_ += count;
      bytes.remove_prefix(count);
    }
  }
  void add_block() {
    auto block = std::make_unique_for_overwrite<Block>();
    Block* const added = block.get();
    (first_ ? last_->next : first_) = std::move(block);
    last_ = added;
    end_ = 0;
  }
  // Sends while the kernel takes something. False: the peer is gone.
  bool flush() {
    while (first_) {
      const std::size_t end = first_.get() == last_ ? end_ : block_bytes;
      const ssize_t sent = send(fd(), first_->bytes.data() + begin_, end - begin_, MSG_NOSIGNAL);
      if (sent < 0) {
        return errno == EAGAIN;
      }
      begin_ += static_cast<std::size_t>(sent);
      if (begin_ == end) {
        first_ = std::move(first_->next);
        begin_ = 0;
        end_ = first_ ? end_ : block_bytes;
      }
    }
    return true;
  }

  ReadBuffer& buffer_;
  std::unique_ptr<Block> first_;
  Block* last_ = nullptr;
  // Of the first block, and of the last.
  std::size_t begin_ = 0;
  std::size_t end_ = block_bytes;
};

}  // namespace

void serve_deep(CommandLine& options) {
  options.reject_the_rest();
  serve_tcp(
      [] {
        auto buffer = std::make_shared<ReadBuffer>(read_buffer_bytes);
        return [buffer](Descriptor socket) {
          return std::make_unique<DeepWriter>(std::move(socket), *buffer);
        };
      },
      1, edges);
}

}  // namespace bench

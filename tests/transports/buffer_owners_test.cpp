// What the end of a Buffer's owner may do to the transport that has held it.
#include <functional>
#include <memory>
#include <string>

#include "transport_fixture.hpp"

namespace sluice::transports {
namespace {

class BufferOwners : public TransportTest {};

// Each goes out at once and ends there; none may wait for anything but the loop.
TEST_F(BufferOwners, EachOfWhichWritesTheNextGoOutByThemselves) {
  constexpr int blocks = 5;
  const int fd = open_stream();
  const std::string text(128 * 1024, 'x');
  int on_the_stack = 0;
  int ended = 0;
  std::function<void()> write_next = [&] {
    const auto end = [&](const void* /*text*/) {
      EXPECT_EQ(1, ++on_the_stack);
      if (++ended < blocks) {
        write_next();
      }
      --on_the_stack;
    };
    record_->transport().write(
        Buffer::share(std::shared_ptr<const void>(text.data(), end), as_bytes(text)));
  };
  loop_->call_soon(write_next);
  kernel_->clear_calls();
  run_for(seconds(3600));
  EXPECT_EQ(blocks, ended);
  EXPECT_EQ(blocks * text.size(), kernel_->sent(fd).size());
  // One poll for each block or two, so that others have their turn, and one until the timer.
  EXPECT_GE(kernel_->count_calls("epoll_wait"), 3U);
}

}  // namespace
}  // namespace sluice::transports

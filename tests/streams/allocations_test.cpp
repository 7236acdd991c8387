// What coroutines and streams cost in memory.

#include "core/allocation_probe.hpp"
#include "streams/stream_fixture.hpp"

namespace sluice::streams {
namespace {

using testing::allocations;

class StreamAllocations : public StreamTest {
 protected:
  static Task<int> plain(int value) { co_return value; }
};

TEST_F(StreamAllocations, ACoroutineFrameIsOne) {
  const std::size_t before = allocations().calls;
  {
    const Task<int> task = plain(1);
    EXPECT_EQ(before + 1, allocations().calls);
  }
  EXPECT_EQ(before + 1, allocations().calls);
}

TEST_F(StreamAllocations, ATaskOfTheLoopIsOneMore) {
  // The loop's queues get their memory.
  for (int i = 0; i < 4; ++i) {
    loop_->create_task(plain(1));
    turn();
  }
  Task<int> task = plain(1);
  const std::size_t before = allocations().calls;
  loop_->create_task(std::move(task));
  EXPECT_EQ(before + 1, allocations().calls);
}

TEST_F(StreamAllocations, WaitingAllocatesNothingInTheSteadyState) {
  // The scripted kernel would allocate for its records.
  EventLoop loop;
  Event event;
  Semaphore semaphore(0);
  std::size_t before = 0;
  const auto other = [&]() -> Task<> {
    for (;;) {
      co_await semaphore.acquire();
      event.set();
    }
  };
  const auto body = [&]() -> Task<std::size_t> {
    for (int i = 0; i < 200; ++i) {
      if (i == 100) {
        before = allocations().calls;
      }
      co_await sleep(nanoseconds(0));
      co_await sleep(nanoseconds(1));
      event.clear();
      semaphore.release();
      co_await event.wait();
    }
    co_return allocations().calls - before;
  };
  loop.create_task(other());
  EXPECT_EQ(0U, loop.run_until_complete(body()));
}

TEST_F(StreamAllocations, EchoingShortLinesAllocatesNothingInTheSteadyState) {
  EventLoop loop;
  const auto echo = [](StreamReader reader, StreamWriter writer) -> Task<> {
    for (;;) {
      const std::string line = co_await reader.readline();
      if (line.empty()) {
        break;
      }
      writer.write(line);
      co_await writer.drain();
    }
    writer.close();
  };
  const auto body = [&]() -> Task<std::size_t> {
    const auto server = co_await start_server(echo, "127.0.0.1", 0);
    auto [reader, writer] = co_await open_connection("127.0.0.1", server->sockets().front().port());
    std::size_t before = 0;
    for (int i = 0; i < 200; ++i) {
      if (i == 100) {
        before = allocations().calls;
      }
      writer.write("a line\n");
      co_await writer.drain();
      EXPECT_EQ("a line\n", co_await reader.readline());
    }
    const std::size_t made = allocations().calls - before;
    writer.close();
    co_await writer.wait_closed();
    server->close();
    co_await server->wait_closed();
    co_return made;
  };
  EXPECT_EQ(0U, loop.run_until_complete(body()));
}

}  // namespace
}  // namespace sluice::streams

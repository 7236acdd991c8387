// A TCP echo client as a coroutine, with a time limit. Usage: stream_echo_client PORT [MESSAGE]
// asyncio documentation: "TCP echo client using streams".

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <sluice/sluice.hpp>
#include <string>

#include "arguments.hpp"

sluice::Task<> tcp_echo_client(std::uint16_t port, std::string message) {
  auto [reader, writer] = co_await sluice::open_connection("127.0.0.1", port);
  std::printf("Send: %s\n", message.c_str());
  writer.write(message);
  co_await writer.drain();
  const std::string answer = co_await reader.readexactly(message.size());
  std::printf("Received: %s\n", answer.c_str());
  writer.close();
  co_await writer.wait_closed();
}

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: stream_echo_client PORT [MESSAGE]\n");
    return 2;
  }
  const auto port = port_argument(argv[1]);
  const std::string message = argc > 2 ? argv[2] : "Hello World!";
  sluice::EventLoop loop;
  try {
    loop.run_until_complete(
        sluice::wait_for(tcp_echo_client(port, message), std::chrono::seconds(10)));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}

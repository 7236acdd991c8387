// A TCP echo server as a coroutine for each client. Usage: stream_echo_server [PORT]; 0 is any free
// port. asyncio documentation: "TCP echo server using streams".

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <sluice/sluice.hpp>
#include <string>

#include "arguments.hpp"

sluice::Task<> handle_echo(sluice::StreamReader reader, sluice::StreamWriter writer) {
  const std::string peer = writer.peername()->to_string();
  for (;;) {
    const std::string data = co_await reader.read(4096);
    if (data.empty()) {
      break;
    }
    writer.write(data);
    // Waits while the client does not take its echo; then it is not read from either.
    co_await writer.drain();
  }
  writer.close();
  co_await writer.wait_closed();
  std::printf("%s is gone\n", peer.c_str());
}

int main(int argc, char** argv) {
  const auto port = argc > 1 ? port_argument(argv[1]) : std::uint16_t{8888};
  sluice::EventLoop loop;
  const auto server = loop.run_until_complete(sluice::start_server(handle_echo, "127.0.0.1", port));
  loop.add_signal_handler(SIGTERM, [&] { loop.stop(); });
  loop.add_signal_handler(SIGINT, [&] { loop.stop(); });
  std::printf("serving on %s\n", server->sockets().front().to_string().c_str());
  std::fflush(stdout);
  loop.run_forever();
}

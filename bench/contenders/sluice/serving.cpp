#include "serving.hpp"

#include <unistd.h>

#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "common/listening_socket.hpp"
#include "common/require.hpp"

namespace bench {
namespace {

class EndOfInput : public sluice::ReadProtocol {
 public:
  explicit EndOfInput(sluice::EventLoop& loop) : loop_(loop) {}
  void connection_lost(std::error_code /*error*/) override { loop_.stop(); }

 private:
  sluice::EventLoop& loop_;
};

}  // namespace

void run_until_end_of_input(sluice::EventLoop& loop) {
  sluice::Fd input(require(dup(STDIN_FILENO), "dup"));
  loop.run_until_complete(loop.connect_read_pipe(
      [&loop] { return std::make_shared<EndOfInput>(loop); }, std::move(input)));
  loop.run_forever();
}

void serve_tcp(const Listen& listen, std::size_t threads) {
  sluice::ServerOptions options;
  options.backlog = listen_backlog;
  options.reuse_port = threads > 1;

  sluice::EventLoop loop;
  const auto server = listen(loop, 0, options);
  const std::uint16_t port = server->sockets().front().port();
  std::vector<std::jthread> others;
  for (std::size_t i = 1; i < threads; ++i) {
    others.emplace_back([&] {
      sluice::EventLoop own_loop;
      const auto own_server = listen(own_loop, port, options);
      run_until_end_of_input(own_loop);
    });
  }
  announce(port);
  run_until_end_of_input(loop);
}

}  // namespace bench

#include "serving.hpp"

#include <unistd.h>

#include <system_error>

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

sluice::ServerOptions server_options() {
  sluice::ServerOptions options;
  options.backlog = listen_backlog;
  return options;
}

void stop_at_end_of_input(sluice::EventLoop& loop) {
  loop.run_until_complete(
      loop.connect_read_pipe([&loop] { return std::make_shared<EndOfInput>(loop); },
                             sluice::Fd(require(dup(STDIN_FILENO), "dup"))));
}

}  // namespace bench

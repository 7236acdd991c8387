// Waiting for data on a socket that somebody else made: one end of a socketpair becomes a
// transport. asyncio documentation: "Wait until a file descriptor received data using a protocol".

#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <sluice/sluice.hpp>
#include <string>
#include <utility>

class Receiver : public sluice::Protocol {
 public:
  explicit Receiver(sluice::Future<void> done) : done_(std::move(done)) {}

  void connection_made(std::shared_ptr<sluice::Transport> transport) override {
    transport_ = std::move(transport);
  }
  void data_received(sluice::Bytes data) override {
    std::printf("Received: %s\n", std::string(sluice::as_text(data)).c_str());
    // We are done: close the transport; connection_lost is called soon.
    transport_->close();
  }
  void connection_lost(std::error_code /*error*/) override {
    transport_.reset();
    done_.set_result();
  }

 private:
  std::shared_ptr<sluice::Transport> transport_;
  sluice::Future<void> done_;
};

int main() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) {
    std::perror("socketpair");
    return 1;
  }
  sluice::Fd ours(ends[0]);
  const sluice::Fd theirs(ends[1]);

  sluice::EventLoop loop;
  const auto done = loop.create_future<void>();
  auto [transport, protocol] = loop.run_until_complete(loop.connect_accepted_socket(
      [&] { return std::make_shared<Receiver>(done); }, std::move(ours)));
  // Simulate the arrival of data from the network.
  loop.call_soon([&] { static_cast<void>(::send(theirs.get(), "abc", 3, MSG_NOSIGNAL)); });
  loop.run_until_complete(done);
}

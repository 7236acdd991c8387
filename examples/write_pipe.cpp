// A write-only pipe: standard output as a transport. Usage: write_pipe | cat
// asyncio documentation: loop.connect_write_pipe.

#include <cstdio>
#include <memory>
#include <sluice/sluice.hpp>
#include <string>
#include <utility>

class Lines : public sluice::WriteProtocol {
 public:
  explicit Lines(sluice::Future<std::error_code> done) : done_(std::move(done)) {}

  void connection_made(std::shared_ptr<sluice::WriteTransport> transport) override {
    // Never blocks, however slow the reader is; all of it is sent before the pipe closes.
    for (int i = 1; i <= 20000 && !transport->is_closing(); ++i) {
      transport->write("line " + std::to_string(i) + "\n");
    }
    transport->close();
  }
  void connection_lost(std::error_code error) override { done_.set_result(error); }

 private:
  sluice::Future<std::error_code> done_;
};

int main() {
  sluice::EventLoop loop;
  const auto done = loop.create_future<std::error_code>();
  try {
    // A duplicate, so that closing the transport leaves the program its own stdout.
    sluice::Fd standard_output(1);
    sluice::Fd pipe = standard_output.duplicate();
    static_cast<void>(standard_output.release());
    loop.run_until_complete(
        loop.connect_write_pipe([&] { return std::make_shared<Lines>(done); }, std::move(pipe)));
    const std::error_code error = loop.run_until_complete(done);
    if (error) {
      std::fprintf(stderr, "the reader went away: %s\n", error.message().c_str());
      return 1;
    }
  } catch (const std::system_error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}

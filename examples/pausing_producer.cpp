// A producer that makes data only while its transport wants some: memory stays bounded however slow
// the reader is. Usage: pausing_producer [MEBIBYTES] | slow-reader; what happened is told on
// standard error. asyncio documentation: pause_writing and resume_writing.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sluice/sluice.hpp>
#include <string>
#include <utility>

class Producer : public sluice::WriteProtocol {
 public:
  Producer(std::size_t bytes, sluice::Future<std::error_code> done)
      : left_(bytes), done_(std::move(done)) {}

  void connection_made(std::shared_ptr<sluice::WriteTransport> transport) override {
    transport_ = std::move(transport);
    produce();
  }
  void pause_writing() override { paused_ = true; }
  void resume_writing() override {
    paused_ = false;
    produce();
  }
  void connection_lost(std::error_code error) override {
    const sluice::WriteStatistics done = transport_->write_statistics();
    std::fprintf(stderr, "%llu bytes sent, %llu pauses, never more than %zu bytes buffered\n",
                 static_cast<unsigned long long>(done.bytes_written),
                 static_cast<unsigned long long>(done.pauses), done.peak_buffer_size);
    transport_.reset();
    done_.set_result(error);
  }

 private:
  void produce() {
    while (!paused_ && left_ > 0) {
      const std::size_t count = std::min(left_, block_.size());
      left_ -= count;
      transport_->write(block_.slice(0, count));
    }
    if (left_ == 0) {
      transport_->close();
    }
  }

  // Written again and again, stored once.
  sluice::Buffer block_ = sluice::Buffer::take(std::string(16 * 1024, 'x'));
  std::size_t left_;
  bool paused_ = false;
  std::shared_ptr<sluice::WriteTransport> transport_;
  sluice::Future<std::error_code> done_;
};

int main(int argc, char** argv) {
  const std::size_t mebibytes = argc > 1 ? static_cast<std::size_t>(std::atol(argv[1])) : 16;
  sluice::EventLoop loop;
  const auto done = loop.create_future<std::error_code>();
  try {
    sluice::Fd standard_output(1);
    sluice::Fd pipe = standard_output.duplicate();
    static_cast<void>(standard_output.release());
    loop.run_until_complete(loop.connect_write_pipe(
        [&] { return std::make_shared<Producer>(mebibytes << 20, done); }, std::move(pipe)));
    return loop.run_until_complete(done) ? 1 : 0;
  } catch (const std::system_error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}

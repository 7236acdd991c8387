#pragma once

#include "sluice/error.hpp"
#include "streams/stream_protocols.hpp"
#include "streams/streams_fixture.hpp"

namespace sluice::streams {

/// One stream over a scripted socket.
class StreamTest : public StreamsTest {
 protected:
  ~StreamTest() override { pair_.reset(); }
  void TearDown() override {
    if (pair_) {
      pair_->writer.close();
    }
    if (!loop_->is_closed()) {
      turn(2);
    }
    pair_.reset();
    StreamsTest::TearDown();
  }
  /// Adopts a scripted socket as a stream.
  void open(std::size_t limit = default_stream_limit) {
    fd_ = kernel_->open_stream();
    const auto scheduler = loop_->create_task(scheduler_of_loop());
    turn();
    protocol_ = std::make_shared<StreamProtocol>(scheduler.get(), limit);
    loop_->run_until_complete(
        loop_->connect_accepted_socket([this] { return protocol_; }, Fd(fd_)));
    pair_ = std::make_unique<StreamPair>(protocol_->ends());
    protocol_.reset();
  }
  [[nodiscard]] StreamReader& reader() { return pair_->reader; }
  [[nodiscard]] StreamWriter& writer() { return pair_->writer; }
  void deliver(std::string_view bytes) {
    kernel_->deliver(fd_, bytes);
    turn();
  }
  /// The kernel takes nothing; more than the high mark is written.
  void clog() {
    kernel_->set_room(fd_, 0);
    writer().write(std::string(100'000, 'x'));
  }
  static Task<std::shared_ptr<detail::Scheduler>> scheduler_of_loop() {
    co_return (co_await detail::running_task()).scheduler();
  }
  /// Awaits what `make` makes, as a task; its value as text.
  template <class Make>
  Future<std::string> start(Make make) {
    return loop_->create_task(text_of(std::move(make)));
  }
  template <class Make>
  static Task<std::string> text_of(Make make) {
    if constexpr (std::is_void_v<decltype(make().await_resume())>) {
      co_await make();
      co_return "done";
    } else {
      co_return co_await make();
    }
  }
  /// "pending", "= value", or what was thrown.
  static std::string state(const Future<std::string>& future) {
    const std::string outcome = outcome_of(future);
    return outcome == "done" ? "= " + future.get() : outcome;
  }
  Future<std::string> drain() {
    return start([this] { return writer().drain(); });
  }
  Future<std::string> wait_closed() {
    return start([this] { return writer().wait_closed(); });
  }

  int fd_ = -1;
  std::shared_ptr<StreamProtocol> protocol_;
  std::unique_ptr<StreamPair> pair_;
};

}  // namespace sluice::streams

// A Session between a channel and a host that do as they are told.
#include "transports/session.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <new>
#include <string>
#include <utility>

#include "loop/loop_core.hpp"
#include "testing/scripted_kernel.hpp"

namespace sluice::transports {
namespace {

class FakeChannel final : public SecureChannel {
 public:
  core::SinkResult write(std::span<const Bytes> /*pieces*/) noexcept override {
    return core::SinkResult::would_block();
  }
  std::error_code shutdown() noexcept override { return {}; }
  core::SourceResult read(std::span<std::byte> /*memory*/) noexcept override {
    return {core::SourceResult::Kind::would_block};
  }
  [[nodiscard]] bool short_read_empties() const noexcept override { return false; }
  void pass_clear(std::size_t /*count*/, std::function<void()> told) override {
    passed = std::move(told);
  }
  void feed(Buffer /*bytes*/) override {}
  Progress handshake() noexcept override {
    ++handshakes;
    return Progress::waiting;
  }
  [[nodiscard]] Failure failure() const override { return {}; }
  void push() noexcept override {}
  Progress throw_away(std::span<std::byte> /*scratch*/) noexcept override {
    return Progress::waiting;
  }
  Progress part(std::span<std::byte> /*scratch*/) noexcept override { return Progress::waiting; }
  void abandon() noexcept override {}
  [[nodiscard]] bool half_closes() const noexcept override { return true; }
  [[nodiscard]] TlsInfo info() const override { return {}; }

  std::function<void()> passed;
  int handshakes = 0;
};

class FakeHost final : public SessionHost {
 public:
  // There is no memory for a callback.
  void request_greeting() override { throw std::bad_alloc(); }
  void session_open(const loop::IoEvents& /*missed*/) override {}
  void session_over(std::error_code /*error*/) override {}
  void request_read() noexcept override { ++reads; }
  [[nodiscard]] std::uint64_t bytes_gone() const noexcept override { return 0; }

  int reads = 0;
};

LoopOptions on_a_scripted_kernel() {
  LoopOptions options;
  options.system_calls = std::make_shared<testing::ScriptedKernel>();
  return options;
}

// W-198: whoever tells it is in the middle of a write, which cannot fail.
TEST(Sessions, W198_ThatTheClearBytesHaveGoneIsNotedWithoutMemoryAndTheGreetingIsTheNextTurns) {
  loop::LoopCore core(on_a_scripted_kernel());
  FakeChannel channel;
  FakeHost host;
  Session session(core, channel,
                  {.purpose = Session::Purpose::upgrade,
                   .handshake_timeout = std::chrono::seconds(1),
                   .shutdown_timeout = std::chrono::seconds(1)});
  session.begin(host, 100, nullptr);
  EXPECT_TRUE(session.on_io({.writable = true}).writable);
  EXPECT_NO_THROW(channel.passed());
  EXPECT_EQ(host.reads, 1);
  EXPECT_EQ(channel.handshakes, 0);
  EXPECT_TRUE(session.opening());
  EXPECT_FALSE(session.on_io({.readable = true}).readable);
  EXPECT_EQ(channel.handshakes, 1);
  EXPECT_EQ(session.state(), Session::State::greeting);
}

}  // namespace
}  // namespace sluice::transports

// A Session between a channel and a host that do as they are told.
#include "transports/session.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <new>
#include <string>
#include <utility>

#include "core/allocation_probe.hpp"
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
    return step;
  }
  [[nodiscard]] const Failure& failure() const noexcept override { return why; }
  void push() noexcept override {}
  Progress throw_away(std::span<std::byte> /*scratch*/) noexcept override {
    return Progress::waiting;
  }
  Progress part(std::span<std::byte> /*scratch*/) noexcept override { return Progress::waiting; }
  void abandon() noexcept override {}
  [[nodiscard]] bool half_closes() const noexcept override { return true; }
  [[nodiscard]] TlsInfo info() const override { return {}; }

  std::function<void()> passed;
  Progress step = Progress::waiting;
  Failure why;
  int handshakes = 0;
};

class FakeHost final : public SessionHost {
 public:
  // There is no memory for a callback.
  void request_greeting() override { throw std::bad_alloc(); }
  void session_open(const loop::IoEvents& /*missed*/) override {}
  void session_over(std::error_code /*error*/) override { ++ends; }
  void request_read() noexcept override { ++reads; }
  [[nodiscard]] std::uint64_t bytes_gone() const noexcept override { return 0; }

  int reads = 0;
  int ends = 0;
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

// W-118: nobody waits for ever because there were no words for what happened.
TEST(Sessions, W118_AFailedHandshakeIsToldAndEndsTheConnectionWithoutMemoryForItsWords) {
  loop::LoopCore core(on_a_scripted_kernel());
  std::size_t nth = 0;
  for (bool failed = true; failed;) {
    FakeChannel channel;
    channel.step = Progress::failed;
    channel.why = {std::make_error_code(std::errc::protocol_error),
                   "words of some length, or none"};
    FakeHost host;
    Session session(core, channel,
                    {.purpose = Session::Purpose::upgrade,
                     .peer = "a peer with a name that is not short",
                     .handshake_timeout = std::chrono::seconds(1),
                     .shutdown_timeout = std::chrono::seconds(1)});
    std::exception_ptr told;
    session.begin(host, 100, [&](const std::exception_ptr& outcome) { told = outcome; });
    channel.passed();
    {
      const testing::FailingAllocation failing(++nth);
      static_cast<void>(session.on_io({.readable = true}));
      failed = failing.failed();
    }
    EXPECT_EQ(host.ends, 1) << "failure " << nth;
    EXPECT_NE(told, nullptr) << "failure " << nth;
  }
  EXPECT_GT(nth, 1U);
}

}  // namespace
}  // namespace sluice::transports

#include <stdexcept>

#include "loop/loop_fixture.hpp"
#include "testing/recording_protocol.hpp"

namespace sluice::loop {
namespace {

class ExceptionHandler : public LoopTest {
 protected:
  void note_contexts() {
    loop_->set_exception_handler([this](const ExceptionContext& context) {
      trace_.push_back(context.message + (context.exception ? ": " + context.what() : ""));
    });
  }
  void throw_in_a_callback() {
    loop_->call_soon([] { throw std::runtime_error("oops"); });
    turn();
  }
};

// W-176
TEST_F(ExceptionHandler, ACustomOneIsToldInsteadOfTheLog) {
  note_contexts();
  throw_in_a_callback();
  EXPECT_EQ(Texts{"Exception in callback: oops"}, trace_);
  EXPECT_EQ(Texts{}, logged_);
}

// W-176
TEST_F(ExceptionHandler, MayTakeTheLoop) {
  loop_->set_exception_handler([this](EventLoop& loop, const ExceptionContext& context) {
    EXPECT_EQ(loop_.get(), &loop);
    trace_.push_back(context.message);
  });
  throw_in_a_callback();
  EXPECT_EQ(Texts{"Exception in callback"}, trace_);
}

// W-176
TEST_F(ExceptionHandler, ACallerMayTellItWhatItWants) {
  testing::RecordingProtocol protocol(nullptr);
  loop_->set_exception_handler([&](const ExceptionContext& context) {
    EXPECT_EQ(&protocol, context.protocol);
    EXPECT_EQ(nullptr, context.transport);
    EXPECT_EQ("", context.what());
    trace_.push_back(context.message);
  });
  loop_->call_exception_handler({"a message", nullptr, nullptr, &protocol});
  EXPECT_EQ(Texts{"a message"}, trace_);
}

// W-176
TEST_F(ExceptionHandler, MayStopTheLoop) {
  loop_->set_exception_handler([](EventLoop& loop, const ExceptionContext&) { loop.stop(); });
  loop_->call_soon([] { throw std::runtime_error("oops"); });
  note_soon("same turn");
  loop_->run_forever();
  EXPECT_EQ(Texts{"same turn"}, trace_);
}

// W-177
TEST_F(ExceptionHandler, WhenACustomOneThrowsTheDefaultOneIsTold) {
  loop_->set_exception_handler(
      [](const ExceptionContext&) { throw std::runtime_error("the handler failed"); });
  throw_in_a_callback();
  EXPECT_EQ((Texts{"error: Unhandled error in exception handler\nexception: the handler failed",
                   "error: Exception in callback\nexception: oops"}),
            logged_);
}

// W-177
TEST_F(ExceptionHandler, ACustomOneThatThrewIsToldTheNextTimeAgain) {
  bool fail = true;
  loop_->set_exception_handler([&](const ExceptionContext& context) {
    if (std::exchange(fail, false)) {
      throw std::runtime_error("the handler failed");
    }
    trace_.push_back(context.message);
  });
  throw_in_a_callback();
  throw_in_a_callback();
  EXPECT_EQ(Texts{"Exception in callback"}, trace_);
}

// W-177
TEST_F(ExceptionHandler, ALogThatThrowsReachesNobodyElse) {
  LoopOptions throwing = options();
  throwing.log = [](LogLevel, std::string_view) { throw std::runtime_error("the log failed"); };
  loop_ = std::make_unique<EventLoop>(std::move(throwing));
  ::testing::internal::CaptureStderr();
  throw_in_a_callback();
  const std::string text = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(std::string::npos, text.find("Exception in callback\nexception: oops"));
}

// W-178
TEST_F(ExceptionHandler, NullRestoresTheDefault) {
  note_contexts();
  loop_->set_exception_handler(nullptr);
  throw_in_a_callback();
  EXPECT_EQ(Texts{}, trace_);
  EXPECT_EQ(Texts{"error: Exception in callback\nexception: oops"}, logged_);
}

// W-178
TEST_F(ExceptionHandler, AnEmptyFunctionRestoresTheDefault) {
  note_contexts();
  loop_->set_exception_handler(detail::UniqueFunction<void(const ExceptionContext&)>());
  throw_in_a_callback();
  EXPECT_EQ(Texts{"error: Exception in callback\nexception: oops"}, logged_);
}

// W-178
TEST_F(ExceptionHandler, TheDefaultLogsTheMessageAloneWhenThereIsNothingElse) {
  loop_->call_exception_handler({"just a message"});
  EXPECT_EQ(Texts{"error: just a message"}, logged_);
}

// W-178
TEST_F(ExceptionHandler, TheDefaultLogsOneLineForEachPartSortedByKey) {
  testing::RecordingProtocol protocol(nullptr);
  loop_->call_exception_handler(
      {"a message", std::make_exception_ptr(std::runtime_error("oops")), nullptr, &protocol});
  ASSERT_EQ(1U, logged_.size());
  const std::string& text = logged_.front();
  EXPECT_EQ(0U, text.find("error: a message\nexception: oops\nprotocol: "));
  EXPECT_EQ(std::string::npos, text.find("transport"));
  EXPECT_EQ(2, std::count(text.begin(), text.end(), '\n'));
}

// W-178
TEST_F(ExceptionHandler, TheDefaultLogsWhatIsNoStandardException) {
  loop_->call_soon([] { throw 42; });
  turn();
  EXPECT_EQ(Texts{"error: Exception in callback\n"
                  "exception: an exception that is not a std::exception"},
            logged_);
}

TEST_F(ExceptionHandler, MayReplaceItselfWhileItRuns) {
  bool gone = false;
  loop_->set_exception_handler([&, tracer = Tracer(gone)](const ExceptionContext&) {
    note_contexts();
    EXPECT_FALSE(gone);
  });
  throw_in_a_callback();
  EXPECT_TRUE(gone);
  throw_in_a_callback();
  EXPECT_EQ(Texts{"Exception in callback: oops"}, trace_);
}

TEST_F(ExceptionHandler, MayBeToldInsideItself) {
  int depth = 0;
  loop_->set_exception_handler([&](EventLoop& loop, const ExceptionContext& context) {
    trace_.push_back(context.message);
    if (++depth == 1) {
      loop.call_exception_handler({"nested"});
    }
  });
  loop_->call_exception_handler({"outer"});
  EXPECT_EQ((Texts{"outer", "nested"}), trace_);
}

}  // namespace
}  // namespace sluice::loop

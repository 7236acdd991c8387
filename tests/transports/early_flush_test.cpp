// W-11: when the bytes of a turn leave. What answers an event of the connection itself does not
// wait for the others of the turn; everything else does.
#include "transport_fixture.hpp"

namespace sluice::transports {
namespace {

// Two connections whose data arrives in the same turn.
class EarlyFlush : public TransportTest {
 protected:
  void SetUp() override {
    first_ = open_stream();
    record_->on_eof_received = [] { return true; };
    record_ = std::make_shared<Recording>();
    second_ = open_stream();
    record_->on_eof_received = [] { return true; };
    kernel_->clear_calls();
  }
  void TearDown() override {
    first_record_->release();
    TransportTest::TearDown();
  }
  Recording& first() { return *first_record_; }
  Recording& second() { return *record_; }
  // Both receive a byte, and one turn goes by.
  void deliver_to_both() {
    kernel_->deliver(first_, "a");
    kernel_->deliver(second_, "b");
    turn();
  }
  // What was received and sent since the start, with the connection for a descriptor.
  [[nodiscard]] Texts traffic() const {
    Texts result;
    for (const testing::CallRecord& call : kernel_->calls()) {
      if ((call.name == "recv" || call.name == "send" || call.name == "sendmsg") &&
          call.result > 0) {
        result.push_back(std::string(call.name) + (call.fd == first_ ? " first " : " second ") +
                         std::to_string(call.result));
      }
    }
    return result;
  }

 private:
  std::shared_ptr<Recording> first_record_ = record_;
  int first_ = -1;
  int second_ = -1;
};

TEST_F(EarlyFlush, W11_AnAnswerLeavesBeforeTheNextConnectionIsServed) {
  first().on_data_received = [&](Bytes) {
    first().transport().write("answer");
    first().transport().write("s");
  };
  second().on_data_received = [&](Bytes) { second().transport().write("other"); };
  deliver_to_both();
  EXPECT_EQ((Texts{"recv first 1", "send first 7", "recv second 1", "send second 5"}), traffic());
}

TEST_F(EarlyFlush, W11_WhatOthersWriteToAConnectionLeavesTogetherAtTheEndOfTheTurn) {
  const auto write_to_second = [&](Bytes) { second().transport().write("to second "); };
  loop_->call_soon([&] { first().transport().write("early"); });
  loop_->call_soon([&] { second().transport().write("early "); });
  second().on_data_received = [&](Bytes) { first().transport().write("to first"); };
  first().on_data_received = write_to_second;
  deliver_to_both();
  // The events of the two flush what was written before them, and nothing else.
  EXPECT_EQ(
      (Texts{"recv first 1", "send first 5", "recv second 1", "send second 16", "send first 8"}),
      traffic());
}

// W-88: as with the flush at the end of the turn.
TEST_F(EarlyFlush, W88_AfterAnAnswerAndACloseTheLossComesInTheNextTurn) {
  first().on_data_received = [&](Bytes) {
    first().transport().write("bye");
    first().transport().close();
  };
  deliver_to_both();
  EXPECT_FALSE(first().lost());
  EXPECT_EQ("send first 3", traffic().at(1));
  turn();
  EXPECT_TRUE(first().lost());
}

}  // namespace
}  // namespace sluice::transports

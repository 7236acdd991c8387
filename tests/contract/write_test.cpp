// Section 2.1 of docs/contract.md: write.
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "contract/suites.hpp"

namespace sluice::testing {
namespace {

template <class T>
concept Writable = requires(WriteTransport& transport, T&& data) {
  transport.write(std::forward<T>(data));
};

// A literal 0 is more than an int: it converts to every pointer.
template <class T>
concept WritesNull = requires(T& transport) {
  transport.write(nullptr);
}
|| requires(T& transport) {
  transport.write(0);
}
|| requires(T& transport) {
  transport.write(NULL);
};

static_assert(!WritesNull<WriteTransport>);
static_assert(!WritesNull<Transport>);
static_assert(Writable<Bytes>);
static_assert(Writable<std::string_view>);
static_assert(Writable<const std::string&>);
static_assert(Writable<const char*>);
static_assert(Writable<Buffer>);
static_assert(!Writable<int>);
static_assert(!Writable<std::u16string>);
static_assert(!Writable<std::vector<int>>);

TEST_P(Contract, W6_AWriteOnAClosingTransportIsDroppedUnlessItIsEmpty) {
  start();
  in_turn([&] {
    transport().close();
    transport().write("data");
    transport().write("");
  });
  EXPECT_EQ(statistics().writes_dropped, 1U);
  EXPECT_EQ(statistics().bytes_dropped, 4U);
}

TEST_P(HalfCloseContract, W6_AnEmptyWriteAfterWriteEofThrowsToo) {
  start();
  in_turn([&] {
    transport().write_eof();
    EXPECT_THROW(transport().write(""), std::logic_error);
    EXPECT_THROW(transport().write("data"), std::logic_error);
  });
  EXPECT_EQ(statistics().writes_dropped, 0U);
}

TEST_P(HalfCloseContract, W6_AWriteAfterWriteEofAndCloseIsDropped) {
  start();
  in_turn([&] {
    transport().write_eof();
    transport().close();
    EXPECT_NO_THROW(transport().write("data"));
    EXPECT_NO_THROW(transport().writelines(std::array{std::string("data")}));
  });
  EXPECT_EQ(statistics().writes_dropped, 2U);
}

TEST_P(Contract, W7_ACharArrayIsTextUpToItsFirstNul) {
  start();
  in_turn([&] {
    const char text[] = "ab\0cd";
    transport().write(text);
    transport().write(std::as_bytes(std::span(text)));
  });
  const std::string expected(
      "ab"
      "ab\0cd\0",
      8);
  peer().start_reading();
  run_until("the peer has all bytes", [&] { return peer().received().size() >= 8; });
  EXPECT_EQ(peer().received(), expected);
}

TEST_P(Contract, W7_BytesOfEveryElementTypeAreWrittenAsTheyLie) {
  start();
  in_turn([&] {
    const std::string first = next(100);
    const std::vector<char> chars(first.begin(), first.end());
    transport().write(std::as_bytes(std::span(chars)));
    const std::string second = next(100);
    const std::vector<std::uint8_t> numbers(second.begin(), second.end());
    transport().write(std::as_bytes(std::span(numbers)));
  });
  expect_delivered();
}

TEST_P(Contract, W7_BytesTextAndBuffersAreWrittenAlike) {
  start();
  in_turn([&] {
    const std::string text = next(100);
    transport().write(std::string_view(text));
    transport().write(as_bytes(next(100)));
    transport().write(Buffer::copy_of(next(100)));
    transport().write(Buffer::take(next(2000)));
  });
  expect_delivered();
}

TEST_P(HalfCloseContract, W8_AWriteAfterWriteEofThrows) {
  start();
  in_turn([&] {
    transport().write_eof();
    try {
      transport().write("late");
      ADD_FAILURE() << "nothing was thrown";
    } catch (const std::logic_error& error) {
      EXPECT_STREQ(error.what(), "Cannot call write() after write_eof()");
    }
  });
  EXPECT_FALSE(transport().is_closing());
}

TEST_P(PipeContract, W8_AWriteAfterWriteEofIsDroppedOnAPipe) {
  start();
  in_turn([&] {
    transport().write_eof();
    EXPECT_NO_THROW(transport().write("late"));
  });
  EXPECT_EQ(statistics().writes_dropped, 1U);
}

TEST_P(Contract, W10_WritingNothingDoesNothing) {
  start();
  in_turn([&] {
    transport().write("");
    transport().write(Bytes());
    transport().write(Buffer());
    EXPECT_EQ(size(), 0U);
  });
  EXPECT_EQ(statistics().send_calls, 0U);
  in_turn([&] {
    transport().close();
    transport().write("");
    transport().write(Buffer());
  });
  EXPECT_EQ(statistics().writes_dropped, 0U);
}

TEST_P(Contract, W10_AnEmptyWriteOnABlockedTransportChangesNothing) {
  start();
  block();
  const std::size_t queued = size();
  const auto calls = statistics().send_calls;
  in_turn([&] { transport().write(""); });
  EXPECT_EQ(size(), queued);
  EXPECT_EQ(statistics().send_calls, calls);
}

TEST_P(CoalesceContract, W11_TheWritesOfOneTurnLeaveTogetherAtItsEnd) {
  start();
  in_turn([&] {
    put(100);
    put(200);
    EXPECT_EQ(size(), 300U);
    EXPECT_EQ(statistics().send_calls, 0U);
  });
  EXPECT_EQ(size(), 0U);
  EXPECT_EQ(statistics().send_calls, 1U);
  expect_delivered();
}

TEST_P(ImmediateContract, W11_AWriteIsOfferedAtOnce) {
  start();
  in_turn([&] {
    put(100);
    EXPECT_EQ(size(), 0U);
    EXPECT_EQ(statistics().send_calls, 1U);
    put(200);
    EXPECT_EQ(statistics().send_calls, 2U);
  });
  EXPECT_EQ(statistics().send_calls, 2U);
  expect_delivered();
}

TEST_P(OpenContract, W11_AWriteOutsideATurnIsOfferedAtOnce) {
  start();
  put(100);
  EXPECT_EQ(size(), 0U);
  EXPECT_EQ(statistics().send_calls, 1U);
  EXPECT_EQ(statistics().bytes_written, 100U);
  expect_delivered();
}

TEST_P(ScriptedCallsContract, W11_TheKernelIsOfferedTheWholeWriteInOneCall) {
  start();
  kernel().clear_calls();
  put(5000);
  ASSERT_EQ(kernel().calls_on(scripted_fd()).size(), 1U);
  EXPECT_EQ(kernel().calls().back().length, 5000U);
  EXPECT_EQ(kernel().calls().back().result, 5000);
  turn();
  EXPECT_EQ(kernel().calls_on(scripted_fd()).size(), 1U);
}

TEST_P(CloggedContract, W12_AWriteThatWouldBlockIsQueuedWholeAndChecked) {
  start();
  in_turn([&] {
    transport().set_write_buffer_limits(1000);
    put(1001);
  });
  EXPECT_EQ(size(), 1001U);
  EXPECT_EQ(statistics().would_blocks, 1U);
  EXPECT_EQ(statistics().bytes_written, 0U);
  EXPECT_EQ(trace(), "CM PW");
  expect_delivered();
}

TEST_P(OpenContract, W13_TheRestOfAShortWriteStaysQueuedAndIsChecked) {
  start();
  in_turn([&] { put(big); });
  EXPECT_GT(statistics().bytes_written, 0U);
  EXPECT_EQ(size() + statistics().bytes_written, big);
  EXPECT_EQ(trace(), "CM PW");
  expect_delivered();
  EXPECT_EQ(trace(), "CM PW RW");
}

TEST_P(ScriptedContract, W13_AWriteOfWhichNothingIsTakenStaysQueued) {
  start();
  kernel().set_room(scripted_fd(), ScriptedKernel::no_limit);
  kernel().script_write(scripted_fd(), {accept(0)});
  put(50);
  EXPECT_EQ(size(), 50U);
  run_some_turns();
  EXPECT_EQ(size(), 50U);
  kernel().make_writable(scripted_fd());
  run_until("the bytes are gone", [&] { return size() == 0; });
}

TEST_P(Contract, W14_AWriteOnABlockedTransportMakesNoCall) {
  start();
  block();
  const std::size_t queued = size();
  const auto calls = statistics().send_calls;
  in_turn([&] {
    put(100);
    transport().set_write_buffer_limits(queued + 150);
    put(100);
  });
  EXPECT_EQ(size(), queued + 200);
  EXPECT_EQ(statistics().send_calls, calls);
  EXPECT_EQ(trace(), "CM PW");
  expect_delivered();
}

TEST_P(BreakingContract, W15_AWriteThatFailsReturnsAndLosesTheConnection) {
  start();
  peer().close();
  EXPECT_NO_THROW(put(100));
  EXPECT_TRUE(transport().is_closing());
  EXPECT_EQ(size(), 0U);
  EXPECT_EQ(trace(), "CM");
  turn();
  EXPECT_EQ(trace(), "CM " + broken_loss());
}

TEST_P(Contract, W16_AWriteAfterCloseIsDroppedWhileDraining) {
  start();
  block();
  const std::size_t queued = size();
  in_turn([&] {
    transport().close();
    transport().write("dropped");
  });
  EXPECT_EQ(size(), queued);
  EXPECT_EQ(statistics().writes_dropped, 1U);
  EXPECT_EQ(statistics().bytes_dropped, 7U);
  expect_delivered_then_end();
}

TEST_P(Contract, W17_AWriteAfterTheLossIsDropped) {
  start();
  block();
  in_turn([&] { transport().close(); });
  expect_delivered_then_end();
  ASSERT_TRUE(record().lost());
  EXPECT_NO_THROW(transport().write("dropped"));
  EXPECT_EQ(statistics().writes_dropped, 1U);
  EXPECT_EQ(size(), 0U);
}

TEST_P(Contract, W18_AReadinessEventCostsOneCall) {
  start();
  block();
  const std::vector<Buffer> pieces(100, Buffer::copy_of(std::string(600, '.')));
  in_turn([&] { transport().writelines(pieces); });
  peer().start_reading();
  while (size() > 0 && !HasFailure()) {
    const auto written = statistics().bytes_written;
    run_until("bytes leave", [&] {
      const auto calls = statistics().send_calls;
      turn();
      EXPECT_LE(statistics().send_calls, calls + 1);
      return statistics().bytes_written > written;
    });
  }
}

TEST_P(ScriptedContract, W18_AFlushOffersAtMost1024Pieces) {
  start();
  block();
  const std::string bytes = next(600 * 3000);
  const Buffer all = Buffer::copy_of(bytes);
  std::vector<Buffer> pieces;
  for (std::size_t i = 0; i < 3000; ++i) {
    pieces.push_back(all.slice(i * 600, 600));
  }
  in_turn([&] { transport().writelines(pieces); });
  kernel().clear_calls();
  kernel().set_room(scripted_fd(), ScriptedKernel::no_limit);
  run_until("all is sent", [&] { return size() == 0; });
  std::vector<std::size_t> counts;
  for (const CallRecord& call : kernel().calls()) {
    if (call.fd == scripted_fd() && call.pieces > 0) {
      counts.push_back(call.pieces);
    }
  }
  ASSERT_EQ(counts.size(), 3U);
  EXPECT_EQ(counts[0], 1024U);
  EXPECT_EQ(counts[1], 1024U);
  expect_delivered();
}

TEST_P(ScriptedContract, W19_AFlushThatWouldBlockChangesNothing) {
  start();
  block_and_pause(0);
  const std::size_t queued = size();
  const auto calls = statistics().send_calls;
  kernel().script_write(scripted_fd(), {testing::block()});
  kernel().make_writable(scripted_fd());
  run_until("a flush was tried", [&] { return statistics().send_calls > calls; });
  EXPECT_EQ(size(), queued);
  EXPECT_EQ(trace(), "CM PW");
  kernel().make_writable(scripted_fd());
  expect_delivered();
  EXPECT_EQ(trace(), "CM PW RW");
}

TEST_P(ScriptedContract, W20_AFlushThatFailsLosesTheConnection) {
  start();
  block_and_pause(0);
  kernel().fail_writes(scripted_fd(), EIO);
  run_until("the loss is decided", [&] { return transport().is_closing(); });
  EXPECT_EQ(size(), 0U);
  run_until_lost();
  EXPECT_EQ(trace(), "CM PW CL(EIO)");
}

TEST_P(PromptContract, W21_TheFlushThatEndsADrainingTransportCallsResumeThenLost) {
  start();
  block_and_pause(0);
  std::string order;
  record().on_resume_writing = [&] {
    order += "RW ";
    loop().call_soon([&] { order += "later "; });
  };
  record().on_connection_lost = [&](std::error_code) { order += "CL "; };
  in_turn([&] { transport().close(); });
  expect_delivered_then_end();
  run_until("all is told", [&] { return order.size() == 12; });
  EXPECT_EQ(order, "RW CL later ");
}

TEST_P(PromptCoalesceContract, W21_TheEndOfTurnFlushQueuesTheLossLikeCallSoon) {
  start();
  std::string order;
  record().on_connection_lost = [&](std::error_code) { order += "CL "; };
  in_turn([&] {
    put(10);
    transport().close();
    loop().call_soon([&] { order += "earlier "; });
    EXPECT_EQ(size(), 10U);
  });
  EXPECT_EQ(size(), 0U);
  EXPECT_EQ(order, "");
  turn();
  EXPECT_EQ(order, "earlier CL ");
  expect_delivered_then_end();
}

TEST_P(Contract, W22_AnyMixtureOfWritesArrivesInOrder) {
  start();
  std::size_t random = 12345;
  const auto roll = [&random](std::size_t below) {
    random = random * 6364136223846793005U + 1442695040888963407U;
    return (random >> 33U) % below;
  };
  const auto write_one = [&](std::size_t way, std::size_t count) {
    if (way == 0) {
      put(count);
    } else if (way == 1) {
      transport().write(Buffer::take(next(count)));
    } else {
      const std::array pieces{next(count), std::string(), next(count / 2), next(1)};
      transport().writelines(pieces);
    }
  };
  for (int round = 0; round < 60; ++round) {
    in_turn([&] {
      for (std::size_t i = 0; i < roll(5); ++i) {
        write_one(roll(3), roll(3) == 0 ? roll(9000) : roll(600));
      }
    });
    peer().read_some(roll(12000) + 1);
  }
  expect_delivered();
}

TEST_P(Contract, W23_WrittenMemoryBelongsToTheCallerAgain) {
  start();
  block();
  in_turn([&] {
    for (const std::size_t count : {10U, 700U, 30'000U}) {
      std::string mine = next(count);
      transport().write(mine);
      mine.assign(count, '!');
    }
  });
  expect_delivered();
}

TEST_P(Contract, W23_ALargeBufferIsLinkedAndLetGoWhenItHasLeft) {
  start();
  block();
  const auto bytes = std::make_shared<std::string>(next(40'000));
  in_turn([&] { transport().write(Buffer::share(bytes, as_bytes(*bytes))); });
  EXPECT_EQ(bytes.use_count(), 2);
  expect_delivered();
  run_until("the bytes are let go", [&] { return bytes.use_count() == 1; });
}

}  // namespace
}  // namespace sluice::testing

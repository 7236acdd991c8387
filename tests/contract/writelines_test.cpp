// Section 2.2 of docs/contract.md: writelines.
#include <array>
#include <list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "contract/suites.hpp"

namespace sluice::testing {
namespace {

template <class T>
concept WritableAsLines = requires(WriteTransport& transport, T&& pieces) {
  transport.writelines(std::forward<T>(pieces));
};

// W-29: a piece of a wrong type.
static_assert(WritableAsLines<std::vector<Buffer>>);
static_assert(WritableAsLines<const std::vector<std::string>&>);
static_assert(WritableAsLines<std::array<Bytes, 2>>);
static_assert(WritableAsLines<std::span<const Buffer>>);
static_assert(WritableAsLines<std::list<std::string_view>>);
static_assert(!WritableAsLines<std::vector<int>>);
static_assert(!WritableAsLines<std::vector<std::u16string>>);
// W-31: bytes instead of pieces.
static_assert(!WritableAsLines<std::string>);
static_assert(!WritableAsLines<std::string_view>);
static_assert(!WritableAsLines<Bytes>);
static_assert(!WritableAsLines<Buffer>);

TEST_P(AnyCoalesceContract, W24_ThePausingCheckComesOnceAfterTheLastPiece) {
  start();
  block();
  const std::size_t queued = size();
  in_turn([&] {
    transport().set_write_buffer_limits(queued + 1);
    const std::array pieces{next(5), next(5), next(5)};
    transport().writelines(pieces);
  });
  EXPECT_EQ(trace(), "CM PW");
  EXPECT_EQ(record().calls().back().size, queued + 15);
  expect_delivered();
}

// The attempt that immediate makes finds nothing only on a kernel that takes nothing by itself.
TEST_P(ScriptedContract, W24_ThePausingCheckComesOnceWithBothPolicies) {
  start();
  block();
  const std::size_t queued = size();
  in_turn([&] {
    transport().set_write_buffer_limits(queued + 1);
    const std::array pieces{next(5), next(5), next(5)};
    transport().writelines(pieces);
  });
  EXPECT_EQ(trace(), "CM PW");
  EXPECT_EQ(record().calls().back().size, queued + 15);
}

TEST_P(OpenContract, W24_AllPiecesLeaveInOneAttempt) {
  start();
  in_turn([&] {
    const std::array pieces{next(5), next(700), next(5), next(900)};
    transport().writelines(pieces);
  });
  EXPECT_EQ(statistics().send_calls, 1U);
  EXPECT_EQ(size(), 0U);
  expect_delivered();
}

TEST_P(AnyImmediateContract, W25_OneAttemptIsMadeEvenBehindOlderBytes) {
  start();
  block();
  const auto calls = statistics().send_calls;
  in_turn([&] {
    const std::array pieces{next(5), next(5)};
    transport().writelines(pieces);
    EXPECT_EQ(statistics().send_calls, calls + 1);
  });
  expect_delivered();
}

TEST_P(AnyCoalesceContract, W25_NoAttemptIsMadeBehindOlderBytes) {
  start();
  block();
  const auto calls = statistics().send_calls;
  in_turn([&] {
    const std::array pieces{next(5), next(5)};
    transport().writelines(pieces);
  });
  EXPECT_EQ(statistics().send_calls, calls);
  expect_delivered();
}

TEST_P(HalfCloseContract, W26_WritelinesAfterWriteEofThrowsForAnEmptyListToo) {
  start();
  in_turn([&] {
    transport().write_eof();
    for (const std::vector<std::string>& pieces :
         {std::vector<std::string>{"late"}, std::vector<std::string>{}}) {
      try {
        transport().writelines(pieces);
        ADD_FAILURE() << "nothing was thrown";
      } catch (const std::logic_error& error) {
        EXPECT_STREQ(error.what(), "Cannot call writelines() after write_eof()");
      }
    }
  });
}

TEST_P(Contract, W27_AnEmptyListDoesNothing) {
  start();
  in_turn([&] {
    transport().writelines(std::vector<Buffer>{});
    transport().writelines(std::list<std::string>{});
    EXPECT_EQ(size(), 0U);
  });
  EXPECT_EQ(statistics().send_calls, 0U);
}

TEST_P(Contract, W28_EmptyPiecesAreSkipped) {
  start();
  in_turn([&] {
    const std::array pieces{std::string(), next(5), std::string(), next(5), std::string()};
    transport().writelines(pieces);
    transport().writelines(std::array{std::string(), std::string()});
    transport().close();
  });
  expect_delivered_then_end();
  EXPECT_EQ(record().write_trace(), "CM CL(ok)");
}

// so no transport can be lost by it.
TEST(ContractApi, W29_APieceOfAWrongTypeDoesNotCompile) {
  EXPECT_FALSE(WritableAsLines<std::vector<double>>);
  EXPECT_FALSE(WritableAsLines<std::vector<std::vector<std::string>>>);
}

TEST_P(Contract, W30_ADroppedListCountsOnceWithAllItsBytes) {
  start();
  in_turn([&] {
    transport().close();
    transport().writelines(std::array{std::string("one"), std::string("two"), std::string("six")});
  });
  EXPECT_EQ(statistics().writes_dropped, 1U);
  EXPECT_EQ(statistics().bytes_dropped, 9U);
}

TEST(ContractApi, W31_BytesAreNoListOfPieces) {
  EXPECT_FALSE(WritableAsLines<std::string>);
  EXPECT_FALSE(WritableAsLines<const Buffer&>);
}

}  // namespace
}  // namespace sluice::testing

// The end of a transport when there is no memory for it.
#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "core/allocation_probe.hpp"
#include "sluice/event_loop.hpp"
#include "testing/peers.hpp"

namespace sluice::transports {
namespace {

// Counts, and needs no memory for it.
class CountingProtocol final : public Protocol {
 public:
  explicit CountingProtocol(std::size_t& lost) noexcept : lost_(&lost) {}
  bool eof_received() override { return true; }
  void connection_lost(std::error_code error) override { *lost_ += error ? 1U : 0U; }

 private:
  std::size_t* lost_;
};

// Losses of many transports in one turn, of which the nth allocation fails. How many were told.
std::size_t losses_told(std::size_t count, std::size_t nth, bool& failed) {
  std::size_t lost = 0;
  std::vector<std::shared_ptr<Transport>> transports;
  std::vector<Fd> peers;
  EventLoop loop;
  loop.set_exception_handler([](const ExceptionContext&) {});
  for (std::size_t i = 0; i < count; ++i) {
    testing::FdPair pair = testing::make_socket_pair();
    peers.push_back(std::move(pair.peer));
    auto made = loop.run_until_complete(loop.connect_accepted_socket(
        [&] { return std::make_shared<CountingProtocol>(lost); }, std::move(pair.transport)));
    transports.push_back(std::move(made.transport));
  }
  peers.clear();
  loop.call_soon([&] {
    for (const auto& transport : transports) {
      transport->write("to nobody");
    }
  });
  loop.stop();
  {
    const testing::FailingAllocation failing(nth);
    EXPECT_NO_THROW(loop.run_forever());
    failed = failing.failed();
  }
  for (int i = 0; i < 3; ++i) {
    loop.stop();
    loop.run_forever();
  }
  return lost;
}

// W-57: that there is no memory to schedule the loss is no reason not to tell it.
TEST(WithoutMemory, EveryLossIsToldAndNothingEscapesTheLoop) {
  constexpr std::size_t count = 100;
  std::size_t nth = 0;
  for (bool failed = true; failed;) {
    EXPECT_EQ(count, losses_told(count, ++nth, failed)) << "failure " << nth;
  }
  EXPECT_LT(2U, nth);
}

}  // namespace
}  // namespace sluice::transports

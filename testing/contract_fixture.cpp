#include "testing/contract_fixture.hpp"

#include <fcntl.h>
#include <poll.h>

#include <chrono>
#include <utility>

namespace sluice::testing {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::seconds patience{20};
constexpr int most_turns = 200'000;
// So many turns without anything new, and the next ones wait for the peer's descriptor.
constexpr int idle_turns = 20;
constexpr int turns_to_prove_nothing = 10;
constexpr std::size_t small_write = 4096;

}  // namespace

bool TransportMaker::is_open(int fd) {
  return ::fcntl(fd, F_GETFD) >= 0;
}

std::string Variant::name() const {
  return kind.name + (start == Start::open ? "_open" : "_clogged") +
         (policy == WritePolicy::coalesce ? "_coalesce" : "_immediate");
}

std::vector<Variant> variants(const std::function<bool(const Variant&)>& where) {
  std::vector<Variant> chosen;
  for (const TransportKind& kind : transports_under_contract()) {
    for (const Start start : {Start::open, Start::clogged}) {
      for (const WritePolicy policy : {WritePolicy::coalesce, WritePolicy::immediate}) {
        const Variant variant{kind, start, policy};
        if (where(variant)) {
          chosen.push_back(variant);
        }
      }
    }
  }
  return chosen;
}

ContractTest::ContractTest()
    : maker_(GetParam().kind.new_maker()), record_(std::make_shared<Recording>()) {
  make_loop(false);
}

ContractTest::~ContractTest() {
  maker_->let_go();
  // The loop's end may drop the last transport, whose protocol holds the record, which holds it.
  loop_.reset();
  record_->release();
}

void ContractTest::make_loop(bool debug) {
  LoopOptions options;
  options.write_policy = GetParam().policy;
  options.debug = debug;
  options.system_calls = maker_->system_calls();
  options.log = [this](LogLevel level, std::string_view text) {
    (level >= LogLevel::warning ? warnings_ : notes_).emplace_back(text);
  };
  loop_ = std::make_unique<EventLoop>(std::move(options));
  loop_->set_exception_handler([this](const ExceptionContext& context) {
    reports_.push_back(context.message + ": " + context.what());
  });
}

void ContractTest::use_debug_loop() {
  loop_.reset();
  make_loop(true);
}

void ContractTest::TearDown() {
  EXPECT_EQ(grammar_offence(record_->calls(), false), "") << trace();
  EXPECT_EQ(reports_, std::vector<std::string>()) << "the exception handler was not to be called";
  EXPECT_EQ(warnings_, std::vector<std::string>()) << "nothing was to be logged";
  record_->on_connection_lost = nullptr;
  maker_->let_go();
  loop_->close();
  EXPECT_EQ(maker_->offences(), std::vector<std::string>());
}

ScriptedKernel& ContractTest::kernel() {
  return dynamic_cast<ScriptedPeer&>(peer()).kernel();
}

int ContractTest::scripted_fd() {
  return dynamic_cast<ScriptedPeer&>(peer()).fileno();
}

MadeTransport ContractTest::begin() {
  return maker_->make(*loop_, record_, GetParam().start);
}

void ContractTest::start() {
  const MadeTransport made = begin();
  run_until("the transport is made", [&] { return made.done(); });
  if (made.done()) {
    made.get();
  }
}

void ContractTest::turn() {
  loop_->stop();
  loop_->run_forever();
  if (traits().completes_later && record_->shared_transport()) {
    maker_->settle(transport());
  }
}

void ContractTest::in_turn(std::function<void()> action) {
  loop_->call_soon(std::move(action));
  turn();
}

std::size_t ContractTest::progress() const {
  std::size_t sum = record_->calls().size() + record_->received().size();
  if (record_->shared_transport()) {
    sum += maker_->peer().received().size() + record_->transport().write_statistics().send_calls;
  }
  return sum;
}

void ContractTest::run_until(std::string_view what, const std::function<bool()>& condition) {
  const SteadyClock::time_point deadline = SteadyClock::now() + patience;
  int idle = 0;
  for (int turns = 0; turns < most_turns && SteadyClock::now() < deadline; ++turns) {
    if (condition()) {
      return;
    }
    const std::size_t before = progress();
    turn();
    if (record_->shared_transport()) {
      peer().pump();
    }
    idle = progress() == before ? idle + 1 : 0;
    if (idle > idle_turns && record_->shared_transport()) {
      peer().wait();
    }
  }
  FAIL() << "this did not come true: " << what << "; so far " << trace() << ", "
         << (record_->shared_transport() ? size() : 0) << " bytes queued";
}

void ContractTest::run_some_turns() {
  for (int i = 0; i < turns_to_prove_nothing; ++i) {
    turn();
    peer().pump();
  }
}

void ContractTest::run_until_lost() {
  run_until("the connection is lost", [&] { return record_->lost(); });
}

std::string ContractTest::next(std::size_t count) {
  put_ += count;
  return pattern(put_ - count, count);
}

void ContractTest::put(std::size_t count) {
  transport().write(next(count));
}

// A kernel that moves bytes on by itself may take a little more after it said that it is full.
bool ContractTest::kernel_is_full() {
  turn();
  const std::size_t queued = size();
  if (!traits().scripted) {
    pollfd entry{transport().fileno(), POLLOUT, 0};
    static_cast<void>(::poll(&entry, 1, 1));
  }
  turn();
  turn();
  return queued > 0 && size() == queued;
}

void ContractTest::block() {
  run_until("the kernel is full", [&] {
    if (size() == 0) {
      in_turn([&] { put(small_write); });
    }
    return size() > 0 && kernel_is_full();
  });
}

void ContractTest::block(std::size_t size_wanted) {
  block();
  ASSERT_LE(size(), size_wanted);
  in_turn([&] { put(size_wanted - size()); });
  ASSERT_EQ(size(), size_wanted);
}

void ContractTest::block_and_pause(std::size_t low) {
  block();
  in_turn([&] {
    transport().set_write_buffer_limits(size() + 100, low);
    put(101);
  });
  ASSERT_EQ(record_->write_trace(), "CM PW");
}

void ContractTest::expect_delivered(std::size_t count) {
  peer().start_reading();
  run_until("the peer has all bytes", [&] { return peer().received().size() >= count; });
  if (traits().completes_later && count == put_) {
    run_until("the transport knows it", [&] { return size() == 0; });
  }
  EXPECT_EQ(peer().received().size(), count);
  EXPECT_EQ(pattern_offence(peer().received()), "");
}

void ContractTest::expect_delivered_then_end(std::size_t count) {
  peer().start_reading();
  run_until("the peer is at the end", [&] { return peer().at_end(); });
  EXPECT_EQ(peer().received().size(), count);
  EXPECT_EQ(pattern_offence(peer().received()), "");
}

std::string ContractTest::broken_loss() {
  return "CL(" + name_of({static_cast<int>(traits().broken), std::system_category()}) + ")";
}

std::vector<std::string> ContractTest::take_reports() {
  return std::exchange(reports_, {});
}

std::vector<std::string> ContractTest::take_warnings() {
  return std::exchange(warnings_, {});
}

}  // namespace sluice::testing

#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "sluice/event_loop.hpp"
#include "testing/peers.hpp"
#include "testing/recording_protocol.hpp"

// The contract suite: one body of tests (tests/contract/) for every transport. To run it over a
// transport of your own, write a TransportMaker for it, define transports_under_contract(), and
// link the tests.

namespace sluice::testing {

/// What kinds of transport are allowed to differ in. Each flag decides which tests a kind gets;
/// there is no other way to be exempt from one.
struct TransportTraits {
  /// write_eof() tells the peer and leaves the transport open (W-33). Without: it is close()
  /// (W-38), and drops are counted the pipe's way (W-63).
  bool half_close = false;
  /// A duplex Transport: section 4 applies.
  bool reads = false;
  /// A write-only transport that hears of its peer's going away without writing (W-102).
  bool watches_peer = false;
  /// Whether the first write after the peer closed is refused; TCP learns of it by sending (W-95).
  bool breaks_at_once = false;
  /// What a refused write reports.
  std::errc broken = std::errc::broken_pipe;
  /// Another thread gives the bytes to the kernel: that it took them, or that nothing is left to do
  /// after close(), shows a turn later than with other kinds. Each turn of the test ends when that
  /// thread has done what it can.
  bool completes_later = false;
  /// Runs on a ScriptedKernel, by a ScriptedPeer.
  bool scripted = false;
  /// close() says farewell and waits for the peer's: the loss comes some turns later (W-120).
  bool farewell = false;
};

/// The state of the kernel's buffer when the transport is born.
enum class Start : std::uint8_t {
  open,     ///< empty: the first bytes are taken
  clogged,  ///< full: nothing is taken until the peer reads
};

using MadeTransport = Future<std::shared_ptr<WriteTransport>>;

/// Makes one transport and its peer; a new one for each test.
class TransportMaker {
 public:
  TransportMaker() = default;
  TransportMaker(const TransportMaker&) = delete;
  TransportMaker& operator=(const TransportMaker&) = delete;
  virtual ~TransportMaker() = default;

  /// The system that the loop is to use; null for the real one.
  [[nodiscard]] virtual std::shared_ptr<sys::SystemCalls> system_calls() { return nullptr; }
  /// Begins to make the transport, whose protocol feeds `record`. Calls no callback of the record
  /// yet. `Start::clogged` must hold before the protocol's connection_made.
  virtual MadeTransport make(EventLoop& loop, std::shared_ptr<Recording> record, Start start) = 0;
  /// The other end; there is one once connection_made was called.
  [[nodiscard]] virtual Peer& peer() = 0;
  /// Whether a descriptor is open in the system that the loop uses.
  [[nodiscard]] virtual bool is_open(int fd);
  /// Returns when other threads have done what they can do for the transport now.
  virtual void settle(WriteTransport& /*transport*/) {}
  /// The test is over: no thread may wait for the peer any more.
  virtual void let_go() {}
  /// What the system thinks was done wrong to it.
  [[nodiscard]] virtual std::vector<std::string> offences() { return {}; }
};

/// One kind of transport.
struct TransportKind {
  std::string name;  ///< part of the tests' names: letters, digits, _
  TransportTraits traits;
  std::function<std::unique_ptr<TransportMaker>()> new_maker;
};

/// The kinds the suite runs over; the program that links the suite defines this.
[[nodiscard]] std::vector<TransportKind> transports_under_contract();
/// The kinds that come with Sluice, over real descriptors and over the scripted kernel.
[[nodiscard]] std::vector<TransportKind> sluice_transports();

/// The parameter of each test.
struct Variant {
  TransportKind kind;
  Start start;
  WritePolicy policy;
  [[nodiscard]] std::string name() const;
};
// NOLINTNEXTLINE(readability-identifier-naming): GoogleTest looks for this name.
inline void PrintTo(const Variant& variant, std::ostream* out) {
  *out << variant.name();
}
[[nodiscard]] inline std::string variant_name(const ::testing::TestParamInfo<Variant>& info) {
  return info.param.name();
}
/// Every kind, open and clogged, with both policies, as far as `where` says yes.
[[nodiscard]] std::vector<Variant> variants(const std::function<bool(const Variant&)>& where);

/// A write that no kernel buffer of the kinds takes, and that leaves more than the high mark
/// queued.
inline constexpr std::size_t big = 256 * 1024;

/// A loop, and on it one transport of the kind under test. Whatever a test does, its end checks the
/// order of the protocol's calls, that nothing unexpected was reported or logged, and that the
/// system was used correctly.
class ContractTest : public ::testing::TestWithParam<Variant> {
 protected:
  ContractTest();
  ~ContractTest() override;
  void TearDown() override;

  // The actors.
  [[nodiscard]] EventLoop& loop() { return *loop_; }
  [[nodiscard]] Recording& record() { return *record_; }
  [[nodiscard]] const std::shared_ptr<Recording>& shared_record() { return record_; }
  [[nodiscard]] WriteTransport& transport() { return record_->transport(); }
  /// The transport as a duplex one; only for kinds that read.
  [[nodiscard]] Transport& duplex() { return dynamic_cast<Transport&>(transport()); }
  [[nodiscard]] Peer& peer() { return maker_->peer(); }
  [[nodiscard]] TransportMaker& maker() { return *maker_; }
  [[nodiscard]] static const TransportTraits& traits() { return GetParam().kind.traits; }
  /// Only for scripted kinds.
  [[nodiscard]] ScriptedKernel& kernel();
  [[nodiscard]] int scripted_fd();

  /// Makes the transport and waits for it. Reactions to connection_made are set before this.
  void start();
  /// Begins to make the transport; nothing of it has happened when this returns.
  MadeTransport begin();
  /// As begin(), on a loop in debug mode.
  void use_debug_loop();

  // Driving. All of these end.
  /// Exactly one turn of the loop, without waiting.
  void turn();
  /// Runs `action` as a callback of one turn, up to the end of that turn.
  void in_turn(std::function<void()> action);
  /// Turns of the loop and reads of the peer until `condition` holds. Fails the test, naming
  /// `what`, when it does not within a bounded number of turns and a few seconds.
  void run_until(std::string_view what, const std::function<bool()>& condition);
  /// Some turns, for what must not happen in them.
  void run_some_turns();
  void run_until_lost();

  // Writing the pattern of testing/peers.hpp.
  /// Writes the next `count` bytes of the pattern.
  void put(std::size_t count);
  /// The next bytes of the pattern, for a test that writes them itself.
  [[nodiscard]] std::string next(std::size_t count);
  [[nodiscard]] std::size_t put_so_far() const { return put_; }
  /// Writes little by little until bytes stay queued because the kernel is full. What is queued
  /// then is less than the default low mark.
  void block();
  /// Likewise, with exactly `size` bytes queued, at least 8192; nobody is paused by it.
  void block(std::size_t size);
  /// Blocks, sets the limits to {size of the queue + 100, low} and writes on until PW was called.
  void block_and_pause(std::size_t low);
  /// Lets the peer read until it has `count` bytes (without a count: all that was put) and compares
  /// them.
  void expect_delivered(std::size_t count);
  void expect_delivered() { expect_delivered(put_); }
  /// The same, then the end of the stream must come, and nothing before it.
  void expect_delivered_then_end(std::size_t count);
  void expect_delivered_then_end() { expect_delivered_then_end(put_); }

  // What was seen.
  [[nodiscard]] std::size_t size() { return transport().get_write_buffer_size(); }
  [[nodiscard]] WriteStatistics statistics() { return transport().write_statistics(); }
  [[nodiscard]] std::string trace() { return record_->trace(); }
  /// "CL(EPIPE)" by the error that a refused write of this kind reports.
  [[nodiscard]] static std::string broken_loss();
  /// What the exception handler was told since the last call: "message: what".
  [[nodiscard]] std::vector<std::string> take_reports();
  /// What was logged as a warning or worse since the last call.
  [[nodiscard]] std::vector<std::string> take_warnings();
  /// What was logged below that.
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }

 private:
  void make_loop(bool debug);
  [[nodiscard]] std::size_t progress() const;
  [[nodiscard]] bool kernel_is_full();

  std::unique_ptr<TransportMaker> maker_;
  std::shared_ptr<Recording> record_;
  std::unique_ptr<EventLoop> loop_;
  std::vector<std::string> reports_;
  std::vector<std::string> warnings_;
  std::vector<std::string> notes_;
  std::size_t put_ = 0;
};

}  // namespace sluice::testing

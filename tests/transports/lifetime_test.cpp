// Who owns a transport and its protocol, what callbacks may do to them, and what happens when they
// throw.
#include <cerrno>
#include <optional>
#include <stdexcept>
#include <thread>

#include "core/check.hpp"
#include "testing/peers.hpp"
#include "transport_fixture.hpp"

namespace sluice::transports {
namespace {

// A protocol that drops the program's last references, to the transport and so to itself, inside
// one of its callbacks.
class Dropping final : public Protocol {
 public:
  struct World {
    std::shared_ptr<Transport> transport;
    std::string drop_in;
    std::string trace;
    bool gone = false;
  };
  explicit Dropping(World& world) : world_(&world) {}
  Dropping(const Dropping&) = delete;
  Dropping& operator=(const Dropping&) = delete;
  ~Dropping() override { world_->gone = true; }

  void connection_made(std::shared_ptr<Transport> transport) override {
    world_->transport = std::move(transport);
    at("CM");
  }
  void data_received(Bytes /*data*/) override { at("DR"); }
  bool eof_received() override {
    at("ER");
    return false;
  }
  void pause_writing() override { at("PW"); }
  void resume_writing() override { at("RW"); }
  void connection_lost(std::error_code error) override {
    at("CL(" + testing::name_of(error) + ")");
  }

 private:
  void at(const std::string& callback) {
    world_->trace += (world_->trace.empty() ? "" : " ") + callback;
    if (callback.starts_with(world_->drop_in)) {
      world_->transport.reset();
    }
    // The object is still there.
    EXPECT_FALSE(world_->gone);
  }
  World* world_;
};

class Lifetime : public TransportTest {
 protected:
  // A connection to which everything happens, its owner dropping it inside `callback`.
  std::string live(const std::string& callback) {
    Dropping::World world;
    world.drop_in = callback;
    const int fd = kernel_->open_stream();
    kernel_->set_room(fd, 10);
    bool written = false;
    loop_->connect_accepted_socket([&] { return std::make_shared<Dropping>(world); }, Fd(fd));
    // The write comes from outside, through a reference of its own while there is one.
    loop_->call_soon([&] {
      if (const auto transport = world.transport) {
        transport->set_write_buffer_limits(20, 5);
        transport->write(std::string(100, 'x'));
        written = true;
      }
    });
    turn(3);
    kernel_->set_room(fd, 1000);
    kernel_->deliver(fd, "data");
    turn(3);
    kernel_->deliver_eof(fd);
    turn(4);
    world.transport.reset();
    turn();
    EXPECT_TRUE(world.gone) << "dropped in " << callback;
    EXPECT_EQ(callback != "CM", written);
    return world.trace;
  }
};

// P-5
TEST_F(Lifetime, TheLastReferenceMayBeDroppedInAnyCallback) {
  for (const std::string callback : {"PW", "RW", "DR", "ER", "CL"}) {
    EXPECT_EQ("CM PW DR RW ER CL(ok)", live(callback));
  }
  EXPECT_EQ("CM DR ER CL(ok)", live("CM"));
}

// P-5
TEST_F(Lifetime, TheLoopKeepsATransportThatTheProgramDropped) {
  const int fd = open_stream();
  record_->release();
  kernel_->deliver(fd, "x");
  turn();
  EXPECT_EQ("x", record_->received());
  kernel_->deliver_eof(fd);
  turn(3);
  EXPECT_EQ("CM DR ER CL(ok)", trace());
}

// P-5, W-46
TEST_F(Lifetime, ATransportLetsGoOfItsProtocolAfterTheLoss) {
  std::weak_ptr<RecordingProtocol> weak;
  const auto future = loop_->connect_accepted_socket(
      [&] {
        auto made = std::make_shared<RecordingProtocol>(record_);
        weak = made;
        return made;
      },
      Fd(kernel_->open_stream()));
  turn(3);
  EXPECT_FALSE(weak.expired());
  const auto transport = record_->shared_transport();
  transport->close();
  turn(2);
  EXPECT_EQ(nullptr, transport->get_protocol());
}

// W-45
TEST_F(Lifetime, TheDescriptorIsOpenDuringConnectionLostAndClosedAfterIt) {
  const int fd = open_stream();
  const auto transport = record_->shared_transport();
  record_->on_connection_lost = [&](std::error_code) {
    EXPECT_TRUE(kernel_->is_open(fd));
    EXPECT_EQ(fd, transport->fileno());
  };
  transport->close();
  turn();
  EXPECT_FALSE(kernel_->is_open(fd));
  EXPECT_EQ(-1, transport->fileno());
}

void call_everything(Transport& transport) {
  EXPECT_TRUE(transport.is_closing());
  EXPECT_FALSE(transport.is_reading());
  EXPECT_EQ(-1, transport.fileno());
  EXPECT_EQ(nullptr, transport.get_protocol());
  EXPECT_EQ(0U, transport.get_write_buffer_size());
  EXPECT_TRUE(transport.can_write_eof());
  static_cast<void>(transport.peername());
  static_cast<void>(transport.sockname());
  transport.write("dropped");
  transport.write(Buffer::copy_of("dropped"));
  transport.writelines({"dropped", "too"});
  transport.write_eof();
  transport.pause_reading();
  transport.resume_reading();
  transport.set_write_buffer_limits(10, 5);
  EXPECT_EQ((WriteBufferLimits{5, 10}), transport.get_write_buffer_limits());
  transport.set_protocol(std::make_shared<BufferedProbe>());
  EXPECT_EQ(nullptr, transport.get_protocol());
  transport.close();
  transport.abort();
  EXPECT_EQ(3U, transport.write_statistics().writes_dropped);
}

// W-46, Q-4
TEST_F(Lifetime, EveryMethodStaysCallableAfterTheLoss) {
  open_stream();
  const auto transport = shared_duplex();
  transport->close();
  turn(2);
  call_everything(*transport);
}

// W-46, Q-4
TEST_F(Lifetime, EveryMethodStaysCallableAfterTheLoopIsGone) {
  const int fd = open_stream();
  const auto transport = shared_duplex();
  kernel_->set_room(fd, 0);
  transport->write("never sent");
  record_->release();
  loop_.reset();
  EXPECT_EQ("CM", trace());
  EXPECT_EQ(10U, transport->write_statistics().bytes_discarded);
  call_everything(*transport);
}

// W-46
TEST_F(Lifetime, ATransportThatWarnsOfDropsMayDoSoAfterTheLoopIsGone) {
  open_stream();
  const auto transport = shared_duplex();
  record_->release();
  loop_.reset();
  for (int i = 0; i < 6; ++i) {
    transport->write("x");
  }
  EXPECT_EQ(2U, logged_.size());
}

// W-170
TEST_F(Lifetime, AClosedLoopCallsNoProtocolAndClosesTheDescriptors) {
  const int idle = open_stream();
  const int draining = open_stream();
  kernel_->set_room(draining, 0);
  record_->transport().write("waits");
  record_->transport().close();
  const int losing = open_stream();
  record_->transport().abort();
  const int unborn = kernel_->open_stream();
  loop_->connect_accepted_socket(stream_factory(), Fd(unborn));
  const std::string before = trace();
  loop_->close();
  EXPECT_EQ(before, trace());
  for (const int fd : {idle, draining, losing, unborn}) {
    EXPECT_FALSE(kernel_->is_open(fd));
  }
}

// W-170
TEST_F(Lifetime, AProtocolThatIsDestroyedByTheClosingLoopMayCallItsTransport) {
  class Calling final : public Protocol {
   public:
    ~Calling() override {
      transport->write("too late");
      transport->close();
      transport->abort();
      transport->resume_reading();
      transport->set_protocol(std::make_shared<BufferedProbe>());
    }
    void connection_made(std::shared_ptr<Transport> made) override { transport = made.get(); }
    Transport* transport = nullptr;
  };
  std::shared_ptr<Transport> kept;
  const auto future = loop_->connect_accepted_socket([] { return std::make_shared<Calling>(); },
                                                     Fd(kernel_->open_stream()));
  turn(3);
  kept = future.get().transport;
  loop_->close();
  EXPECT_EQ(nullptr, kept->get_protocol());
}

// ---- Exceptions ----

class Throwing : public TransportTest {
 protected:
  static void oops() { throw std::runtime_error("oops"); }
  [[noreturn]] static void system_oops() {
    throw std::system_error(std::make_error_code(std::errc::protocol_error), "by the protocol");
  }
};

// W-85
TEST_F(Throwing, ConnectionMadeDoesNotLoseTheConnection) {
  record_->on_connection_made = oops;
  const int fd = kernel_->open_stream();
  const auto future = adopt(fd);
  EXPECT_EQ("done", outcome_of(future));
  EXPECT_EQ(Texts{"Exception in callback protocol.connection_made(): oops"}, reports_);
  kernel_->deliver(fd, "x");
  turn();
  EXPECT_EQ("CM DR", trace());
}

// W-156
TEST_F(Throwing, DataReceivedLosesTheConnection) {
  record_->on_data_received = [](Bytes) { oops(); };
  const int fd = open_stream();
  kernel_->deliver(fd, "x");
  turn(2);
  EXPECT_EQ("CM DR CL(callback_failed)", trace());
  EXPECT_EQ(Texts{"Fatal error: protocol.data_received() call failed.: oops"}, reports_);
}

// W-156
TEST_F(Throwing, EofReceivedLosesTheConnection) {
  record_->on_eof_received = []() -> bool { throw std::runtime_error("oops"); };
  const int fd = open_stream();
  kernel_->deliver_eof(fd);
  turn(2);
  EXPECT_EQ("CM ER CL(callback_failed)", trace());
  EXPECT_EQ(Texts{"Fatal error: protocol.eof_received() call failed.: oops"}, reports_);
}

// W-156
TEST_F(Throwing, AnErrorOfTheSystemBecomesTheReasonAndIsNotReported) {
  record_->on_data_received = [](Bytes) { system_oops(); };
  const int fd = open_stream();
  kernel_->deliver(fd, "x");
  turn(2);
  EXPECT_EQ("CM DR CL(EPROTO)", trace());
  EXPECT_EQ(Texts{}, reports_);
}

// W-156
TEST_F(Throwing, WhatIsNoStandardExceptionLosesTheConnectionToo) {
  record_->on_data_received = [](Bytes) { throw 42; };
  const int fd = open_stream();
  kernel_->deliver(fd, "x");
  turn(2);
  EXPECT_EQ("CM DR CL(callback_failed)", trace());
}

// W-156, W-57
TEST_F(Throwing, WhatIsQueuedIsDiscarded) {
  record_->on_data_received = [this](Bytes) {
    duplex().write("never sent");
    oops();
  };
  const int fd = open_stream();
  kernel_->set_room(fd, 0);
  kernel_->deliver(fd, "x");
  turn(3);
  EXPECT_EQ("CM DR CL(callback_failed)", trace());
  EXPECT_EQ("", kernel_->sent(fd));
}

// W-156
TEST_F(Throwing, AnExceptionAfterCloseChangesNothingButIsReported) {
  record_->on_data_received = [this](Bytes) {
    duplex().close();
    oops();
  };
  const int fd = open_stream();
  kernel_->deliver(fd, "x");
  turn(2);
  EXPECT_EQ("CM DR CL(ok)", trace());
  EXPECT_EQ(1U, reports_.size());
}

// W-77
TEST_F(Throwing, PauseAndResumeWritingChangeNothing) {
  record_->on_pause_writing = oops;
  record_->on_resume_writing = oops;
  const int fd = open_stream();
  kernel_->set_room(fd, 0);
  duplex().set_write_buffer_limits(0);
  duplex().write("x");
  EXPECT_EQ("CM PW", trace());
  kernel_->set_room(fd, 1);
  turn();
  EXPECT_EQ("CM PW RW", trace());
  EXPECT_EQ(
      (Texts{"protocol.pause_writing() failed: oops", "protocol.resume_writing() failed: oops"}),
      reports_);
  EXPECT_FALSE(duplex().is_closing());
}

// W-45
TEST_F(Throwing, ConnectionLostIsReportedAndTheDescriptorClosed) {
  record_->on_connection_lost = [](std::error_code) { oops(); };
  const int fd = open_stream();
  record_->transport().close();
  turn(2);
  EXPECT_EQ(Texts{"Exception in callback protocol.connection_lost(): oops"}, reports_);
  EXPECT_FALSE(kernel_->is_open(fd));
}

// W-176
TEST_F(Throwing, TheExceptionHandlerIsToldWhichTransportAndProtocol) {
  const int fd = open_stream();
  record_->on_data_received = [](Bytes) { oops(); };
  bool told = false;
  loop_->set_exception_handler([&](const ExceptionContext& context) {
    told = true;
    EXPECT_EQ(fd, context.transport->fileno());
    EXPECT_EQ(context.transport->get_protocol().get(), context.protocol);
  });
  kernel_->deliver(fd, "x");
  turn(2);
  EXPECT_TRUE(told);
}

// W-178
TEST_F(Throwing, TheDefaultHandlerLogsTransportAndProtocol) {
  const int fd = open_stream();
  record_->on_data_received = [](Bytes) { oops(); };
  loop_->set_exception_handler(nullptr);
  kernel_->deliver(fd, "x");
  turn(2);
  ASSERT_EQ(1U, logged_.size());
  const std::size_t exception = logged_.front().find("\nexception: oops");
  const std::size_t protocol = logged_.front().find("\nprotocol: ");
  const std::size_t transport = logged_.front().find("\ntransport: ");
  EXPECT_LT(exception, protocol);
  EXPECT_LT(protocol, transport);
  EXPECT_NE(std::string::npos, transport);
}

// ---- Other protocols ----

class Switching : public TransportTest {};

// W-78
TEST_F(Switching, ANewProtocolGetsEveryLaterCallButNoConnectionMade) {
  const int fd = open_stream();
  const auto second = std::make_shared<Recording>();
  duplex().set_protocol(std::make_shared<RecordingProtocol>(second));
  kernel_->deliver(fd, "x");
  kernel_->deliver_eof(fd);
  turn(3);
  EXPECT_EQ("CM", trace());
  EXPECT_EQ("DR ER CL(ok)", second->trace());
}

// W-78
TEST_F(Switching, AProtocolInstalledInAPauseGetsTheResumeItDidNotSeeThePauseOf) {
  const int fd = open_stream();
  kernel_->set_room(fd, 0);
  duplex().set_write_buffer_limits(0);
  duplex().write("x");
  EXPECT_EQ("CM PW", trace());
  const auto buffered = std::make_shared<BufferedProbe>();
  duplex().set_protocol(buffered);
  kernel_->set_room(fd, 1);
  turn();
  EXPECT_EQ("RW", buffered->trace);
}

// W-78
TEST_F(Switching, NullAndTheWrongKindAreRefusedAndTheOldOneStays) {
  class Plain final : public BaseProtocol {};
  open_stream();
  const auto before = duplex().get_protocol();
  EXPECT_THROW(duplex().set_protocol(nullptr), std::invalid_argument);
  EXPECT_THROW(duplex().set_protocol(std::make_shared<Plain>()), std::invalid_argument);
  EXPECT_EQ(before, duplex().get_protocol());
}

// W-78, P-5
TEST_F(Switching, AProtocolMayReplaceItselfInsideItsOwnCallback) {
  const int fd = open_stream();
  const auto second = std::make_shared<Recording>();
  record_->on_data_received = [&](Bytes) {
    duplex().set_protocol(std::make_shared<RecordingProtocol>(second));
    duplex().set_protocol(std::make_shared<RecordingProtocol>(second));
  };
  kernel_->deliver(fd, "x");
  turn();
  kernel_->deliver(fd, "y");
  turn();
  EXPECT_EQ("DR", second->trace());
}

// ---- The flush ----

class Flushing : public TransportTest {};

// W-18
TEST_F(Flushing, MorePiecesThanOneCallTakesGoOutOverSeveralTurns) {
  const int fd = open_stream();
  const std::string piece(600, 'p');
  loop_->call_soon([&] {
    duplex().set_write_buffer_limits(unlimited, 0);
    for (int i = 0; i < 2500; ++i) {
      duplex().write(Buffer::copy_of(piece));
    }
  });
  kernel_->clear_calls();
  turn();
  // What is left of the run is flushed when it ends, so two calls belong to this turn.
  turn(2);
  EXPECT_EQ(std::size_t{2500 * 600}, kernel_->sent(fd).size());
  EXPECT_EQ(3U, kernel_->count_calls("sendmsg"));
  for (const testing::CallRecord& call : kernel_->calls()) {
    EXPECT_LE(call.name == "sendmsg" ? call.pieces : 0, 1024U);
  }
}

// W-37, Q-12
TEST_F(Flushing, AHalfCloseThatFailsLosesTheConnection) {
  const int fd = open_stream();
  kernel_->fail_shutdown(fd, ENOTCONN);
  duplex().write_eof();
  turn(2);
  EXPECT_EQ("CM CL(ENOTCONN)", trace());
}

// W-57
TEST_F(Flushing, AWatchThatCannotBeSetLosesTheConnectionAfterConnectionMade) {
  const int fd = kernel_->open_stream();
  kernel_->fail_next("epoll_ctl", ENOSPC);
  EXPECT_EQ("done", outcome_of(adopt(fd)));
  EXPECT_EQ("CM CL(ENOSPC)", trace());
}

//
TEST_F(Flushing, ATransportThatIsClosedInConnectionMadeIsNeverWatched) {
  const int fd = kernel_->open_stream();
  record_->on_connection_made = [this] { duplex().close(); };
  adopt(fd);
  EXPECT_EQ("CM CL(ok)", trace());
  EXPECT_EQ(0U, calls(fd, "epoll_ctl").size());
}

// W-44, T-17
TEST_F(Flushing, WhatConnectionMadeWroteBeforeItsCloseIsSent) {
  const int fd = kernel_->open_stream();
  kernel_->set_room(fd, 3);
  record_->on_connection_made = [this] {
    duplex().write("hello");
    duplex().close();
  };
  adopt(fd);
  EXPECT_EQ("CM", trace());
  kernel_->set_room(fd, 100);
  turn(2);
  EXPECT_EQ("hello", kernel_->sent(fd));
  EXPECT_EQ("CM CL(ok)", trace());
}

// W-57, W-59
TEST_F(Flushing, InDebugModeAnErrorOfTheSystemIsLogged) {
  Texts notes;
  LoopOptions debug;
  debug.debug = true;
  debug.system_calls = kernel_;
  debug.log = [&](LogLevel level, std::string_view text) {
    if (level == LogLevel::debug) {
      notes.emplace_back(text);
    }
  };
  loop_ = std::make_unique<EventLoop>(std::move(debug));
  const int broken_writing = open_stream();
  kernel_->fail_writes(broken_writing, EPIPE);
  record_->transport().write("x");
  turn(2);
  const int broken_reading = open_stream();
  kernel_->fail_reads(broken_reading, ETIMEDOUT);
  turn(2);
  EXPECT_EQ((Texts{"Fatal write error on socket transport: Broken pipe",
                   "Fatal read error on socket transport: Connection timed out"}),
            notes);
  record_->release();
  loop_.reset();
}

// W-171
TEST_F(Lifetime, InADebugBuildSetProtocolThrowsOnAnotherThread) {
  open_stream();
  const auto transport = shared_duplex();
  const auto other = std::make_shared<RecordingProtocol>(std::make_shared<Recording>());
  bool thrown = false;
  loop_->call_soon([&] {
    std::thread([&] {
      try {
        if constexpr (core::debug_checks) {
          transport->set_protocol(other);
        }
      } catch (const std::logic_error&) {
        thrown = true;
      }
    }).join();
  });
  turn();
  EXPECT_EQ(core::debug_checks, thrown);
}

// W-37, Q-12
TEST(LifetimeOfTheSystem, AHalfCloseAfterAResetThatNobodyHasReadTellsOfTheReset) {
  EventLoop loop;
  testing::FdPair pair = testing::make_tcp_pair();
  const auto record = std::make_shared<Recording>();
  record->on_connection_made = [&] {
    dynamic_cast<Transport&>(record->transport()).pause_reading();
    testing::FdPeer(std::move(pair.peer)).reset();
    record->transport().write_eof();
  };
  record->on_connection_lost = [&](std::error_code) { loop.stop(); };
  loop.connect_accepted_socket([&] { return std::make_shared<RecordingProtocol>(record); },
                               std::move(pair.transport));
  loop.call_later(seconds(10), [&] { loop.stop(); });
  loop.run_forever();
  EXPECT_EQ("CM CL(ECONNRESET)", record->trace());
  record->release();
}

}  // namespace
}  // namespace sluice::transports

// Section 5.6 of docs/contract.md: start_tls.
#include <stdexcept>
#include <string>

#include "sluice/relay.hpp"
#include "tls/tls_fixture.hpp"

namespace sluice::testing {
namespace {

class StartTls : public ScriptedTls {
 protected:
  // A plain transport on the scripted kernel.
  void open_plain() {
    plain_ = new_record();
    fd_ = kernel().open_stream();
    raw_ = std::make_unique<ScriptedPeer>(shared_kernel(), fd_);
    loop().run_until_complete(loop().connect_accepted_socket(stream_factory(plain_), Fd(fd_)));
  }
  [[nodiscard]] Transport& transport() { return dynamic_cast<Transport&>(plain_->transport()); }
  [[nodiscard]] std::shared_ptr<Transport> shared() {
    return std::dynamic_pointer_cast<Transport>(plain_->shared_transport());
  }
  // What has come so far is plain, what comes now is TLS.
  void speak_tls(const TlsPeerOptions& options = {}) {
    raw_->start_reading();
    raw_->pump();
    clear_ = raw_->received();
    auto raw = std::make_unique<ScriptedPeer>(shared_kernel(), fd_);
    raw->start_reading();
    raw->skip(clear_.size());
    tls_ = std::make_unique<TlsPeer>(std::move(raw), options);
  }
  Future<std::shared_ptr<Transport>> secure(StartTlsOptions options = {}) {
    // It hears no connection_made, so the order of its calls is not that of a whole life.
    secured_ = std::make_shared<Recording>();
    return loop().start_tls(shared(), std::make_shared<RecordingProtocol>(secured_), context_,
                            std::move(options));
  }
  void shake_hands(const Future<std::shared_ptr<Transport>>& future) {
    run_until([&] {
      tls_->step();
      return future.done();
    });
    run_until([&] { return tls_->step(); });
  }

  std::shared_ptr<TlsContext> context_ = serving();
  std::shared_ptr<Recording> plain_;
  std::shared_ptr<Recording> secured_;
  std::unique_ptr<ScriptedPeer> raw_;
  std::unique_ptr<TlsPeer> tls_;
  std::string clear_;
  int fd_ = -1;
};

// W-198
TEST_F(StartTls, W198_AConnectionIsSecuredInPlaceAndTheNewProtocolGetsNoConnectionMade) {
  open_plain();
  in_turn([&] { transport().write("in the clear"); });
  const auto future = secure();
  speak_tls();
  shake_hands(future);
  EXPECT_EQ(future.get(), shared());
  EXPECT_EQ(clear_, "in the clear");
  EXPECT_TRUE(tls_info(transport()).has_value());
  in_turn([&] { transport().write("in secret"); });
  tls_->start_reading();
  run_until([&] {
    tls_->pump();
    return tls_->received() == "in secret";
  });
  tls_->send("an answer");
  run_until([&] { return secured_->received() == "an answer"; });
  EXPECT_EQ(kernel().sent(fd_).find("in secret"), std::string::npos);
  EXPECT_EQ(plain_->trace(), "CM");
  tls_->send_eof();
  run_until([&] { return secured_->lost(); });
  EXPECT_EQ(secured_->trace(), "DR ER CL(ok)");
}

// W-198
TEST_F(StartTls, AShareThatTheCallerGivesUpDuringTheHandshakeIsNotNeeded) {
  open_plain();
  secured_ = std::make_shared<Recording>();
  const auto future = [&] {
    // Its count of owners is another one, and ends here.
    const std::shared_ptr<Transport> alias(shared().get(), [](Transport*) {});
    return loop().start_tls(alias, std::make_shared<RecordingProtocol>(secured_), context_, {});
  }();
  speak_tls();
  shake_hands(future);
  EXPECT_EQ(future.get(), shared());
}

// W-198
TEST_F(StartTls, W198_BytesQueuedBeforeLeaveInTheClearAndBytesWrittenAfterAreEncrypted) {
  open_plain();
  in_turn([&] { transport().write(pattern(0, 100'000)); });
  EXPECT_GT(transport().get_write_buffer_size(), 0U);
  const auto future = secure();
  in_turn([&] { transport().write("secret"); });
  raw_->start_reading();
  run_until([&] {
    raw_->pump();
    return raw_->received().size() == 100'000;
  });
  EXPECT_EQ(pattern_offence(raw_->received()), "");
  run_some_turns();
  EXPECT_EQ(kernel().sent(fd_).size(), 100'000U) << "the server waits for the client's hello";
  EXPECT_EQ(transport().get_write_buffer_size(), 6U);
  speak_tls();
  shake_hands(future);
  tls_->start_reading();
  run_until([&] {
    tls_->pump();
    return tls_->received() == "secret";
  });
  EXPECT_EQ(transport().get_write_buffer_size(), 0U);
}

//
TEST_F(StartTls, Q13_APausedTransportIsUpgradedAndTheOwedResumeArrives) {
  open_plain();
  in_turn([&] { transport().write(pattern(0, 100'000)); });
  ASSERT_EQ(plain_->trace(), "CM PW");
  transport().set_write_buffer_limits(70'000, 10);
  const auto future = secure();
  EXPECT_EQ(transport().get_write_buffer_limits(), (WriteBufferLimits{10, 70'000}));
  raw_->start_reading();
  run_until([&] {
    raw_->pump();
    return raw_->received().size() == 100'000;
  });
  run_until([&] { return secured_->trace() == "RW"; });
  speak_tls();
  shake_hands(future);
  in_turn([&] { transport().write(pattern(0, 200'000)); });
  EXPECT_EQ(secured_->trace(), "RW PW");
  tls_->start_reading();
  run_until([&] {
    tls_->pump();
    return tls_->received().size() == 200'000;
  });
  EXPECT_EQ(secured_->trace(), "RW PW RW");
  EXPECT_EQ(plain_->trace(), "CM PW");
}

// what is written during the handshake is held, and counts.
TEST_F(StartTls, Q13_WritesDuringTheHandshakePauseAndAreResumedAfterIt) {
  open_plain();
  const auto future = secure();
  in_turn([&] { transport().write(pattern(0, 100'000)); });
  EXPECT_EQ(secured_->trace(), "PW");
  EXPECT_EQ(transport().get_write_buffer_size(), 100'000U);
  run_some_turns();
  EXPECT_EQ(kernel().sent(fd_), "");
  speak_tls();
  shake_hands(future);
  tls_->start_reading();
  run_until([&] {
    tls_->pump();
    return tls_->received().size() == 100'000;
  });
  EXPECT_EQ(pattern_offence(tls_->received()), "");
  EXPECT_EQ(secured_->trace(), "PW RW");
}

TEST_F(StartTls, ReadingThatIsPausedStaysPausedAndDoesNotHoldUpTheHandshake) {
  open_plain();
  transport().pause_reading();
  const auto future = secure();
  speak_tls();
  shake_hands(future);
  tls_->send("for later");
  run_some_turns();
  EXPECT_EQ(secured_->trace(), "");
  transport().resume_reading();
  run_until([&] { return secured_->received() == "for later"; });
}

TEST_F(StartTls, BytesThatWereReadBeforeMayBeHandedOver) {
  open_plain();
  speak_tls();
  tls_->step();  // the client's hello arrives as plain data
  run_until([&] { return !plain_->received().empty(); });
  const auto future = secure({.already_received = Buffer::copy_of(plain_->received())});
  shake_hands(future);
  tls_->send("secret");
  run_until([&] { return secured_->received() == "secret"; });
}

TEST_F(StartTls, AHandshakeThatFailsLosesTheConnectionAndFailsTheFuture) {
  open_plain();
  const auto future = secure();
  kernel().deliver(fd_, "EHLO example.org\r\n");
  const std::system_error error = failure_of(future);
  EXPECT_EQ(error.code(), TlsErrc::peer_not_tls);
  run_until([&] { return secured_->lost(); });
  EXPECT_EQ(secured_->calls().back().error, TlsErrc::peer_not_tls);
  EXPECT_EQ(plain_->trace(), "CM");
  EXPECT_TRUE(transport().is_closing());
}

TEST_F(StartTls, AHandshakeThatTakesTooLongLosesTheConnection) {
  open_plain();
  const TimePoint before = loop().time();
  const auto future = secure({.ssl_handshake_timeout = seconds(3)});
  EXPECT_THROW(loop().run_until_complete(future), std::system_error);
  EXPECT_EQ(loop().time() - before, seconds(3));
  run_until([&] { return secured_->lost(); });
  EXPECT_EQ(secured_->calls().back().error, TlsErrc::handshake_timed_out);
}

TEST_F(StartTls, ThePlainBytesThatHoldItUpCountForItsTime) {
  open_plain();
  kernel().set_room(fd_, 0);
  in_turn([&] { transport().write("never read"); });
  const auto future = secure({.ssl_handshake_timeout = seconds(3)});
  try {
    loop().run_until_complete(future);
    ADD_FAILURE() << "it succeeded";
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), TlsErrc::handshake_timed_out);
  }
}

// W-122
TEST_F(StartTls, W122_CloseAndAbortDuringTheHandshakeEndItAtOnce) {
  for (const bool abort : {false, true}) {
    open_plain();
    const auto future = secure();
    run_some_turns();
    abort ? transport().abort() : transport().close();
    run_until([&] { return future.done() && secured_->lost(); });
    const std::system_error error = failure_of(future);
    EXPECT_EQ(error.code(), TlsErrc::closed_by_us);
    EXPECT_EQ(error.code(), std::errc::connection_aborted);
    EXPECT_EQ(secured_->trace(), "CL(ok)");
    turn();
    EXPECT_FALSE(kernel().is_open(fd_));
  }
}

TEST_F(StartTls, CancellingTheFutureClosesTheTransport) {
  open_plain();
  const auto future = secure();
  run_some_turns();
  EXPECT_TRUE(future.cancel());
  run_until([&] { return secured_->lost(); });
  EXPECT_EQ(secured_->trace(), "CL(ok)");
}

TEST_F(StartTls, AKernelThatFailsDuringTheHandshakeFailsBoth) {
  open_plain();
  kernel().set_room(fd_, 0);
  in_turn([&] { transport().write("stuck"); });
  const auto future = secure();
  run_some_turns();
  kernel().fail_writes(fd_, EPIPE);
  EXPECT_EQ(failure_of(future).code(), std::errc::broken_pipe);
  run_until([&] { return secured_->lost(); });
  EXPECT_EQ(secured_->trace(), "CL(EPIPE)");
}

TEST_F(StartTls, WriteEofIsAMistakeUntilTheHandshakeIsDone) {
  open_plain();
  const auto future = secure();
  EXPECT_FALSE(transport().can_write_eof());
  EXPECT_THROW(transport().write_eof(), std::logic_error);
  EXPECT_EQ(tls_info(transport()), std::nullopt);
  speak_tls();
  shake_hands(future);
  EXPECT_TRUE(transport().can_write_eof());
  transport().write_eof();
  tls_->start_reading();
  run_until([&] {
    tls_->pump();
    return tls_->got_farewell();
  });
}

TEST_F(StartTls, AClientNamesTheHostItWants) {
  context_ = trusting();
  open_plain();
  const auto future = secure({.server_hostname = "localhost"});
  speak_tls({.server = true});
  shake_hands(future);
  EXPECT_EQ(tls_info(transport())->server_name, "localhost");
}

// W-198, W-119
TEST_F(StartTls, W198_WhatCannotBeSecuredIsRefusedAndNothingChanges) {
  open_plain();
  const auto protocol = std::make_shared<RecordingProtocol>(new_record());
  EXPECT_THROW(loop().start_tls(nullptr, protocol, context_), std::invalid_argument);
  EXPECT_THROW(loop().start_tls(shared(), protocol, nullptr), std::invalid_argument);
  EXPECT_THROW(loop().start_tls(shared(), nullptr, context_), std::invalid_argument);
  EXPECT_THROW(loop().start_tls(shared(), protocol, trusting()), std::invalid_argument)
      << "a client needs a host name";
  EXPECT_THROW(loop().start_tls(shared(), protocol, context_, {.server_hostname = "x"}),
               std::invalid_argument);
  EXPECT_THROW(
      loop().start_tls(shared(), protocol, context_, {.ssl_handshake_timeout = seconds(0)}),
      std::invalid_argument);
  EXPECT_THROW(
      loop().start_tls(shared(), protocol, trusting(), {.server_hostname = std::string("a\0b", 3)}),
      std::invalid_argument);
  EventLoop other;
  EXPECT_THROW(other.start_tls(shared(), protocol, context_), std::invalid_argument);
  in_turn([&] { transport().write("still plain"); });
  EXPECT_EQ(kernel().sent(fd_), "still plain");
  const auto future = secure();
  EXPECT_THROW(loop().start_tls(shared(), protocol, context_), std::invalid_argument)
      << "TLS in TLS";
  transport().abort();
  EXPECT_EQ(failure_of(future).code(), TlsErrc::closed_by_us);
  EXPECT_THROW(loop().start_tls(shared(), protocol, context_), std::invalid_argument)
      << "a closing transport";
}

TEST_F(StartTls, ALoopThatClosesDuringItLeavesNothing) {
  open_plain();
  const auto future = secure();
  run_some_turns();
  loop().close();
  EXPECT_FALSE(kernel().is_open(fd_));
  EXPECT_FALSE(future.done());
  EXPECT_EQ(secured_->trace(), "");
}

TEST_F(StartTls, ItMayBeCalledFromDataReceived) {
  open_plain();
  std::optional<Future<std::shared_ptr<Transport>>> future;
  plain_->on_data_received = [&](Bytes) {
    transport().write("220 go ahead\r\n");
    future = secure();
  };
  kernel().deliver(fd_, "STARTTLS\r\n");
  run_until([&] { return kernel().sent(fd_) == "220 go ahead\r\n"; });
  speak_tls();
  shake_hands(*future);
  EXPECT_EQ(clear_, "220 go ahead\r\n");
  tls_->send("secret");
  run_until([&] { return secured_->received() == "secret"; });
}

// W-198: a range of a file is not counted by the size of the queue, nor can a secure channel say
// where it ends.
TEST_F(StartTls, W198_ATransportThatSendsAFileIsRefusedUntilItHasGone) {
  open_plain();
  const int file = kernel().open_file(std::string(100, 'A'));
  // The kernel's descriptors are no real ones: an Fd must not close them.
  const std::shared_ptr<const Fd> shared_file(new Fd(file), [](Fd* owner) {
    static_cast<void>(owner->release());
    delete owner;
  });
  kernel().set_room(fd_, 0);
  const auto sending = loop().sendfile(plain_->shared_transport(), shared_file, 0, 100);
  transport().write("tail\n");
  EXPECT_THROW(secure(), std::invalid_argument);
  kernel().set_room(fd_, ScriptedKernel::no_limit);
  run_until([&] { return sending.done(); });
  run_some_turns();
  EXPECT_EQ(kernel().sent(fd_), std::string(100, 'A') + "tail\n");
  const auto future = secure();
  speak_tls();
  shake_hands(future);
  EXPECT_EQ(future.get(), shared());
  static_cast<void>(kernel().close(file));
}

TEST_F(StartTls, W198_ATransportWhoseBytesGoToARelayIsRefused) {
  open_plain();
  const auto other = new_record();
  const int other_fd = kernel().open_stream();
  loop().run_until_complete(loop().connect_accepted_socket(stream_factory(other), Fd(other_fd)));
  const auto relaying = relay(shared(), other->shared_transport());
  EXPECT_THROW(secure(), std::invalid_argument);
  kernel().deliver(fd_, "passed on in the clear");
  run_until([&] { return kernel().sent(other_fd) == "passed on in the clear"; });
  kernel().deliver_eof(fd_);
  run_until([&] { return relaying.done(); });
}

// W-198: neither end of a relay, however the bytes go and also while there are none.
TEST_F(StartTls, W198_BothEndsOfARelayThroughMemoryAreRefusedUntilItEnds) {
  open_plain();
  kernel().fail_next("pipe", EMFILE, 2);
  for (const bool reads : {true, false}) {
    const auto other = new_record();
    const int other_fd = kernel().open_stream();
    loop().run_until_complete(loop().connect_accepted_socket(stream_factory(other), Fd(other_fd)));
    const auto peer = std::dynamic_pointer_cast<Transport>(other->shared_transport());
    const auto relaying = reads ? relay(shared(), peer) : relay(peer, shared());
    EXPECT_THROW(secure(), std::invalid_argument);
    kernel().deliver(reads ? fd_ : other_fd, "passed on in the clear");
    run_until([&] { return kernel().sent(reads ? other_fd : fd_) == "passed on in the clear"; });
    EXPECT_THROW(secure(), std::invalid_argument);
    relaying.cancel();
    run_some_turns();
    peer->abort();
    run_some_turns();
  }
  const auto future = secure();
  speak_tls();
  shake_hands(future);
  EXPECT_EQ(future.get(), shared());
}

// W-198: whoever has said that nothing more comes cannot shake hands.
TEST_F(StartTls, W198_ATransportAfterWriteEofIsRefusedAndGoesOnReading) {
  for (const bool sent : {false, true}) {
    open_plain();
    kernel().set_room(fd_, sent ? ScriptedKernel::no_limit : 0);
    in_turn([&] {
      transport().write("the end");
      transport().write_eof();
    });
    EXPECT_EQ(kernel().write_shut(fd_), sent);
    EXPECT_THROW(secure(), std::invalid_argument);
    kernel().set_room(fd_, ScriptedKernel::no_limit);
    kernel().deliver(fd_, "an answer");
    run_until([&] { return plain_->received() == "an answer"; });
    run_until([&] { return kernel().write_shut(fd_); });
    EXPECT_EQ(kernel().sent(fd_), "the end");
    transport().abort();
    turn();
    EXPECT_EQ(plain_->trace(), "CM DR CL(ok)");
  }
}

class StartTlsOnBothEnds : public TlsLoop {};

TEST_F(StartTlsOnBothEnds, W198_AClientAndAServerOfOursUpgradeTogether) {
  const auto at_server = new_record();
  const auto at_client = new_record();
  const auto server =
      loop().run_until_complete(loop().create_server(stream_factory(at_server), "127.0.0.1", 0));
  loop().run_until_complete(connect(at_client, *server, {}));
  run_until([&] { return at_server->shared_transport() != nullptr; });
  at_client->transport().write("STARTTLS");
  run_until([&] { return at_server->received() == "STARTTLS"; });
  const auto upgrade = [&](const std::shared_ptr<Recording>& record,
                           const std::shared_ptr<TlsContext>& context, StartTlsOptions options) {
    return loop().start_tls(std::dynamic_pointer_cast<Transport>(record->shared_transport()),
                            std::make_shared<RecordingProtocol>(record), context,
                            std::move(options));
  };
  const auto serving_end = upgrade(at_server, serving(), {});
  const auto client_end = upgrade(at_client, trusting(), {.server_hostname = "localhost"});
  loop().run_until_complete(client_end);
  loop().run_until_complete(serving_end);
  at_client->transport().write("secret");
  run_until([&] { return at_server->received() == "STARTTLSsecret"; });
  server->close();
  finish({at_client, at_server});
}

}  // namespace
}  // namespace sluice::testing

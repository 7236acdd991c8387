// What a server does when it cannot listen, or cannot accept.
#include <cerrno>
#include <functional>
#include <stdexcept>
#include <thread>

#include "server_fixture.hpp"
#include "testing/no_new_threads.hpp"

namespace sluice::transports {
namespace {

// ---- Accepting ----

// W-190
TEST_F(Serving, WithoutDescriptorsListeningPausesForASecond) {
  for (const int error : {EMFILE, ENFILE, ENOBUFS, ENOMEM}) {
    reports_.clear();
    const auto server = serve();
    for (const auto& call : kernel_->calls()) {
      listener_ = call.name == "listen" ? call.fd : listener_;
    }
    kernel_->push_connection(listener_);
    kernel_->fail_next("accept", error);
    turn(2);
    ASSERT_EQ(1U, reports_.size());
    EXPECT_TRUE(reports_.front().starts_with(
        "socket.accept() out of system resource: accept on 192.0.2.1:80: "));
    EXPECT_EQ(0U, server->connection_count());
    kernel_->clear_calls();
    run_for(milliseconds(999));
    EXPECT_EQ(0U, kernel_->count_calls("accept"));
    EXPECT_LE(kernel_->count_calls("epoll_wait"), 2U);
    run_for(milliseconds(1));
    turn();
    EXPECT_EQ(1U, server->connection_count());
    server->close();
    server->abort_clients();
    turn(2);
  }
}

// W-190
TEST_F(Serving, AnErrorThatStaysPausesListeningAndIsReported) {
  const auto server = serve();
  kernel_->push_connection(listener_);
  kernel_->fail_next("accept", EPERM);
  turn(2);
  EXPECT_EQ(Texts{"socket.accept() failed: accept on 192.0.2.1:80: Operation not permitted"},
            reports_);
  kernel_->clear_calls();
  run_for(milliseconds(999));
  EXPECT_EQ(0U, kernel_->count_calls("accept"));
  run_for(milliseconds(2));
  EXPECT_EQ(1U, server->connection_count());
}

// W-189, W-190
TEST_F(Serving, AnErrorOfSingleConnectionsThatDoesNotEndPausesListeningToo) {
  const auto server = serve({.backlog = 9});
  kernel_->push_connection(listener_);
  kernel_->fail_next("accept", EPROTO, 150);
  turn(50);
  EXPECT_EQ(Texts{"socket.accept() failed: accept on 192.0.2.1:80: Protocol error"}, reports_);
  EXPECT_EQ(100U, kernel_->count_calls("accept"));
  // The next try is as patient as the first.
  run_for(milliseconds(1001));
  turn(10);
  EXPECT_EQ(1U, reports_.size());
  EXPECT_EQ(1U, server->connection_count());
}

// W-190
TEST_F(Serving, AConnectionThatComesDuringThePauseWaits) {
  const auto server = serve();
  kernel_->push_connection(listener_);
  kernel_->fail_next("accept", EMFILE);
  turn(2);
  kernel_->clear_calls();
  kernel_->push_connection(listener_);
  run_for(milliseconds(500));
  EXPECT_EQ(0U, kernel_->count_calls("accept"));
  EXPECT_EQ(1U, reports_.size());
  run_for(milliseconds(501));
  EXPECT_EQ(2U, server->connection_count());
}

// W-190
TEST_F(Serving, ConnectionsThatAreUpGoOnDuringThePause) {
  const auto server = serve();
  const int up = client();
  kernel_->push_connection(listener_);
  kernel_->fail_next("accept", EMFILE);
  turn();
  kernel_->deliver(up, "x");
  turn();
  EXPECT_EQ("x", records_[0]->received());
}

// W-190
TEST_F(Serving, AServerThatIsClosedDuringThePauseStaysClosed) {
  const auto server = serve();
  kernel_->push_connection(listener_);
  kernel_->fail_next("accept", EMFILE);
  loop_->set_exception_handler([&](const ExceptionContext&) { server->close(); });
  turn(2);
  run_for(seconds(2));
  EXPECT_EQ(0U, records_.size());
}

// ---- Starting ----

TEST_F(Serving, AStartThatFailsCanBeRepeated) {
  ServerOptions options;
  options.start_serving = false;
  const auto server = serve(options);
  kernel_->fail_next("listen", EADDRINUSE);
  EXPECT_THROW(server->start_serving(), std::system_error);
  EXPECT_FALSE(server->is_serving());
  kernel_->fail_next("epoll_ctl", ENOSPC);
  EXPECT_THROW(server->start_serving(), std::system_error);
  server->start_serving();
  EXPECT_TRUE(server->is_serving());
}

TEST_F(Serving, AStartThatFailsAtTheSecondAddressAcceptsNothingOnTheFirst) {
  const auto server = listen({"192.0.2.1", "192.0.2.2"}, 80, {.start_serving = false}).get();
  const int first = first_own;
  kernel_->fail_next("listen", 0);
  kernel_->fail_next("listen", EADDRINUSE);
  try {
    server->start_serving();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const std::system_error& error) {
    EXPECT_EQ("listen on 192.0.2.2:80: Address already in use", std::string(error.what()));
  }
  kernel_->push_connection(first);
  turn(2);
  EXPECT_FALSE(kernel_->registered(first));
  kernel_->fail_next("epoll_ctl", 0);
  kernel_->fail_next("epoll_ctl", ENOSPC);
  EXPECT_THROW(server->start_serving(), std::system_error);
  turn(2);
  EXPECT_FALSE(kernel_->registered(first));
  EXPECT_EQ(0U, server->connection_count());
  server->start_serving();
  turn(2);
  EXPECT_EQ(1U, server->connection_count());
}

// W-186
TEST_F(Serving, AServerThatFailsAtTheSecondAddressClosesTheFirst) {
  kernel_->fail_next("listen", 0);
  kernel_->fail_next("listen", EADDRINUSE);
  const Result result = listen({"192.0.2.1", "192.0.2.2"});
  EXPECT_EQ("listen on 192.0.2.2:80: Address already in use", outcome_of(result));
  turn();
  EXPECT_EQ(2U, kernel_->open_descriptors());
}

TEST_F(Serving, ANegativeBacklogCountsAsNone) {
  const auto server = serve({.backlog = -5});
  EXPECT_EQ(Texts{"listen(102) = 0"}, calls(listener_, "listen"));
  client();
  client();
  EXPECT_EQ(2U, server->connection_count());
}

TEST_F(Serving, WithoutAThreadToResolveTheFutureFails) {
  kernel_->script_resolve("host", {"192.0.2.1"});
  const testing::NoNewThreads no_threads;
  EXPECT_EQ(std::errc::resource_unavailable_try_again, code_of(listen({"host"})));
  EXPECT_EQ(0U, kernel_->count_calls("socket"));
}

// W-171
TEST_F(Serving, InDebugModeItsFunctionsThrowOnAnotherThread) {
  LoopOptions options;
  options.debug = true;
  make_loop(options);
  const auto server = listen({"192.0.2.1"}).get();
  const std::function<void()> calls[] = {
      [&] { server->start_serving(); },
      [&] { server->close(); },
      [&] { server->close_clients(); },
      [&] { server->abort_clients(); },
      [&] { static_cast<void>(server->wait_closed()); },
  };
  for (const auto& call : calls) {
    loop_->call_soon([&] { std::thread([&] { EXPECT_THROW(call(), std::logic_error); }).join(); });
    turn();
  }
  EXPECT_TRUE(server->is_serving());
}

}  // namespace
}  // namespace sluice::transports

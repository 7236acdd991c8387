// LoopGroup::create_server: one port, a listening socket for each loop.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "sluice/loop_group.hpp"
#include "testing/faulty_system_calls.hpp"
#include "testing/fd_guard.hpp"
#include "testing/peers.hpp"

namespace sluice::transports {
namespace {

using testing::FdPeer;
using testing::raw_connect;

// So many that none of a few loops goes away empty: the kernel spreads them by a hash.
constexpr int many = 96;

/// What the connections of all loops have told.
struct Account {
  std::mutex mutex;
  std::vector<std::thread::id> threads;  // of each connection
  std::vector<EventLoop*> loops;         // likewise, where the factory was told
  std::atomic<int> made = 0;
  std::atomic<int> received = 0;
  std::atomic<int> lost = 0;
  std::function<void()> on_change;  // called on any thread

  void changed() const {
    if (on_change) {
      on_change();
    }
  }
};

/// Echoes, and tells.
class Echo final : public Protocol {
 public:
  explicit Echo(Account& account) : account_(&account) {}
  void connection_made(std::shared_ptr<Transport> transport) override {
    transport_ = std::move(transport);
    {
      const std::lock_guard lock(account_->mutex);
      account_->threads.push_back(std::this_thread::get_id());
    }
    ++account_->made;
    account_->made.notify_all();
    account_->changed();
  }
  void data_received(Bytes data) override {
    transport_->write(data);
    ++account_->received;
    account_->changed();
  }
  void connection_lost(std::error_code /*error*/) override {
    transport_.reset();
    ++account_->lost;
    account_->changed();
  }

 private:
  Account* account_;
  std::shared_ptr<Transport> transport_;
};

/// The real system, but bind(2) or listen(2) fails when it is called for the nth time, or something
/// happens before, on the thread that calls.
class FailingSystem final : public testing::FaultySystemCalls {
 public:
  FailingSystem() : FaultySystemCalls(sys::linux_system_calls(), {}, 0) {}
  sys::Status bind(int fd, const SocketAddress& address) noexcept override {
    if (address.port() != 0) {
      port = address.port();
    }
    const int nth = ++binds;
    if (before_bind) {
      before_bind(nth);
    }
    return nth == failing_bind ? sys::Status{EACCES} : FaultySystemCalls::bind(fd, address);
  }
  sys::Status listen(int fd, int backlog) noexcept override {
    const int nth = ++listens;
    if (before_listen) {
      before_listen(nth);
    }
    if (nth == failing_listen) {
      return {EADDRINUSE};
    }
    const sys::Status status = FaultySystemCalls::listen(fd, backlog);
    ++listening;
    listening.notify_all();
    return status;
  }
  void wait_for_listening(int count) const {
    for (int now = listening; now < count; now = listening) {
      listening.wait(now);
    }
  }

  int failing_bind = 0;
  int failing_listen = 0;
  std::function<void(int nth)> before_bind;
  std::function<void(int nth)> before_listen;
  std::atomic<std::uint16_t> port = 0;  // of those but the first
  std::atomic<int> binds = 0;
  std::atomic<int> listens = 0;    // calls
  std::atomic<int> listening = 0;  // calls that have been let through
};

class GroupServerTest : public ::testing::Test {
 protected:
  explicit GroupServerTest() { make_group({}); }
  void make_group(LoopOptions options) {
    server_.reset();
    group_ = std::make_unique<LoopGroup>(loops, options);
  }
  std::shared_ptr<FailingSystem> make_group_of_failing_system() {
    const auto system = std::make_shared<FailingSystem>();
    LoopOptions options;
    options.system_calls = system;
    make_group(options);
    return system;
  }
  /// Runs until a callback has gone through all loops several times.
  void run_some_rounds() {
    int hops = 0;  // each loop adds one in its turn
    std::function<void(std::size_t)> hop = [&](std::size_t to) {
      group_->loop(to).call_soon_threadsafe([&, to] {
        if (++hops == 10 * static_cast<int>(loops)) {
          group_->stop();
        } else {
          hop((to + 1) % loops);
        }
      });
    };
    hop(0);
    group_->run_forever();
  }
  [[nodiscard]] static bool refuses(std::uint16_t port) {
    return code_of([&] { static_cast<void>(raw_connect(port)); }) == std::errc::connection_refused;
  }
  [[nodiscard]] auto factory() {
    return [this] { return std::make_shared<Echo>(account_); };
  }
  void serve(ServerOptions options = {}) {
    options.backlog = 2 * many;
    server_ = group_->run_until_complete(
        group_->create_server(factory(), "127.0.0.1", 0, std::move(options)));
  }
  [[nodiscard]] std::uint16_t port() const { return server_->sockets().front().port(); }
  void connect(int count) {
    for (int i = 0; i < count; ++i) {
      clients_.push_back(std::make_unique<FdPeer>(raw_connect(port())));
    }
  }
  /// Runs until so much has been told.
  void run_until(const std::atomic<int>& counter, int count) {
    account_.on_change = [this, &counter, count] {
      if (counter == count) {
        group_->stop();
      }
    };
    if (counter < count) {
      group_->run_forever();
    }
    account_.on_change = nullptr;
    EXPECT_EQ(count, counter);
  }
  [[nodiscard]] static std::error_code code_of(const std::function<void()>& action) {
    try {
      action();
    } catch (const std::system_error& error) {
      return error.code();
    }
    return {};
  }

  static constexpr std::size_t loops = 3;
  Account account_;
  std::unique_ptr<LoopGroup> group_;
  std::shared_ptr<GroupServer> server_;
  std::vector<std::unique_ptr<FdPeer>> clients_;
};

TEST_F(GroupServerTest, AllLoopsServeOnePort) {
  serve();
  ASSERT_EQ(1U, server_->sockets().size());
  EXPECT_NE(0, port());
  connect(many);
  run_until(account_.made, many);
  std::map<std::thread::id, int> share;
  for (const std::thread::id& thread : account_.threads) {
    ++share[thread];
  }
  EXPECT_EQ(loops, share.size());
  EXPECT_GT(share[std::this_thread::get_id()], 0);
}

TEST_F(GroupServerTest, EachConnectionIsServedByItsLoop) {
  serve();
  connect(many);
  for (const auto& client : clients_) {
    client->send("hello");
    client->start_reading();
  }
  run_until(account_.received, many);
  for (const auto& client : clients_) {
    while (client->received().size() < 5) {
      client->pump();
    }
    EXPECT_EQ("hello", client->received());
    client->close();
  }
  run_until(account_.lost, many);
}

TEST_F(GroupServerTest, TheFactoryIsCopiedForEachLoopAndMayBeToldTheLoop) {
  server_ = group_->run_until_complete(group_->create_server(
      [this, calls = 0](EventLoop& loop) mutable {
        ++calls;  // Its own: no other thread counts with it.
        {
          const std::lock_guard lock(account_.mutex);
          account_.loops.push_back(&loop);
        }
        return std::make_shared<Echo>(account_);
      },
      std::vector<std::string>{"127.0.0.1"}, 0));
  connect(many);
  run_until(account_.made, many);
  for (std::size_t i = 0; i < loops; ++i) {
    EXPECT_NE(0, std::ranges::count(account_.loops, &group_->loop(i)));
  }
}

TEST_F(GroupServerTest, SeveralHostsAreTheSameOnEachLoop) {
  server_ = group_->run_until_complete(
      group_->create_server(factory(), std::vector<std::string>{"127.0.0.1", "127.0.0.2"}, 0));
  ASSERT_EQ(2U, server_->sockets().size());
  EXPECT_EQ("127.0.0.2", server_->sockets()[1].host());
  connect(many);
  run_until(account_.made, many);
}

TEST_F(GroupServerTest, APortThatIsTakenFailsTheFuture) {
  const testing::RawListener taken;
  auto future = group_->create_server(factory(), "127.0.0.1", taken.port());
  EXPECT_EQ(std::errc::address_in_use, code_of([&] { group_->run_until_complete(future); }));
}

TEST_F(GroupServerTest, ALoopThatCannotBindFailsTheFutureAndNoneListens) {
  const auto system = make_group_of_failing_system();
  system->failing_bind = 3;
  const auto before = testing::open_fds();
  auto future = group_->create_server(factory(), "127.0.0.1", 0);
  EXPECT_EQ(std::errc::permission_denied, code_of([&] { group_->run_until_complete(future); }));
  // Each loop closes its own in a turn of its own.
  group_->close();
  EXPECT_EQ(0, system->listens);
  EXPECT_GT(before.size(), testing::open_fds().size());
}

TEST_F(GroupServerTest, ALoopThatCannotListenFailsTheFutureAndThenNoneListens) {
  const auto system = make_group_of_failing_system();
  system->failing_listen = 2;
  auto future = group_->create_server(factory(), "127.0.0.1", 0);
  bool refused = false;
  future.add_done_callback([&](const auto&) { refused = refuses(system->port); });
  EXPECT_EQ(std::errc::address_in_use, code_of([&] { group_->run_until_complete(future); }));
  EXPECT_EQ(static_cast<int>(loops), system->listens);
  EXPECT_TRUE(refused);
}

TEST_F(GroupServerTest, WhatSomeLoopsAcceptedBeforeAnotherFailedIsAborted) {
  const auto system = make_group_of_failing_system();
  system->failing_listen = 3;
  system->before_listen = [&](int nth) {
    if (nth == system->failing_listen) {
      system->wait_for_listening(nth - 1);
      clients_.push_back(std::make_unique<FdPeer>(raw_connect(system->port)));
      account_.made.wait(0);
    }
  };
  auto future = group_->create_server(factory(), "127.0.0.1", 0);
  EXPECT_EQ(std::errc::address_in_use, code_of([&] { group_->run_until_complete(future); }));
  run_some_rounds();
  EXPECT_EQ(1, account_.made);
  EXPECT_EQ(1, account_.lost);
}

TEST_F(GroupServerTest, CancelledBeforeItListensItNeverDoes) {
  const auto system = make_group_of_failing_system();
  const auto future = group_->create_server(factory(), "127.0.0.1", 0);
  EXPECT_TRUE(future.cancel());
  run_some_rounds();
  EXPECT_EQ(0, system->listens);
}

TEST_F(GroupServerTest, CancelledWhileItBindsItNeverListens) {
  const auto system = make_group_of_failing_system();
  const auto future = group_->create_server(factory(), "127.0.0.1", 0);
  system->before_bind = [&](int nth) {
    if (nth == 3) {
      group_->loop(0).call_soon_threadsafe([&] { EXPECT_TRUE(future.cancel()); });
    }
  };
  run_some_rounds();
  EXPECT_TRUE(future.cancelled());
  EXPECT_EQ(3, system->binds);
  EXPECT_EQ(0, system->listens);
  EXPECT_TRUE(refuses(system->port));
}

TEST_F(GroupServerTest, CancelledWhileItBeginsToListenItStopsAndAbortsWhatItHasAccepted) {
  const auto system = make_group_of_failing_system();
  const auto future = group_->create_server(factory(), "127.0.0.1", 0);
  system->before_listen = [&](int nth) {
    if (nth == 3) {
      group_->loop(0).call_soon_threadsafe([&] { EXPECT_TRUE(future.cancel()); });
      system->wait_for_listening(nth - 1);
      clients_.push_back(std::make_unique<FdPeer>(raw_connect(system->port)));
      account_.made.wait(0);
    }
  };
  run_some_rounds();
  EXPECT_TRUE(future.cancelled());
  EXPECT_EQ(3, system->listens);
  EXPECT_TRUE(refuses(system->port));
  EXPECT_EQ(1, account_.made);
  EXPECT_EQ(1, account_.lost);
}

TEST_F(GroupServerTest, DroppedWhileItBeginsToListenItClosesAllWhenOneFails) {
  const auto system = make_group_of_failing_system();
  system->failing_listen = 2;
  serve({.start_serving = false});
  auto serving = server_->start_serving();
  server_.reset();
  EXPECT_EQ(std::errc::address_in_use, code_of([&] { group_->run_until_complete(serving); }));
  EXPECT_TRUE(refuses(system->port));
}

TEST_F(GroupServerTest, StartServingThatIsCancelledClosesAll) {
  const auto system = make_group_of_failing_system();
  serve({.start_serving = false});
  EXPECT_TRUE(server_->start_serving().cancel());
  run_some_rounds();
  EXPECT_EQ(3, system->listens);
  EXPECT_TRUE(refuses(system->port));
}

TEST_F(GroupServerTest, DroppedBeforeItListensItEndsTheWaitForItsEnd) {
  serve({.start_serving = false});
  const auto closed = server_->wait_closed();
  server_.reset();
  run_some_rounds();
  ASSERT_TRUE(closed.done());
  EXPECT_EQ(nullptr, closed.exception());
}

TEST_F(GroupServerTest, StartServingFailsWhenALoopIsClosed) {
  serve({.start_serving = false});
  group_->loop(1).close();
  group_->loop(2).close();
  const auto serving = server_->start_serving();
  int turns = 0;
  std::function<void()> count = [&] {
    if (++turns == 20) {
      group_->loop(0).stop();
    }
    group_->loop(0).call_soon(std::ref(count));
  };
  group_->loop(0).call_soon(std::ref(count));
  group_->loop(0).run_forever();
  ASSERT_TRUE(serving.done());
  EXPECT_THROW(serving.get(), std::logic_error);
  EXPECT_TRUE(refuses(port()));
}

TEST_F(GroupServerTest, StartServingLater) {
  serve({.start_serving = false});
  EXPECT_EQ(std::errc::connection_refused, code_of([&] { connect(1); }));
  group_->run_until_complete(server_->start_serving());
  connect(1);
  run_until(account_.made, 1);
}

TEST_F(GroupServerTest, StartServingAfterCloseFails) {
  serve();
  server_->close();
  auto again = server_->start_serving();
  EXPECT_THROW(group_->run_until_complete(again), std::logic_error);
}

TEST_F(GroupServerTest, CloseStopsListeningAndWaitClosedWaitsForTheConnectionsOfAllLoops) {
  serve();
  connect(many);
  run_until(account_.made, many);
  server_->close();
  const auto closed = server_->wait_closed();
  // The same way, behind close(): when this is done, so is that.
  EXPECT_THROW(group_->run_until_complete(server_->start_serving()), std::logic_error);
  EXPECT_EQ(std::errc::connection_refused, code_of([&] { connect(1); }));
  EXPECT_FALSE(closed.done());
  EXPECT_EQ(0, account_.lost);
  EXPECT_EQ(1U, server_->sockets().size());
  server_->close_clients();
  group_->run_until_complete(closed);
  EXPECT_EQ(many, account_.lost);
}

TEST_F(GroupServerTest, AbortClientsEndsTheConnectionsOfAllLoops) {
  serve();
  connect(many);
  run_until(account_.made, many);
  server_->abort_clients();
  run_until(account_.lost, many);
}

TEST_F(GroupServerTest, MayBeClosedFromAnyThreadWhileItRuns) {
  serve();
  connect(many);
  account_.on_change = [&] {
    if (account_.made == many) {
      server_->close();
      server_->abort_clients();
      group_->loop(0).call_soon_threadsafe([&] {
        server_->wait_closed().add_done_callback([&](const Future<void>&) { group_->stop(); });
      });
    }
  };
  group_->run_forever();
  account_.on_change = nullptr;
  EXPECT_EQ(many, account_.lost);
}

TEST_F(GroupServerTest, ServesOnWhenTheHandleIsDropped) {
  serve();
  const std::uint16_t at = port();
  server_.reset();
  group_->stop();
  group_->run_forever();
  clients_.push_back(std::make_unique<FdPeer>(raw_connect(at)));
  run_until(account_.made, 1);
}

TEST_F(GroupServerTest, TheHandleMayOutliveTheGroup) {
  const auto before = testing::open_fds();
  serve();
  connect(many);
  run_until(account_.made, many);
  group_.reset();
  clients_.clear();
  server_->close();
  EXPECT_FALSE(server_->wait_closed().done());
  EXPECT_GT(before.size(), testing::open_fds().size());
}

}  // namespace
}  // namespace sluice::transports

#include "loop/reactor.hpp"

#include <unistd.h>

#include "loop/loop_fixture.hpp"
#include "testing/peers.hpp"

namespace sluice::loop {
namespace {

// The reactor of a loop over the scripted kernel; its own wake-up is quiet.
class Readiness : public CoreTest {
 protected:
  void TearDown() override {
    for (const int fd : fds_) {
      reactor().remove(fd);
    }
    CoreTest::TearDown();
  }
  [[nodiscard]] Reactor& reactor() { return core_->reactor(); }
  // A stream without room, watched: nothing is ready.
  int watch(Watcher& watcher) {
    const int fd = open_stream();
    kernel_->set_room(fd, 0);
    EXPECT_FALSE(reactor().add(fd, watcher));
    return fd;
  }
};

TEST_F(Readiness, TellsWhatIsTrueAlready) {
  NotingWatcher watcher(trace_, "a");
  const int fd = open_stream();
  kernel_->deliver(fd, "x");
  EXPECT_FALSE(reactor().add(fd, watcher));
  turn();
  EXPECT_EQ(Texts{"a readable writable"}, trace_);
}

// W-174
TEST_F(Readiness, EachEdgeIsToldOnce) {
  NotingWatcher watcher(trace_, "a");
  const int fd = watch(watcher);
  kernel_->deliver(fd, "x");
  turn();
  turn();
  EXPECT_EQ(Texts{"a readable"}, trace_);
  kernel_->deliver(fd, "y");
  turn();
  EXPECT_EQ((Texts{"a readable", "a readable"}), trace_);
}

// W-174
TEST_F(Readiness, ADescriptorIsRegisteredOnceForEverythingThatIsEverWanted) {
  NotingWatcher watcher(trace_, "a");
  const int fd = watch(watcher);
  kernel_->deliver(fd, "x");
  kernel_->set_room(fd, 1);
  turn();
  EXPECT_EQ(1U, kernel_->calls_on(fd).size());
}

TEST_F(Readiness, AHangUpIsToldAsSuch) {
  NotingWatcher watcher(trace_, "a");
  const int fd = watch(watcher);
  kernel_->deliver_eof(fd);
  turn();
  EXPECT_EQ(Texts{"a readable hangup"}, trace_);
  trace_.clear();
  kernel_->reset(fd);
  turn();
  EXPECT_EQ(Texts{"a readable writable hangup broken"}, trace_);
}

// W-174
TEST_F(Readiness, RemovingDiscardsTheEventThatIsAlreadyCollected) {
  NotingWatcher first(trace_, "first");
  NotingWatcher second(trace_, "second");
  const int one = watch(first);
  const int two = watch(second);
  kernel_->deliver(one, "x");
  kernel_->deliver(two, "x");
  first.then = [&] { reactor().remove(two); };
  turn();
  turn();
  EXPECT_EQ(Texts{"first readable"}, trace_);
}

// W-174
TEST_F(Readiness, RemovingWhatIsNotThereIsHarmless) {
  reactor().remove(-1);
  reactor().remove(5000);
  const int fd = open_stream();
  reactor().remove(fd);
  EXPECT_EQ(Texts{}, kernel_->calls_on(fd));
}

// P-4
TEST_F(Readiness, AStaleEventDoesNotReachTheSuccessorOfItsDescriptorInTheSameBatch) {
  kernel_->reuse_descriptors();
  NotingWatcher first(trace_, "first");
  NotingWatcher old(trace_, "old");
  NotingWatcher successor(trace_, "successor");
  const int one = watch(first);
  const int two = kernel_->open_stream();
  kernel_->set_room(two, 0);
  EXPECT_FALSE(reactor().add(two, old));
  kernel_->deliver(one, "x");
  kernel_->deliver(two, "x");
  first.then = [&] {
    reactor().remove(two);
    static_cast<void>(kernel_->close(two));
    EXPECT_EQ(two, watch(successor));
  };
  turn();
  turn();
  EXPECT_EQ(Texts{"first readable"}, trace_);
}

void poll_and_tell(Reactor& reactor) {
  reactor.poll(nanoseconds::zero());
  while (const auto ready = reactor.next()) {
    ready->watcher->on_io(ready->events);
  }
}

// P-4
TEST(ReadinessOfTheSystem, AStaleEventDoesNotReachTheSuccessorOfItsDescriptor) {
  Texts trace;
  const auto sys = sys::linux_system_calls();
  Reactor reactor(*sys);
  NotingWatcher first(trace, "first");
  NotingWatcher old(trace, "old");
  NotingWatcher successor(trace, "successor");
  testing::FdPair one = testing::make_socket_pair();
  testing::FdPair two = testing::make_socket_pair();
  ASSERT_FALSE(reactor.add(one.transport.get(), first));
  ASSERT_FALSE(reactor.add(two.transport.get(), old));
  poll_and_tell(reactor);
  trace.clear();
  ASSERT_EQ(1, ::write(one.peer.get(), "x", 1));
  ASSERT_EQ(1, ::write(two.peer.get(), "x", 1));
  Fd renewed;
  first.then = [&] {
    const int number = two.transport.get();
    reactor.remove(number);
    two.transport.reset();
    renewed = one.transport.duplicate();
    // The lowest free number is the one just given back.
    ASSERT_EQ(number, renewed.get());
    ASSERT_FALSE(reactor.add(number, successor));
  };
  poll_and_tell(reactor);
  EXPECT_EQ(1U, trace.size());
  EXPECT_EQ(0U, trace.front().find("first"));
  reactor.remove(renewed.get());
  reactor.remove(one.transport.get());
}

TEST_F(Readiness, AFileThatIsAlwaysReadyIsRefused) {
  NotingWatcher watcher(trace_, "a");
  const int fd = open_stream();
  kernel_->set_unpollable(fd);
  EXPECT_EQ(std::errc::operation_not_permitted, reactor().add(fd, watcher));
  EXPECT_FALSE(reactor().watches(fd));
}

TEST_F(Readiness, WithoutMemoryForOneMoreTheErrorIsReturned) {
  NotingWatcher watcher(trace_, "a");
  const int fd = open_stream();
  kernel_->fail_next("epoll_ctl", ENOSPC);
  EXPECT_EQ(std::errc::no_space_on_device, reactor().add(fd, watcher));
  EXPECT_FALSE(reactor().add(fd, watcher));
}

TEST_F(Readiness, ADescriptorCanBeWatchedAgainAfterItsRemoval) {
  NotingWatcher first(trace_, "first");
  NotingWatcher second(trace_, "second");
  const int fd = watch(first);
  reactor().remove(fd);
  EXPECT_FALSE(reactor().watches(fd));
  EXPECT_FALSE(reactor().add(fd, second));
  EXPECT_TRUE(reactor().watches(fd));
  kernel_->deliver(fd, "x");
  turn();
  EXPECT_EQ(Texts{"second readable"}, trace_);
}

TEST_F(Readiness, MoreEventsThanOneBatchAreToldInTheNextTurn) {
  std::size_t told = 0;
  std::vector<std::unique_ptr<NotingWatcher>> watchers;
  for (std::size_t i = 0; i < Reactor::batch + 10; ++i) {
    watchers.push_back(std::make_unique<NotingWatcher>(trace_, "a"));
    watchers.back()->then = [&] { ++told; };
    kernel_->deliver(watch(*watchers.back()), "x");
  }
  turn();
  EXPECT_EQ(Reactor::batch, told);
  turn();
  EXPECT_EQ(Reactor::batch + 10, told);
}

// P-2
TEST_F(Readiness, AWaitThatASignalInterruptsIsTakenUpAgain) {
  kernel_->fail_next("epoll_wait", EINTR);
  core_->call_at(core_->time() + milliseconds(5), [&] { core_->stop(); });
  const TimePoint start = core_->time();
  core_->run_forever();
  EXPECT_EQ(milliseconds(5), core_->time() - start);
  EXPECT_EQ(2U, kernel_->count_calls("epoll_wait"));
}

TEST_F(KernelTest, ALoopWithoutAnEpollDescriptorIsNotMade) {
  kernel_->fail_next("epoll_create", EMFILE);
  EXPECT_EQ("system_error: epoll_create1 for an event loop: Too many open files",
            thrown_by([&] { const EventLoop loop(options()); }));
}

}  // namespace
}  // namespace sluice::loop

// Every suspension point: cancelled while it waits, cancelled when what it waits for has come and
// the task has not gone on, and its loop destroyed while it waits.

#include "streams/stream_fixture.hpp"

namespace sluice::streams {
namespace {

/// The things that are waited for.
struct World {
  World(EventLoop& event_loop, testing::ScriptedKernel& scripted, int stream_fd, StreamPair pair)
      : loop(&event_loop),
        kernel(&scripted),
        fd(stream_fd),
        stream(std::move(pair)),
        future(event_loop.create_future<int>()),
        full(1) {
    full.put_nowait(1);
  }

  EventLoop* loop;
  testing::ScriptedKernel* kernel;
  int fd;
  StreamPair stream;
  Future<int> future;
  Event event;
  Semaphore semaphore{0};
  Lock lock;
  Queue<int> empty;
  Queue<int> full;
};

struct Point {
  const char* name;
  /// What is suspended.
  Task<> (*wait)(World&);
  /// Makes what is waited for come, so that the task is about to go on after `turns_until_woken`.
  void (*bring)(World&);
  int turns_until_woken = 0;
  void (*prepare)(World&) = [](World&) {};
};

Task<> nested_wait(World& world) {
  co_await world.future;
}

void clog(World& world) {
  world.kernel->set_room(world.fd, 0);
  world.stream.writer.write(std::string(100'000, 'x'));
}
// Behind a callback, which the task may not overtake: so there is a moment between the two.
void deliver_line(World& world) {
  world.loop->call_soon([loop = world.loop] { loop->call_soon([] {}); });
  world.kernel->deliver(world.fd, "line\n");
}
void bring_future(World& world) {
  world.future.set_result(1);
}

const Point points[] = {
    {"future", [](World& w) -> Task<> { co_await w.future; }, bring_future},
    {"shield", [](World& w) -> Task<> { co_await shield(w.future); }, bring_future},
    {"task", [](World& w) -> Task<> { co_await nested_wait(w); }, bring_future},
    {"wait_for", [](World& w) -> Task<> { co_await wait_for(nested_wait(w), hours(1)); },
     bring_future},
    {"wait_for_future", [](World& w) -> Task<> { co_await wait_for(w.future, hours(1)); },
     bring_future},
    {"gather", [](World& w) -> Task<> { co_await gather(w.future); }, bring_future},
    {"event", [](World& w) -> Task<> { co_await w.event.wait(); }, [](World& w) { w.event.set(); }},
    {"semaphore", [](World& w) -> Task<> { co_await w.semaphore.acquire(); },
     [](World& w) { w.semaphore.release(); }},
    {"lock", [](World& w) -> Task<> { const auto guard = co_await w.lock.hold(); },
     [](World& w) { w.lock.release(); }, 0,
     [](World& w) { static_cast<void>(w.lock.acquire().await_ready()); }},
    {"queue_get", [](World& w) -> Task<> { co_await w.empty.get(); },
     [](World& w) { w.empty.put_nowait(1); }},
    {"queue_put", [](World& w) -> Task<> { co_await w.full.put(2); },
     [](World& w) { w.full.get_nowait(); }},
    {"queue_join", [](World& w) -> Task<> { co_await w.full.join(); },
     [](World& w) { w.full.task_done(); }},
    {"read", [](World& w) -> Task<> { co_await w.stream.reader.read(10); }, deliver_line, 1},
    {"read_all", [](World& w) -> Task<> { co_await w.stream.reader.read(); },
     [](World& w) { w.kernel->deliver_eof(w.fd); }, 1},
    {"readexactly", [](World& w) -> Task<> { co_await w.stream.reader.readexactly(5); },
     deliver_line, 1},
    {"readuntil", [](World& w) -> Task<> { co_await w.stream.reader.readuntil("\n"); },
     deliver_line, 1},
    {"readline", [](World& w) -> Task<> { co_await w.stream.reader.readline(); }, deliver_line, 1},
    {"drain", [](World& w) -> Task<> { co_await w.stream.writer.drain(); },
     [](World& w) { w.kernel->set_room(w.fd, testing::ScriptedKernel::no_limit); }, 1, clog},
    {"wait_closed", [](World& w) -> Task<> { co_await w.stream.writer.wait_closed(); },
     [](World& w) { w.stream.writer.close(); }, 1},
    {"sleep", [](World&) -> Task<> { co_await sleep(seconds(1)); },
     [](World& w) { w.kernel->advance(seconds(1)); }, 1},
};

void PrintTo(const Point& point, std::ostream* stream) {
  *stream << point.name;
}

class SuspensionPoints : public StreamTest, public ::testing::WithParamInterface<Point> {
 protected:
  void start() {
    open();
    world_ = std::make_unique<World>(*loop_, *kernel_, fd_, *pair_);
    GetParam().prepare(*world_);
    task_ = std::make_unique<Future<void>>(loop_->create_task(observed(Counted(alive_))));
    turn(3);
    ASSERT_EQ(Texts{"waits"}, trace_);
    ASSERT_FALSE(task_->done());
  }
  void TearDown() override {
    task_.reset();
    if (world_) {
      world_->stream.writer.transport()->abort();
      turn(2);
    }
    world_.reset();
    StreamTest::TearDown();
  }
  Task<> observed(Counted /*local*/) {
    note("waits");
    try {
      co_await GetParam().wait(*world_);
    } catch (const CancelledError&) {
      note("cancelled");
      throw;
    }
    note("went on");
  }

  int alive_ = 0;
  std::unique_ptr<World> world_;
  std::unique_ptr<Future<void>> task_;
};

TEST_P(SuspensionPoints, GoOnWhenWhatTheyWaitForComes) {
  start();
  GetParam().bring(*world_);
  turn(4);
  EXPECT_EQ((Texts{"waits", "went on"}), trace_);
  EXPECT_EQ("done", outcome_of(*task_));
  EXPECT_EQ(0, alive_);
}

TEST_P(SuspensionPoints, ThrowWhenTheTaskIsCancelledWhileTheyWait) {
  start();
  EXPECT_TRUE(task_->cancel());
  turn(3);
  EXPECT_EQ((Texts{"waits", "cancelled"}), trace_);
  EXPECT_TRUE(task_->cancelled());
  EXPECT_EQ(0, alive_);
  // Nobody is called who is gone, though it comes now.
  if (!world_->future.done()) {
    GetParam().bring(*world_);
  }
  turn(4);
  EXPECT_EQ((Texts{"waits", "cancelled"}), trace_);
}

TEST_P(SuspensionPoints, ThrowWhenTheTaskIsCancelledBeforeItHasGoneOn) {
  start();
  GetParam().bring(*world_);
  turn(GetParam().turns_until_woken);
  ASSERT_EQ(Texts{"waits"}, trace_);
  EXPECT_TRUE(task_->cancel());
  turn(3);
  EXPECT_EQ((Texts{"waits", "cancelled"}), trace_);
  EXPECT_TRUE(task_->cancelled());
}

TEST_P(SuspensionPoints, AreDestroyedWithTheirLoop) {
  start();
  loop_->close();
  EXPECT_EQ(0, alive_);
  EXPECT_EQ(Texts{"waits"}, trace_);
  EXPECT_FALSE(task_->done());
  task_.reset();
  world_.reset();
  pair_.reset();
}

TEST_P(SuspensionPoints, AreDestroyedWithTheirLoopWhenTheyAreAboutToGoOn) {
  start();
  GetParam().bring(*world_);
  turn(GetParam().turns_until_woken);
  loop_->close();
  EXPECT_EQ(0, alive_);
  EXPECT_EQ(Texts{"waits"}, trace_);
  task_.reset();
  world_.reset();
  pair_.reset();
}

INSTANTIATE_TEST_SUITE_P(All, SuspensionPoints, ::testing::ValuesIn(points),
                         [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace sluice::streams

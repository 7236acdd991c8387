// Event, Semaphore, Lock and Queue.

#include "streams/streams_fixture.hpp"

namespace sluice::streams {
namespace {

class Sync : public StreamsTest {
 protected:
  Task<> wait_event(Event& event, std::string name) {
    co_await event.wait();
    note(std::move(name));
  }
  Task<> enter(Semaphore& semaphore, std::string name) {
    co_await semaphore.acquire();
    note(std::move(name));
  }
  Task<> consume(Queue<int>& queue, std::string name) {
    note(name + std::to_string(co_await queue.get()));
  }
  Task<> produce(Queue<int>& queue, int item) {
    co_await queue.put(item);
    note("put " + std::to_string(item));
  }
};

TEST_F(Sync, AnEventWakesAllWhoWaitAndStaysSet) {
  Event event;
  loop_->create_task(wait_event(event, "1"));
  loop_->create_task(wait_event(event, "2"));
  turn();
  EXPECT_EQ(Texts{}, trace_);
  EXPECT_FALSE(event.is_set());
  event.set();
  // Whoever was woken goes on, though it is cleared again.
  event.clear();
  turn();
  EXPECT_EQ((Texts{"1", "2"}), trace_);
  event.set();
  loop_->create_task(wait_event(event, "3"));
  turn();
  EXPECT_EQ((Texts{"1", "2", "3"}), trace_);
}

TEST_F(Sync, ACancelledWaitForAnEventLeavesTheOthers) {
  Event event;
  const Future<void> first = loop_->create_task(wait_event(event, "1"));
  loop_->create_task(wait_event(event, "2"));
  turn();
  first.cancel();
  turn();
  event.set();
  turn();
  EXPECT_TRUE(first.cancelled());
  EXPECT_EQ(Texts{"2"}, trace_);
}

TEST_F(Sync, ASemaphoreLetsInAsManyAsItHasPlacesInTheOrderTheyCame) {
  Semaphore semaphore(2);
  for (const char* name : {"1", "2", "3", "4"}) {
    loop_->create_task(enter(semaphore, name));
  }
  turn();
  EXPECT_EQ((Texts{"1", "2"}), trace_);
  EXPECT_TRUE(semaphore.locked());
  semaphore.release();
  // A place that was given away is not free for one who comes later.
  loop_->create_task(enter(semaphore, "5"));
  turn();
  EXPECT_EQ((Texts{"1", "2", "3"}), trace_);
  semaphore.release();
  semaphore.release();
  semaphore.release();
  turn();
  EXPECT_EQ((Texts{"1", "2", "3", "4", "5"}), trace_);
  EXPECT_FALSE(semaphore.locked());
}

TEST_F(Sync, APlaceGivenToATaskThatIsCancelledGoesToTheNext) {
  Semaphore semaphore(0);
  const Future<void> first = loop_->create_task(enter(semaphore, "1"));
  loop_->create_task(enter(semaphore, "2"));
  turn();
  semaphore.release();
  first.cancel();
  turn(2);
  EXPECT_TRUE(first.cancelled());
  EXPECT_EQ(Texts{"2"}, trace_);
  EXPECT_TRUE(semaphore.locked());
}

TEST_F(Sync, APlaceGivenToATaskThatIsCancelledIsFreeWhenNobodyWaits) {
  Semaphore semaphore(0);
  const Future<void> only = loop_->create_task(enter(semaphore, "1"));
  turn();
  semaphore.release();
  only.cancel();
  turn();
  EXPECT_FALSE(semaphore.locked());
}

TEST_F(Sync, ALockIsHeldByOneAtATime) {
  Lock lock;
  const auto body = [&](std::string name) -> Task<> {
    const auto guard = co_await lock.hold();
    note(name + " in");
    co_await sleep(seconds(1));
    note(name + " out");
  };
  loop_->run_until_complete(gather(body("1"), body("2")));
  EXPECT_EQ((Texts{"1 in", "1 out", "2 in", "2 out"}), trace_);
  EXPECT_FALSE(lock.locked());
}

TEST_F(Sync, ALockIsReleasedWhenItsHolderIsCancelledOrThrows) {
  Lock lock;
  const auto body = [&]() -> Task<> {
    const auto guard = co_await lock.hold();
    co_await sleep(hours(1));
  };
  const Future<void> holder = loop_->create_task(body());
  turn();
  EXPECT_TRUE(lock.locked());
  holder.cancel();
  turn();
  EXPECT_FALSE(lock.locked());
}

TEST_F(Sync, ALockThatIsNotHeldCannotBeReleased) {
  Lock lock;
  EXPECT_EQ("Lock is not acquired.", thrown_by([&] { lock.release(); }));
  const auto body = [&]() -> Task<> {
    co_await lock.acquire();
    lock.release();
  };
  loop_->run_until_complete(body());
  EXPECT_FALSE(lock.locked());
}

TEST_F(Sync, AQueueIsFirstInFirstOut) {
  Queue<int> queue;
  for (int i = 0; i < 3; ++i) {
    queue.put_nowait(i);
  }
  EXPECT_EQ(3U, queue.qsize());
  EXPECT_FALSE(queue.full());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(i, queue.get_nowait());
  }
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ("the queue is empty", thrown_by([&] { queue.get_nowait(); }));
}

TEST_F(Sync, GettersWaitForItemsInTheOrderTheyCame) {
  Queue<int> queue;
  loop_->create_task(consume(queue, "a"));
  loop_->create_task(consume(queue, "b"));
  turn();
  queue.put_nowait(1);
  queue.put_nowait(2);
  turn();
  EXPECT_EQ((Texts{"a1", "b2"}), trace_);
}

TEST_F(Sync, PuttersWaitForRoom) {
  Queue<int> queue(2);
  for (int i = 0; i < 4; ++i) {
    loop_->create_task(produce(queue, i));
  }
  turn();
  EXPECT_EQ((Texts{"put 0", "put 1"}), trace_);
  EXPECT_TRUE(queue.full());
  EXPECT_EQ("the queue is full", thrown_by([&] { queue.put_nowait(9); }));
  EXPECT_EQ(0, queue.get_nowait());
  EXPECT_EQ(1, queue.get_nowait());
  turn();
  EXPECT_EQ((Texts{"put 0", "put 1", "put 2", "put 3"}), trace_);
  EXPECT_EQ(2, queue.get_nowait());
  EXPECT_EQ(3, queue.get_nowait());
}

TEST_F(Sync, AnItemForAGetterThatIsCancelledGoesToTheNext) {
  Queue<int> queue;
  const Future<void> first = loop_->create_task(consume(queue, "a"));
  loop_->create_task(consume(queue, "b"));
  turn();
  queue.put_nowait(1);
  first.cancel();
  turn(2);
  EXPECT_TRUE(first.cancelled());
  EXPECT_EQ(Texts{"b1"}, trace_);
}

TEST_F(Sync, ThePlaceOfAPutterThatIsCancelledGoesToTheNext) {
  Queue<int> queue(1);
  queue.put_nowait(0);
  const Future<void> first = loop_->create_task(produce(queue, 1));
  loop_->create_task(produce(queue, 2));
  turn();
  EXPECT_EQ(0, queue.get_nowait());
  first.cancel();
  turn(2);
  EXPECT_TRUE(first.cancelled());
  EXPECT_EQ(2, queue.get_nowait());
  EXPECT_TRUE(queue.empty());
}

TEST_F(Sync, JoinWaitsUntilEveryItemIsDone) {
  Queue<int> queue;
  const auto joining = [&]() -> Task<> {
    co_await queue.join();
    note("joined");
  };
  loop_->run_until_complete(joining());
  queue.put_nowait(1);
  queue.put_nowait(2);
  loop_->create_task(joining());
  queue.get_nowait();
  queue.get_nowait();
  queue.task_done();
  turn();
  EXPECT_EQ(Texts{"joined"}, trace_);
  queue.task_done();
  turn();
  EXPECT_EQ((Texts{"joined", "joined"}), trace_);
  EXPECT_EQ("task_done() called too many times", thrown_by([&] { queue.task_done(); }));
}

TEST_F(Sync, AQueueThatIsShutDownIsEmptiedAndRefused) {
  Queue<int> queue(1);
  queue.put_nowait(1);
  const Future<void> putting = loop_->create_task(produce(queue, 2));
  turn();
  queue.shutdown();
  turn();
  const std::string refusal = "the queue was shut down";
  EXPECT_EQ(refusal, outcome_of(putting));
  EXPECT_EQ(refusal, thrown_by([&] { queue.put_nowait(3); }));
  EXPECT_EQ(refusal, thrown_by([&] { loop_->run_until_complete(produce(queue, 3)); }));
  loop_->run_until_complete(consume(queue, "a"));
  EXPECT_EQ(Texts{"a1"}, trace_);
  EXPECT_EQ(refusal, thrown_by([&] { loop_->run_until_complete(consume(queue, "b")); }));
  EXPECT_EQ(refusal, thrown_by([&] { queue.get_nowait(); }));
}

TEST_F(Sync, AShutdownWakesGettersThatWait) {
  Queue<int> queue;
  const Future<void> getting = loop_->create_task(consume(queue, "a"));
  turn();
  queue.shutdown();
  turn();
  EXPECT_EQ("the queue was shut down", outcome_of(getting));
}

TEST_F(Sync, ManyProducersAndConsumersLoseNothingWhileSomeAreCancelled) {
  Queue<int> queue(3);
  int taken = 0;
  int put = 0;
  const auto producer = [&]() -> Task<> {
    for (;;) {
      co_await queue.put(1);
      ++put;
    }
  };
  const auto consumer = [&]() -> Task<> {
    for (;;) {
      taken += co_await queue.get();
      co_await sleep(milliseconds(1));
    }
  };
  std::vector<Future<void>> tasks;
  for (int i = 0; i < 20; ++i) {
    tasks.push_back(loop_->create_task(producer()));
    tasks.push_back(loop_->create_task(consumer()));
  }
  for (const Future<void>& task : tasks) {
    run_for(milliseconds(3));
    task.cancel();
  }
  turn(2);
  EXPECT_GT(taken, 100);
  EXPECT_EQ(static_cast<std::size_t>(put - taken), queue.qsize());
}

}  // namespace
}  // namespace sluice::streams

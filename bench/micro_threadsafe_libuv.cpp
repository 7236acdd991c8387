// Callbacks between threads as libuv's guide shows it: a queue with a mutex and uv_async_send.

#include "micro.hpp"
#include "micro_libuv.hpp"
#include "micro_threads.hpp"

namespace {

class UvLoopWithInbox {
 public:
  UvLoopWithInbox() : inbox_(loop_) {}
  UvLoopWithInbox(const UvLoopWithInbox&) = delete;
  UvLoopWithInbox& operator=(const UvLoopWithInbox&) = delete;
  ~UvLoopWithInbox() { loop_.close(); }

  template <class F>
  void post(F&& callback) {
    inbox_.post(std::forward<F>(callback));
  }
  void run() { loop_.run(); }
  void stop() { loop_.stop(); }

 private:
  bench::UvLoop loop_;
  bench::UvInbox inbox_;
};

BENCHMARK(bench::post_from_the_same_thread<UvLoopWithInbox>)
    ->Name("post/uv_async")
    ->Apply(bench::per_turn);
BENCHMARK(bench::wake_up_and_back<UvLoopWithInbox>)
    ->Name("wake_up_and_back/uv_async")
    ->Apply(bench::between_threads);
BENCHMARK(bench::post_from_another_thread<UvLoopWithInbox>)
    ->Name("post_from_another_thread/uv_async")
    ->Apply(bench::between_threads);

}  // namespace

// call_soon_threadsafe: what posting costs without a contender, a wake-up there and back between
// two threads, and posting as fast as a loop takes it. The counterparts of libuv are in
// micro_threadsafe_libuv.cpp.

#include <sluice/sluice.hpp>

#include "micro.hpp"
#include "micro_threads.hpp"

namespace {

/// A loop in the form that the measurements of micro_threads.hpp ask for.
class SluiceLoop {
 public:
  template <class F>
  void post(F&& callback) {
    loop_.call_soon_threadsafe(std::forward<F>(callback));
  }
  void run() { loop_.run_forever(); }
  void stop() { loop_.stop(); }

 private:
  sluice::EventLoop loop_;
};

BENCHMARK(bench::post_from_the_same_thread<SluiceLoop>)
    ->Name("post/sluice")
    ->Apply(bench::per_turn);
BENCHMARK(bench::wake_up_and_back<SluiceLoop>)
    ->Name("wake_up_and_back/sluice")
    ->Apply(bench::between_threads);
BENCHMARK(bench::post_from_another_thread<SluiceLoop>)
    ->Name("post_from_another_thread/sluice")
    ->Apply(bench::between_threads);

}  // namespace

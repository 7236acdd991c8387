#pragma once

#include <uv.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace bench {

/// Ends the program when a call of libuv has failed: what it would measure then is worth nothing.
inline void require_uv(int status, const char* what) {
  if (status < 0) {
    std::fprintf(stderr, "%s: %s\n", what, uv_strerror(status));
    std::abort();
  }
}

/// A loop of libuv, which closes all its handles at the end; they must still be there.
class UvLoop {
 public:
  UvLoop() { require_uv(uv_loop_init(&loop_), "uv_loop_init"); }
  UvLoop(const UvLoop&) = delete;
  UvLoop& operator=(const UvLoop&) = delete;
  ~UvLoop() { close(); }

  [[nodiscard]] uv_loop_t* get() noexcept { return &loop_; }
  void run() { uv_run(&loop_, UV_RUN_DEFAULT); }
  void stop() { uv_stop(&loop_); }
  void close() {
    if (std::exchange(closed_, true)) {
      return;
    }
    const auto close_one = [](uv_handle_t* handle, void* /*argument*/) {
      uv_close(handle, nullptr);
    };
    uv_walk(&loop_, close_one, nullptr);
    run();
    require_uv(uv_loop_close(&loop_), "uv_loop_close");
  }

 private:
  uv_loop_t loop_{};
  bool closed_ = false;
};

/// Calls `on_turn` in each turn of the loop.
class UvEachTurn {
 public:
  UvEachTurn(UvLoop& loop, std::function<void()> on_turn) : on_turn_(std::move(on_turn)) {
    require_uv(uv_idle_init(loop.get(), &idle_), "uv_idle_init");
    idle_.data = this;
    require_uv(
        uv_idle_start(&idle_,
                      [](uv_idle_t* idle) { static_cast<UvEachTurn*>(idle->data)->on_turn_(); }),
        "uv_idle_start");
  }
  UvEachTurn(const UvEachTurn&) = delete;
  UvEachTurn& operator=(const UvEachTurn&) = delete;

 private:
  uv_idle_t idle_{};
  std::function<void()> on_turn_;
};

/// Callbacks from other threads as libuv's guide shows it: a queue with a mutex, and uv_async_send,
/// which several calls may share.
class UvInbox {
 public:
  explicit UvInbox(UvLoop& loop) {
    async_.data = this;
    require_uv(
        uv_async_init(loop.get(), &async_,
                      [](uv_async_t* async) { static_cast<UvInbox*>(async->data)->run_posted(); }),
        "uv_async_init");
  }
  UvInbox(const UvInbox&) = delete;
  UvInbox& operator=(const UvInbox&) = delete;

  template <class F>
  void post(F&& callback) {
    {
      const std::lock_guard lock(mutex_);
      posted_.emplace_back(std::forward<F>(callback));
    }
    require_uv(uv_async_send(&async_), "uv_async_send");
  }

 private:
  void run_posted() {
    {
      const std::lock_guard lock(mutex_);
      posted_.swap(running_);
    }
    for (const std::function<void()>& callback : running_) {
      callback();
    }
    running_.clear();
  }

  uv_async_t async_{};
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;  // guarded by mutex_
  std::vector<std::function<void()>> running_;
};

}  // namespace bench

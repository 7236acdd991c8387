#pragma once

#include <cstdint>
#include <functional>

#include "sluice/event_loop.hpp"

namespace sluice::cli {

/// The wait for a peer's end when everything, and our end, was given to the kernel. It is over when
/// for a second the peer has neither taken a byte nor sent one, and twenty seconds after it has
/// taken the last one: a peer that goes on talking without end is not listened to for ever.
class Linger {
 public:
  explicit Linger(EventLoop& loop) : loop_(loop) {}

  /// Begins to wait; `on_over` comes from the loop, unless cancel() was called before. `fd` is the
  /// socket, which must stay open until then.
  void start(int fd, std::function<void()> on_over);
  /// The peer has sent something.
  void heard() { heard_ = true; }
  void cancel() { next_look_.cancel(); }

 private:
  void look();
  void look_again();

  EventLoop& loop_;
  std::function<void()> on_over_;
  int fd_ = -1;
  std::uint64_t untaken_ = 0;  // bytes that the peer's kernel has not acknowledged
  bool heard_ = false;         // since the last look
  TimePoint last_taken_{};     // when there was progress with those bytes
  TimerHandle next_look_;
};

}  // namespace sluice::cli

#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>

namespace bench {

/// Several loads that are measured together take turns, so that whatever slows the machine down for
/// a while meets all of them. They share a file of 32-bit numbers with the driver, which sets the
/// first one to the number of the load whose turn it is, from 1 on. Each sets the number in its own
/// place to 1 when it is ready for its first turn.
class Turns {
 public:
  using Clock = std::chrono::steady_clock;

  /// Without a file it is always this load's turn.
  Turns(const std::string& file, std::size_t number);
  Turns(const Turns&) = delete;
  Turns& operator=(const Turns&) = delete;
  ~Turns();

  /// Returns at once while it is this load's turn, and otherwise when it is again, or `given_up()`;
  /// true if it waited. One thread.
  template <class GivenUp>
  bool wait(GivenUp given_up) {
    if (is_mine()) {
      return false;
    }
    pause();
    while (!is_mine() && !given_up()) {
      sleep();
    }
    resume();
    return true;
  }
  [[nodiscard]] bool are_taken() const noexcept { return !places_.empty(); }
  /// How long it has been this load's turn. Any thread.
  [[nodiscard]] Clock::duration own_time() const;

 private:
  [[nodiscard]] bool is_mine() const noexcept;
  void pause();
  void resume();
  static void sleep();

  std::span<std::uint32_t> places_;
  std::size_t number_;
  mutable std::mutex mutex_;
  Clock::duration before_{};                               // of the turns that have ended
  std::optional<Clock::time_point> began_ = Clock::now();  // empty: it is another one's turn
};

}  // namespace bench

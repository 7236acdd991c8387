#pragma once

#include <array>
#include <csignal>
#include <string>

#include "sluice/event_loop.hpp"

namespace sluice::cli {

/// The signals that ask the program to end in order.
inline constexpr std::array<int, 3> ending_signals{SIGINT, SIGTERM, SIGHUP};

/// "SIGINT" and so on, for the ending signals.
[[nodiscard]] std::string signal_name(int number);

/// Runs `callback(number)` for each ending signal that arrives. SIGHUP stays ignored when it was
/// ignored before, as nohup(1) wants it.
template <class F>
void on_ending_signal(EventLoop& loop, F callback) {
  for (const int number : ending_signals) {
    struct sigaction before {};
    const bool ignored = sigaction(number, nullptr, &before) == 0 && before.sa_handler == SIG_IGN;
    if (number != SIGHUP || !ignored) {
      loop.add_signal_handler(number, [number, callback] { callback(number); });
    }
  }
}

}  // namespace sluice::cli

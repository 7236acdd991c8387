#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/command_line.hpp"
#include "common/descriptor.hpp"
#include "connection.hpp"
#include "latencies.hpp"
#include "report.hpp"
#include "server_process.hpp"
#include "turns.hpp"

namespace bench {

/// What one thread of the load does with its connections, for as long as it is told to.
class Traffic {
 public:
  Traffic() = default;
  Traffic(const Traffic&) = delete;
  Traffic& operator=(const Traffic&) = delete;
  virtual ~Traffic() = default;

  virtual void start() {}
  /// Waits for the server, at most `timeout_ms`, and does what there is to do.
  virtual void turn(int timeout_ms) = 0;
  /// Asks for nothing more from now on, so that no server is left in the midst of an answer.
  virtual void wind_down() {}
  /// Whether everything that was asked for has arrived.
  [[nodiscard]] virtual bool is_idle() const { return true; }

  /// What has been received so far. Any thread.
  [[nodiscard]] std::uint64_t bytes() const noexcept {
    return bytes_.load(std::memory_order_relaxed);
  }
  /// Latencies are taken in the window only. Any thread.
  void set_in_window(bool in_window) noexcept {
    in_window_.store(in_window, std::memory_order_relaxed);
  }
  [[nodiscard]] const Latencies& latencies() const noexcept { return latencies_; }
  /// What is under way has waited for the turns of others as well.
  void forget_begun_latencies() noexcept { turn_began_ = std::chrono::steady_clock::now(); }

 protected:
  void count(std::size_t bytes) noexcept {
    bytes_.store(bytes_.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
  }
  void take_latency_since(std::chrono::steady_clock::time_point begin) {
    if (in_window_.load(std::memory_order_relaxed) && begin >= turn_began_) {
      latencies_.add(std::chrono::steady_clock::now() - begin);
    }
  }

 private:
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<bool> in_window_{false};
  Latencies latencies_;
  std::chrono::steady_clock::time_point turn_began_{};
};

/// One for each thread of the load.
using Traffics = std::vector<std::unique_ptr<Traffic>>;

/// What every workload asks of its command line.
struct Target {
  explicit Target(CommandLine& options);

  Address address;
  ServerProcess server;
  std::size_t connections;
  std::chrono::milliseconds warm_up;
  std::chrono::milliseconds window;
  std::unique_ptr<Turns> turns;
};

/// Gives each of `threads` its share of `connections`.
std::vector<std::vector<Descriptor>> shares(std::vector<Descriptor> connections,
                                            std::size_t threads);

/// Lets the traffic run, each on a thread of its own, and reports on the window after the warm-up.
/// Both are of this load's own turns. The window grows until one message was completed in it and
/// the server has run; without a byte for a minute this throws. The workload's name and the sum are
/// left to the caller.
Report measure(const Traffics& traffics, const Target& target, std::size_t message_bytes);

}  // namespace bench

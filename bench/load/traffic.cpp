#include "traffic.hpp"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <thread>

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

Address address_from(CommandLine& options) {
  const std::string transport = options.text("transport", "tcp");
  Address address{.port = static_cast<std::uint16_t>(options.number("port", 0)),
                  .path = options.text("path")};
  if (transport == "unix") {
    address.kind = Address::Kind::unix_socket;
  } else if (transport == "pipe") {
    address.kind = Address::Kind::fifo;
  } else if (transport != "tcp") {
    throw std::invalid_argument("no transport " + transport);
  }
  return address;
}

// Throws when no byte has come for too long.
class Progress {
 public:
  explicit Progress(std::uint64_t bytes) : bytes_(bytes) {}
  void look_at(std::uint64_t bytes) {
    if (bytes != bytes_) {
      bytes_ = bytes;
      moved_ = Clock::now();
    } else if (Clock::now() - moved_ > patience) {
      throw std::runtime_error("the server did nothing for a minute");
    }
  }

 private:
  std::uint64_t bytes_;
  Clock::time_point moved_ = Clock::now();
};

// Runs each traffic on a thread of its own. The first failure ends the waiting.
class Threads {
 public:
  Threads(const Traffics& traffics, Turns& turns) : turns_(turns) {
    if (turns.are_taken() && traffics.size() != 1) {
      throw std::invalid_argument("only a load of one thread can take turns");
    }
    for (const std::unique_ptr<Traffic>& traffic : traffics) {
      threads_.emplace_back(
          [this, &traffic = *traffic](const std::stop_token& stop) { run(traffic, stop); });
    }
  }

  /// Throws what has gone wrong in a thread.
  void wait_for(Clock::duration time) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, time, [this] { return failure_ != nullptr; });
    if (failure_) {
      std::rethrow_exception(failure_);
    }
  }
  /// Lets what is under way end. Throws likewise.
  void stop() {
    for (std::jthread& thread : threads_) {
      thread.request_stop();
    }
    threads_.clear();
    wait_for(Clock::duration::zero());
  }

 private:
  void run(Traffic& traffic, const std::stop_token& stop) noexcept {
    static constexpr int look_at_stop_every_ms = 50;
    try {
      const auto stopping = [&] { return stop.stop_requested(); };
      turns_.wait(stopping);
      traffic.start();
      while (!stopping()) {
        traffic.turn(look_at_stop_every_ms);
        if (turns_.wait(stopping)) {
          traffic.forget_begun_latencies();
        }
      }
      traffic.wind_down();
      for (Progress progress(traffic.bytes()); !traffic.is_idle();) {
        traffic.turn(look_at_stop_every_ms);
        progress.look_at(traffic.bytes());
      }
    } catch (...) {
      const std::scoped_lock lock(mutex_);
      failure_ = std::current_exception();
      changed_.notify_one();
    }
  }

  Turns& turns_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::exception_ptr failure_;
  std::vector<std::jthread> threads_;
};

std::uint64_t bytes_of(const Traffics& traffics) {
  std::uint64_t bytes = 0;
  for (const auto& traffic : traffics) {
    bytes += traffic->bytes();
  }
  return bytes;
}

struct Moment {
  std::uint64_t bytes;
  Clock::duration time;
  std::chrono::nanoseconds server_cpu;
};

Moment now(const Traffics& traffics, const Target& target) {
  return {bytes_of(traffics), target.turns->own_time(), target.server.cpu_time()};
}

// Of this load's turns.
void wait_for_own(Threads& threads, const Turns& turns, Clock::duration time) {
  const Clock::duration end = turns.own_time() + time;
  for (Clock::duration left = time; left > Clock::duration::zero(); left = end - turns.own_time()) {
    threads.wait_for(left);
  }
}

// On a busy machine the server may not have run at all, and what came was sent before.
bool is_measurable(const Moment& begin, const Moment& end, std::size_t message_bytes) {
  return end.bytes - begin.bytes >= message_bytes && end.server_cpu > begin.server_cpu;
}

Moment wait_for_end(Threads& threads, const Traffics& traffics, const Target& target,
                    const Moment& begin, std::size_t message_bytes) {
  wait_for_own(threads, *target.turns, target.window);
  Moment end = now(traffics, target);
  for (Progress progress(end.bytes); !is_measurable(begin, end, message_bytes);) {
    threads.wait_for(std::chrono::milliseconds(10));
    end = now(traffics, target);
    progress.look_at(end.bytes);
  }
  return end;
}

}  // namespace

Target::Target(CommandLine& options)
    : address(address_from(options)),
      server(static_cast<pid_t>(options.number("server-pid", 0))),
      connections(options.number("connections", 1)),
      warm_up(options.number("warm-up-ms", 200)),
      window(options.number("window-ms", 500)),
      turns(std::make_unique<Turns>(options.text("turns"), options.number("turn", 0))) {
  if (server.pid() == 0 || connections == 0) {
    throw std::invalid_argument("--server-pid is needed, and at least one connection");
  }
}

std::vector<std::vector<Descriptor>> shares(std::vector<Descriptor> connections,
                                            std::size_t threads) {
  if (threads == 0 || threads > connections.size()) {
    throw std::invalid_argument("each thread of the load needs a connection");
  }
  std::vector<std::vector<Descriptor>> result(threads);
  for (std::size_t i = 0; i < connections.size(); ++i) {
    result[i % threads].push_back(std::move(connections[i]));
  }
  return result;
}

Report measure(const Traffics& traffics, const Target& target, std::size_t message_bytes) {
  Threads threads(traffics, *target.turns);
  wait_for_own(threads, *target.turns, target.warm_up);
  const auto set_in_window = [&](bool in_window) {
    std::for_each(traffics.begin(), traffics.end(),
                  [in_window](const auto& traffic) { traffic->set_in_window(in_window); });
  };
  set_in_window(true);
  const Moment begin = now(traffics, target);
  const Moment end = wait_for_end(threads, traffics, target, begin, message_bytes);
  set_in_window(false);

  Report report;
  report.take_memory_of(target.server);
  threads.stop();
  report.bytes = end.bytes - begin.bytes;
  report.messages = static_cast<double>(report.bytes) / static_cast<double>(message_bytes);
  report.window = end.time - begin.time;
  report.server_cpu = end.server_cpu - begin.server_cpu;
  for (const auto& traffic : traffics) {
    report.latencies.merge(traffic->latencies());
  }
  return report;
}

}  // namespace bench

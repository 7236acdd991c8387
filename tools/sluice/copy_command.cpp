#include "copy_command.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "console.hpp"
#include "errors.hpp"
#include "signals.hpp"

namespace sluice::cli {

namespace {

constexpr const char* nothing_was_copied = "nothing was copied";
constexpr std::chrono::milliseconds longest_wait_for_signal{100};

// What a lost connection makes the library warn of, the program reports itself.
LoopOptions quiet_loop() {
  LoopOptions options;
  options.log = [](LogLevel level, std::string_view message) {
    if (level == LogLevel::error) print_error(message);
  };
  return options;
}

// " while waiting for a reader of a, b", or nothing.
std::string awaited_by(const Pump& pump) {
  std::string text;
  for (const std::string& awaited : pump.awaited()) {
    text += (text.empty() ? " while waiting for " : ", ") + awaited;
  }
  return text;
}

class Copy {
 public:
  explicit Copy(const CopyOptions& options)
      : options_(options),
        loop_(quiet_loop()),
        pump_(loop_, options.pump, [this] { ended(); }),
        progress_(loop_, pump_) {}

  int run() {
    on_ending_signal(loop_, [this](int number) {
      if (signal_ == 0) {
        signal_ = number;
        awaited_ = awaited_by(pump_);
      }
      pump_.interrupt();
      if (awaits_signal_) loop_.stop();
    });
    loop_.set_exception_handler([this](const ExceptionContext& context) {
      pump_.break_off("internal error: " + context.message + ": " + context.what());
    });
    pump_.start();
    if (Progress::is_wanted(options_.progress, uses_output())) {
      progress_.start();
    }
    loop_.run_forever();
    progress_.stop();
    return conclude();
  }

 private:
  // A Ctrl-C goes to the commands as well, and one may have ended of it before we hear of ours.
  void ended() {
    if (signal_ == 0 && runs_commands() && !complete()) {
      awaits_signal_ = true;
      loop_.call_later(longest_wait_for_signal, [this] { loop_.stop(); });
    } else {
      loop_.stop();
    }
  }
  [[nodiscard]] bool runs_commands() const {
    const auto is_command = [](const Endpoint& endpoint) {
      return endpoint.kind == EndpointKind::command;
    };
    return is_command(options_.pump.source) || std::ranges::any_of(options_.pump.sinks, is_command);
  }
  [[nodiscard]] bool uses_output() const {
    return std::ranges::any_of(options_.pump.sinks, [](const Endpoint& sink) {
      return sink.kind == EndpointKind::standard_stream || sink.kind == EndpointKind::command;
    });
  }
  [[nodiscard]] bool complete() const {
    return pump_.outcome() == Pump::Outcome::completed && failures().empty();
  }
  [[nodiscard]] bool interrupted() const {
    return pump_.outcome() == Pump::Outcome::interrupted ||
           (signal_ != 0 && runs_commands() && !complete());
  }

  int conclude() {
    std::string error = error_line();
    int status = exit_status();
    const int failure = pump_.has_started() ? report(status, error) : 0;
    // Who asked for the report must know that there is none; nobody asks for that of people.
    if (failure != 0 && options_.report == ReportFormat::json) {
      error += (error.empty() ? "" : "; ") +
               ("cannot write the report to standard error: " + error_text(failure));
      status = std::max<int>(status, exit_failed);
    }
    if (!error.empty()) {
      print_error(error);
    }
    return status;
  }

  [[nodiscard]] int report(int status, const std::string& error) const {
    return write_all(StandardStream::error,
                     copy_report(pump_, options_.pump.source, options_.report, status, error));
  }

  [[nodiscard]] int exit_status() const {
    if (interrupted()) {
      return signal_base + signal_;
    }
    return complete() ? exit_done : exit_failed;
  }

  // The errors of the sinks that failed.
  [[nodiscard]] std::vector<std::string> failures() const {
    std::vector<std::string> errors;
    for (const auto& sink : pump_.sinks()) {
      if (sink->state() == SinkState::failed) errors.push_back(sink->error());
    }
    return errors;
  }

  // "a: why", or "2 of 3 sinks failed: a: why; b: why"; empty when none did.
  [[nodiscard]] std::string sink_failures() const {
    const std::vector<std::string> errors = failures();
    const std::size_t count = pump_.sinks().size();
    std::string text;
    for (const std::string& error : errors) {
      text += (text.empty() ? "" : "; ") + error;
    }
    if (count > 1 && !errors.empty()) {
      text =
          std::to_string(errors.size()) + " of " + std::to_string(count) + " sinks failed: " + text;
    }
    return text;
  }

  [[nodiscard]] std::string error_line() const {
    std::string line;
    if (interrupted()) {
      line = "interrupted by " + signal_name(signal_) + awaited_;
    } else {
      line = pump_.error();
    }
    if (pump_.outcome() != Pump::Outcome::not_started) {
      const std::string failed = sink_failures();
      line += (line.empty() || failed.empty() ? "" : "; ") + failed;
    }
    if (line.empty()) {
      return line;
    }
    return line + "; " + (pump_.has_started() ? delivery_summary(pump_) : nothing_was_copied);
  }

  const CopyOptions& options_;
  EventLoop loop_;
  Pump pump_;
  Progress progress_;
  int signal_ = 0;
  std::string awaited_;  // when the signal came
  bool awaits_signal_ = false;
};

}  // namespace

int run_copy(const CopyOptions& options) {
  const auto copy = [&] {
    try {
      return std::make_unique<Copy>(options);
    } catch (const RunError& error) {
      throw RunError(std::string(error.what()) + "; " + nothing_was_copied);
    }
  }();
  return copy->run();
}

}  // namespace sluice::cli

// Runs a command, puts a name before each line that it writes, and starts it again when it fails,
// at most so many times. SIGTERM and SIGINT are passed on to the command, which is not started
// again then. A command whose output is not taken from us has to wait as well.
//     process_supervisor NAME RESTARTS COMMAND [ARGUMENT...]

#include <sluice/sluice.hpp>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "arguments.hpp"

namespace {

// Prints whole lines only, whatever pieces they come in.
class PrefixedLines {
 public:
  explicit PrefixedLines(std::string prefix) : prefix_(std::move(prefix)) {}
  void add(std::string_view text) {
    for (const char character : text) {
      line_ += character;
      if (character == '\n' || line_.size() == longest_line) {
        finish();
      }
    }
  }
  void finish() {
    if (!line_.empty()) {
      std::cout << prefix_ << line_ << (line_.back() == '\n' ? "" : "\n") << std::flush;
      line_.clear();
    }
  }

 private:
  static constexpr std::size_t longest_line = 4096;
  std::string prefix_;
  std::string line_;
};

// One run of the command.
class Run : public sluice::SubprocessProtocol {
 public:
  Run(const std::string& name, std::function<void(int)> ended)
      : out_(name + ": "), err_(name + "! "), ended_(std::move(ended)) {}
  void connection_made(std::shared_ptr<sluice::SubprocessTransport> transport) override {
    transport_ = std::move(transport);
  }
  void pipe_data_received(int fd, sluice::Bytes data) override {
    (fd == 1 ? out_ : err_).add(sluice::as_text(data));
  }
  void pipe_connection_lost(int fd, std::error_code /*error*/) override {
    (fd == 1 ? out_ : err_).finish();
  }
  void send_signal(int number) const {
    if (transport_) {
      transport_->send_signal(number);
    }
  }
  // The command has ended and everything it wrote was read.
  void connection_lost(std::error_code /*error*/) override {
    ended_(transport_->returncode().value_or(0));
    transport_.reset();
  }

 private:
  std::shared_ptr<sluice::SubprocessTransport> transport_;
  PrefixedLines out_;
  PrefixedLines err_;
  std::function<void(int)> ended_;
};

class Supervisor {
 public:
  Supervisor(std::string name, int restarts, std::vector<std::string> command)
      : name_(std::move(name)), restarts_(restarts), command_(std::move(command)) {}

  int run() {
    for (const int number : {SIGTERM, SIGINT}) {
      loop_.add_signal_handler(number, [this, number] { stop(number); });
    }
    start();
    loop_.run_forever();
    return status_;
  }

 private:
  void start() {
    sluice::SubprocessOptions options;
    options.stdin_ = sluice::Stdio::devnull();
    const auto factory = [this] {
      run_ = std::make_shared<Run>(name_, [this](int returncode) { ended(returncode); });
      return run_;
    };
    loop_.subprocess_exec(factory, command_, std::move(options))
        .add_done_callback([this](const sluice::Future<sluice::SubprocessConnection<Run>>& done) {
          try {
            done.get();
            if (stopped_by_ != 0) {
              run_->send_signal(stopped_by_);  // it came before there was anybody to send it to
            }
          } catch (const std::exception& error) {
            std::cerr << "process_supervisor: " << error.what() << '\n';
            finish(EXIT_FAILURE);
          }
        });
  }

  void stop(int number) {
    restarts_ = 0;
    stopped_by_ = number;
    if (run_) {
      run_->send_signal(number);
    }
  }

  void ended(int returncode) {
    if (returncode == 0) {
      finish(EXIT_SUCCESS);
    } else if (restarts_ == 0) {
      std::cerr << "process_supervisor: " << name_ << " failed with " << returncode
                << " and is not started again\n";
      finish(EXIT_FAILURE);
    } else {
      --restarts_;
      std::cerr << "process_supervisor: " << name_ << " failed with " << returncode
                << " and is started again\n";
      start();
    }
  }

  void finish(int status) {
    status_ = status;
    loop_.stop();
  }

  sluice::EventLoop loop_;
  std::string name_;
  int restarts_;
  std::vector<std::string> command_;
  int status_ = EXIT_SUCCESS;
  std::shared_ptr<Run> run_;
  int stopped_by_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::cerr << "usage: process_supervisor NAME RESTARTS COMMAND [ARGUMENT...]\n";
    return 2;
  }
  try {
    return Supervisor(argv[1], static_cast<int>(number_argument(argv[2], "RESTARTS", 1'000'000)),
                      {argv + 3, argv + argc})
        .run();
  } catch (const std::exception& error) {
    std::cerr << "process_supervisor: " << error.what() << '\n';
    return EXIT_FAILURE;
  }
}

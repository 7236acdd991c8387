#include "oracle/sluice_side.hpp"

#include <algorithm>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "oracle/traced_kernel.hpp"
#include "sluice/error.hpp"
#include "sluice/event_loop.hpp"

namespace sluice::oracle {
namespace {

// After this many polls a scenario does not end any more.
constexpr std::size_t turn_limit = 500;

/// What the operation `throw` throws.
struct Thrown {};

std::string describe(std::error_code error) {
  if (!error) {
    return "ok";
  }
  if (error == Errc::callback_failed) {
    return "exception";
  }
  const char* name =
      error.category() == std::system_category() ? ::strerrorname_np(error.value()) : nullptr;
  return name != nullptr ? name : error.message();
}

std::string kind_of(const std::exception_ptr& error) {
  try {
    if (error) {
      std::rethrow_exception(error);
    }
    return "NoneType";
  } catch (const Thrown&) {
    return "exception";
  } catch (const std::exception& other) {
    return other.what();
  }
}

/// One scenario on one loop.
class Run {
 public:
  explicit Run(const Scenario& scenario)
      : scenario_(scenario),
        kernel_(
            std::make_shared<TracedKernel>([this](std::string line) { trace(std::move(line)); })) {}

  Trace execute();
  void called_back(std::string line, Verb place);
  bool end_received();
  void made(std::shared_ptr<WriteTransport> transport, std::shared_ptr<Transport> duplex);

 private:
  void trace(std::string line) {
    if (!finished_) {
      lines_.push_back(std::move(line));
    }
  }
  void adopt(EventLoop& loop);
  bool advance();
  void take_step(const Step& step);
  [[nodiscard]] std::string state() const;
  void run_program(const Step& program);
  void do_one(const Operation& operation);
  void soon(const Operation& operation);
  void call(const Operation& operation);
  void call_transport(const Operation& operation);
  void write_lines(const Operation& operation);
  [[nodiscard]] std::string_view data(std::size_t size) { return pattern(++writes_, size); }
  void handle(const ExceptionContext& context);

  const Scenario& scenario_;
  Trace lines_;
  std::shared_ptr<TracedKernel> kernel_;
  EventLoop* loop_ = nullptr;
  std::shared_ptr<WriteTransport> transport_;
  std::shared_ptr<Transport> duplex_;
  std::map<Verb, std::deque<Step>> programs_;
  bool keep_open_ = false;
  bool finished_ = false;
  std::size_t next_step_ = 1;
  std::size_t writes_ = 0;
  std::size_t soons_ = 0;
};

/// Writes down what every transport tells its protocol.
template <class Base>
class Recorder : public Base {
 public:
  explicit Recorder(Run& run) : run_(&run) {}

  void pause_writing() override { run_->called_back("pause_writing", Verb::on_pause); }
  void resume_writing() override { run_->called_back("resume_writing", Verb::on_resume); }
  void connection_lost(std::error_code error) override {
    run_->called_back("connection_lost(" + describe(error) + ')', Verb::on_lost);
  }

 protected:
  Run* run_;
};

class StreamRecorder final : public Recorder<Protocol> {
 public:
  using Recorder::Recorder;
  void connection_made(std::shared_ptr<Transport> transport) override {
    run_->made(transport, transport);
  }
  void data_received(Bytes bytes) override {
    run_->called_back("data_received " + std::to_string(bytes.size()) + ' ' + checksum(bytes),
                      Verb::on_data);
  }
  bool eof_received() override { return run_->end_received(); }
};

class PipeRecorder final : public Recorder<WriteProtocol> {
 public:
  using Recorder::Recorder;
  void connection_made(std::shared_ptr<WriteTransport> transport) override {
    run_->made(transport, nullptr);
  }
};

Trace Run::execute() {
  LoopOptions options;
  options.write_policy = WritePolicy::immediate;
  options.system_calls = kernel_;
  options.log = [this](LogLevel level, std::string_view message) {
    if (level >= LogLevel::warning) {
      const bool dropped = message.find("dropped") != std::string_view::npos;
      trace(dropped ? "warning: dropped write" : "log: " + std::string(message));
    }
  };
  {
    EventLoop loop(options);
    loop_ = &loop;
    loop.set_exception_handler([this](const ExceptionContext& context) { handle(context); });
    kernel_->open_connection(scenario_.kind);
    kernel_->on_idle([this] { return advance(); });
    run_program(scenario_.steps.front());
    adopt(loop);
    loop.run_forever();
    for (const std::string& violation : kernel_->violations()) {
      trace("violation: " + violation);
    }
    finished_ = true;
    transport_.reset();
    duplex_.reset();
  }
  return std::move(lines_);
}

void Run::adopt(EventLoop& loop) {
  Fd fd(kernel_->descriptor());
  if (scenario_.kind == TransportKind::socket) {
    static_cast<void>(loop.connect_accepted_socket(
        [this] { return std::make_shared<StreamRecorder>(*this); }, std::move(fd)));
  } else {
    static_cast<void>(loop.connect_write_pipe(
        [this] { return std::make_shared<PipeRecorder>(*this); }, std::move(fd)));
  }
}

// The loop has nothing to do: the scenario goes on.
bool Run::advance() {
  trace("= " + state());
  if (kernel_->waits() > turn_limit) {
    trace("spins");
    loop_->stop();
  } else if (next_step_ >= scenario_.steps.size()) {
    loop_->stop();
  } else {
    trace("step " + std::to_string(next_step_));
    take_step(scenario_.steps[next_step_++]);
  }
  return true;
}

void Run::take_step(const Step& step) {
  const auto for_kernel = [](const Operation& operation) { return is_for_kernel(operation.verb); };
  if (std::all_of(step.begin(), step.end(), for_kernel)) {
    run_program(step);
  } else {
    loop_->call_soon([this, &step] { run_program(step); });
  }
}

std::string Run::state() const {
  if (!transport_) {
    return "unborn";
  }
  const auto [low, high] = transport_->get_write_buffer_limits();
  std::string text = std::to_string(transport_->get_write_buffer_size()) + " of " +
                     std::to_string(low) + ".." + std::to_string(high) +
                     (transport_->is_closing() ? ", closing" : ", open");
  if (duplex_) {
    text += duplex_->is_reading() ? ", reading" : ", not reading";
  }
  return text;
}

void Run::called_back(std::string line, Verb place) {
  trace(std::move(line));
  std::deque<Step>& programs = programs_[place];
  if (!programs.empty()) {
    const Step program = std::move(programs.front());
    programs.pop_front();
    run_program(program);
  }
}

bool Run::end_received() {
  keep_open_ = false;
  called_back("eof_received", Verb::on_end);
  return keep_open_;
}

void Run::made(std::shared_ptr<WriteTransport> transport, std::shared_ptr<Transport> duplex) {
  transport_ = std::move(transport);
  duplex_ = std::move(duplex);
  called_back("connection_made", Verb::on_made);
}

void Run::run_program(const Step& program) {
  for (const Operation& operation : program) {
    do_one(operation);
  }
}

void Run::do_one(const Operation& operation) {
  if (is_for_kernel(operation.verb)) {
    kernel_->apply(operation);
    return;
  }
  switch (operation.verb) {
    case Verb::on_made:
    case Verb::on_pause:
    case Verb::on_resume:
    case Verb::on_data:
    case Verb::on_end:
    case Verb::on_lost:
      programs_[operation.verb].push_back(operation.body);
      break;
    case Verb::soon:
      soon(operation);
      break;
    case Verb::throws:
      throw Thrown();
    case Verb::keep_open:
      keep_open_ = true;
      break;
    default:
      call(operation);
      break;
  }
}

void Run::soon(const Operation& operation) {
  loop_->call_soon([this, number = ++soons_, program = operation.body] {
    trace("soon " + std::to_string(number));
    run_program(program);
  });
}

// Calls the transport and writes down how that went, in Python's words.
void Run::call(const Operation& operation) {
  std::string outcome = "ok";
  try {
    call_transport(operation);
  } catch (const std::invalid_argument& error) {
    outcome = std::string("ValueError ") + error.what();
  } catch (const std::logic_error& error) {
    outcome = std::string("RuntimeError ") + error.what();
  }
  trace(operation.head() + ": " + outcome + "; " + state());
}

void Run::call_transport(const Operation& operation) {
  switch (operation.verb) {
    case Verb::write:
      transport_->write(data(operation.numbers.at(0).value()));
      break;
    case Verb::writelines:
      write_lines(operation);
      break;
    case Verb::eof:
      transport_->write_eof();
      break;
    case Verb::close:
      transport_->close();
      break;
    case Verb::abort:
      transport_->abort();
      break;
    case Verb::limits:
      transport_->set_write_buffer_limits(operation.numbers.at(0), operation.numbers.at(1));
      break;
    case Verb::pause_reading:
      duplex_->pause_reading();
      break;
    case Verb::resume_reading:
      duplex_->resume_reading();
      break;
    default:
      break;
  }
}

void Run::write_lines(const Operation& operation) {
  std::vector<std::string_view> pieces;
  for (const std::optional<std::size_t>& size : operation.numbers) {
    pieces.push_back(data(size.value()));
  }
  transport_->writelines(pieces);
}

void Run::handle(const ExceptionContext& context) {
  constexpr std::string_view any_callback = "Exception in callback";
  const bool any = context.message.starts_with(any_callback);
  trace("handler: " + (any ? std::string(any_callback) : context.message) + ": " +
        kind_of(context.exception));
}

}  // namespace

Trace run_on_sluice(const Scenario& scenario) {
  return Run(scenario).execute();
}

}  // namespace sluice::oracle

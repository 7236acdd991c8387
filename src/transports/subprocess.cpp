// EventLoop's call that starts a child process.

#include <array>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "loop/loop_core.hpp"
#include "sluice/event_loop.hpp"
#include "sys/constants.hpp"
#include "sys/error_table.hpp"
#include "transports/birth.hpp"
#include "transports/subprocess_transport.hpp"

namespace sluice {
namespace {

using transports::ChildBirth;
using transports::OwnedChild;
using transports::OwnedFd;

constexpr std::array<const char*, 3> slot_names{"stdin", "stdout", "stderr"};

[[noreturn]] void fail(sys::Call call, int error, const std::string& what) {
  static_cast<void>(sys::judge(call, error));
  throw std::system_error(sys::to_error_code(error), what);
}

void require_no_nul(const std::string& text, const std::string& what) {
  if (text.find('\0') != std::string::npos) {
    throw std::invalid_argument("embedded null byte in " + what);
  }
}

std::vector<std::string> flat(const Environment& variables) {
  std::vector<std::string> entries;
  entries.reserve(variables.size());
  for (const auto& [name, value] : variables) {
    if (name.empty() || name.find('=') != std::string::npos) {
      throw std::invalid_argument("illegal environment variable name '" + name + "'");
    }
    entries.emplace_back(name).append("=").append(value);
    require_no_nul(entries.back(), "the environment");
  }
  return entries;
}

// What can be said to be wrong without asking the system.
void check(const std::vector<std::string>& argv, const SubprocessOptions& options) {
  if (argv.empty()) {
    throw std::invalid_argument("no program to start was given");
  }
  for (std::size_t i = 0; i < argv.size(); ++i) {
    require_no_nul(argv[i], "argument " + std::to_string(i));
  }
  require_no_nul(options.cwd, "the working directory");
  if (options.stdin_.kind() == Stdio::Kind::as_stdout ||
      options.stdout_.kind() == Stdio::Kind::as_stdout) {
    throw std::invalid_argument("only stderr can go where stdout goes");
  }
  if (options.process_group && *options.process_group < 0) {
    throw std::invalid_argument("invalid process group " + std::to_string(*options.process_group));
  }
  if (options.process_group && options.start_new_session) {
    throw std::invalid_argument("a new session has a process group of its own");
  }
}

// A child on its way: whatever throws closes what was opened so far.
class Launch {
 public:
  Launch(loop::LoopCore& loop, std::vector<std::string> argv) : loop_(&loop) {
    request_.argv = std::move(argv);
  }

  [[nodiscard]] ChildBirth run(SubprocessOptions options) {
    configure(options);
    std::array<Stdio, 3> stdio{std::move(options.stdin_), std::move(options.stdout_),
                               std::move(options.stderr_)};
    for (std::size_t slot = 0; slot < stdio.size(); ++slot) {
      connect(slot, stdio[slot]);
    }
    const sys::Result<sys::Spawned> spawned = loop_->sys().spawn(request_);
    if (!spawned.ok()) {
      fail(sys::Call::spawn, spawned.error, "starting " + program());
    }
    return {OwnedChild(*loop_, spawned.value.pid, spawned.value.pidfd), std::move(ours_)};
  }

 private:
  [[nodiscard]] std::string program() const { return "'" + request_.argv.front() + "'"; }

  void configure(const SubprocessOptions& options) {
    if (options.env) {
      request_.environment = flat(*options.env);
    }
    request_.process_group = options.process_group;
    request_.new_session = options.start_new_session;
    request_.default_signals = options.restore_signals;
    if (!options.cwd.empty()) {
      const sys::Result<int> opened = loop_->sys().open_directory(options.cwd);
      if (!opened.ok()) {
        fail(sys::Call::open, opened.error,
             "entering the working directory '" + options.cwd + "' of " + program());
      }
      directory_ = OwnedFd(*loop_, opened.value);
      request_.directory_fd = opened.value;
    }
  }

  void connect(std::size_t slot, Stdio& stdio) {
    switch (stdio.kind()) {
      case Stdio::Kind::pipe:
        make_pipe(slot);
        break;
      case Stdio::Kind::inherit:
        request_.stdio[slot] = sys::inherit_stdio;
        break;
      case Stdio::Kind::null_device:
        request_.stdio[slot] = sys::null_device;
        break;
      case Stdio::Kind::as_stdout:
        // What is inherited as 1 has that number here, too.
        request_.stdio[slot] = request_.stdio[1] == sys::inherit_stdio ? 1 : request_.stdio[1];
        break;
      case Stdio::Kind::descriptor:
        theirs_[slot] = OwnedFd(*loop_, stdio.take_fd().release());
        request_.stdio[slot] = theirs_[slot].get();
        if (theirs_[slot].get() < 0) {
          throw std::invalid_argument(std::string("no descriptor was given for ") +
                                      slot_names[slot]);
        }
        break;
    }
  }

  void make_pipe(std::size_t slot) {
    const std::string what =
        std::string("making a pipe for the ") + slot_names[slot] + " of " + program();
    const sys::Result<std::pair<int, int>> ends = loop_->sys().pipe();
    if (!ends.ok()) {
      fail(sys::Call::pipe, ends.error, what);
    }
    const auto [reading, writing] = ends.value;
    ours_[slot] = OwnedFd(*loop_, slot == 0 ? writing : reading);
    theirs_[slot] = OwnedFd(*loop_, slot == 0 ? reading : writing);
    request_.stdio[slot] = theirs_[slot].get();
    make_blocking(theirs_[slot].get(), what);
  }

  // The ends of a pipe are two open files: ours stays non-blocking.
  void make_blocking(int fd, const std::string& what) {
    const sys::Result<int> flags = loop_->sys().get_status_flags(fd);
    if (!flags.ok()) {
      fail(sys::Call::fcntl, flags.error, what);
    }
    const sys::Status set = loop_->sys().set_status_flags(fd, flags.value & ~sys::nonblocking_flag);
    if (!set.ok()) {
      fail(sys::Call::fcntl, set.error, what);
    }
  }

  loop::LoopCore* loop_;
  sys::SpawnRequest request_;
  OwnedFd directory_;
  std::array<OwnedFd, 3> ours_;
  std::array<OwnedFd, 3> theirs_;
};

std::shared_ptr<SubprocessProtocol> make_protocol(detail::ProtocolFactory& factory) {
  auto protocol = std::dynamic_pointer_cast<SubprocessProtocol>(factory());
  if (!protocol) {
    throw std::invalid_argument("a child process needs a protocol, not null");
  }
  return protocol;
}

}  // namespace

Future<detail::Established<SubprocessTransport>> EventLoop::open_subprocess(
    detail::ProtocolFactory factory, std::vector<std::string> argv, SubprocessOptions options) {
  core_->check_usable();
  auto future = transports::make_future<detail::Established<SubprocessTransport>>(*core_);
  try {
    check(argv, options);
    // Before anything is started, as in asyncio: a factory may throw.
    const std::shared_ptr<SubprocessProtocol> protocol = make_protocol(factory);
    const auto made = std::make_shared<std::weak_ptr<transports::ChildTransport>>();
    future.set_on_cancel([made] {
      if (const auto alive = made->lock()) {
        alive->close();
      }
    });
    *made = transports::ChildTransport::create(
        *core_, Launch(*core_, std::move(argv)).run(std::move(options)), protocol,
        [future, made, protocol] {
          if (!future.done()) {
            future.set_result(detail::Established<SubprocessTransport>{made->lock(), protocol});
          }
        });
  } catch (...) {
    future.set_exception(std::current_exception());
  }
  return future;
}

}  // namespace sluice

#include "console.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>

#include "errors.hpp"
#include "text.hpp"

namespace sluice::cli {

namespace {

// How long a full standard error may hold the program up.
constexpr int patience_ms = 2000;

std::array<bool, 3>& closed_streams() {
  static std::array<bool, 3> closed{};
  return closed;
}

int number_of(StandardStream stream) {
  return static_cast<int>(stream);
}

bool wait_until_writable(int fd, int timeout_ms) {
  pollfd entry{.fd = fd, .events = POLLOUT, .revents = 0};
  return poll(&entry, 1, timeout_ms) > 0;
}

}  // namespace

void guard_standard_streams() {
  static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
  static_cast<void>(std::signal(SIGXFSZ, SIG_IGN));
  for (int fd = 0; fd <= 2; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF) {
      continue;
    }
    closed_streams().at(static_cast<std::size_t>(fd)) = true;
    // The lowest free number is fd itself: those below are open by now.
    static_cast<void>(open("/dev/null", O_RDWR));
  }
}

bool was_closed(StandardStream stream) {
  return closed_streams().at(static_cast<std::size_t>(number_of(stream)));
}

int write_all(StandardStream stream, std::string_view text) {
  if (was_closed(stream)) {
    return EBADF;
  }
  const int fd = number_of(stream);
  while (!text.empty()) {
    const ssize_t count = write(fd, text.data(), text.size());
    if (count >= 0) {
      text.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {
      // A terminal or pipe that another descriptor of ours has made non-blocking.
      if (!wait_until_writable(fd, patience_ms)) return EAGAIN;
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

void print(std::string_view text, std::string_view what) {
  const int failure = write_all(StandardStream::output, text);
  if (failure != 0) {
    throw RunError("cannot write " + std::string(what) + (what.empty() ? "" : " ") +
                   "to standard output: " +
                   (was_closed(StandardStream::output) ? "it is closed" : error_text(failure)));
  }
}

void print_error(std::string_view message) {
  write_all(StandardStream::error, "sluice: " + printable(message) + "\n");
}

bool error_is_terminal() {
  return !was_closed(StandardStream::error) && isatty(STDERR_FILENO) == 1;
}

bool output_is_terminal() {
  return !was_closed(StandardStream::output) && isatty(STDOUT_FILENO) == 1;
}

std::optional<unsigned> terminal_columns() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
    return std::nullopt;
  }
  return size.ws_col;
}

bool error_is_writable() {
  return wait_until_writable(STDERR_FILENO, 0);
}

}  // namespace sluice::cli

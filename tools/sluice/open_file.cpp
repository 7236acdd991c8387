#include "open_file.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "errors.hpp"

namespace sluice::cli {

namespace {

[[noreturn]] void fail(const std::string& attempt, const Endpoint& endpoint,
                       const std::string& why) {
  throw RunError("cannot " + attempt + " " + endpoint.name + ": " + why);
}

bool is_socket(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode);
}

// The bytes from the current position to the end. Files of /proc claim to be empty: unknown.
std::optional<std::uint64_t> size_left(int fd, const struct stat& status) {
  if (!S_ISREG(status.st_mode) || status.st_size <= 0) {
    return std::nullopt;
  }
  const off_t position = lseek(fd, 0, SEEK_CUR);
  if (position < 0 || position > status.st_size) {
    return std::nullopt;
  }
  return static_cast<std::uint64_t>(status.st_size - position);
}

FileKind kind_of(mode_t mode) {
  if (S_ISREG(mode) || S_ISBLK(mode)) return FileKind::regular;
  return S_ISFIFO(mode) ? FileKind::fifo : FileKind::device;
}

OpenFile examine(Fd fd, const std::string& attempt, const Endpoint& endpoint) {
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) {
    fail(attempt, endpoint, error_text(errno));
  }
  if (S_ISDIR(status.st_mode)) {
    fail(attempt, endpoint, "it is a directory");
  }
  OpenFile file;
  file.kind = kind_of(status.st_mode);
  file.identity = {.device = status.st_dev, .inode = status.st_ino};
  file.size = size_left(fd.get(), status);
  file.fd = std::move(fd);
  return file;
}

bool can_be_opened_again(int number) {
  struct stat status {};
  return isatty(number) == 1 || (fstat(number, &status) == 0 && S_ISFIFO(status.st_mode));
}

// Linux does not report the end of a FIFO to who has opened it after the last writer went.
bool writers_are_gone(int number) {
  pollfd entry{.fd = number, .events = 0, .revents = 0};
  return poll(&entry, 1, 0) == 1 && (entry.revents & POLLHUP) != 0;
}

// A terminal is shared with the shell and everybody else in it, a pipe with the other programs of a
// pipeline: a description of our own can be non-blocking without their noticing, however this
// program ends. A socket cannot be opened again, and need not be: its flag is let alone.
Fd own_description(int number, int access) {
  if (can_be_opened_again(number)) {
    const std::string path = "/proc/self/fd/" + std::to_string(number);
    Fd fd(open(path.c_str(), access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (fd && (access == O_WRONLY || !writers_are_gone(number))) return fd;
  }
  return Fd(fcntl(number, F_DUPFD_CLOEXEC, 3));
}

}  // namespace

OpenFile open_standard(StandardStream stream) {
  const bool input = stream == StandardStream::input;
  Endpoint endpoint;
  endpoint.name = input ? "standard input" : "standard output";
  const std::string attempt = input ? "read" : "write to";
  if (was_closed(stream)) {
    fail(attempt, endpoint, "it is closed");
  }
  const int number = input ? STDIN_FILENO : STDOUT_FILENO;
  const int access = fcntl(number, F_GETFL) & O_ACCMODE;
  Fd fd = own_description(number, access);
  if (!fd) {
    fail(attempt, endpoint, error_text(errno));
  }
  if (access == (input ? O_WRONLY : O_RDONLY)) {
    fail(attempt, endpoint, input ? "it is not open for reading" : "it is not open for writing");
  }
  return examine(std::move(fd), attempt, endpoint);
}

OpenFile open_source(const Endpoint& endpoint) {
  // O_NONBLOCK: a FIFO without a writer must not hold the program up. Files ignore it.
  Fd fd(open(endpoint.path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd) {
    const int failure = errno;
    if (failure == ENXIO && is_socket(endpoint.path)) {
      fail("read", endpoint, "it is a socket; connect to it with unix://" + endpoint.path);
    }
    fail("read", endpoint, error_text(failure));
  }
  OpenFile file = examine(std::move(fd), "read", endpoint);
  if (endpoint.kind == EndpointKind::pipe && file.kind == FileKind::regular) {
    fail("read", endpoint,
         "it is a file, not a FIFO or a character device; give its path without pipe://");
  }
  return file;
}

std::optional<FileIdentity> identity_of(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) {
    return std::nullopt;
  }
  return FileIdentity{.device = status.st_dev, .inode = status.st_ino};
}

std::optional<FileIdentity> redirected_output() {
  struct stat status {};
  if (was_closed(StandardStream::output) || fstat(STDOUT_FILENO, &status) != 0 ||
      !S_ISREG(status.st_mode)) {
    return std::nullopt;
  }
  return FileIdentity{.device = status.st_dev, .inode = status.st_ino};
}

bool is_stream(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 &&
         (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode) || S_ISSOCK(status.st_mode));
}

bool is_fifo(const Fd& fd) {
  struct stat status {};
  return fstat(fd.get(), &status) == 0 && S_ISFIFO(status.st_mode);
}

bool is_fifo(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && S_ISFIFO(status.st_mode);
}

std::optional<OpenFile> open_sink(const Endpoint& endpoint) {
  Fd fd(open(endpoint.path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd) {
    const int failure = errno;
    if (failure == ENXIO && is_socket(endpoint.path)) {
      fail("write to", endpoint, "it is a socket; connect to it with unix://" + endpoint.path);
    }
    struct stat status {};
    if (failure == ENXIO && stat(endpoint.path.c_str(), &status) == 0 && S_ISFIFO(status.st_mode)) {
      return std::nullopt;
    }
    fail("write to", endpoint, failure == EISDIR ? "it is a directory" : error_text(failure));
  }
  OpenFile file = examine(std::move(fd), "write to", endpoint);
  if (file.kind == FileKind::regular) {
    fail("write to", endpoint,
         "it is a file, not a FIFO or a character device; give its path without pipe://");
  }
  return file;
}

}  // namespace sluice::cli

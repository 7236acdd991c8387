#include "testing/peers.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

namespace sluice::testing {
namespace {

constexpr int small_buffer = 8 * 1024;
constexpr int wait_ms = 1;
constexpr int accept_ms = 1000;
// What the line discipline of a pty holds when it is full.
constexpr std::size_t full_terminal = 4095;
constexpr std::size_t read_block = 64 * 1024;

[[noreturn]] void fail_with(const char* what) {
  throw std::system_error(errno, std::system_category(), what);
}

int checked(int result, const char* what) {
  if (result < 0) {
    fail_with(what);
  }
  return result;
}

void set_small_buffer(int fd, int name) {
  checked(::setsockopt(fd, SOL_SOCKET, name, &small_buffer, sizeof(small_buffer)), "setsockopt");
}

void set_non_blocking(int fd) {
  checked(::fcntl(fd, F_SETFL, checked(::fcntl(fd, F_GETFL), "fcntl") | O_NONBLOCK), "fcntl");
}

sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof(address.sun_path) - 1));
  return address;
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

template <class Address>
Fd connect_to(const Address& address, int domain) {
  Fd fd(checked(::socket(domain, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  set_small_buffer(fd.get(), SO_RCVBUF);
  checked(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
          "connect");
  set_non_blocking(fd.get());
  return fd;
}

}  // namespace

std::size_t Peer::pump() {
  attend();
  std::size_t total = 0;
  while (reading_ && !end_) {
    const std::size_t taken = read_some(read_block);
    if (taken == 0) {
      break;
    }
    total += taken;
  }
  return total;
}

std::size_t Peer::read_some(std::size_t most) {
  ReadResult result = take(most);
  if (result.end) {
    end_ = true;
    end_error_ = result.error;
  }
  const std::size_t skipped = std::min(hidden_, result.bytes.size());
  hidden_ -= skipped;
  received_.append(result.bytes, skipped);
  return result.bytes.size();
}

FdPeer::FdPeer(Fd fd) : fd_(std::move(fd)), terminal_(::isatty(fd_.get()) == 1) {
  set_non_blocking(fd_.get());
}

Peer::ReadResult FdPeer::take(std::size_t most) {
  ReadResult result;
  result.bytes.resize(std::min(most, read_block));
  const ssize_t count = ::read(fd_.get(), result.bytes.data(), result.bytes.size());
  const int error = errno;
  result.bytes.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  if (count == 0 || (count < 0 && terminal_ && error == EIO)) {
    result.end = true;
  } else if (count < 0 && error != EAGAIN && error != EINTR) {
    result.end = true;
    result.error = {error, std::system_category()};
  }
  return result;
}

void FdPeer::send(std::string_view bytes) {
  // A peer that is gone is an error for the test to see, not a signal.
  ssize_t count = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (count < 0 && errno == ENOTSOCK) {
    count = ::write(fd_.get(), bytes.data(), bytes.size());
  }
  if (std::cmp_not_equal(count, bytes.size())) {
    fail_with("the peer's write");
  }
}

void FdPeer::send_eof() {
  checked(::shutdown(fd_.get(), SHUT_WR), "shutdown");
}

void FdPeer::close() {
  fd_.reset();
}

void FdPeer::reset() {
  const linger at_once{1, 0};
  checked(::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), "setsockopt");
  fd_.reset();
}

std::size_t FdPeer::readable() const {
  int count = 0;
  checked(::ioctl(fd_.get(), FIONREAD, &count), "ioctl");
  return static_cast<std::size_t>(count);
}

void FdPeer::clog(int fd) {
  hide(fill_kernel_buffer(fd, [this] { return !terminal_ || readable() >= full_terminal; }));
}

void FdPeer::wait() {
  pollfd entry{fd_.get(), POLLIN, 0};
  static_cast<void>(::poll(&entry, 1, wait_ms));
}

ScriptedPeer::ScriptedPeer(std::shared_ptr<ScriptedKernel> kernel, int fd)
    : kernel_(std::move(kernel)), fd_(fd) {
  kernel_->set_room(fd_, capacity);
}

void ScriptedPeer::clog(int /*fd*/) {
  kernel_->set_room(fd_, 0);
  clogged_ = capacity;
}

Peer::ReadResult ScriptedPeer::take(std::size_t most) {
  ReadResult result;
  const std::size_t skipped = std::min(most, std::exchange(clogged_, 0));
  result.bytes = kernel_->sent(fd_, taken_, most);
  taken_ += result.bytes.size();
  if (result.bytes.empty() && skipped == 0) {
    result.end = !kernel_->is_open(fd_) || kernel_->write_shut(fd_);
  } else if (kernel_->is_open(fd_)) {
    kernel_->add_room(fd_, result.bytes.size() + skipped);
  }
  return result;
}

FdPair make_socket_pair() {
  std::array<int, 2> ends{};
  checked(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), "socketpair");
  FdPair pair{Fd(ends[0]), Fd(ends[1])};
  shrink_send_buffer(pair.transport.get());
  return pair;
}

FdPair make_tcp_pair() {
  const RawListener listener;
  FdPair pair;
  pair.transport = raw_connect(listener.port());
  shrink_send_buffer(pair.transport.get());
  pair.peer = listener.accept();
  return pair;
}

FdPair make_pipe_pair() {
  std::array<int, 2> ends{};
  checked(::pipe2(ends.data(), O_CLOEXEC), "pipe2");
  return {Fd(ends[1]), Fd(ends[0])};
}

FdPair make_fifo_pair() {
  const TempDirectory directory;
  const std::string path = directory.file("fifo");
  checked(::mkfifo(path.c_str(), S_IRUSR | S_IWUSR), "mkfifo");
  FdPair pair;
  pair.peer.reset(checked(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC), "open"));
  pair.transport.reset(checked(::open(path.c_str(), O_WRONLY | O_CLOEXEC), "open"));
  return pair;
}

FdPair make_pty_pair() {
  FdPair pair;
  pair.peer.reset(checked(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), "posix_openpt"));
  checked(::grantpt(pair.peer.get()), "grantpt");
  checked(::unlockpt(pair.peer.get()), "unlockpt");
  std::array<char, 128> name{};
  if (::ptsname_r(pair.peer.get(), name.data(), name.size()) != 0) {
    fail_with("ptsname_r");
  }
  pair.transport.reset(checked(::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC), "open"));
  termios settings{};
  checked(::tcgetattr(pair.transport.get(), &settings), "tcgetattr");
  ::cfmakeraw(&settings);
  checked(::tcsetattr(pair.transport.get(), TCSANOW, &settings), "tcsetattr");
  return pair;
}

RawListener::RawListener()
    : fd_(checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")) {
  set_small_buffer(fd_.get(), SO_RCVBUF);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  checked(::bind(fd_.get(), generic, size), "bind");
  checked(::listen(fd_.get(), SOMAXCONN), "listen");
  checked(::getsockname(fd_.get(), generic, &size), "getsockname");
  port_ = ntohs(address.sin_port);
}

RawListener::RawListener(const std::string& path)
    : fd_(checked(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")) {
  const sockaddr_un address = unix_address(path);
  checked(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), "bind");
  checked(::listen(fd_.get(), SOMAXCONN), "listen");
}

Fd RawListener::accept() const {
  pollfd entry{fd_.get(), POLLIN, 0};
  if (checked(::poll(&entry, 1, accept_ms), "poll") == 0) {
    errno = ETIMEDOUT;
    fail_with("waiting for a connection");
  }
  return Fd(
      checked(::accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC), "accept4"));
}

Fd raw_connect(std::uint16_t port) {
  return connect_to(loopback(port), AF_INET);
}

Fd raw_connect(const std::string& path) {
  return connect_to(unix_address(path), AF_UNIX);
}

void shrink_send_buffer(int fd) {
  static_cast<void>(::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small_buffer, sizeof(small_buffer)));
}

std::size_t fill_kernel_buffer(int fd, const std::function<bool()>& settled) {
  // A pipe that is given to a transport blocks until then.
  const int flags = checked(::fcntl(fd, F_GETFL), "fcntl");
  checked(::fcntl(fd, F_SETFL, flags | O_NONBLOCK), "fcntl");
  const std::string block(read_block, '#');
  std::size_t total = 0;
  constexpr int most_rounds = 1000;
  for (int round = 0; round < most_rounds; ++round) {
    // Asked before the attempt: what moves on after it makes room again.
    const bool at_rest = settled();
    const ssize_t count = ::write(fd, block.data(), block.size());
    if (count > 0) {
      total += static_cast<std::size_t>(count);
      continue;
    }
    pollfd entry{fd, POLLOUT, 0};
    if (::poll(&entry, 1, wait_ms) == 0 && at_rest) {
      break;
    }
  }
  checked(::fcntl(fd, F_SETFL, flags), "fcntl");
  return total;
}

TempDirectory::TempDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "sluice-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) {
    fail_with("mkdtemp");
  }
  path_ = std::move(name);
}

TempDirectory::~TempDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempDirectory::file(std::string_view name) const {
  return path_ + "/" + std::string(name);
}

std::string pattern(std::size_t offset, std::size_t count) {
  std::string bytes(count, '\0');
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t position = offset + i;
    // A long period that is no multiple of any buffer's size.
    bytes[i] = static_cast<char>((position + position / 251 * 7 + position / 64007) & 0xFFU);
  }
  return bytes;
}

std::string pattern_offence(std::string_view received) {
  const std::string expected = pattern(0, received.size());
  const auto differs = std::ranges::mismatch(received, expected).in1;
  return differs == received.end()
             ? std::string()
             : "the bytes differ from position " + std::to_string(differs - received.begin());
}

}  // namespace sluice::testing

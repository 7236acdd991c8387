#pragma once

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sluice/bytes.hpp"
#include "sluice/socket_address.hpp"
#include "sys/spawn.hpp"

namespace sluice::sys {

/// What a call returned and, if that was a failure, its errno; never both.
template <class T>
struct [[nodiscard]] Result {
  T value{};
  int error = 0;
  [[nodiscard]] bool ok() const noexcept { return error == 0; }
};

/// The result of a call that returns nothing of interest.
struct [[nodiscard]] Status {
  int error = 0;
  [[nodiscard]] bool ok() const noexcept { return error == 0; }
};

/// What fstat(2) and stat(2) tell that we need.
struct FileStatus {
  mode_t mode = 0;
  dev_t device = 0;
  ino_t inode = 0;
};

/// A connection from accept4(2).
struct Accepted {
  int fd = -1;
  SocketAddress peer;
};

/// One datagram on its way out, or a train of equal ones.
struct OutgoingDatagram {
  const SocketAddress* to = nullptr;  ///< Null: the peer of a connected socket.
  std::span<const iovec> pieces{};
  /// UDP_SEGMENT: the kernel cuts the bytes into datagrams of this size, of which the last may be
  /// shorter. 0: it is one datagram.
  std::uint16_t segment_size = 0;
};

/// Room for one datagram, and what came into it.
struct IncomingDatagram {
  std::span<std::byte> memory{};
  std::size_t size = 0;    ///< How many bytes of `memory` were filled.
  bool truncated = false;  ///< The datagram was longer than `memory`; its end is gone.
  SocketAddress from{};    ///< Unspecified for a Unix socket without a name.
};

/// What getaddrinfo(3) found; `error` is 0, an EAI_ number, or EAI_SYSTEM with errno in
/// `system_error`.
struct Resolved {
  std::vector<SocketAddress> addresses;
  int error = 0;
  int system_error = 0;
};

/// The operating system, one thin call per manual page: no call interprets its errno
/// (error_table.hpp does), none throws, none raises SIGPIPE. The loop is given one by reference;
/// tests give it a scripted one. resolve() and the calls on files may be made on any thread, all
/// others on the loop's.
class SystemCalls {
 public:
  SystemCalls() = default;
  SystemCalls(const SystemCalls&) = delete;
  SystemCalls& operator=(const SystemCalls&) = delete;
  virtual ~SystemCalls() = default;

  // Descriptors.
  virtual Status close(int fd) noexcept = 0;
  virtual Result<std::size_t> read(int fd, std::span<std::byte> memory) noexcept = 0;
  virtual Result<std::size_t> write(int fd, Bytes bytes) noexcept = 0;
  virtual Result<std::size_t> writev(int fd, std::span<const iovec> pieces) noexcept = 0;
  /// Like read, at a place of its own; the file's position stays where it is.
  virtual Result<std::size_t> pread(int fd, std::span<std::byte> memory,
                                    std::uint64_t offset) noexcept = 0;
  /// From `file` at `offset`, whose position stays where it is, to a socket.
  virtual Result<std::size_t> sendfile(int to, int file, std::uint64_t offset,
                                       std::size_t count) noexcept = 0;
  /// Without blocking; one of both is a pipe. With `offset`, `from` is a file, whose position stays
  /// where it is.
  virtual Result<std::size_t> splice(int from, std::optional<std::uint64_t> offset, int to,
                                     std::size_t count) noexcept = 0;
  /// splice() to a pipe whose reading end the caller holds: no SIGPIPE has to be kept away.
  virtual Result<std::size_t> fill_own_pipe(int from, int to, std::size_t count) noexcept {
    return splice(from, std::nullopt, to, count);
  }
  /// fcntl(F_SETPIPE_SZ): at least so much fits from now on; tells how much does.
  virtual Result<std::size_t> set_pipe_size(int fd, std::size_t bytes) noexcept = 0;
  virtual Result<FileStatus> fstat(int fd) noexcept = 0;
  /// fcntl(F_GETFL) and fcntl(F_SETFL).
  virtual Result<int> get_status_flags(int fd) noexcept = 0;
  virtual Status set_status_flags(int fd, int flags) noexcept = 0;
  /// kcmp(KCMP_FILE): whether both refer to one open file description.
  virtual Result<bool> same_open_file(int left, int right) noexcept = 0;

  // Paths.
  virtual Result<FileStatus> stat(const std::string& path) noexcept = 0;
  virtual Status unlink(const std::string& path) noexcept = 0;

  // Files; these block, and may be called on any thread, as may close, write, writev, fstat, stat
  // and unlink.
  /// open(2), close-on-exec; waits neither for the other end of a FIFO nor for a device.
  virtual Result<int> open(const std::string& path, int flags, mode_t mode) noexcept = 0;
  /// lseek(SEEK_SET).
  virtual Status seek(int fd, std::uint64_t offset) noexcept = 0;
  virtual Status fsync(int fd) noexcept = 0;
  virtual Status fchmod(int fd, mode_t mode) noexcept = 0;
  /// fcntl(F_DUPFD_CLOEXEC).
  virtual Result<int> dup(int fd) noexcept = 0;
  virtual Status rename(const std::string& from, const std::string& to) noexcept = 0;
  /// realpath(3): absolute, and every symbolic link followed.
  virtual Result<std::string> realpath(const std::string& path) noexcept = 0;

  // Sockets; all are made non-blocking and close-on-exec.
  virtual Result<int> socket(int domain, int type) noexcept = 0;
  virtual Status connect(int fd, const SocketAddress& address) noexcept = 0;
  virtual Status bind(int fd, const SocketAddress& address) noexcept = 0;
  virtual Status listen(int fd, int backlog) noexcept = 0;
  virtual Result<Accepted> accept(int fd) noexcept = 0;
  /// These three never wait, whether the socket is a blocking one or not.
  virtual Result<std::size_t> send(int fd, Bytes bytes) noexcept = 0;
  virtual Result<std::size_t> sendmsg(int fd, std::span<const iovec> pieces) noexcept = 0;
  virtual Result<std::size_t> recv(int fd, std::span<std::byte> memory) noexcept = 0;
  /// The most datagrams that one sendmmsg() or recvmmsg() is given.
  static constexpr std::size_t max_datagrams = 64;
  /// Returns how many were sent; an error only if the first was not.
  virtual Result<std::size_t> sendmmsg(int fd,
                                       std::span<const OutgoingDatagram> datagrams) noexcept = 0;
  /// Returns how many were received; an error only if none was.
  virtual Result<std::size_t> recvmmsg(int fd, std::span<IncomingDatagram> datagrams) noexcept = 0;
  virtual Status shutdown(int fd, int how) noexcept = 0;
  virtual Result<SocketAddress> getsockname(int fd) noexcept = 0;
  virtual Result<SocketAddress> getpeername(int fd) noexcept = 0;
  virtual Result<int> getsockopt(int fd, int level, int name) noexcept = 0;
  virtual Status setsockopt(int fd, int level, int name, int value) noexcept = 0;

  // Readiness.
  virtual Result<int> epoll_create() noexcept = 0;
  virtual Status epoll_ctl(int epoll_fd, int operation, int fd, epoll_event event) noexcept = 0;
  /// `timeout_ms` -1 waits for ever.
  virtual Result<std::size_t> epoll_wait(int epoll_fd, std::span<epoll_event> events,
                                         int timeout_ms) noexcept = 0;
  virtual Result<int> eventfd() noexcept = 0;

  // Time and signals.
  virtual std::chrono::steady_clock::time_point now() noexcept = 0;
  /// sigaction(2): from now on, each delivery of the signal writes its number, as one byte, to
  /// `fd`.
  virtual Status watch_signal(int number, int fd) noexcept = 0;
  /// Restores the default action, unless the signal is watched for another descriptor by now.
  virtual Status unwatch_signal(int number, int fd) noexcept = 0;
  /// The signals whose number did not fit into `fd` since the last call, each once however often it
  /// was delivered: bit `number - 1`.
  virtual std::uint64_t take_missed_signals(int fd) noexcept = 0;
  /// pipe2(2): {reading, writing} end, non-blocking, close-on-exec.
  virtual Result<std::pair<int, int>> pipe() noexcept = 0;

  // Child processes.
  /// open(2) of a directory that may be entered, for SpawnRequest::directory_fd; close-on-exec.
  virtual Result<int> open_directory(const std::string& path) noexcept = 0;
  /// posix_spawn(3) and pidfd_open(2): returns when the program runs, or when it cannot.
  virtual Result<Spawned> spawn(const SpawnRequest& request) noexcept = 0;
  /// pidfd_send_signal(2).
  virtual Status pidfd_send_signal(int pidfd, int number) noexcept = 0;
  /// waitid(2) by pidfd: the exit status, or minus the number of the signal that ended the child,
  /// which is collected by this; none while it runs.
  virtual Result<std::optional<int>> waitid(int pidfd, ChildWait wait) noexcept = 0;

  // Names; blocks, and may be called on any thread.
  virtual Resolved resolve(const std::string& host, std::uint16_t port, AddressFamily family,
                           bool passive) noexcept = 0;
};

/// The real system. It keeps nothing but what it has learned of the kernel.
[[nodiscard]] std::shared_ptr<SystemCalls> linux_system_calls();

}  // namespace sluice::sys

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <new>

#include "sys/count_of.hpp"
#include "sys/quiet_writer.hpp"
#include "sys/signal_relay.hpp"
#include "sys/sigpipe_guard.hpp"
#include "sys/spawn_process.hpp"
#include "sys/system_calls.hpp"

// KCMP_FILE of <linux/kcmp.h>, which is C that C++ cannot always include.
namespace {
constexpr int kcmp_file = 0;
// A socket that others share may be a blocking one.
constexpr int sending = MSG_NOSIGNAL | MSG_DONTWAIT;
}  // namespace

namespace sluice::sys {
namespace {

Status status_of(int returned) noexcept {
  return {returned < 0 ? errno : 0};
}

Result<int> number_of(int returned) noexcept {
  if (returned < 0) {
    return {-1, errno};
  }
  return {returned, 0};
}

// Every sockaddr fits: SocketAddress holds the longest one that we use.
const sockaddr* native(const SocketAddress& address) noexcept {
  return reinterpret_cast<const sockaddr*>(address.native().data());
}

SocketAddress from(const sockaddr_storage& storage, socklen_t size) noexcept {
  return SocketAddress::from_native(Bytes(reinterpret_cast<const std::byte*>(&storage),
                                          std::min<std::size_t>(size, sizeof storage)));
}

class LinuxSystemCalls final : public SystemCalls {
 public:
  Status close(int fd) noexcept override { return status_of(::close(fd)); }

  Result<std::size_t> read(int fd, std::span<std::byte> memory) noexcept override {
    return count_of(::read(fd, memory.data(), memory.size()));
  }

  Result<std::size_t> write(int fd, Bytes bytes) noexcept override {
    // The system only reads what a vector of a write points to.
    const iovec piece{const_cast<std::byte*>(bytes.data()), bytes.size()};
    return quiet_writer_.write(fd, {&piece, 1});
  }

  Result<std::size_t> writev(int fd, std::span<const iovec> pieces) noexcept override {
    return quiet_writer_.write(fd, pieces);
  }

  Result<std::size_t> pread(int fd, std::span<std::byte> memory,
                            std::uint64_t offset) noexcept override {
    return count_of(::pread(fd, memory.data(), memory.size(), static_cast<off_t>(offset)));
  }

  // Neither call can be told not to raise SIGPIPE.
  Result<std::size_t> sendfile(int to, int file, std::uint64_t offset,
                               std::size_t count) noexcept override {
    SigpipeGuard guard;
    auto position = static_cast<off_t>(offset);
    return guard.watch(count_of(::sendfile(to, file, &position, count)), count);
  }

  Result<std::size_t> splice(int from, std::optional<std::uint64_t> offset, int to,
                             std::size_t count) noexcept override {
    SigpipeGuard guard;
    auto position = static_cast<loff_t>(offset.value_or(0));
    return guard.watch(count_of(::splice(from, offset ? &position : nullptr, to, nullptr, count,
                                         SPLICE_F_NONBLOCK)),
                       count);
  }

  Result<std::size_t> fill_own_pipe(int from, int to, std::size_t count) noexcept override {
    return count_of(::splice(from, nullptr, to, nullptr, count, SPLICE_F_NONBLOCK));
  }

  Result<std::size_t> set_pipe_size(int fd, std::size_t bytes) noexcept override {
    return count_of(::fcntl(fd, F_SETPIPE_SZ, static_cast<int>(bytes)));
  }

  Result<FileStatus> fstat(int fd) noexcept override {
    struct stat status {};
    if (::fstat(fd, &status) < 0) {
      return {{}, errno};
    }
    return {{status.st_mode, status.st_dev, status.st_ino}, 0};
  }

  Result<int> get_status_flags(int fd) noexcept override { return number_of(::fcntl(fd, F_GETFL)); }

  Status set_status_flags(int fd, int flags) noexcept override {
    return status_of(::fcntl(fd, F_SETFL, flags));
  }

  Result<bool> same_open_file(int left, int right) noexcept override {
    const pid_t self = ::getpid();
    const long order = ::syscall(SYS_kcmp, self, self, kcmp_file, left, right);
    if (order < 0) {
      return {false, errno};
    }
    return {order == 0, 0};
  }

  Result<FileStatus> stat(const std::string& path) noexcept override {
    struct stat status {};
    if (::stat(path.c_str(), &status) < 0) {
      return {{}, errno};
    }
    return {{status.st_mode, status.st_dev, status.st_ino}, 0};
  }

  Status unlink(const std::string& path) noexcept override {
    return status_of(::unlink(path.c_str()));
  }

  Result<int> open(const std::string& path, int flags, mode_t mode) noexcept override {
    return number_of(::open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, mode));
  }

  Status seek(int fd, std::uint64_t offset) noexcept override {
    return {::lseek(fd, static_cast<off_t>(offset), SEEK_SET) < 0 ? errno : 0};
  }

  Status fsync(int fd) noexcept override { return status_of(::fsync(fd)); }

  Status fchmod(int fd, mode_t mode) noexcept override { return status_of(::fchmod(fd, mode)); }

  Result<int> dup(int fd) noexcept override { return number_of(::fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

  Status rename(const std::string& from, const std::string& to) noexcept override {
    return status_of(::rename(from.c_str(), to.c_str()));
  }

  Result<std::string> realpath(const std::string& path) noexcept override {
    const std::unique_ptr<char, decltype(&std::free)> found(::realpath(path.c_str(), nullptr),
                                                            &std::free);
    if (found == nullptr) {
      return {{}, errno};
    }
    return {found.get(), 0};
  }

  Result<int> socket(int domain, int type) noexcept override {
    return number_of(::socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  }

  Status connect(int fd, const SocketAddress& address) noexcept override {
    return status_of(
        ::connect(fd, native(address), static_cast<socklen_t>(address.native().size())));
  }

  Status bind(int fd, const SocketAddress& address) noexcept override {
    return status_of(::bind(fd, native(address), static_cast<socklen_t>(address.native().size())));
  }

  Status listen(int fd, int backlog) noexcept override { return status_of(::listen(fd, backlog)); }

  Result<Accepted> accept(int fd) noexcept override {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    const int accepted =
        ::accept4(fd, reinterpret_cast<sockaddr*>(&storage), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0) {
      return {{}, errno};
    }
    return {{accepted, from(storage, size)}, 0};
  }

  Result<std::size_t> send(int fd, Bytes bytes) noexcept override {
    return count_of(::send(fd, bytes.data(), bytes.size(), sending));
  }

  Result<std::size_t> sendmsg(int fd, std::span<const iovec> pieces) noexcept override {
    msghdr message{};
    // sendmsg(2) only reads them.
    message.msg_iov = const_cast<iovec*>(pieces.data());
    message.msg_iovlen = pieces.size();
    return count_of(::sendmsg(fd, &message, sending));
  }

  Result<std::size_t> recv(int fd, std::span<std::byte> memory) noexcept override {
    return count_of(::recv(fd, memory.data(), memory.size(), MSG_DONTWAIT));
  }

  Result<std::size_t> sendmmsg(int fd,
                               std::span<const OutgoingDatagram> datagrams) noexcept override;
  Result<std::size_t> recvmmsg(int fd, std::span<IncomingDatagram> datagrams) noexcept override;

  Status shutdown(int fd, int how) noexcept override { return status_of(::shutdown(fd, how)); }

  Result<SocketAddress> getsockname(int fd) noexcept override {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) < 0) {
      return {{}, errno};
    }
    return {from(storage, size), 0};
  }

  Result<SocketAddress> getpeername(int fd) noexcept override {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &size) < 0) {
      return {{}, errno};
    }
    return {from(storage, size), 0};
  }

  Result<int> getsockopt(int fd, int level, int name) noexcept override {
    int value = 0;
    socklen_t size = sizeof value;
    if (::getsockopt(fd, level, name, &value, &size) < 0) {
      return {0, errno};
    }
    return {value, 0};
  }

  Status setsockopt(int fd, int level, int name, int value) noexcept override {
    return status_of(::setsockopt(fd, level, name, &value, sizeof value));
  }

  Result<int> epoll_create() noexcept override { return number_of(::epoll_create1(EPOLL_CLOEXEC)); }

  Status epoll_ctl(int epoll_fd, int operation, int fd, epoll_event event) noexcept override {
    return status_of(::epoll_ctl(epoll_fd, operation, fd, &event));
  }

  Result<std::size_t> epoll_wait(int epoll_fd, std::span<epoll_event> events,
                                 int timeout_ms) noexcept override {
    return count_of(
        ::epoll_wait(epoll_fd, events.data(), static_cast<int>(events.size()), timeout_ms));
  }

  Result<int> eventfd() noexcept override {
    return number_of(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  }

  std::chrono::steady_clock::time_point now() noexcept override {
    return std::chrono::steady_clock::now();
  }

  Status watch_signal(int number, int fd) noexcept override {
    return SignalRelay::watch(number, fd);
  }

  Status unwatch_signal(int number, int fd) noexcept override {
    return SignalRelay::unwatch(number, fd);
  }

  std::uint64_t take_missed_signals(int fd) noexcept override {
    return SignalRelay::take_missed(fd);
  }

  Result<std::pair<int, int>> pipe() noexcept override {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0) {
      return {{-1, -1}, errno};
    }
    return {{ends[0], ends[1]}, 0};
  }

  // The dot asks for the permission to enter it, which a path alone does not need.
  Result<int> open_directory(const std::string& path) noexcept override {
    return number_of(::open((path + "/.").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }

  Result<Spawned> spawn(const SpawnRequest& request) noexcept override {
    return spawn_process(request);
  }

  Status pidfd_send_signal(int pidfd, int number) noexcept override {
    return {::syscall(SYS_pidfd_send_signal, pidfd, number, nullptr, 0) < 0 ? errno : 0};
  }

  Result<std::optional<int>> waitid(int pidfd, ChildWait wait) noexcept override {
    siginfo_t info{};
    if (::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info,
                 WEXITED | (wait == ChildWait::until_end ? 0 : WNOHANG)) < 0) {
      return {std::nullopt, errno};
    }
    if (info.si_pid == 0) {
      return {std::nullopt, 0};
    }
    return {info.si_code == CLD_EXITED ? info.si_status : -info.si_status, 0};
  }

  Resolved resolve(const std::string& host, std::uint16_t port, AddressFamily family,
                   bool passive) noexcept override;

 private:
  QuietWriter quiet_writer_{&::pwritev2};
};

// Room for the one control message of a datagram, aligned as a cmsghdr.
union SegmentControl {
  cmsghdr header;
  std::array<std::byte, CMSG_SPACE(sizeof(std::uint16_t))> bytes;
};

void set_segment_size(msghdr& message, SegmentControl& control, std::uint16_t size) noexcept {
  control.bytes.fill(std::byte{});  // the padding too
  control.header.cmsg_level = SOL_UDP;
  control.header.cmsg_type = UDP_SEGMENT;
  control.header.cmsg_len = CMSG_LEN(sizeof size);
  std::memcpy(CMSG_DATA(&control.header), &size, sizeof size);
  message.msg_control = &control;
  message.msg_controllen = sizeof control;
}

Result<std::size_t> LinuxSystemCalls::sendmmsg(
    int fd, std::span<const OutgoingDatagram> datagrams) noexcept {
  std::array<mmsghdr, max_datagrams> messages;  // filled as far as they are used: they are large
  std::array<SegmentControl, max_datagrams> controls;
  const std::size_t count = std::min(datagrams.size(), max_datagrams);
  for (std::size_t i = 0; i < count; ++i) {
    const OutgoingDatagram& datagram = datagrams[i];
    messages[i] = {};
    msghdr& message = messages[i].msg_hdr;
    if (datagram.to != nullptr) {
      // sendmmsg(2) only reads the address and the pieces.
      message.msg_name = const_cast<sockaddr*>(native(*datagram.to));
      message.msg_namelen = static_cast<socklen_t>(datagram.to->native().size());
    }
    message.msg_iov = const_cast<iovec*>(datagram.pieces.data());
    message.msg_iovlen = datagram.pieces.size();
    if (datagram.segment_size > 0) {
      set_segment_size(message, controls[i], datagram.segment_size);
    }
  }
  return count_of(::sendmmsg(fd, messages.data(), static_cast<unsigned>(count), MSG_NOSIGNAL));
}

Result<std::size_t> LinuxSystemCalls::recvmmsg(int fd,
                                               std::span<IncomingDatagram> datagrams) noexcept {
  std::array<mmsghdr, max_datagrams> messages;  // filled as far as they are used: they are large
  std::array<iovec, max_datagrams> pieces;
  std::array<sockaddr_storage, max_datagrams> senders;
  const std::size_t count = std::min(datagrams.size(), max_datagrams);
  for (std::size_t i = 0; i < count; ++i) {
    pieces[i] = {datagrams[i].memory.data(), datagrams[i].memory.size()};
    messages[i] = {};
    messages[i].msg_hdr.msg_name = &senders[i];
    messages[i].msg_hdr.msg_namelen = sizeof senders[i];
    messages[i].msg_hdr.msg_iov = &pieces[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  const Result<std::size_t> received = count_of(
      ::recvmmsg(fd, messages.data(), static_cast<unsigned>(count), MSG_DONTWAIT, nullptr));
  for (std::size_t i = 0; i < received.value; ++i) {
    datagrams[i].size = messages[i].msg_len;
    datagrams[i].truncated = (messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0;
    datagrams[i].from = from(senders[i], messages[i].msg_hdr.msg_namelen);
  }
  return received;
}

int native_family(AddressFamily family) noexcept {
  switch (family) {
    case AddressFamily::ipv4:
      return AF_INET;
    case AddressFamily::ipv6:
      return AF_INET6;
    default:
      return AF_UNSPEC;
  }
}

Resolved LinuxSystemCalls::resolve(const std::string& host, std::uint16_t port,
                                   AddressFamily family, bool passive) noexcept {
  addrinfo hints{};
  hints.ai_family = native_family(family);
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0);
  addrinfo* found = nullptr;
  Resolved resolved;
  resolved.error = ::getaddrinfo(host.empty() ? nullptr : host.c_str(),
                                 std::to_string(port).c_str(), &hints, &found);
  if (resolved.error != 0) {
    resolved.system_error = resolved.error == EAI_SYSTEM ? errno : 0;
    return resolved;
  }
  try {
    for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
      resolved.addresses.push_back(SocketAddress::from_native(
          Bytes(reinterpret_cast<const std::byte*>(each->ai_addr), each->ai_addrlen)));
    }
  } catch (const std::bad_alloc&) {
    resolved = {.addresses = {}, .error = EAI_MEMORY};
  }
  ::freeaddrinfo(found);
  return resolved;
}

}  // namespace

std::shared_ptr<SystemCalls> linux_system_calls() {
  return std::make_shared<LinuxSystemCalls>();
}

}  // namespace sluice::sys

#pragma once

#include <cstdint>
#include <memory>
#include <random>

#include "sys/system_calls.hpp"

namespace sluice::testing {

/// How often each kind of fault strikes, as one in so many calls; 0 is never.
struct FaultRates {
  std::uint32_t interrupted = 0;  ///< EINTR from reading, writing and waiting
  std::uint32_t lost = 0;         ///< ECONNRESET, EPIPE or EIO from reading or writing
  std::uint32_t aborted = 0;      ///< ECONNABORTED from accept
  std::uint32_t few_events = 0;   ///< epoll_wait hands out one event only
};

/// A system that works, and fails now and then in the ways the manual pages allow, as one seed
/// decides. Short writes are not among them: a kernel that takes less than it was offered is full,
/// and announces room later.
class FaultySystemCalls : public sys::SystemCalls {
 public:
  FaultySystemCalls(std::shared_ptr<sys::SystemCalls> real, FaultRates rates, std::uint64_t seed)
      : real_(std::move(real)), rates_(rates), random_(seed) {}

  /// How many of its faults ended a connection.
  [[nodiscard]] std::uint64_t fatal_faults() const noexcept { return fatal_faults_; }

  sys::Status close(int fd) noexcept override { return real_->close(fd); }
  sys::Result<std::size_t> read(int fd, std::span<std::byte> memory) noexcept override;
  sys::Result<std::size_t> write(int fd, Bytes bytes) noexcept override;
  sys::Result<std::size_t> writev(int fd, std::span<const iovec> pieces) noexcept override;
  sys::Result<std::size_t> pread(int fd, std::span<std::byte> memory,
                                 std::uint64_t offset) noexcept override;
  sys::Result<std::size_t> sendfile(int to, int file, std::uint64_t offset,
                                    std::size_t count) noexcept override;
  sys::Result<std::size_t> splice(int from, std::optional<std::uint64_t> offset, int to,
                                  std::size_t count) noexcept override;
  sys::Result<std::size_t> set_pipe_size(int fd, std::size_t bytes) noexcept override {
    return real_->set_pipe_size(fd, bytes);
  }
  sys::Result<sys::FileStatus> fstat(int fd) noexcept override { return real_->fstat(fd); }
  sys::Result<int> get_status_flags(int fd) noexcept override {
    return real_->get_status_flags(fd);
  }
  sys::Status set_status_flags(int fd, int flags) noexcept override {
    return real_->set_status_flags(fd, flags);
  }
  sys::Result<bool> same_open_file(int left, int right) noexcept override {
    return real_->same_open_file(left, right);
  }
  sys::Result<sys::FileStatus> stat(const std::string& path) noexcept override {
    return real_->stat(path);
  }
  sys::Status unlink(const std::string& path) noexcept override { return real_->unlink(path); }
  sys::Result<int> open(const std::string& path, int flags, mode_t mode) noexcept override {
    return real_->open(path, flags, mode);
  }
  sys::Status seek(int fd, std::uint64_t offset) noexcept override {
    return real_->seek(fd, offset);
  }
  sys::Status fsync(int fd) noexcept override { return real_->fsync(fd); }
  sys::Status fchmod(int fd, mode_t mode) noexcept override { return real_->fchmod(fd, mode); }
  sys::Result<int> dup(int fd) noexcept override { return real_->dup(fd); }
  sys::Status rename(const std::string& from, const std::string& to) noexcept override {
    return real_->rename(from, to);
  }
  sys::Result<std::string> realpath(const std::string& path) noexcept override {
    return real_->realpath(path);
  }
  sys::Result<int> socket(int domain, int type) noexcept override {
    return real_->socket(domain, type);
  }
  sys::Status connect(int fd, const SocketAddress& address) noexcept override {
    return real_->connect(fd, address);
  }
  sys::Status bind(int fd, const SocketAddress& address) noexcept override {
    return real_->bind(fd, address);
  }
  sys::Status listen(int fd, int backlog) noexcept override { return real_->listen(fd, backlog); }
  sys::Result<sys::Accepted> accept(int fd) noexcept override;
  sys::Result<std::size_t> send(int fd, Bytes bytes) noexcept override;
  sys::Result<std::size_t> sendmsg(int fd, std::span<const iovec> pieces) noexcept override;
  sys::Result<std::size_t> recv(int fd, std::span<std::byte> memory) noexcept override;
  sys::Result<std::size_t> sendmmsg(
      int fd, std::span<const sys::OutgoingDatagram> datagrams) noexcept override;
  sys::Result<std::size_t> recvmmsg(int fd,
                                    std::span<sys::IncomingDatagram> datagrams) noexcept override;
  sys::Status shutdown(int fd, int how) noexcept override { return real_->shutdown(fd, how); }
  sys::Result<SocketAddress> getsockname(int fd) noexcept override {
    return real_->getsockname(fd);
  }
  sys::Result<SocketAddress> getpeername(int fd) noexcept override {
    return real_->getpeername(fd);
  }
  sys::Result<int> getsockopt(int fd, int level, int name) noexcept override {
    return real_->getsockopt(fd, level, name);
  }
  sys::Status setsockopt(int fd, int level, int name, int value) noexcept override {
    return real_->setsockopt(fd, level, name, value);
  }
  sys::Result<int> epoll_create() noexcept override { return real_->epoll_create(); }
  sys::Status epoll_ctl(int epoll_fd, int operation, int fd, epoll_event event) noexcept override {
    return real_->epoll_ctl(epoll_fd, operation, fd, event);
  }
  sys::Result<std::size_t> epoll_wait(int epoll_fd, std::span<epoll_event> events,
                                      int timeout_ms) noexcept override;
  sys::Result<int> eventfd() noexcept override { return real_->eventfd(); }
  std::chrono::steady_clock::time_point now() noexcept override { return real_->now(); }
  sys::Status watch_signal(int number, int fd) noexcept override {
    return real_->watch_signal(number, fd);
  }
  sys::Status unwatch_signal(int number, int fd) noexcept override {
    return real_->unwatch_signal(number, fd);
  }
  std::uint64_t take_missed_signals(int fd) noexcept override {
    return real_->take_missed_signals(fd);
  }
  sys::Result<std::pair<int, int>> pipe() noexcept override { return real_->pipe(); }
  sys::Result<int> open_directory(const std::string& path) noexcept override {
    return real_->open_directory(path);
  }
  sys::Result<sys::Spawned> spawn(const sys::SpawnRequest& request) noexcept override {
    return real_->spawn(request);
  }
  sys::Status pidfd_send_signal(int pidfd, int number) noexcept override {
    return real_->pidfd_send_signal(pidfd, number);
  }
  sys::Result<std::optional<int>> waitid(int pidfd, sys::ChildWait wait) noexcept override;
  sys::Resolved resolve(const std::string& host, std::uint16_t port, AddressFamily family,
                        bool passive) noexcept override {
    return real_->resolve(host, port, family, passive);
  }

 private:
  [[nodiscard]] bool strikes(std::uint32_t one_in);
  // The errno of the fault that strikes a transfer now, or 0.
  [[nodiscard]] int transfer_fault(int lost_error);

  std::shared_ptr<sys::SystemCalls> real_;
  FaultRates rates_;
  std::mt19937_64 random_;
  std::uint64_t fatal_faults_ = 0;
};

}  // namespace sluice::testing

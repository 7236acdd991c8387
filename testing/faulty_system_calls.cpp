#include "testing/faulty_system_calls.hpp"

#include <cerrno>

namespace sluice::testing {

bool FaultySystemCalls::strikes(std::uint32_t one_in) {
  return one_in != 0 && random_() % one_in == 0;
}

int FaultySystemCalls::transfer_fault(int lost_error) {
  if (strikes(rates_.interrupted)) {
    return EINTR;
  }
  if (strikes(rates_.lost)) {
    ++fatal_faults_;
    return lost_error;
  }
  return 0;
}

sys::Result<std::size_t> FaultySystemCalls::read(int fd, std::span<std::byte> memory) noexcept {
  const int fault = transfer_fault(EIO);
  return fault != 0 ? sys::Result<std::size_t>{0, fault} : real_->read(fd, memory);
}

sys::Result<std::size_t> FaultySystemCalls::write(int fd, Bytes bytes) noexcept {
  const int fault = transfer_fault(EPIPE);
  return fault != 0 ? sys::Result<std::size_t>{0, fault} : real_->write(fd, bytes);
}

sys::Result<std::size_t> FaultySystemCalls::writev(int fd, std::span<const iovec> pieces) noexcept {
  const int fault = transfer_fault(EPIPE);
  return fault != 0 ? sys::Result<std::size_t>{0, fault} : real_->writev(fd, pieces);
}

sys::Result<std::size_t> FaultySystemCalls::pread(int fd, std::span<std::byte> memory,
                                                  std::uint64_t offset) noexcept {
  const int fault = transfer_fault(EIO);
  return fault != 0 ? sys::Result<std::size_t>{0, fault} : real_->pread(fd, memory, offset);
}

sys::Result<std::size_t> FaultySystemCalls::sendfile(int to, int file, std::uint64_t offset,
                                                     std::size_t count) noexcept {
  const int fault = transfer_fault(strikes(2) ? ECONNRESET : EIO);
  return fault != 0 ? sys::Result<std::size_t>{0, fault} : real_->sendfile(to, file, offset, count);
}

sys::Result<std::size_t> FaultySystemCalls::splice(int from, std::optional<std::uint64_t> offset,
                                                   int to, std::size_t count) noexcept {
  const int fault = transfer_fault(ECONNRESET);
  return fault != 0 ? sys::Result<std::size_t>{0, fault} : real_->splice(from, offset, to, count);
}

sys::Result<sys::Accepted> FaultySystemCalls::accept(int fd) noexcept {
  if (strikes(rates_.aborted)) {
    return {{}, ECONNABORTED};
  }
  return real_->accept(fd);
}

sys::Result<std::size_t> FaultySystemCalls::send(int fd, Bytes bytes) noexcept {
  const int fault = transfer_fault(strikes(2) ? ECONNRESET : ENOBUFS);
  return fault != 0 ? sys::Result<std::size_t>{0, fault} : real_->send(fd, bytes);
}

sys::Result<std::size_t> FaultySystemCalls::sendmsg(int fd,
                                                    std::span<const iovec> pieces) noexcept {
  const int fault = transfer_fault(EPIPE);
  return fault != 0 ? sys::Result<std::size_t>{0, fault} : real_->sendmsg(fd, pieces);
}

sys::Result<std::size_t> FaultySystemCalls::recv(int fd, std::span<std::byte> memory) noexcept {
  const int fault = transfer_fault(ECONNRESET);
  return fault != 0 ? sys::Result<std::size_t>{0, fault} : real_->recv(fd, memory);
}

// A datagram that is lost ends nothing, so it does not count as fatal.
sys::Result<std::size_t> FaultySystemCalls::sendmmsg(
    int fd, std::span<const sys::OutgoingDatagram> datagrams) noexcept {
  if (strikes(rates_.interrupted)) {
    return {0, EINTR};
  }
  return strikes(rates_.lost) ? sys::Result<std::size_t>{0, ENOBUFS}
                              : real_->sendmmsg(fd, datagrams);
}

sys::Result<std::size_t> FaultySystemCalls::recvmmsg(
    int fd, std::span<sys::IncomingDatagram> datagrams) noexcept {
  if (strikes(rates_.interrupted)) {
    return {0, EINTR};
  }
  return strikes(rates_.lost) ? sys::Result<std::size_t>{0, ECONNREFUSED}
                              : real_->recvmmsg(fd, datagrams);
}

sys::Result<std::optional<int>> FaultySystemCalls::waitid(int pidfd, sys::ChildWait wait) noexcept {
  if (strikes(rates_.interrupted)) {
    return {std::nullopt, EINTR};
  }
  return real_->waitid(pidfd, wait);
}

sys::Result<std::size_t> FaultySystemCalls::epoll_wait(int epoll_fd, std::span<epoll_event> events,
                                                       int timeout_ms) noexcept {
  if (strikes(rates_.interrupted)) {
    return {0, EINTR};
  }
  return real_->epoll_wait(epoll_fd, strikes(rates_.few_events) ? events.first(1) : events,
                           timeout_ms);
}

}  // namespace sluice::testing

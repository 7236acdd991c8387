#include "oracle/traced_kernel.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>

namespace sluice::oracle {
namespace {

constexpr std::size_t longest_pattern = 1'100'000;

std::string make_pattern() {
  std::string text(longest_pattern, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) {
    text[i] = static_cast<char>(static_cast<unsigned char>(i % 251));
  }
  return text;
}

std::string error_name(int error) {
  const char* name = ::strerrorname_np(error);
  return name != nullptr ? name : std::to_string(error);
}

// The first `count` bytes of the pieces.
std::string head_of(std::span<const iovec> pieces, std::size_t count) {
  std::string head;
  for (const iovec& piece : pieces) {
    head.append(static_cast<const char*>(piece.iov_base),
                std::min(piece.iov_len, count - head.size()));
  }
  return head;
}

iovec piece_of(Bytes bytes) {
  return {const_cast<std::byte*>(bytes.data()), bytes.size()};
}

}  // namespace

std::string_view pattern(std::size_t number, std::size_t size) {
  static const std::string all = make_pattern();
  return std::string_view(all).substr(number * 37 % 251, size);
}

std::string checksum(Bytes bytes) {
  // Adler-32; the sums fit into 64 bits for longer than any trace.
  std::uint64_t low = 1;
  std::uint64_t high = 0;
  for (const std::byte byte : bytes) {
    low += std::to_integer<std::uint64_t>(byte);
    high += low;
  }
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "[%08x]",
                static_cast<unsigned>((high % 65521) << 16 | low % 65521));
  return text.data();
}

void TracedKernel::open_connection(TransportKind kind) {
  fd_ = kind == TransportKind::socket ? open_stream() : open_write_pipe();
  set_room(fd_, 0);
}

void TracedKernel::apply(const Operation& operation) {
  const std::size_t number = operation.numbers.empty() ? 0 : operation.numbers.front().value_or(0);
  switch (operation.verb) {
    case Verb::room:
      add_room(fd_, number);
      break;
    case Verb::fail:
      fail_writes(fd_, static_cast<int>(number));
      break;
    case Verb::hangup:
      peer_gone_ = true;
      hang_up(fd_);
      break;
    case Verb::receive:
      if (!ended_) {
        deliver(fd_, pattern(++deliveries_, number));
      }
      break;
    case Verb::end:
      ended_ = true;
      deliver_eof(fd_);
      break;
    case Verb::reset:
      if (!peer_gone_) {
        ended_ = true;
        peer_gone_ = true;
        reset(fd_);
      }
      break;
    case Verb::shutdown_fails:
      fail_shutdown(fd_, ENOTCONN);
      break;
    default:
      break;
  }
}

sys::Result<std::size_t> TracedKernel::told(int fd, std::span<const iovec> pieces,
                                            sys::Result<std::size_t> result) {
  if (fd == fd_) {
    std::size_t offered = 0;
    for (const iovec& piece : pieces) {
      offered += piece.iov_len;
    }
    std::string line = "send " + std::to_string(offered) + " -> ";
    if (result.ok()) {
      const std::string head = head_of(pieces, result.value);
      line += std::to_string(result.value) + ' ' + checksum(as_bytes(head));
    } else {
      line += error_name(result.error);
    }
    trace_(std::move(line));
  }
  return result;
}

sys::Result<std::size_t> TracedKernel::write(int fd, Bytes bytes) noexcept {
  const iovec piece = piece_of(bytes);
  return told(fd, {&piece, 1}, ScriptedKernel::write(fd, bytes));
}

sys::Result<std::size_t> TracedKernel::writev(int fd, std::span<const iovec> pieces) noexcept {
  return told(fd, pieces, ScriptedKernel::writev(fd, pieces));
}

sys::Result<std::size_t> TracedKernel::send(int fd, Bytes bytes) noexcept {
  const iovec piece = piece_of(bytes);
  return told(fd, {&piece, 1}, ScriptedKernel::send(fd, bytes));
}

sys::Result<std::size_t> TracedKernel::sendmsg(int fd, std::span<const iovec> pieces) noexcept {
  return told(fd, pieces, ScriptedKernel::sendmsg(fd, pieces));
}

sys::Status TracedKernel::shutdown(int fd, int how) noexcept {
  const sys::Status status = ScriptedKernel::shutdown(fd, how);
  if (fd == fd_) {
    trace_("shutdown -> " + (status.ok() ? "ok" : error_name(status.error)));
  }
  return status;
}

sys::Status TracedKernel::close(int fd) noexcept {
  if (fd == fd_) {
    trace_("close");
  }
  return ScriptedKernel::close(fd);
}

sys::Result<std::size_t> TracedKernel::epoll_wait(int epoll_fd, std::span<epoll_event> events,
                                                  int timeout_ms) noexcept {
  ++waits_;
  return ScriptedKernel::epoll_wait(epoll_fd, events, timeout_ms);
}

}  // namespace sluice::oracle

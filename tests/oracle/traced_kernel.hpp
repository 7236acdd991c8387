#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "oracle/scenario.hpp"
#include "testing/scripted_kernel.hpp"

namespace sluice::oracle {

/// The bytes of the write with this number; no two neighbours look the same. Static storage.
[[nodiscard]] std::string_view pattern(std::size_t number, std::size_t size);

/// Adler-32 of the bytes, in brackets.
[[nodiscard]] std::string checksum(Bytes bytes);

/// A scripted kernel with one descriptor that matters, which tells what is tried on it: each kind
/// of sending call is a "send".
class TracedKernel final : public testing::ScriptedKernel {
 public:
  explicit TracedKernel(std::function<void(std::string)> trace) : trace_(std::move(trace)) {}

  /// Makes the descriptor, without room.
  void open_connection(TransportKind kind);
  [[nodiscard]] int descriptor() const noexcept { return fd_; }
  /// Does what the operation, one for the kernel, says.
  void apply(const Operation& operation);
  /// How often the loop has polled.
  [[nodiscard]] std::size_t waits() const noexcept { return waits_; }

  sys::Status close(int fd) noexcept override;
  sys::Result<std::size_t> write(int fd, Bytes bytes) noexcept override;
  sys::Result<std::size_t> writev(int fd, std::span<const iovec> pieces) noexcept override;
  sys::Result<std::size_t> send(int fd, Bytes bytes) noexcept override;
  sys::Result<std::size_t> sendmsg(int fd, std::span<const iovec> pieces) noexcept override;
  sys::Status shutdown(int fd, int how) noexcept override;
  sys::Result<std::size_t> epoll_wait(int epoll_fd, std::span<epoll_event> events,
                                      int timeout_ms) noexcept override;

 private:
  sys::Result<std::size_t> told(int fd, std::span<const iovec> pieces,
                                sys::Result<std::size_t> result);

  std::function<void(std::string)> trace_;
  int fd_ = -1;
  std::size_t waits_ = 0;
  std::size_t deliveries_ = 0;
  bool ended_ = false;
  bool peer_gone_ = false;
};

}  // namespace sluice::oracle

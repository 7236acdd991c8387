#pragma once

#include <cstddef>
#include <span>

#include "core/read_side.hpp"
#include "core/sink.hpp"
#include "sys/system_calls.hpp"

namespace sluice::transports {

/// The way in and out of one descriptor.
class Channel : public core::Sink, public core::Source {
 public:
  /// Whether the descriptor's own bytes are the stream; see Conduit::plain.
  [[nodiscard]] virtual bool plain() const noexcept { return false; }
};

/// A stream socket: send and recv, half-close by shutdown.
class SocketChannel final : public Channel {
 public:
  /// `sys` must outlive the channel; `fd` stays the caller's. `edge_tells_all` says whether reading
  /// less than was asked for proves the socket empty: true for TCP; a Unix socket may stop early,
  /// between the messages of different senders.
  SocketChannel(sys::SystemCalls& sys, int fd, bool edge_tells_all) noexcept
      : sys_(&sys), fd_(fd), edge_tells_all_(edge_tells_all) {}

  core::SinkResult write(std::span<const Bytes> pieces) noexcept override;
  core::ExternalResult write_external(core::External& range, std::size_t most) noexcept override;
  [[nodiscard]] bool plain() const noexcept override { return true; }
  std::error_code shutdown() noexcept override;
  core::SourceResult read(std::span<std::byte> memory) noexcept override;
  [[nodiscard]] bool short_read_empties() const noexcept override { return edge_tells_all_; }

 private:
  sys::SystemCalls* sys_;
  int fd_;
  bool edge_tells_all_;
};

/// A pipe, FIFO, character device, or a socket used as one: write and read.
class PipeChannel final : public Channel {
 public:
  /// `sys` must outlive the channel; `fd` stays the caller's. `edge_tells_all` as above: true for
  /// pipes; a tty hands out one line at a time.
  PipeChannel(sys::SystemCalls& sys, int fd, bool edge_tells_all) noexcept
      : sys_(&sys), fd_(fd), edge_tells_all_(edge_tells_all) {}

  core::SinkResult write(std::span<const Bytes> pieces) noexcept override;
  /// Only to what is really a pipe: devices are written to.
  core::ExternalResult write_external(core::External& range, std::size_t most) noexcept override;
  [[nodiscard]] bool plain() const noexcept override { return edge_tells_all_; }
  /// A pipe has no half to close: its transport closes instead, and never gets here.
  std::error_code shutdown() noexcept override;
  core::SourceResult read(std::span<std::byte> memory) noexcept override;
  [[nodiscard]] bool short_read_empties() const noexcept override { return edge_tells_all_; }

 private:
  sys::SystemCalls* sys_;
  int fd_;
  bool edge_tells_all_;
};

}  // namespace sluice::transports

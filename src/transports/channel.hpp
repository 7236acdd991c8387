#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <system_error>

#include "core/read_side.hpp"
#include "core/sink.hpp"
#include "sys/system_calls.hpp"
#include "transports/session_host.hpp"

namespace sluice::transports {

/// What a channel that works off the loop's thread needs of its transport. Loop's thread only. It
/// is a SessionHost besides: one object serves both.
class ChannelHost : public SessionHost {
 public:
  /// Keeps the transport, its channel and its queued bytes alive: work under way holds it.
  [[nodiscard]] virtual std::shared_ptr<void> share() = 0;
  /// Ends what write() left in flight.
  virtual void write_completed(core::SinkResult result) = 0;
  /// Ends what finish() began.
  virtual void finished(std::error_code error) = 0;

 protected:
  ~ChannelHost() = default;
};

/// The way in and out of one descriptor. It is read like a core::Source without being one: so each
/// has a pointer less.
class Channel : public core::Sink {
 public:
  /// As core::Source.
  virtual core::SourceResult read(std::span<std::byte> memory) noexcept = 0;
  [[nodiscard]] virtual bool short_read_empties() const noexcept = 0;
  /// Whether the descriptor's own bytes are the stream; see Conduit::plain.
  [[nodiscard]] virtual bool plain() const noexcept { return false; }
  /// Whose channel this is; called once, before anything else. The host outlives the channel.
  virtual void attach(ChannelHost& /*host*/) noexcept {}
  /// What is left to do when the last byte has gone and before connection_lost: how it went, or
  /// empty when ChannelHost::finished will say so.
  [[nodiscard]] virtual std::optional<std::error_code> finish() noexcept {
    return std::error_code();
  }
  /// The transport is done with its descriptor: whether the channel closes it, now or when its work
  /// is over.
  [[nodiscard]] virtual bool takes_descriptor() noexcept { return false; }
};

/// The calls by which a descriptor is read and written.
enum class DescriptorCalls : std::uint8_t {
  socket,          ///< A stream socket: send and recv, half-close by shutdown.
  pipe,            ///< A pipe, FIFO or character device: write and read.
  socket_as_pipe,  ///< A socket of any type, which may be a blocking one: send and recv, no more.
};

/// A descriptor with nothing in between.
class DescriptorChannel final : public Channel {
 public:
  /// `sys` must outlive the channel; `fd` stays the caller's. `edge_tells_all` says whether reading
  /// less than was asked for proves the descriptor empty: true for TCP and for pipes; a Unix socket
  /// may stop early, between the messages of different senders, and a tty hands out one line at a
  /// time.
  DescriptorChannel(sys::SystemCalls& sys, int fd, DescriptorCalls calls,
                    bool edge_tells_all) noexcept
      : sys_(&sys), fd_(fd), calls_(calls), edge_tells_all_(edge_tells_all) {}

  core::SinkResult write(std::span<const Bytes> pieces) noexcept override;
  /// As a pipe only to what is really one: devices are written to.
  core::ExternalResult write_external(core::External& range, std::size_t most) noexcept override;
  [[nodiscard]] bool plain() const noexcept override {
    return calls_ == DescriptorCalls::socket || edge_tells_all_;
  }
  /// A pipe has no half to close: its transport closes instead, and never gets here.
  std::error_code shutdown() noexcept override;
  core::SourceResult read(std::span<std::byte> memory) noexcept override;
  [[nodiscard]] bool short_read_empties() const noexcept override { return edge_tells_all_; }

 private:
  [[nodiscard]] std::error_code why_not_connected(int error) noexcept;

  sys::SystemCalls* sys_;
  int fd_;
  DescriptorCalls calls_;
  bool edge_tells_all_;
};

}  // namespace sluice::transports

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "core/read_side.hpp"
#include "core/write_side.hpp"
#include "loop/loop_core.hpp"
#include "loop/watcher.hpp"
#include "sluice/datagram.hpp"
#include "sluice/fd.hpp"
#include "sluice/handle.hpp"
#include "transports/datagram_sink.hpp"
#include "transports/datagram_source.hpp"
#include "transports/socket_path.hpp"
#include "transports/transport_life.hpp"

namespace sluice::transports {

/// What a datagram socket's probing found out; the transport takes it over.
struct DatagramBirth {
  Fd fd{};
  /// O_NONBLOCK, if it was borrowed from others who share the open file. After `fd`: it is given
  /// back before that is closed.
  loop::NonBlockingLoan loan{};
  /// Whether the kernel knows where datagrams go, so that they need no address.
  bool connected = false;
  DatagramSink::Trains trains = DatagramSink::Trains::forbidden;
  /// The longest datagram that is received whole.
  std::size_t slot_bytes = DatagramSource::max_ip_datagram;
  std::optional<SocketAddress> sockname{};
  /// The one address that datagrams go to; it is fixed (W-134).
  std::optional<SocketAddress> remote{};
  SocketPath path{};
};

/// The transport of a datagram socket: a descriptor, a TransportLife, a ReadSide, a WriteSide, and
/// between the latter two and the system a DatagramSource and a DatagramSink. Users see it as
/// DatagramTransport.
class DatagramEndpoint final : public DatagramTransport,
                               public std::enable_shared_from_this<DatagramEndpoint>,
                               private TransportLife,
                               private loop::Watcher,
                               private core::WriteSideHost {
 public:
  /// Makes the transport and schedules its birth: connection_made, then the start of receiving,
  /// then `begun`, all in one callback (W-81). Throws std::invalid_argument as set_protocol; the
  /// descriptor is closed then.
  static std::shared_ptr<DatagramEndpoint> create(loop::LoopCore& loop, DatagramBirth birth,
                                                  std::shared_ptr<BaseProtocol> protocol,
                                                  std::function<void()> begun);

  DatagramEndpoint(loop::LoopCore& loop, DatagramBirth birth);
  ~DatagramEndpoint() override;

  // BaseTransport
  void close() override;
  [[nodiscard]] bool is_closing() const override { return life().closing(); }
  [[nodiscard]] std::optional<SocketAddress> peername() const override { return remote_; }
  [[nodiscard]] std::optional<SocketAddress> sockname() const override { return sockname_; }
  [[nodiscard]] int fileno() const override { return fd_; }
  void set_protocol(std::shared_ptr<BaseProtocol> protocol) override;
  [[nodiscard]] std::shared_ptr<BaseProtocol> get_protocol() const override { return protocol_; }

  // DatagramTransport
  void sendto(Bytes data, const std::optional<SocketAddress>& addr) override;
  void sendto(Buffer data, const std::optional<SocketAddress>& addr) override;
  void abort() override;
  [[nodiscard]] std::size_t get_write_buffer_size() const override { return write_.size(); }
  [[nodiscard]] WriteBufferLimits get_write_buffer_limits() const override {
    return write_.limits();
  }
  void set_write_buffer_limits(std::optional<std::size_t> high,
                               std::optional<std::size_t> low) override;
  [[nodiscard]] bool is_reading() const override { return read_.is_reading(life()); }
  void pause_reading() override;
  void resume_reading() override;
  [[nodiscard]] DatagramStatistics statistics() const override;

 private:
  friend core::ReadSide;  // whose Host it is

  /// How the protocol hears of refused datagrams. It is never told from inside error_received: one
  /// that sends again from there would never come back.
  enum class Telling : std::uint8_t {
    none,   ///< Nothing to tell, or told at once.
    now,    ///< error_received is on the stack.
    later,  ///< In the next turn.
  };

  void begin(const std::function<void()>& begun);
  template <class Data>
  void send(Data data, const std::optional<SocketAddress>& addr);
  [[nodiscard]] const SocketAddress* destination(const std::optional<SocketAddress>& addr) const;
  void after_sending();
  void finish(Delivery delivery);
  void retry_when_blind();
  void tell_refused();
  void tell_error(std::error_code error);
  void note_refused(const RefusedDatagram& refused);
  void hand_out();

  // TransportLife
  BaseTransport& transport() noexcept override { return *this; }
  [[nodiscard]] const core::Lifecycle& life() const noexcept override { return write_.life(); }
  [[nodiscard]] bool move_to(core::LifeState next) noexcept override {
    return write_.move_to(next);
  }
  void stop(std::error_code error) noexcept override;
  void call_connection_lost(std::error_code error) override { protocol_->connection_lost(error); }
  void release_descriptor() noexcept override;
  std::shared_ptr<BaseProtocol> leave() noexcept override { return std::move(protocol_); }
  void stop_untold() noexcept override { stop({}); }
  std::shared_ptr<BaseProtocol> leave_untold() noexcept override { return leave(); }

  // loop::Watcher
  void on_io(loop::IoEvents events) override;
  void on_end_of_turn() override;

  // core::WriteSideHost
  void call_pause_writing() noexcept override;
  void call_resume_writing() noexcept override;
  void request_flush() noexcept override { loop_->request_flush(*this); }
  void request_resume_check() override;
  void write_failed(std::error_code error) override;
  void drained(core::FlushCause cause) override;
  void warn_dropped(std::uint64_t count) override;

  // Host of core::ReadSide
  [[nodiscard]] std::uint64_t polls() const noexcept { return loop_->ground().polls; }
  std::span<std::byte> read_memory() { return loop_->datagram_memory(); }
  core::SourceResult read(std::span<std::byte> memory) noexcept { return source_.read(memory); }
  [[nodiscard]] bool short_read_empties() const noexcept { return source_.short_read_empties(); }
  void deliver(std::span<std::byte> memory, std::size_t count);
  void deliver_end() {}
  void read_failed(std::error_code error) { lose(error, Delivery::soon); }
  void request_read() noexcept { loop_->request_service(*this, {.readable = true}); }

  std::shared_ptr<DatagramProtocol> protocol_;
  std::optional<SocketAddress> sockname_;
  std::optional<SocketAddress> remote_;
  SocketPath path_;
  int fd_;
  bool borrowed_;
  bool connected_;
  DatagramSink sink_;
  DatagramSource source_;
  core::ReadSide read_;
  core::WriteSide write_;
  std::optional<TimerHandle> retry_;  // while an attempt waits for its time
  Telling telling_ = Telling::none;
  std::vector<RefusedDatagram> told_;
  std::uint64_t received_ = 0;
  std::uint64_t truncated_ = 0;
  std::uint64_t discarded_ = 0;
};

}  // namespace sluice::transports

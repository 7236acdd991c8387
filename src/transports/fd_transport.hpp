#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "core/intrusive_list.hpp"
#include "core/read_side.hpp"
#include "core/write_side.hpp"
#include "loop/loop_core.hpp"
#include "loop/watcher.hpp"
#include "sluice/fd.hpp"
#include "sluice/transport.hpp"
#include "transports/channel.hpp"
#include "transports/conduit.hpp"
#include "transports/protocol_slot.hpp"
#include "transports/session.hpp"
#include "transports/socket_names.hpp"
#include "transports/transport_life.hpp"

namespace sluice::transports {

class FdTransport;

/// Whoever made a transport and wants to know when it is gone: a server. From attached() on, it
/// lives until detached(), or until the loop drops the transport.
class TransportGroup {
 public:
  virtual void attached(FdTransport& transport) noexcept = 0;
  virtual void detached(FdTransport& transport) noexcept = 0;

 protected:
  ~TransportGroup() = default;
};

/// The kinds of transport. All rules that differ between them hang on this.
enum class TransportKind : std::uint8_t {
  stream,      ///< A stream socket, both ways.
  write_pipe,  ///< The writing end of a pipe, or a device: write_eof is close.
  read_pipe,   ///< The reading end of a pipe, or a device: the end of file closes it.
  file,        ///< A regular file, written by the channel off the loop's thread: like a write pipe,
               ///< but never in the reactor.
};

/// What a descriptor's probing found out; the transport takes it over.
struct Birth {
  TransportKind kind;
  Fd fd{};
  DescriptorCalls calls = DescriptorCalls::pipe;
  /// What is between the transport and its descriptor; null: nothing.
  std::unique_ptr<Channel> channel{};
  /// Whether reading less than was asked for proves the descriptor empty.
  bool edge_tells_all = true;
  /// O_NONBLOCK, if it was borrowed from others who share the open file. After `fd`: it is given
  /// back before that is closed.
  loop::NonBlockingLoan loan{};
  /// For TLS: what `channel`, a SecureChannel, has to say besides; otherwise null.
  std::unique_ptr<Session> session{};
  /// Whether a hang-up on a write pipe means that its reader is gone; not so for a tty.
  bool hangup_is_loss = true;
  std::optional<SocketAddress> sockname{};
  std::optional<SocketAddress> peername{};
  TransportGroup* group = nullptr;
};

/// Every transport of a stream: a descriptor, a TransportLife, a ReadSide, a WriteSide and a
/// Channel. Users see it as Transport, WriteTransport or ReadTransport.
class FdTransport final : public Conduit,
                          private core::WriteSideHost,
                          private TransportLife,
                          private loop::Watcher {
 public:
  /// Makes the transport and schedules its birth: connection_made, then the start of reading, then
  /// `begun`, all in one callback (W-81). With a session the handshake comes before; if it fails,
  /// `failed` is told and the protocol is not (W-118). Throws std::invalid_argument as
  /// set_protocol; the descriptor is closed then.
  static std::shared_ptr<FdTransport> create(loop::LoopCore& loop, Birth birth,
                                             std::shared_ptr<BaseProtocol> protocol,
                                             std::function<void()> begun,
                                             std::function<void(std::exception_ptr)> failed = {});

  /// Whoever made it and told nobody changes his mind: it ends, and nothing is told.
  void take_back() noexcept { TransportLife::take_back(); }

  /// Its place in the loop's list; a group may move it to a list of its own, and drops it then when
  /// the loop drops the group.
  [[nodiscard]] loop::Resident& resident() noexcept { return *this; }
  /// The transport in that place.
  [[nodiscard]] static FdTransport& of(loop::Resident& resident) noexcept {
    return static_cast<FdTransport&>(resident);
  }

  FdTransport(loop::LoopCore& loop, Birth birth);
  ~FdTransport() override;

  // BaseTransport
  void close() override;
  [[nodiscard]] bool is_closing() const override { return life().closing(); }
  [[nodiscard]] std::optional<SocketAddress> peername() const override;
  [[nodiscard]] std::optional<SocketAddress> sockname() const override;
  [[nodiscard]] int fileno() const override { return fd_; }
  void set_protocol(std::shared_ptr<BaseProtocol> protocol) override;
  [[nodiscard]] std::shared_ptr<BaseProtocol> get_protocol() const override {
    return protocol_.get();
  }

  // ReadTransport
  [[nodiscard]] bool is_reading() const override { return reads() && read_.is_reading(life()); }
  void pause_reading() override;
  void resume_reading() override;

  // WriteTransport
  void write(Bytes data) override;
  void write(Buffer data) override;
  void writelines(std::span<const Buffer> pieces) override;
  void writelines(std::span<const Bytes> pieces) override;
  void write_eof() override;
  [[nodiscard]] bool can_write_eof() const override {
    return kind_ != TransportKind::read_pipe && (session() == nullptr || session()->half_closes());
  }
  void abort() override;
  [[nodiscard]] std::size_t get_write_buffer_size() const override { return write_.size(); }
  [[nodiscard]] WriteBufferLimits get_write_buffer_limits() const override {
    return write_.limits();
  }
  void set_write_buffer_limits(std::optional<std::size_t> high,
                               std::optional<std::size_t> low) override;
  [[nodiscard]] WriteStatistics write_statistics() const override { return write_.statistics(); }

  // Conduit
  [[nodiscard]] loop::LoopCore& loop() noexcept override { return *loop_; }
  [[nodiscard]] bool plain() const noexcept override { return channel().plain(); }
  [[nodiscard]] ServedProtocols serves() const noexcept override;
  void write_range(std::shared_ptr<DescriptorRange> range, const char* call) override;
  bool remove_range(const DescriptorRange& range) override;
  [[nodiscard]] bool has_written_eof() const noexcept override {
    return write_.half_state() != core::WriteSide::HalfState::open;
  }
  [[nodiscard]] bool writing_paused() const noexcept override { return write_.paused(); }
  void catch_up(bool told_paused) override { write_.catch_up(told_paused); }
  void redirect_reading(std::unique_ptr<core::Source> source) override;

  // For start_tls; see sluice/event_loop.hpp.
  /// Whether this is a plain stream of this loop, both its halves open, whose bytes are all its
  /// own: none of a file or a pipe are queued, and none are read by a relay.
  [[nodiscard]] bool can_be_secured(const loop::LoopCore& loop) const noexcept {
    return loop_ == &loop && kind_ == TransportKind::stream && life().open() &&
           session() == nullptr && write_.half_state() == core::WriteSide::HalfState::open &&
           !write_.has_ranges() && !(extras_ && extras_->redirected);
  }
  /// Whether reading less than was asked for proves the descriptor empty.
  [[nodiscard]] bool edge_tells_all() const noexcept { return channel().short_read_empties(); }
  /// Its own share, however the caller holds it. The transport must be open.
  [[nodiscard]] std::weak_ptr<Transport> weak() { return std::shared_ptr<Transport>(self()); }
  /// Puts the secure channel in the place of the plain one and begins the handshake. Throws
  /// std::invalid_argument as set_protocol, with nothing changed.
  void secure(std::unique_ptr<Channel> channel, std::unique_ptr<Session> session,
              std::shared_ptr<BaseProtocol> protocol, Session::Report report);
  /// Null for a transport without TLS.
  [[nodiscard]] const Session* session() const noexcept {
    return extras_ ? extras_->session.get() : nullptr;
  }

 private:
  friend core::ReadSide;  // whose Host it is

  /// What few transports have. Channels and sessions call their transport through it.
  class Extras final : public ChannelHost {
   public:
    explicit Extras(FdTransport& transport) noexcept : transport_(&transport) {}

    // ChannelHost
    [[nodiscard]] std::shared_ptr<void> share() override { return transport_->share_of_loop(); }
    void write_completed(core::SinkResult result) override { transport_->write_.complete(result); }
    void finished(std::error_code error) override { transport_->channel_finished(error); }
    // SessionHost
    void request_greeting() override { transport_->request_greeting(); }
    void session_open(const loop::IoEvents& missed) override { transport_->session_open(missed); }
    void session_over(std::error_code error) override { transport_->lose(error, Delivery::soon); }
    void request_read() noexcept override { transport_->request_read(); }
    [[nodiscard]] std::uint64_t bytes_gone() const noexcept override {
      return transport_->write_.statistics().bytes_written;
    }

   private:
    FdTransport* transport_;

   public:
    std::unique_ptr<Channel> channel;          // in the place of the descriptor's own
    std::unique_ptr<core::Source> redirected;  // what is read from instead of the channel
    std::unique_ptr<Session> session;          // null without TLS; ends before its channel
  };

  [[nodiscard]] static std::unique_ptr<Extras> extras_of(FdTransport& transport, Birth& birth);
  /// Made if there are none. Throws std::bad_alloc.
  Extras& extras();
  [[nodiscard]] const Channel& channel() const noexcept {
    return extras_ && extras_->channel ? *extras_->channel
                                       : static_cast<const Channel&>(descriptor_);
  }
  [[nodiscard]] Channel& channel() noexcept {
    return const_cast<Channel&>(std::as_const(*this).channel());
  }
  [[nodiscard]] Session* session() noexcept { return extras_ ? extras_->session.get() : nullptr; }
  [[nodiscard]] bool reads() const noexcept {
    return kind_ == TransportKind::stream || kind_ == TransportKind::read_pipe;
  }
  [[nodiscard]] std::shared_ptr<FdTransport> self();
  void begin(const std::function<void()>& begun);
  void introduce();
  void watch();
  void finish(Delivery delivery);
  void note_fatal(const char* message, std::error_code error);
  void callback_failed(const char* message, const std::exception_ptr& exception);
  template <class Callout>
  bool call_or_lose(const char* message, Callout callout);
  void reader_gone();
  void channel_finished(std::error_code error);
  void request_greeting();
  void session_open(const loop::IoEvents& missed);

  // TransportLife
  BaseTransport& transport() noexcept override { return *this; }
  [[nodiscard]] const core::Lifecycle& life() const noexcept override { return write_.life(); }
  [[nodiscard]] bool move_to(core::LifeState next) noexcept override {
    return write_.move_to(next);
  }
  void stop(std::error_code error) override;
  void call_connection_lost(std::error_code error) override;
  void release_descriptor() noexcept override;
  std::shared_ptr<BaseProtocol> leave() noexcept override;
  void stop_untold() noexcept override;
  std::shared_ptr<BaseProtocol> leave_untold() noexcept override;

  // loop::Watcher
  void on_io(loop::IoEvents events) override;
  void on_end_of_turn() override { write_.flush(core::FlushCause::end_of_turn); }

  // core::WriteSideHost
  void call_pause_writing() noexcept override;
  void call_resume_writing() noexcept override;
  void request_flush() noexcept override;
  void request_resume_check() override;
  void write_failed(std::error_code error) override;
  void drained(core::FlushCause cause) override;
  void warn_dropped(std::uint64_t count) override;

  // Host of core::ReadSide
  [[nodiscard]] std::uint64_t polls() const noexcept { return loop_->ground().polls; }
  std::span<std::byte> read_memory();
  core::SourceResult read(std::span<std::byte> memory) noexcept {
    return extras_ ? read_with_extras(memory) : descriptor_.read(memory);
  }
  core::SourceResult read_with_extras(std::span<std::byte> memory) noexcept;
  [[nodiscard]] bool short_read_empties() const noexcept {
    return extras_ ? short_read_empties_with_extras() : descriptor_.short_read_empties();
  }
  [[nodiscard]] bool short_read_empties_with_extras() const noexcept;
  void deliver(std::span<std::byte> memory, std::size_t count);
  void deliver_end();
  void read_failed(std::error_code error);
  void request_read() noexcept;

  // Every connection has one of these: the order leaves the least room between them, and each that
  // is marked has room for the next one behind its end.
  int fd_;
  TransportGroup* group_;
  std::unique_ptr<Extras> extras_;  // null as long as there are none
  [[no_unique_address]] DescriptorChannel descriptor_;
  TransportKind kind_;
  bool borrowed_ = false;
  [[no_unique_address]] core::WriteSide write_;
  bool hangup_is_loss_;
  [[no_unique_address]] SocketNames names_;
  [[no_unique_address]] ProtocolSlot protocol_;
  [[no_unique_address]] core::ReadSide read_;
};

}  // namespace sluice::transports

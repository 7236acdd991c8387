#include "transports/fd_transport.hpp"

#include <cerrno>
#include <stdexcept>
#include <string>
#include <utility>

#include "sluice/error.hpp"
#include "sys/error_table.hpp"

namespace sluice::transports {
namespace {

ServedProtocols served_by(TransportKind kind) noexcept {
  switch (kind) {
    case TransportKind::stream:
      return ServedProtocols::duplex;
    case TransportKind::write_pipe:
    case TransportKind::file:
      return ServedProtocols::write;
    case TransportKind::read_pipe:
      return ServedProtocols::read;
  }
  return ServedProtocols::duplex;
}

const char* write_failure_of(TransportKind kind) noexcept {
  switch (kind) {
    case TransportKind::stream:
      return "Fatal write error on socket transport";
    case TransportKind::file:
      return "Fatal write error on file transport";
    default:
      return "Fatal write error on pipe transport";
  }
}

// asyncio passes an OSError that a callback throws on as the reason, silently (W-156).
std::error_code reason_of(const std::exception_ptr& exception) noexcept {
  try {
    std::rethrow_exception(exception);
  } catch (const std::system_error& error) {
    return error.code();
  } catch (...) {
    return Errc::callback_failed;
  }
}

}  // namespace

// Every connection has one.
static_assert(sizeof(FdTransport) <= 408);

std::shared_ptr<FdTransport> FdTransport::create(loop::LoopCore& loop, Birth birth,
                                                 std::shared_ptr<BaseProtocol> protocol,
                                                 std::function<void()> begun,
                                                 std::function<void(std::exception_ptr)> failed) {
  auto transport = std::make_shared<FdTransport>(loop, std::move(birth));
  transport->protocol_.set(std::move(protocol));
  loop.reactor().claim(transport->fd_);
  if (transport->reads()) {
    // Where there is somebody to hear that there is no memory for it.
    static_cast<void>(loop.read_memory());
  }
  if (transport->session() == nullptr) {
    loop.soon([transport, begun = std::move(begun)] { transport->begin(begun); });
  }
  // Only now is it the loop's: what threw before has closed the descriptor.
  transport->live(transport);
  if (transport->group_) {
    transport->group_->attached(*transport);
  }
  if (Session* const session = transport->session()) {
    session->begin(
        *transport->extras_, 0,
        // NOLINTNEXTLINE(bugprone-use-after-move): it was moved above only without a session.
        [begun = std::move(begun), failed = std::move(failed)](const std::exception_ptr& failure) {
          if (!failure) {
            begun();
          } else if (failed) {
            failed(failure);
          }
        });
  }
  return transport;
}

FdTransport::FdTransport(loop::LoopCore& loop, Birth birth)
    : TransportLife(loop),
      fd_(birth.fd.get()),
      group_(birth.group),
      extras_(extras_of(*this, birth)),
      descriptor_(loop.sys(), fd_, birth.calls, birth.edge_tells_all),
      kind_(birth.kind),
      write_({loop.ground(), channel(), *this,
              birth.kind == TransportKind::stream ? core::DropRule::count_every_loss
                                                  : core::DropRule::count_failures}),
      hangup_is_loss_(birth.hangup_is_loss),
      names_(birth.sockname, birth.peername),
      protocol_(served_by(birth.kind)) {
  // Nothing throws any more: the descriptor is the transport's, and what it has borrowed.
  static_cast<void>(birth.fd.release());
  borrowed_ = birth.loan.keep();
  if (extras_) {
    channel().attach(*extras_);
  }
  core::check(loop::fetched_whole(*this, this, sizeof(*this)),
              "all of a transport is in the cache when its turn to be flushed comes");
}

std::unique_ptr<FdTransport::Extras> FdTransport::extras_of(FdTransport& transport, Birth& birth) {
  if (!birth.channel) {
    return nullptr;
  }
  auto extras = std::make_unique<Extras>(transport);
  extras->channel = std::move(birth.channel);
  extras->session = std::move(birth.session);
  return extras;
}

FdTransport::Extras& FdTransport::extras() {
  if (!extras_) {
    extras_ = std::make_unique<Extras>(*this);
  }
  return *extras_;
}

std::shared_ptr<FdTransport> FdTransport::self() {
  return {share_of_loop(), this};
}

FdTransport::~FdTransport() {
  // Only a transport that never began still has its descriptor.
  if (fd_ >= 0) {
    release_descriptor();
  }
}

// The callback that create() scheduled: nothing of the protocol is called before it.
void FdTransport::begin(const std::function<void()>& begun) {
  if (life().closed()) {
    return;
  }
  introduce();
  // connection_made may have closed or aborted: a lost transport is not watched any more.
  if (life().alive()) {
    watch();
  }
  begun();
}

void FdTransport::introduce() {
  loop_->guarded("Exception in callback protocol.connection_made()", this, protocol_.get().get(),
                 [&] { protocol_.connection_made(self()); });
}

void FdTransport::watch() {
  if (kind_ == TransportKind::file) {
    return;
  }
  const std::error_code error = loop_->reactor().add(fd_, *this);
  if (error == std::errc::operation_not_permitted) {
    // A device that is always ready, such as /dev/null: reading starts by itself.
    loop_->request_service(*this, {.readable = true, .writable = true});
  } else if (error) {
    lose(error, Delivery::soon);
  }
}

std::optional<SocketAddress> FdTransport::peername() const {
  return names_.peername();
}

std::optional<SocketAddress> FdTransport::sockname() const {
  return names_.sockname();
}

void FdTransport::set_protocol(std::shared_ptr<BaseProtocol> protocol) {
  check_thread();
  if (life().closed()) {
    return;
  }
  loop_->bury(protocol_.set(std::move(protocol)));
}

void FdTransport::pause_reading() {
  check_thread();
  read_.pause(life());
}

void FdTransport::resume_reading() {
  check_thread();
  read_.resume(*this);
}

void FdTransport::write(Bytes data) {
  check_thread();
  write_.write(data);
}

void FdTransport::write(Buffer data) {
  check_thread();
  write_.write(std::move(data));
}

void FdTransport::writelines(std::span<const Buffer> pieces) {
  check_thread();
  write_.writelines(pieces);
}

void FdTransport::writelines(std::span<const Bytes> pieces) {
  check_thread();
  write_.writelines(pieces);
}

ServedProtocols FdTransport::serves() const noexcept {
  return served_by(kind_);
}

void FdTransport::write_range(std::shared_ptr<DescriptorRange> range, const char* call) {
  check_thread();
  write_.write_external(std::move(range), call);
}

bool FdTransport::remove_range(const DescriptorRange& range) {
  check_thread();
  return write_.remove_external(range);
}

void FdTransport::redirect_reading(std::unique_ptr<core::Source> source) {
  if (source || extras_) {
    extras().redirected = std::move(source);
  }
}

void FdTransport::set_write_buffer_limits(std::optional<std::size_t> high,
                                          std::optional<std::size_t> low) {
  check_thread();
  write_.set_limits(high, low);
}

void FdTransport::close() {
  check_thread();
  if (session() != nullptr && session()->opening()) {
    lose({}, Delivery::soon);  // there is nobody to part from (W-122)
    return;
  }
  if (!move_to(core::LifeState::draining)) {
    return;
  }
  if (Session* const secured = session()) {
    secured->closing();
  }
  if (write_.empty()) {
    finish(Delivery::soon);
  }
}

// Everything has been sent: the connection is at its end, but for a farewell that is owed, or for
// what a file has yet to do off the loop's thread.
void FdTransport::finish(Delivery delivery) {
  // Whoever closes from inside resume_writing is told of the last byte twice.
  if (!move_to(core::LifeState::parting)) {
    return;
  }
  if (session() != nullptr && session()->part()) {
    return;
  }
  if (const std::optional<std::error_code> ended = channel().finish()) {
    lose(*ended, delivery);
  }
}

void FdTransport::channel_finished(std::error_code error) {
  if (error) {
    note_fatal("Fatal error at the end of a file transport", error);
  }
  lose(error, Delivery::now);
}

void FdTransport::abort() {
  check_thread();
  lose({}, Delivery::soon);
}

void FdTransport::write_eof() {
  check_thread();
  if (kind_ == TransportKind::stream) {
    if (life().open() && !can_write_eof()) {
      throw std::logic_error("write_eof() needs TLS 1.3, and its handshake done");
    }
    write_.write_eof();
  } else {
    close();
  }
}

void FdTransport::stop(std::error_code error) {
  write_.discard(error);
  loop_->reactor().remove(fd_);
  if (Session* const secured = session()) {
    secured->end(error);
  }
}

void FdTransport::call_connection_lost(std::error_code error) {
  if (session() == nullptr || !session()->unknown_to_protocol()) {
    protocol_->connection_lost(error);
  }
}

void FdTransport::release_descriptor() noexcept {
  if (borrowed_) {
    loop_->shared_descriptions().give_back(fd_);
  }
  loop_->reactor().disclaim(fd_);
  const int fd = std::exchange(fd_, -1);
  if (!channel().takes_descriptor()) {
    static_cast<void>(loop_->sys().close(fd));
  }
}

std::shared_ptr<BaseProtocol> FdTransport::leave() noexcept {
  if (group_) {
    std::exchange(group_, nullptr)->detached(*this);
  }
  return protocol_.take();
}

void FdTransport::stop_untold() noexcept {
  write_.drop();
  loop_->reactor().remove(fd_);
}

std::shared_ptr<BaseProtocol> FdTransport::leave_untold() noexcept {
  if (Session* const secured = session()) {
    secured->drop();
  }
  group_ = nullptr;
  return protocol_.take();
}

void FdTransport::on_io(loop::IoEvents events) {
  if (!life().alive()) {
    return;
  }
  if (Session* const secured = session()) {
    events = secured->on_io(events);
    if (!life().alive()) {
      return;
    }
  }
  if (!reads() && events.broken && hangup_is_loss_) {
    reader_gone();
    return;
  }
  if (reads() && (events.readable || events.hangup)) {
    read_.on_ready(
        *this, events.hangup ? core::ReadSide::Readiness::hangup : core::ReadSide::Readiness::data);
    loop_->flush_early(*this);
  }
  if (events.writable || events.broken) {
    write_.flush(core::FlushCause::readiness);
  }
}

core::SourceResult FdTransport::read_with_extras(std::span<std::byte> memory) noexcept {
  return extras_->redirected ? extras_->redirected->read(memory) : channel().read(memory);
}

bool FdTransport::short_read_empties_with_extras() const noexcept {
  return extras_->redirected ? extras_->redirected->short_read_empties()
                             : channel().short_read_empties();
}

// The reader of a pipe went away; with bytes for it still here, that is an error (W-103, Q-17).
void FdTransport::reader_gone() {
  lose(write_.empty() ? std::error_code() : sys::to_error_code(EPIPE), Delivery::soon);
}

void FdTransport::call_pause_writing() noexcept {
  loop_->guarded("protocol.pause_writing() failed", this, protocol_.get().get(),
                 [&] { protocol_->pause_writing(); });
}

void FdTransport::call_resume_writing() noexcept {
  loop_->guarded("protocol.resume_writing() failed", this, protocol_.get().get(),
                 [&] { protocol_->resume_writing(); });
}

void FdTransport::request_flush() noexcept {
  loop_->request_flush(*this);
}

void FdTransport::request_resume_check() {
  loop_->soon([self = self()] { self->write_.check_resume(); });
}

void FdTransport::drained(core::FlushCause cause) {
  finish(cause == core::FlushCause::readiness ? Delivery::now : Delivery::soon);
}

void FdTransport::warn_dropped(std::uint64_t count) {
  log().write(LogLevel::warning, "write() on a transport that is closed or lost: " +
                                     std::to_string(count) + " writes dropped so far");
}

template <class Callout>
bool FdTransport::call_or_lose(const char* message, Callout callout) {
  try {
    callout();
    return true;
  } catch (...) {
    callback_failed(message, std::current_exception());
    return false;
  }
}

void FdTransport::callback_failed(const char* message, const std::exception_ptr& exception) {
  const std::error_code reason = reason_of(exception);
  if (reason == Errc::callback_failed) {
    loop_->call_exception_handler({message, exception, this, protocol_.get().get()});
  } else {
    note_fatal(message, reason);
  }
  lose(reason, Delivery::soon);
}

// An error of the system is news for connection_lost; people hear of it in debug mode only (W-57).
void FdTransport::note_fatal(const char* message, std::error_code error) {
  if (log().debug()) {
    log().write(LogLevel::debug, std::string(message) + ": " + error.message());
  }
}

void FdTransport::write_failed(std::error_code error) {
  note_fatal(write_failure_of(kind_), error);
  lose(error, Delivery::soon);
}

std::span<std::byte> FdTransport::read_memory() {
  if (!protocol_.buffered()) {
    return loop_->read_memory();
  }
  std::span<std::byte> memory;
  call_or_lose("Fatal error: protocol.get_buffer() call failed.",
               [&] { memory = protocol_.get_buffer(); });
  return memory;
}

void FdTransport::deliver(std::span<std::byte> memory, std::size_t count) {
  call_or_lose(protocol_.buffered() ? "Fatal error: protocol.buffer_updated() call failed."
                                    : "Fatal error: protocol.data_received() call failed.",
               [&] { protocol_.received(memory, count); });
}

void FdTransport::deliver_end() {
  if (kind_ == TransportKind::read_pipe) {
    // In two callbacks, as asyncio does (W-160).
    loop_->soon([self = self()] {
      if (!self->life().closed()) {
        self->loop_->guarded("Exception in callback protocol.eof_received()", self.get(),
                             self->protocol_.get().get(),
                             [&] { static_cast<void>(self->protocol_.eof_received()); });
      }
    });
    lose({}, Delivery::soon);
    return;
  }
  bool keep_open = false;
  if (call_or_lose("Fatal error: protocol.eof_received() call failed.",
                   [&] { keep_open = protocol_.eof_received(); })) {
    if (keep_open && session() != nullptr && !session()->half_closes() && life().open()) {
      log().write(LogLevel::warning,
                  "returning true from eof_received() has no effect when using TLS 1.2");
      keep_open = false;
    }
    if (!keep_open) {
      close();
    }
  }
}

void FdTransport::read_failed(std::error_code error) {
  // Of a pipe only the vanished other end of a tty is an everyday event (W-58).
  if (kind_ == TransportKind::read_pipe && error != std::errc::io_error) {
    loop_->call_exception_handler(
        {"Fatal read error on pipe transport",
         std::make_exception_ptr(std::system_error(error, "read from a pipe")), this,
         protocol_.get().get()});
  } else {
    note_fatal(kind_ == TransportKind::stream ? "Fatal read error on socket transport"
                                              : "Fatal read error on pipe transport",
               error);
  }
  lose(error, Delivery::soon);
}

void FdTransport::request_read() noexcept {
  loop_->request_service(*this, {.readable = true});
}

void FdTransport::secure(std::unique_ptr<Channel> channel, std::unique_ptr<Session> session,
                         std::shared_ptr<BaseProtocol> protocol, Session::Report report) {
  Extras& extras = this->extras();
  loop_->bury(protocol_.set(std::move(protocol)));
  write_.set_sink(*channel);
  extras.channel = std::move(channel);
  extras.session = std::move(session);
  extras.session->begin(extras, write_.size(), std::move(report));
}

void FdTransport::request_greeting() {
  loop_->soon([self = self()] {
    if (!self->life().alive()) {
      return;
    }
    // A connection that was plain before is watched already.
    if (self->session()->purpose() == Session::Purpose::connect) {
      self->watch();
    }
    self->session()->greet();
  });
}

void FdTransport::session_open(const loop::IoEvents& missed) {
  if (session()->purpose() == Session::Purpose::connect) {
    introduce();
  }
  if (life().alive()) {
    write_.sink_ready();
    loop_->request_service(*this, {.readable = true, .hangup = missed.hangup});
  }
}

}  // namespace sluice::transports

#include "transports/datagram_endpoint.hpp"

#include <chrono>
#include <limits>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

namespace sluice::transports {
namespace {

// How soon an attempt is repeated of whose success no event will tell.
constexpr std::chrono::milliseconds blind_retry_delay{10};
// A queued datagram's length has 32 bits.
constexpr std::size_t max_datagram = std::numeric_limits<std::uint32_t>::max();

std::shared_ptr<DatagramProtocol> checked(const std::shared_ptr<BaseProtocol>& protocol) {
  if (!protocol) {
    throw std::invalid_argument("a transport needs a protocol, not null");
  }
  auto typed = std::dynamic_pointer_cast<DatagramProtocol>(protocol);
  if (!typed) {
    throw std::invalid_argument(
        "a protocol of this kind cannot be served by this kind of transport");
  }
  return typed;
}

bool is_unix(const std::optional<SocketAddress>& address) noexcept {
  const AddressFamily family = address ? address->family() : AddressFamily::unspecified;
  return family == AddressFamily::unix_path || family == AddressFamily::unix_abstract ||
         family == AddressFamily::unix_unnamed;
}

}  // namespace

std::shared_ptr<DatagramEndpoint> DatagramEndpoint::create(loop::LoopCore& loop,
                                                           DatagramBirth birth,
                                                           std::shared_ptr<BaseProtocol> protocol,
                                                           std::function<void()> begun) {
  auto endpoint = std::make_shared<DatagramEndpoint>(loop, std::move(birth));
  endpoint->protocol_ = checked(protocol);
  loop.reactor().claim(endpoint->fd_);
  // Where there is somebody to hear that there is no memory for it.
  static_cast<void>(loop.datagram_memory());
  loop.soon([endpoint, begun = std::move(begun)] { endpoint->begin(begun); });
  // Only now is it the loop's: what threw before has closed the descriptor.
  endpoint->live(endpoint);
  return endpoint;
}

DatagramEndpoint::DatagramEndpoint(loop::LoopCore& loop, DatagramBirth birth)
    : TransportLife(loop),
      sockname_(std::move(birth.sockname)),
      remote_(std::move(birth.remote)),
      path_(std::move(birth.path)),
      fd_(birth.fd.release()),
      borrowed_(birth.loan.keep()),
      connected_(birth.connected),
      sink_(loop.sys(), fd_, birth.trains),
      source_(loop.sys(), fd_, birth.slot_bytes),
      write_({loop.ground(), sink_, *this, core::DropRule::count_every_loss}) {
  told_.reserve(DatagramSink::max_refused);
}

DatagramEndpoint::~DatagramEndpoint() {
  // Only a transport that never began still has its descriptor.
  if (fd_ >= 0) {
    release_descriptor();
  }
}

// The callback that create() scheduled: nothing of the protocol is called before it.
void DatagramEndpoint::begin(const std::function<void()>& begun) {
  if (life().closed()) {
    return;
  }
  loop_->guarded("Exception in callback protocol.connection_made()", this, protocol_.get(),
                 [&] { protocol_->connection_made(shared_from_this()); });
  // connection_made may have closed or aborted: a lost transport is not watched any more.
  if (life().alive()) {
    if (const std::error_code error = loop_->reactor().add(fd_, *this)) {
      lose(error, Delivery::soon);
    }
  }
  begun();
}

void DatagramEndpoint::set_protocol(std::shared_ptr<BaseProtocol> protocol) {
  check_thread();
  if (life().closed()) {
    return;
  }
  loop_->bury(std::exchange(protocol_, checked(protocol)));
}

void DatagramEndpoint::sendto(Bytes data, const std::optional<SocketAddress>& addr) {
  send(data, addr);
}

void DatagramEndpoint::sendto(Buffer data, const std::optional<SocketAddress>& addr) {
  send(std::move(data), addr);
}

template <class Data>
void DatagramEndpoint::send(Data data, const std::optional<SocketAddress>& addr) {
  check_thread();
  // A dropped datagram has no use for an address; its header is counted with it.
  FrameHeader header{0, AddressTable::none};
  if (life().open()) {
    const SocketAddress* to = destination(addr);
    if (data.size() > max_datagram) {
      sink_.refuse(std::make_error_code(std::errc::message_size), data.size(), to);
      after_sending();
      return;
    }
    try {
      header = sink_.header_for(data.size(), to);
    } catch (const std::bad_alloc&) {
      write_failed(std::make_error_code(std::errc::not_enough_memory));
      return;
    }
  }
  write_.write_frame(header.encode(), std::move(data));
  after_sending();
}

// Null: where the kernel knows by itself.
const SocketAddress* DatagramEndpoint::destination(const std::optional<SocketAddress>& addr) const {
  if (!remote_) {
    if (!addr) {
      throw std::invalid_argument("sendto() needs an address: the socket has no remote address");
    }
    return &*addr;
  }
  if (addr && *addr != *remote_) {
    throw std::invalid_argument("Invalid address: must be none or " + remote_->to_string());
  }
  return connected_ ? nullptr : &*remote_;
}

// What every attempt to send may have left behind.
void DatagramEndpoint::after_sending() {
  retry_when_blind();
  if (sink_.any_refused() && telling_ == Telling::none) {
    tell_refused();
  }
}

// The kernel tells only a connected Unix socket that its peer has room again; any other must ask.
void DatagramEndpoint::retry_when_blind() {
  if (retry_ || connected_ || !life().alive() || !is_unix(sockname_) ||
      write_.flow_state() != core::WriteSide::FlowState::blocked) {
    return;
  }
  retry_ = loop_->later(blind_retry_delay, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) {
      self->retry_.reset();
      self->write_.flush(core::FlushCause::readiness);
      self->after_sending();
    }
  });
}

void DatagramEndpoint::tell_refused() {
  telling_ = Telling::now;
  sink_.take_refused(told_);
  for (const RefusedDatagram& refused : told_) {
    note_refused(refused);
    tell_error(refused.error);
  }
  telling_ = Telling::none;
  if (sink_.any_refused() && life().alive()) {
    telling_ = Telling::later;
    loop_->soon([self = shared_from_this()] {
      if (self->life().alive()) {
        self->tell_refused();
      }
    });
  } else if (life().state() == core::LifeState::parting) {
    lose({}, Delivery::soon);
  }
}

void DatagramEndpoint::tell_error(std::error_code error) {
  if (life().alive()) {
    loop_->guarded("Exception in callback protocol.error_received()", this, protocol_.get(),
                   [&] { protocol_->error_received(error); });
  }
}

// The error alone does not say which datagram it was.
void DatagramEndpoint::note_refused(const RefusedDatagram& refused) {
  if (log().debug()) {
    const std::optional<SocketAddress>& to = refused.to ? refused.to : remote_;
    log().write(LogLevel::debug, "sendto of " + std::to_string(refused.size) + " bytes to " +
                                     (to ? to->to_string() : std::string("the peer")) +
                                     " failed: " + refused.error.message());
  }
}

void DatagramEndpoint::set_write_buffer_limits(std::optional<std::size_t> high,
                                               std::optional<std::size_t> low) {
  check_thread();
  write_.set_limits(high, low);
}

void DatagramEndpoint::pause_reading() {
  check_thread();
  read_.pause(life());
}

void DatagramEndpoint::resume_reading() {
  check_thread();
  read_.resume(*this);
  if (read_.is_reading(life()) && source_.has_next()) {
    request_read();
  }
}

void DatagramEndpoint::close() {
  check_thread();
  if (!move_to(core::LifeState::draining)) {
    return;
  }
  source_.drop_rest();
  if (write_.empty()) {
    finish(Delivery::soon);
  }
}

// Everything has gone; what was refused must be told before connection_lost.
void DatagramEndpoint::finish(Delivery delivery) {
  // Whoever is telling goes on to the end by itself.
  if (!move_to(core::LifeState::parting) || telling_ != Telling::none) {
    return;
  }
  if (sink_.any_refused()) {
    tell_refused();
  } else {
    lose({}, delivery);
  }
}

void DatagramEndpoint::abort() {
  check_thread();
  lose({}, Delivery::soon);
}

void DatagramEndpoint::stop(std::error_code /*error*/) noexcept {
  write_.discard();
  discarded_ += sink_.queued();
  sink_.forget_queued();
  source_.drop_rest();
  if (retry_) {
    retry_->cancel();
    retry_.reset();
  }
  loop_->reactor().remove(fd_);
}

void DatagramEndpoint::release_descriptor() noexcept {
  path_.remove(loop_->sys());
  if (borrowed_) {
    loop_->shared_descriptions().give_back(fd_);
  }
  loop_->reactor().disclaim(fd_);
  static_cast<void>(loop_->sys().close(std::exchange(fd_, -1)));
}

void DatagramEndpoint::on_io(loop::IoEvents events) {
  if (!life().alive()) {
    return;
  }
  // A datagram socket has no end of file: a hang-up or an error is something to read like any
  // other.
  if (events.readable || events.hangup || events.broken) {
    read_.on_ready(*this, core::ReadSide::Readiness::data);
  }
  if (events.writable || events.broken) {
    write_.flush(core::FlushCause::readiness);
  }
  after_sending();
}

void DatagramEndpoint::on_end_of_turn() {
  write_.flush(core::FlushCause::end_of_turn);
  after_sending();
}

void DatagramEndpoint::deliver(std::span<std::byte> /*memory*/, std::size_t /*count*/) {
  if (const std::error_code error = source_.take_error()) {
    tell_error(error);
  }
  hand_out();
}

void DatagramEndpoint::hand_out() {
  while (source_.has_next() && read_.is_reading(life())) {
    const DatagramSource::Datagram datagram = source_.next();
    if (datagram.truncated) {
      // Half a datagram is none.
      ++truncated_;
      tell_error(std::make_error_code(std::errc::message_size));
      continue;
    }
    ++received_;
    loop_->guarded("Exception in callback protocol.datagram_received()", this, protocol_.get(),
                   [&] { protocol_->datagram_received(datagram.bytes, *datagram.from); });
  }
  if (!source_.has_next()) {
    return;
  }
  try {
    source_.keep_rest();
  } catch (const std::bad_alloc&) {
    lose(std::make_error_code(std::errc::not_enough_memory), Delivery::soon);
  }
}

DatagramStatistics DatagramEndpoint::statistics() const {
  const WriteStatistics& written = write_.statistics();
  const SentDatagrams& sent = sink_.totals();
  return {.datagrams_sent = sent.sent,
          .datagrams_lost = sent.lost,
          .datagrams_discarded = discarded_,
          .datagrams_dropped = written.writes_dropped,
          .datagrams_received = received_,
          .datagrams_unread = source_.totals().unread,
          .datagrams_truncated = truncated_,
          .send_calls = sent.calls,
          .receive_calls = source_.totals().calls,
          .segment_trains = sent.trains,
          .pauses = written.pauses,
          .peak_buffer_size = written.peak_buffer_size};
}

void DatagramEndpoint::call_pause_writing() noexcept {
  loop_->guarded("protocol.pause_writing() failed", this, protocol_.get(),
                 [&] { protocol_->pause_writing(); });
}

void DatagramEndpoint::call_resume_writing() noexcept {
  loop_->guarded("protocol.resume_writing() failed", this, protocol_.get(),
                 [&] { protocol_->resume_writing(); });
}

void DatagramEndpoint::request_resume_check() {
  loop_->soon([self = shared_from_this()] { self->write_.check_resume(); });
}

void DatagramEndpoint::write_failed(std::error_code error) {
  if (log().debug()) {
    log().write(LogLevel::debug, "Fatal write error on datagram transport: " + error.message());
  }
  lose(error, Delivery::soon);
}

void DatagramEndpoint::drained(core::FlushCause cause) {
  after_sending();
  finish(cause == core::FlushCause::readiness ? Delivery::now : Delivery::soon);
}

void DatagramEndpoint::warn_dropped(std::uint64_t count) {
  log().write(LogLevel::warning, "sendto() on a transport that is closed or lost: " +
                                     std::to_string(count) + " datagrams dropped so far");
}

}  // namespace sluice::transports

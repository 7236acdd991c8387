#include "transports/protocol_slot.hpp"

#include <stdexcept>
#include <utility>

#include "sluice/transport.hpp"

namespace sluice::transports {

ProtocolSlot::Kind ProtocolSlot::kind_of(BaseProtocol& protocol,
                                         std::int32_t& typed_at) const noexcept {
  const auto is = [&]<class P>(P* cast) noexcept {
    if (cast != nullptr) {
      typed_at = static_cast<std::int32_t>(reinterpret_cast<std::byte*>(cast) -
                                           reinterpret_cast<std::byte*>(&protocol));
    }
    return cast != nullptr;
  };
  switch (served_) {
    case ServedProtocols::duplex:
      if (is(dynamic_cast<Protocol*>(&protocol))) {
        return Kind::stream;
      }
      return is(dynamic_cast<BufferedProtocol*>(&protocol)) ? Kind::buffered : Kind::none;
    case ServedProtocols::write:
      if (is(dynamic_cast<WriteProtocol*>(&protocol))) {
        return Kind::write;
      }
      // A plain one needs no connection_made; one that wants to read waits for what never comes
      // (W-100).
      return dynamic_cast<ReadProtocol*>(&protocol) != nullptr ||
                     dynamic_cast<Protocol*>(&protocol) != nullptr ||
                     dynamic_cast<BufferedProtocol*>(&protocol) != nullptr
                 ? Kind::none
                 : Kind::base;
    case ServedProtocols::read:
      return is(dynamic_cast<ReadProtocol*>(&protocol)) ? Kind::read : Kind::none;
  }
  return Kind::none;
}

std::shared_ptr<BaseProtocol> ProtocolSlot::set(std::shared_ptr<BaseProtocol> protocol) {
  if (!protocol) {
    throw std::invalid_argument("a transport needs a protocol, not null");
  }
  std::int32_t typed_at = 0;
  const Kind kind = kind_of(*protocol, typed_at);
  if (kind == Kind::none) {
    throw std::invalid_argument(
        "a protocol of this kind cannot be served by this kind of transport");
  }
  kind_ = kind;
  typed_at_ = typed_at;
  return std::exchange(protocol_, std::move(protocol));
}

std::shared_ptr<BaseProtocol> ProtocolSlot::take() noexcept {
  kind_ = Kind::none;
  typed_at_ = 0;
  return std::exchange(protocol_, nullptr);
}

void ProtocolSlot::connection_made(const std::shared_ptr<Transport>& transport) const {
  switch (kind_) {
    case Kind::stream:
      as<Protocol>().connection_made(transport);
      break;
    case Kind::buffered:
      as<BufferedProtocol>().connection_made(transport);
      break;
    case Kind::write:
      as<WriteProtocol>().connection_made(transport);
      break;
    case Kind::read:
      as<ReadProtocol>().connection_made(transport);
      break;
    case Kind::base:
    case Kind::none:
      break;
  }
}

std::span<std::byte> ProtocolSlot::get_buffer() const {
  const std::span<std::byte> memory = as<BufferedProtocol>().get_buffer(0);
  if (memory.empty()) {
    throw std::runtime_error("get_buffer() returned an empty buffer");
  }
  return memory;
}

void ProtocolSlot::received(std::span<std::byte> memory, std::size_t count) const {
  switch (kind_) {
    case Kind::stream:
      as<Protocol>().data_received(memory.first(count));
      break;
    case Kind::buffered:
      as<BufferedProtocol>().buffer_updated(count);
      break;
    case Kind::read:
      as<ReadProtocol>().data_received(memory.first(count));
      break;
    case Kind::write:
    case Kind::base:
    case Kind::none:
      break;
  }
}

bool ProtocolSlot::eof_received() const {
  switch (kind_) {
    case Kind::stream:
      return as<Protocol>().eof_received();
    case Kind::buffered:
      return as<BufferedProtocol>().eof_received();
    case Kind::read:
      return as<ReadProtocol>().eof_received();
    case Kind::write:
    case Kind::base:
    case Kind::none:
      break;
  }
  return false;
}

}  // namespace sluice::transports
